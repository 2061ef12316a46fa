"""Running a translation from the GUI: it starts one, fills layers with its tiles, and reports its progress."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice
from napari_phenotrans.translation.events import AgreementDone, PlaneDone, SampleDone, SpreadDone, TurnedDone
from napari_phenotrans.widgets.translate.jobs import Ready, Said, Shrunk, Tile, Translate
from napari_phenotrans.widgets.translate.map_layers import MapLayers
from napari_phenotrans.widgets.translate.progress import Progress
from napari_phenotrans.widgets.translate.result_layers import PREVIEW, ResultLayers
from napari_phenotrans.widgets.translate.sample_layers import SampleLayers
from napari_phenotrans.widgets.viewer.batched_update import one_update
from napari_phenotrans.widgets.viewer.channel_row import find_row
from napari_phenotrans.widgets.viewer.visible_region import current_view

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari import Viewer

    from napari_phenotrans.widgets.common.worker import Problem, Runner
    from napari_phenotrans.widgets.viewer.channel_row import Row

DRAW_EVERY_MS = 200
# Until the first of them: Qt has drawn the first tile by then, which otherwise now and then waits for all of them.
BUILD_FIRST_MS = 150
# Until the first layer comes into its cell.
FIRST_LAYER_MS = 20


class TranslateController(QObject):
    """Starts translations on a runner, and shows the tiles of the latest.

    Parameters
    ----------
    viewer, runner
        Where layers are, and what computes.
    build_after_ms, build_step_ms
        After the first tile is drawn, or after so long where that takes longer, the other layers come into the viewer,
        one per step: napari takes a tenth of a second and more for each, and draws what is there in between.

    Signals
    -------
    begun
        The rows of layers that are being filled; some are in the viewer, the others will be.
    grown
        The same rows, of which one more layer is in the viewer.
    moved
        How far it is (0 to 1), and the same as a text.
    drawn
        The tiles that came since the last time were drawn.
    noticed
        Something the user should know of the result.
    stopped
        Why it had to stop, or cannot be kept.
    sampled
        The `SampleLayers` of several answers, once all of a plane are there; None where there are none any more.
    mapped
        The `MapLayers` that came with the translation, after each of their planes; None where there are none any more.
    said
        What they come to, a `Said`.
    ended
        The job, and how it went as a text.
    failed
        The job, and the reason why it could not go on.
    """

    begun = Signal(object)
    grown = Signal(object)
    moved = Signal(float, str)
    drawn = Signal()
    noticed = Signal(str)
    stopped = Signal(str)
    sampled = Signal(object)
    mapped = Signal(object)
    said = Signal(object)
    ended = Signal(object, str)
    failed = Signal(object, str)

    def __init__(
        self,
        viewer: Viewer,
        runner: Runner,
        parent: QObject | None = None,
        *,
        build_after_ms: int = 1500,
        build_step_ms: int = 20,
    ) -> None:
        super().__init__(parent)
        self.build_after_ms, self.build_step_ms = build_after_ms, build_step_ms
        self._viewer = viewer
        self._runner = runner
        self._job: Translate | None = None
        self._folder: Path | None = None
        self._results: ResultLayers | None = None
        self.samples: SampleLayers | None = None
        self.maps: MapLayers | None = None
        self._ready: Ready | None = None
        self._progress = Progress()
        self._notices: list[str] = []
        self._drawn = False
        # draws at most so often, however fast tiles come
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._draw)
        self._builder = QTimer(self)
        self._builder.setSingleShot(True)
        self._builder.timeout.connect(self._build)
        # a job that is over before its layers are built
        self._unfinished: tuple[Translate, Problem | None] | None = None
        runner.came.connect(self._on_came)
        runner.ended.connect(self._on_ended)
        self._view_events = (
            viewer.scene.camera.events.center,
            viewer.scene.camera.events.zoom,
            viewer.dims.events.current_step,
        )
        for event in self._view_events:
            event.connect(self._on_view)

    @property
    def job(self) -> Translate | None:
        """The translation that runs; None where none does."""
        return self._job

    @property
    def seconds(self) -> float:
        """How long the last translation has computed, without what the engine took to get ready."""
        return time.monotonic() - self._progress.began

    @property
    def building(self) -> tuple[Row, ...]:
        """The rows of which not all layers are in the viewer yet; nothing where all are."""
        return self._results.rows if self._results and not self._results.built else ()

    def start(self, job: Translate, folder: Path | None = None) -> None:
        """Translate, in place of what runs; large results are written to the folder."""
        self._build_all()
        self._settle_results()
        self._job, self._folder = job, folder
        self._results, self._ready, self._notices, self._drawn = None, None, [], False
        self._progress = Progress(planes=len(job.positions))
        self._on_view()
        self._runner.start(job)

    @property
    def complete(self) -> bool:
        """Whether the last translation came to its end."""
        return self._progress.share >= 1

    def settle(self) -> bool:
        """End a preview, so that what it covers is shown again; returns whether one was running."""
        running = self._job is not None and self._job.preview
        if running:
            self._runner.cancel()
            self._job = None
            self._timer.stop()
        if running or self._job is None:
            self._settle_results()
        return running

    def _settle_results(self) -> None:
        if self._results and self._results.settle():
            self._results.refresh()

    def clear(self) -> None:
        """Forget the last results, whose layers are removed; what runs is cancelled."""
        self._runner.cancel()
        self._build_all()
        self._job = self._results = self._unfinished = None
        self._timer.stop()
        self._forget_samples()
        self._forget_maps()

    def close(self) -> None:
        """Forget what runs, and stop listening to the viewer."""
        if self._results and (not self._results.built or (self._job and not self._results.filled)):
            self._results.withdraw()
        self._job = self._unfinished = None
        self._builder.stop()
        self._timer.stop()
        for event in self._view_events:
            event.disconnect(self._on_view)

    def _on_view(self, _: Any = None) -> None:
        if self._job and self._job.reals[0] in self._viewer.layers:
            self._job.shared_view.view = current_view(self._viewer, self._job.reals[0])

    # ---- what comes

    def _on_came(self, job: Any, event: Any) -> None:
        if self._job is None or job is not self._job:
            return
        if isinstance(event, Ready):
            self._ready = event
            self._progress.begin()
            self._make_layers(self._job)
        elif isinstance(event, Notice):
            self._notices.append(event.text)
            self.noticed.emit(event.text)
        elif isinstance(event, Shrunk):
            if self._results:
                self._results.replace_provenance(event.provenance)
        else:
            self._show(self._job, event)
            self._progress.add(event.tile if isinstance(event, Tile) else event)
        first = self._results is not None and self._results.filled and not self._drawn
        if first and self.building:
            # before the other layers, and whatever else waits
            self._timer.stop()
            self._draw()
        elif first:
            # at once, together with what came at the same time
            self._timer.start(0)
        elif not self._timer.isActive():
            self._timer.start(DRAW_EVERY_MS)

    def _make_layers(self, job: Translate) -> None:
        """Make the layers while the first tile is on its way."""
        if self._removed(job):
            return
        assert self._ready is not None
        try:
            # layers that are there already need no new scene
            complete = all(find_row(self._viewer, real) for real in job.reals)
            if self.samples:
                # what is translated goes to the pixels of the translation itself
                self.samples.show(0)
            with nullcontext() if complete else one_update(self._viewer):
                provenance = self._ready.provenance | ({PREVIEW: True} if job.preview else {})
                self._results = ResultLayers(
                    self._viewer, job.reals, provenance, self._folder, later=True, preview=job.preview
                )
                if self.samples and not self._results.again and not self._results.covers:
                    self._forget_samples()
                if not self._results.again and not self._results.covers:
                    self._forget_maps()
                self.begun.emit(self._results.rows)
            if not self._results.built:
                # the cells are drawn first
                self._builder.start(FIRST_LAYER_MS)
        except InputError as error:
            # no room for the results: nothing of it can be shown or kept
            self._stop(str(error))

    def _forget_samples(self) -> None:
        if self.samples:
            self.samples.forget()
            self.samples = None
            self.sampled.emit(None)

    def _show_samples(self, job: Translate, event: SampleDone | SpreadDone) -> None:
        assert self._results is not None
        if self.samples is None:
            rows, pixels = self._results.rows, self._results.pixels
            self.samples = SampleLayers(
                self._viewer, rows, pixels, job.recipe.answers.samples, completes=bool(job.recipe.drawn)
            )
        if isinstance(event, SampleDone):
            self.samples.add_sample(event)
            return
        # the spread comes after all layers of the translation
        self._build_all()
        self.samples.add_spread(event)
        self.sampled.emit(self.samples)

    def show_map(self, event: AgreementDone | TurnedDone, rows: Sequence[Row]) -> None:
        """Show a map of the translation in these rows, after all its layers."""
        self._build_all()
        if self.maps is None or self.maps.rows != tuple(rows):
            self.maps = MapLayers(self._viewer, rows)
        if isinstance(event, AgreementDone):
            self.maps.add_agreement(event)
        else:
            self.maps.add_turned(event)
        self.mapped.emit(self.maps)

    def _forget_maps(self) -> None:
        if self.maps:
            self.maps.forget()
            self.maps = None
            self.mapped.emit(None)

    def _build(self) -> None:
        """Put one more layer into the viewer."""
        if self._results is None:
            return
        with one_update(self._viewer):
            self._results.build()
            self.grown.emit(self._results.rows)
        if not self._results.built:
            self._builder.start(self.build_step_ms if self._drawn or self._unfinished else self.build_after_ms)
        elif self._unfinished:
            self._finish(*self._unfinished)

    def _build_all(self) -> None:
        """Put all that is missing into the viewer at once: something else begins."""
        self._builder.stop()
        self._unfinished = None
        if self._results and not self._results.built:
            with one_update(self._viewer):
                while not self._results.built:
                    self._results.build()
                self.grown.emit(self._results.rows)

    def _removed(self, job: Translate) -> bool:
        gone = not all(layer in self._viewer.layers for layer in job.reals)
        if gone:
            self._stop("Stopped: a layer that was being translated was removed.")
        return gone

    def _show(self, job: Translate, event: Any) -> None:
        if isinstance(event, Said):
            self.said.emit(event)
            return
        shown = isinstance(event, (Tile, PlaneDone, SampleDone, SpreadDone, AgreementDone, TurnedDone))
        if not shown or self._removed(job) or self._results is None:
            return
        if isinstance(event, (SampleDone, SpreadDone)):
            self._show_samples(job, event)
            return
        if isinstance(event, (AgreementDone, TurnedDone)):
            if not job.preview:
                self.show_map(event, self._results.rows)
            return
        if isinstance(event, Tile):
            self._results.add_tile(event.tile, event.difference)
        else:
            self._results.add_plane(event)

    def _stop(self, reason: str) -> None:
        self._runner.cancel()
        self._notices.append(reason)
        self.stopped.emit(reason)

    def _draw(self) -> None:
        if self._results:
            if self._results.filled and not self._drawn:
                self._drawn = True
                if self._builder.isActive():
                    self._builder.start(BUILD_FIRST_MS)
            if self._results.refresh():
                self._timer.start(self.build_step_ms)
            self.drawn.emit()
            if self._results.problem and self._results.problem not in self._notices:
                self._stop(self._results.problem)
        if self._job and self._ready:
            self.moved.emit(self._progress.share, f"{self._progress.text()} on {self._ready.device}")
        self._runner.show_progress(self._progress.share)

    # ---- the end

    def _on_ended(self, ended: Any, problem: Problem | None) -> None:
        if self._job is None or ended is not self._job:
            return
        job, self._job = self._job, None
        self._timer.stop()
        if self._results and self._results.filled and not self._results.built:
            self._unfinished = job, problem
        else:
            self._builder.stop()
            self._finish(job, problem)

    def _finish(self, job: Translate, problem: Problem | None) -> None:
        self._unfinished = None
        counts = zip(job.image.channels, self._progress.clipped, strict=False)
        if clipped := ", ".join(f"{count} pixels of {name}" for name, count in counts if count):
            self._notices.append(
                f"Brighter or darker than {job.image.dtype} can hold, so set to its nearest value: {clipped}. "
                f"The difference has them in full."
            )
            self.noticed.emit(self._notices[-1])
        restored = False
        if self._results and not self._results.filled:
            # nothing came: layers that were made for it would show black
            self._results.withdraw()
        elif self._results:
            restored = not self._results.covers and self._results.settle()
            if not restored:
                self._results.add_notices(self._notices)
            if self._results.refresh(last=True):
                self._timer.start(self.build_step_ms)
            self.drawn.emit()
            if self._results.problem and self._results.problem not in self._notices:
                self.stopped.emit(self._results.problem)
        if problem:
            self.failed.emit(job, problem.text)
        elif self._progress.share < 1:
            kept = "the earlier result is shown again" if restored else "what is translated stays"
            self.ended.emit(job, f"cancelled after {self._progress.share:.0%}; {kept}")
        else:
            assert self._ready is not None
            seconds = time.monotonic() - self._progress.began
            self.ended.emit(job, f"translated in {seconds:.1f} s on {self._ready.device}")
