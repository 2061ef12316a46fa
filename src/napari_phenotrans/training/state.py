"""The state that a run resumes from: networks, optimizers and progress, in one file; and the one before it."""

from __future__ import annotations

import math
import os
import pickle
import shutil
import zipfile
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_phenotrans.core.errors import InputError, ran_out_of_memory
from napari_phenotrans.core.parsing import problem_of
from napari_phenotrans.io.atomic import replacing
from napari_phenotrans.runs.parse import Count, Time  # noqa: TC001 - pydantic reads the annotations of Progress
from napari_phenotrans.runs.paths import EARLIER_STATE, STATE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.engines.base import Engine

MEDIAN_OF = 5  # single held-out scores swing
MOST_COPIES = 0.5  # of what an engine makes
EARLY_STEPS = 50  # whose losses later ones are compared with
FAR, FLOOR, MOST_LOSS = 1e6, 1e-2, 1e8  # times the median of early losses, that median at least, any loss at most


@dataclass
class Progress:
    """How far a run has come.

    Attributes
    ----------
    step
        Updates made.
    seconds
        Spent on them, over all resumptions.
    rollbacks
        How often the run went back to an earlier state.
    history
        The held-out score of each scoring, lower is better.
    best
        The lowest median of five of them so far, and how many scorings it is ago.
    best_passed
        Whether the best so far passes the gate of pictures: one that does not is never better.
    held_out_losses
        The engine's own loss on held-out crops at each scoring.
    drawn, blank
        Crops drawn, and those of them that held nothing but background, per condition.
    images, held_out
        Digests of the training images and of those it is scored on; runs of earlier versions have none of these.
    early_losses
        The largest loss of each of the first steps.
    owed
        Whether the scoring that was due at ``step`` is still to be made, for somebody waited for the end.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    images: str
    held_out: str = ""
    step: Count = 0
    seconds: Time = 0.0
    rollbacks: Count = 0
    history: list[float] = field(default_factory=list)
    best: float | None = None
    since_best: Count = 0
    best_passed: bool = False
    held_out_losses: list[float] = field(default_factory=list)
    drawn: dict[str, Count] = field(default_factory=dict)
    blank: dict[str, Count] = field(default_factory=dict)
    early_losses: list[float] = field(default_factory=list)
    owed: bool = False

    def fault_of(self, losses: dict[str, float]) -> str:
        """Return what is wrong with the losses of a step, empty where nothing is."""
        if not all(math.isfinite(value) for value in losses.values()):
            return "a loss is not a number"
        largest = max((abs(value) for value in losses.values()), default=0.0)
        early = median(self.early_losses) if self.early_losses else largest
        if largest > min(MOST_LOSS, FAR * max(early, FLOOR)):
            return f"a loss has left any sensible range ({largest:.2g}, in the first steps {early:.2g})"
        if len(self.early_losses) < EARLY_STEPS:
            self.early_losses.append(largest)
        return ""

    def reach(self, step: int, seconds: float, drawn: dict[str, int], blank: dict[str, int]) -> None:
        """Set the step that was reached and the crops drawn until then, and add the seconds that it took."""
        self.step = step
        self.seconds += seconds
        self.drawn, self.blank = dict(drawn), dict(blank)

    def add_scores(self, score: float, losses: dict[str, float], *, passed: bool = False) -> bool:
        """Add a scoring: its score, lower is better, and losses on held-out crops; return whether it is the best.

        The first one whose pictures ``passed`` is, whatever its score, and after that only others that did.
        """
        if losses:
            self.held_out_losses.append(sum(losses.values()))
        self.history.append(score)
        middle = median(self.history[-MEDIAN_OF:])
        best = self.best is None or middle < self.best if passed == self.best_passed else passed
        self.best_passed |= passed
        self.best, self.since_best = (middle, 0) if best else (self.best, self.since_best + 1)
        return best

    def reason_to_end(self, patience: int, copies: float) -> str:
        """Return why training should end, as after ``patience`` scorings without a better one; empty if it should not.

        ``copies`` is the share of what the engine makes that it copied from training crops.
        """
        if not patience:
            return ""
        if self.since_best >= patience:
            return f"no better score in {patience} scorings"
        if copies >= MOST_COPIES:
            return "half of what the engine makes is copied from training crops"
        losses = self.held_out_losses
        if len(losses) > patience and min(losses[-patience:]) > min(losses[:-patience]):
            return f"the loss on held-out crops has not fallen in {patience} scorings: the engine learns by heart"
        return ""


class State(BaseModel):
    """``resume.pt``: the engine's networks and optimizers, of which the engine judges, and the run's progress."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    progress: Progress
    rate: float = Field(gt=0, le=1, allow_inf_nan=False)
    translators: dict[str, Any]
    training: dict[str, Any]
    own: dict[int, Any]


def save_state(folder: Path, engine: Engine, progress: Progress, own: dict[int, Any]) -> None:
    """Write networks, optimizers and progress, so that a run killed at any time goes on from the last such file.

    ``own`` is `Engine.own_state` of all processes together.

    Raises
    ------
    InputError
        If the file cannot be written; an earlier one stays.
    """
    state = {
        "format": 1,
        "progress": asdict(progress),
        "rate": engine.rate,
        "translators": engine.translators.state_dict(),
        "training": engine.training_state(),
        "own": own,
    }
    with replacing(folder / STATE, overwrite=True) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:
            # torch's word for what the disk refused, in terms of its own file
            raise OSError("writing broke off") from error
        _keep_earlier(folder)


def _keep_earlier(folder: Path) -> None:
    """Keep the state that is about to be replaced."""
    if not (folder / STATE).exists():
        return
    with replacing(folder / EARLIER_STATE, overwrite=True) as earlier:
        try:
            os.link(folder / STATE, earlier)
        except OSError:
            # not every disk knows two names of one file
            shutil.copyfile(folder / STATE, earlier)


def load_state(folder: Path, engine: Engine, places: range) -> tuple[Progress, str]:
    """Give an engine, after `Engine.start_training`, the state that `save_state` wrote.

    Where the last one is damaged it is the one before. ``places`` are those in the batch that this process computes.

    Returns
    -------
    The progress; and where the last state was damaged, a sentence about it.

    Raises
    ------
    InputError
        If the file is missing or damaged, or of other networks.
    """
    path = folder / STATE
    try:
        return _load(path, engine, places), ""
    except FileNotFoundError as error:
        raise InputError(
            f"{folder} cannot be resumed: it has no {STATE}. It ended before its first step, or the file was removed. "
            f"Start it anew with --from {folder / 'run.json'} and another --out."
        ) from error
    except _UNUSABLE as error:
        if ran_out_of_memory(error):
            raise
        try:
            progress = _load(folder / EARLIER_STATE, engine, places)
        except _UNUSABLE:
            raise InputError(
                f"{path} cannot be used to resume: {error}. Expected what 'phenotrans train' of this version wrote. "
                f"The checkpoints in the folder still translate; --start-from trains on from one of them."
            ) from error
        return progress, f"{path} is damaged: going on from the state before it, of step {progress.step}."


_UNUSABLE = (
    OSError,
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    NotImplementedError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


def _load(path: Path, engine: Engine, places: range) -> Progress:
    # the archive that torch writes has a checksum of each part, which torch itself does not look at
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"its part {damaged} is not what was written")
    try:
        state = State.model_validate(torch.load(path, map_location=engine.device, weights_only=True))
    except ValidationError as error:
        raise ValueError(problem_of(error)) from error
    own = {place: own for place, own in state.own.items() if place in places}
    _take_up("translators", engine.translators.load_state_dict, state.translators)
    _take_up("training", engine.load_training_state, state.training)
    _take_up("own", engine.load_own_state, own)
    engine.rate = state.rate
    return state.progress


def _take_up(field: str, load: Callable[[dict[Any, Any]], object], part: dict[Any, Any]) -> None:
    """Have an engine take up a part of the state; what it cannot use is said of the field."""
    try:
        load(part)
    except _UNUSABLE as error:
        if ran_out_of_memory(error):
            raise
        # torch lists every tensor that does not fit
        reason = " ".join(str(error).split())[:300].rstrip(".")
        raise ValueError(f"{field} is not of this run's networks ({type(error).__name__}: {reason})") from error
