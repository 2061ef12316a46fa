"""What widgets show of a run: a snapshot of its folder that no other thread changes, and texts about it. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.checkpoints.describe import card_warnings
from napari_phenotrans.checkpoints.told_apart import known_of_pictures
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import gigabytes
from napari_phenotrans.runs import differences
from napari_phenotrans.runs.family import members_of
from napari_phenotrans.runs.paths import LAST
from napari_phenotrans.training.overview import about_family
from napari_phenotrans.widgets.runs.run_curves import best_kid, loss_curves, score_curves

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_phenotrans.runs.diagnosis import Finding
    from napari_phenotrans.runs.monitor import CheckpointFile, PreviewFile, RunWatch
    from napari_phenotrans.widgets.common.curves import Curve, Level


LIVING = ("starting", "running", "silent")


@dataclass(frozen=True)
class RunSnapshot:
    """A `RunWatch` at one moment; ``losses``, ``scores`` and ``family`` are filled only where they were asked for.

    ``family`` says how the trainings of the run's family spread. ``members`` are the run folders of a family, where the
    folder is one, and holds no run itself.
    """

    folder: Path
    state: str
    description: str
    engine: str
    settings: dict[str, Any]
    conditions: tuple[str, ...]
    step: int
    steps: int
    rate_s: float | None
    left_s: float | None
    memory: int | None
    error: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    checkpoints: tuple[CheckpointFile, ...]
    previews: tuple[PreviewFile, ...]
    best: float | None
    losses: tuple[Curve, ...] = ()
    scores: dict[str, tuple[tuple[Curve, ...], tuple[Level, ...]]] = field(default_factory=dict)
    family: str = ""
    members: tuple[Path, ...] = ()

    @property
    def living(self) -> bool:
        """Whether a process may still be training in it."""
        return self.state in LIVING

    @property
    def curves(self) -> dict[str, Curve]:
        """All curves by name, scores first."""
        scores = [curve for curves, _ in self.scores.values() for curve in curves]
        return {curve.name: curve for curve in (*scores, *self.losses)}


def lost(watch: RunWatch, error: Exception) -> RunSnapshot:
    """Return what is shown of a run that cannot be watched."""
    first = next(iter(str(error).splitlines()), "")
    text = (
        f"{watch.folder} cannot be watched ({type(error).__name__}: {first}). It is looked at again from time to time."
    )
    return RunSnapshot(
        watch.folder, "gone", text, watch.engine, dict(watch.settings), tuple(watch.conditions),
        watch.step, watch.steps, rate_s=None, left_s=None, memory=None, error="", findings=(), notes=(), checkpoints=(),
        previews=(), best=None,
    )  # fmt: skip


def snapshot_of(watch: RunWatch, *, with_curves: bool) -> RunSnapshot:
    """Return the present state of a watch. To be called on the thread that polls it."""
    return RunSnapshot(
        watch.folder,
        watch.state,
        watch.sentence,
        watch.engine,
        dict(watch.settings),
        tuple(watch.conditions),
        watch.step,
        watch.steps,
        watch.rate_s,
        watch.left_s,
        watch.memory,
        watch.error,
        tuple(watch.findings),
        tuple(watch.notes),
        tuple(watch.checkpoints),
        tuple(watch.previews),
        best_kid(watch),
        loss_curves(watch) if with_curves else (),
        score_curves(watch) if with_curves else {},
        about_family(watch.folder) if with_curves else "",
        members_of(watch.folder),
    )


@dataclass(frozen=True)
class StateStyle:
    """How a state looks: a sign, a color that both of napari's themes bear, and a word."""

    sign: str
    color: str
    word: str


STATES = {
    "starting": StateStyle("◔", "#4e9af1", "starting"),
    "running": StateStyle("▶", "#3fa66b", "running"),
    "silent": StateStyle("?", "#d4a017", "silent"),
    "died": StateStyle("✝", "#e15759", "died"),
    "failed": StateStyle("✖", "#e15759", "failed"),
    "stopped": StateStyle("■", "#f28e2b", "stopped"),
    "waiting": StateStyle("…", "#9c755f", "waiting"),
    "finished": StateStyle("✔", "#4e9af1", "finished"),
    "gone": StateStyle("∅", "#9c755f", "gone"),
    "none": StateStyle("–", "#9c755f", "no run"),
}


def pace(run: RunSnapshot) -> str:
    """Return speed and memory, as far as they are known; the time left is part of the run's description."""
    parts = []
    if run.rate_s:
        fast = run.rate_s >= 1
        parts.append(f"{run.rate_s:.1f} steps per second" if fast else f"{1 / run.rate_s:.1f} seconds per step")
    if run.memory:
        parts.append(f"{gigabytes(run.memory)} of memory")
    return ", ".join(parts)


def in_offered_order(files: Sequence[CheckpointFile]) -> tuple[CheckpointFile, ...]:
    """Return checkpoints with the best first, then the last, then those of single steps from the latest on."""
    return tuple(sorted(files, key=lambda file: (not file.best, file.path.name != LAST, -file.step)))


def checkpoint_text(file: CheckpointFile) -> str:
    """Return what a checkpoint is: "best, step 400", "last, step 1000", "step 200"."""
    kind = "best, " if file.best else "last, " if file.path.name == LAST else ""
    return f"{kind}step {file.step}"


def words_about(file: CheckpointFile) -> list[str]:
    """Return what its card, and people, say of a checkpoint's pictures; nothing where it cannot be read just now."""
    try:
        card = Checkpoint.read_card(file.path)
    except InputError:  # it is being replaced, or was thinned out
        return []
    return [*card_warnings(card), *known_of_pictures(file.path, card)]


def nearest_checkpoint(files: Sequence[CheckpointFile], step: int) -> int | None:
    """Return the index of the checkpoint nearest to a step; None where there is none.

    Of several of one step a numbered one is preferred: best and last are replaced while the run goes on.
    """
    if not files:
        return None
    return min(
        range(len(files)), key=lambda i: (abs(files[i].step - step), files[i].best or files[i].path.name == LAST)
    )


def different_settings(runs: Sequence[RunSnapshot]) -> list[tuple[str, list[str]]]:
    """Return what differs between runs, as `runs.differences` has it; a dash where an engine has no such setting."""
    return differences.different_settings(
        [{"engine": run.engine, "conditions": run.conditions, **run.settings} for run in runs]
    )
