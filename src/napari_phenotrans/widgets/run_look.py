"""A run folder as it was when it was last read: what widgets show, and nothing that another thread changes. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_phenotrans.widgets.curves import best_kid, loss_curves, score_curves

if TYPE_CHECKING:
    from pathlib import Path

    from napari_phenotrans.diagnosis import Finding
    from napari_phenotrans.watching import CheckpointFile, PreviewFile, RunWatch
    from napari_phenotrans.widgets.curves import Curve, Level

LIVING = ("starting", "running", "silent")


@dataclass(frozen=True)
class RunLook:
    """What a `RunWatch` said at one moment; ``losses`` and ``scores`` only where they were asked for."""

    folder: Path
    state: str
    words: str
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

    @property
    def living(self) -> bool:
        """Whether somebody may be at work in it."""
        return self.state in LIVING

    @property
    def curves(self) -> dict[str, Curve]:
        """All curves by name, scores first."""
        scores = [curve for curves, _ in self.scores.values() for curve in curves]
        return {curve.name: curve for curve in (*scores, *self.losses)}


def look(watch: RunWatch, *, closely: bool) -> RunLook:
    """Return what a watch says now; ``closely`` with its curves. To be called on the thread that polls it."""
    return RunLook(
        watch.folder,
        watch.state,
        watch.words,
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
        loss_curves(watch) if closely else (),
        score_curves(watch) if closely else {},
    )
