"""Runs at a glance: of each run folder its state, and what its best checkpoint reaches. Without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.checkpoints.checkpoint import Checkpoint, PictureVerdict, Score
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import counted, few
from napari_phenotrans.runs.family import Family, family_of, is_family
from napari_phenotrans.runs.monitor import RunWatch
from napari_phenotrans.runs.paths import checkpoints_in
from napari_phenotrans.runs.recent import list_runs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Card

GAP, KID, FAULTS = "gap closed", "kid", "picture faults"


@dataclass(frozen=True)
class RunOverview:
    """A run folder at one moment.

    Parameters
    ----------
    folder
        The run's.
    state, sentence
        See `RunWatch`.
    engine, conditions, channels, settings
        As in ``run.json``; empty where that cannot be read.
    step, steps
        Updates made, and to be made.
    checkpoint
        The file in the folder that is judged: the best one, or the last where there is no best; empty where there is
        none.
    best_step
        After how many updates the best checkpoint was saved; None where there is none.
    scores
        What that checkpoint reaches on held-out fields: as its card says, or, where it says nothing, as the events do.
    pictures
        What the gate of pictures said of it, per direction; nothing where they were not judged.
    problems
        What in the folder cannot be read, in sentences.
    findings
        What looks wrong with the engine, in sentences.
    """

    folder: Path
    state: str
    sentence: str
    engine: str
    conditions: tuple[str, ...]
    channels: tuple[str, ...]
    settings: dict[str, Any]
    step: int
    steps: int
    checkpoint: str
    best_step: int | None
    scores: tuple[Score, ...]
    pictures: tuple[PictureVerdict, ...]
    problems: tuple[str, ...]
    findings: tuple[str, ...]

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions that were scored, such as ``untreated → treated``."""
        return tuple(dict.fromkeys(score.direction for score in self.scores if score.metric in (GAP, KID)))

    @property
    def gap(self) -> float | None:
        """How much of the gap is closed, averaged over the directions; None where that was not measured."""
        gaps = [gap for direction in self.directions if (gap := self.mean(GAP, direction)) is not None]
        return float(np.mean(gaps)) if gaps else None

    def mean(self, metric: str, direction: str) -> float | None:
        """Return a score of a direction, averaged over its channels; None where there is none, or no number."""
        values = [each.value for each in self.scores if (each.metric, each.direction) == (metric, direction)]
        mean = float(np.mean(values)) if values else math.nan
        return mean if math.isfinite(mean) else None

    @property
    def gate(self) -> str:
        """What the gate of pictures said, in a few words, direction by direction; empty where it was not asked."""
        if not self.pictures:
            return ""
        if all(verdict.passed for verdict in self.pictures):
            return "pass"
        return " / ".join(self._verdict_word(verdict) for verdict in self.pictures)

    def _verdict_word(self, verdict: PictureVerdict) -> str:
        faults = self.mean(FAULTS, verdict.direction)
        return "pass" if verdict.passed else counted(round(faults), "fault") if faults else "fail"


def find_runs(parents: Sequence[Path]) -> list[Path]:
    """Return the run folders among these folders, directly in them, and in the families there, the latest first.

    Raises
    ------
    InputError
        If one of them is no folder.
    """
    families = []
    for parent in parents:
        try:
            families += [folder for folder in [parent, *parent.iterdir()] if is_family(folder)]
        except OSError as error:
            raise InputError(
                f"{parent} cannot be read: {error.strerror or error}. Expected a folder that holds run folders of "
                f"'phenotrans train', or is one."
            ) from error
    return list_runs([*parents, *families])


def overview(folder: Path) -> RunOverview:
    """Look at a run folder; whatever is damaged in it is said in `RunOverview.problems`."""
    watch = RunWatch(folder)
    watch.poll()
    problems = list(watch.damage)
    if not watch.engine and not problems and watch.state != "starting":
        problems.append(watch.sentence)
    checkpoint, card, best_step = "", None, watch.best_step
    for path in checkpoints_in(folder):
        try:
            card = Checkpoint.read_card(path)
        except InputError as error:
            problems.append(str(error))
            continue
        checkpoint = path.name
        if isinstance(saved := card.training.get("steps"), int) and card.scores:
            best_step = saved
        break
    return RunOverview(
        folder, watch.state, watch.sentence, watch.engine, watch.conditions, watch.channels, dict(watch.settings),
        watch.step, watch.steps, checkpoint, best_step, _scores(card, watch), card.pictures if card else (),
        tuple(problems), tuple(finding.sentence for finding in watch.findings),
    )  # fmt: skip


def about_family(folder: Path) -> str:
    """Return the sentence of `family_lines` about the family that a run folder is a member of; empty for others."""
    family = family_of(folder)
    if family is None:
        return ""
    return " ".join(family_lines([overview(member) for member in family.begun.values()]))


def family_lines(runs: Sequence[RunOverview]) -> list[str]:
    """Return a sentence for each family among runs: how its trainings spread, and which of them have not begun."""
    lines = []
    for folder in dict.fromkeys(run.folder.parent for run in runs if is_family(run.folder.parent)):
        members = [run for run in runs if run.folder.parent == folder]
        try:
            family = Family.load(folder)
        except InputError as error:
            lines.append(str(error))
            continue
        facts = [f"{counted(len(members), 'training')} of {len(family.seeds)} begun"]
        waiting = [str(seed) for seed, path in family.members.items() if path not in family.begun.values()]
        if waiting:
            facts.append(f"not yet seed {few(waiting, 5)}")
        for direction in dict.fromkeys(direction for run in members for direction in run.directions):
            gaps = [gap for run in members if (gap := run.mean(GAP, direction)) is not None]
            if len(gaps) > 1:
                facts.append(f"gap closed {direction} {min(gaps):.2f} to {max(gaps):.2f}")
        lines.append(f"{folder.name}: {'; '.join(facts)}.")
    return lines


def _scores(card: Card | None, watch: RunWatch) -> tuple[Score, ...]:
    """Return a card's scores, or those of the events at the best step, or at the last one that was scored."""
    if card and card.scores:
        return card.scores
    known = {name: series for name, series in watch.scores.items() if len(series)}
    if not known:
        return ()
    step = watch.best_step or max(int(series.steps[-1]) for series in known.values())
    scores = []
    for name, series in known.items():
        parts = score_parts(name, watch.conditions)
        at = np.flatnonzero(series.steps == step)
        if parts and len(at):
            metric, direction, what = parts
            scores.append(Score(metric=metric, direction=direction, what=what, groups=0, value=series.values[at[-1]],
                                floor=watch.floors.get(name), copy_source=watch.copy_source.get(name)))  # fmt: skip
    return tuple(scores)


def score_parts(name: str, conditions: Sequence[str]) -> tuple[str, str, str] | None:
    """Return metric, direction and channel of a score as an event names it; None where it is of no direction.

    ``gap closed untreated → treated: DNA`` is *gap closed*, *untreated → treated* and *DNA*.
    """
    # a condition's name may end as another one's does
    longest_first = sorted(conditions, key=len, reverse=True)
    for direction in (f"{source} → {target}" for source in longest_first for target in longest_first):
        metric, found, rest = name.partition(f" {direction}")
        if found and (not rest or rest.startswith(": ")) and not metric.endswith((" low", " high")):
            return metric, direction, rest.removeprefix(": ")
    return None
