"""A translation that runs, as seen from the GUI: its tiles become layers, its events progress and words."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_phenotrans.errors import InputError
from napari_phenotrans.events import Notice, PlaneDone
from napari_phenotrans.widgets.compare import find_row
from napari_phenotrans.widgets.jobs import Ready, Tile, Translate
from napari_phenotrans.widgets.layers import one_update
from napari_phenotrans.widgets.progress import Progress
from napari_phenotrans.widgets.results import Results
from napari_phenotrans.widgets.view import current_view

if TYPE_CHECKING:
    from pathlib import Path

    from napari import Viewer

    from napari_phenotrans.widgets.worker import Problem, Runner

DRAW_EVERY_MS = 200


class Translating(QObject):
    """Starts translations on a runner and shows what comes of the latest.

    Signals
    -------
    begun
        The rows of layers that are being filled; they are in the viewer.
    moved
        How far it is (0 to 1), and the same in words.
    drawn
        What came since the last time is in the layers, and they are drawn.
    noticed
        Something the user should know.
    ended
        The job and how it went, in words.
    failed
        The job and why it could not go on, in words.
    """

    begun = Signal(object)
    moved = Signal(float, str)
    drawn = Signal()
    noticed = Signal(str)
    ended = Signal(object, str)
    failed = Signal(object, str)

    def __init__(self, viewer: Viewer, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._runner = runner
        self._job: Translate | None = None
        self._folder: Path | None = None
        self._results: Results | None = None
        self._ready: Ready | None = None
        self._progress = Progress()
        self._said: list[str] = []
        self._drawn = False
        # draws at most so often, however fast tiles come
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._draw)
        runner.came.connect(self._on_came)
        runner.ended.connect(self._on_ended)
        self._looked = (
            viewer.scene.camera.events.center,
            viewer.scene.camera.events.zoom,
            viewer.dims.events.current_step,
        )
        for event in self._looked:
            event.connect(self._on_looked)

    @property
    def job(self) -> Translate | None:
        """The translation that runs; None where none does."""
        return self._job

    def start(self, job: Translate, folder: Path | None = None) -> None:
        """Translate, in place of what runs; large results are written to the folder."""
        self._job, self._folder = job, folder
        self._results, self._ready, self._said, self._drawn = None, None, [], False
        self._progress = Progress(planes=len(job.positions))
        self._on_looked()
        self._runner.start(job)

    def close(self) -> None:
        """Forget what runs, and stop listening to the viewer."""
        if self._job and self._results and not self._results.filled:
            self._results.withdraw()
        self._job = None
        self._timer.stop()
        for event in self._looked:
            event.disconnect(self._on_looked)

    def _on_looked(self, _: Any = None) -> None:
        if self._job and self._job.reals[0] in self._viewer.layers:
            self._job.looking_at.view = current_view(self._viewer, self._job.reals[0])

    # ---- what comes

    def _on_came(self, job: Any, event: Any) -> None:
        if self._job is None or job is not self._job:
            return
        if isinstance(event, Ready):
            self._ready = event
            self._progress.begin()
            self._make_room(self._job)
        elif isinstance(event, Notice):
            self._said.append(event.text)
            self.noticed.emit(event.text)
        else:
            self._show(self._job, event)
            self._progress.add(event.tile if isinstance(event, Tile) else event)
        if not self._timer.isActive():
            # the first of it at once
            self._timer.start(DRAW_EVERY_MS if self._drawn else 0)

    def _make_room(self, job: Translate) -> None:
        """Make the layers while the first tile is on its way."""
        if self._removed(job):
            return
        assert self._ready is not None
        try:
            # layers that are there already need no new scene
            there = all(find_row(self._viewer, real) for real in job.reals)
            with nullcontext() if there else one_update(self._viewer):
                self._results = Results(self._viewer, job.reals, self._ready.provenance, self._folder)
                self.begun.emit(self._results.rows)
        except InputError as error:
            # no room for the results: nothing of it can be shown or kept
            self._stop(str(error))

    def _removed(self, job: Translate) -> bool:
        gone = not all(layer in self._viewer.layers for layer in job.reals)
        if gone:
            self._stop("Stopped: a layer that was being translated was removed.")
        return gone

    def _show(self, job: Translate, event: Any) -> None:
        if not isinstance(event, (Tile, PlaneDone)) or self._removed(job) or self._results is None:
            return
        if isinstance(event, Tile):
            self._results.add_tile(event.tile, event.difference)
        else:
            self._results.add_plane(event)

    def _stop(self, why: str) -> None:
        self._runner.cancel()
        self._said.append(why)
        self.noticed.emit(why)

    def _draw(self) -> None:
        if self._results:
            self._drawn = self._drawn or self._results.filled
            self._results.refresh()
            self.drawn.emit()
            if self._results.problem and self._results.problem not in self._said:
                self._stop(self._results.problem)
        if self._ready:
            self.moved.emit(self._progress.share, f"{self._progress.words()} on {self._ready.device}")
        # last, for napari's bar lets other events through, which may end what is drawn here
        self._runner.show_progress(self._progress.share)

    # ---- the end

    def _on_ended(self, ended: Any, problem: Problem | None) -> None:
        if self._job is None or ended is not self._job:
            return
        job, self._job = self._job, None
        self._timer.stop()
        counts = zip(job.image.channels, self._progress.clipped, strict=False)
        if clipped := ", ".join(f"{count} pixels of {name}" for name, count in counts if count):
            self._said.append(
                f"Brighter or darker than {job.image.dtype} can hold, so set to its nearest value: {clipped}. "
                f"The difference has them in full."
            )
            self.noticed.emit(self._said[-1])
        if self._results and not self._results.filled:
            # nothing came: layers that were made for it would show black
            self._results.withdraw()
        elif self._results:
            self._results.note(self._said)
            self._results.refresh(last=True)
            self.drawn.emit()
            if self._results.problem and self._results.problem not in self._said:
                self.noticed.emit(self._results.problem)
        if problem:
            self.failed.emit(job, problem.text)
        elif self._progress.share < 1:
            self.ended.emit(job, f"cancelled after {self._progress.share:.0%}; what is translated stays")
        else:
            assert self._ready is not None
            seconds = time.monotonic() - self._progress.began
            self.ended.emit(job, f"translated in {seconds:.1f} s on {self._ready.device}")
