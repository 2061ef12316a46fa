"""The dock that evaluates: it makes a phenotype report and scores, and shows the nuclei behind every number."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtCore import QTimer, QUrl
from qtpy.QtGui import QDesktopServices

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice, Progressed
from napari_phenotrans.phenotype.page import text as words
from napari_phenotrans.runs.paths import BEST, DECIDED, LAST
from napari_phenotrans.runs.record import read_decided
from napari_phenotrans.widgets.common.dataset_folder import Found, looking
from napari_phenotrans.widgets.common.preferences import choices, keep, preferences
from napari_phenotrans.widgets.common.worker import Runner
from napari_phenotrans.widgets.evaluate.data_panel import LABELS
from napari_phenotrans.widgets.evaluate.jobs import Asked, MakeReport, MakeScores, PageWritten, WritePage
from napari_phenotrans.widgets.evaluate.known_objects import KnownObjects
from napari_phenotrans.widgets.evaluate.layout import EvaluateForm
from napari_phenotrans.widgets.evaluate.nucleus_view import NucleusView
from napari_phenotrans.widgets.translate.jobs import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari import Viewer

    from napari_phenotrans.checkpoints.checkpoint import Card
    from napari_phenotrans.phenotype.result import PhenotypeReport
    from napari_phenotrans.widgets.common.worker import Job, Problem
    from napari_phenotrans.widgets.evaluate.effects_panel import EffectsPanel
    from napari_phenotrans.widgets.evaluate.paired_objects import Spot


class EvaluateDock(EvaluateForm):
    """See the module's docstring.

    Parameters
    ----------
    napari_viewer
        The viewer in which nuclei are shown, and whose Labels layers may be the objects.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.runner = Runner(self)
        self.nuclei = NucleusView(napari_viewer, self)
        self.effects: EffectsPanel | None = None
        #: The last report that was made here, and the files that it was written to.
        self.result: PhenotypeReport | None = None
        self.files: dict[str, Path] = {}
        # what the shown report was made of, and with
        self._made: tuple[Asked, Card] | None = None
        self._job: Job | None = None
        self._done = False
        self._looked_into: Path | None = None
        self._parts: Iterator[None] = iter(())
        self._fill = QTimer(self)
        self._fill.setSingleShot(True)
        self._fill.timeout.connect(self._fill_next)

        self.dropped.connect(self.take)
        self.data.folder_chosen.connect(self.open_dataset)
        self.data.changed.connect(self._on_data)
        self.data.failed.connect(self._fail)
        self.run_button.clicked.connect(lambda _: self.make_report())
        self.scores.button.clicked.connect(lambda _: self.make_scores())
        self.cancel_button.clicked.connect(lambda _: self.cancel())
        self.open_button.clicked.connect(lambda _: self.open_page())
        self.leave_button.clicked.connect(lambda _: self._leave())
        self.devices.failed.connect(self._fail)
        self.devices.unload_requested.connect(self._unload)
        self.runner.came.connect(self._on_came)
        self.runner.ended.connect(self._on_ended)
        self.nuclei.moved.connect(self._on_moved)
        self.nuclei.shown.connect(self._on_shown)
        self.nuclei.noticed.connect(lambda text: self.notices.add("field", text))
        self.nuclei.failed.connect(self._on_not_shown)
        napari_viewer.events.theme.connect(self._on_theme)
        self._restore()

    # ---- what the user can do

    def take(self, paths: Sequence[Path]) -> None:
        """Take what was dropped: a data set, a checkpoint, or a run folder, which names both."""
        for path in paths:
            folder = path.parent if path.name == DECIDED else path
            if (folder / DECIDED).is_file():
                self._take_run(folder)
            elif path.is_dir():
                self.open_dataset(path)
            else:
                self._choose_checkpoint(path)

    def open_dataset(self, folder: Path) -> None:
        """Look into a folder to evaluate."""
        self._looked_into = Path(folder)
        self.notices.say("data")
        self.status.setText(f"looking into {folder}…")
        worker = looking(self._looked_into)
        worker.returned.connect(self._on_found)
        worker.start()

    def make_report(self) -> None:
        """Make a report with what is chosen, in place of what runs."""
        if asked := self._asked():
            self._start(MakeReport(asked))

    def make_scores(self) -> None:
        """Compute scores with what is chosen, in place of what runs."""
        features = self.scores.features.ticked
        if not features:
            self._fail("Choose what is compared: one kind of features or more.")
        elif asked := self._asked():
            self.scores.clear()
            self._start(MakeScores(asked, features, self.scores.download_box.isChecked()))

    def cancel(self) -> None:
        """Stop what runs."""
        self.runner.cancel()
        self.nuclei.cancel()
        self._end()

    def open_page(self) -> None:
        """Open the report in the browser; one that is kept nowhere is written to a temporary folder first."""
        if "page" in self.files:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.files["page"])))
        elif self.result is not None:
            folder = Path(tempfile.mkdtemp(prefix="phenotype-report-"))
            # the browser may want it again, until napari ends
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            self._start(WritePage(self.result, folder))

    # ---- data

    def _take_run(self, folder: Path) -> None:
        found = [folder / name for name in (BEST, LAST) if (folder / name).is_file()]
        if not found:
            self._fail(f"The run {folder.name} has no checkpoint yet. Wait until it has saved one.")
            return
        try:
            dataset = Path(read_decided(folder / DECIDED)["training"]["folder"])
        except InputError as error:
            self._fail(str(error))
            return
        self._choose_checkpoint(found[0])
        self.open_dataset(dataset)

    def _choose_checkpoint(self, path: Path) -> None:
        try:
            self.data.checkpoints.choose(path)
        except InputError as error:
            self._fail(str(error))

    def _on_found(self, found: Found) -> None:
        if found.folder != self._looked_into:
            # another one was asked for since
            return
        if found.problem:
            self.data.show_nothing(found.problem)
            return
        keep(evaluation={"dataset": str(found.folder)})
        self.data.show_found(found)

    def _on_data(self) -> None:
        if self.data.checkpoints.name:
            keep(evaluation={"checkpoint": self.data.checkpoints.name})
        self._say_state()

    def _say_state(self) -> None:
        missing = self.data.missing
        for button, what in (
            (self.run_button, "Find, measure and compare the objects of real and translated images."),
            (self.scores.button, "Translate the fields, and score them against real ones of the target."),
        ):
            button.setToolTip(missing or what)
        if not self._busy:
            self.status.setText(missing or "ready")

    def _asked(self) -> Asked | None:
        """Gather what is chosen; what is missing is said instead."""
        data, found = self.data, self.data.found
        try:
            if data.missing or found is None:
                raise InputError(data.missing)
            recipe = Recipe(
                str(data.checkpoints.name),
                str(data.conditions.source),
                str(data.conditions.target),
                self.devices.device,
                self.devices.precision,
                preferences().tile,
                data.engine.how,
            )
            return Asked(
                found.folder,
                recipe,
                data.settings,
                data.channels,
                data.held_out,
                KnownObjects(self.viewer) if data.objects == LABELS else None,
                data.control.folder,
                data.out.folder,
                data.replace_box.isChecked(),
            )
        except InputError as error:
            self._fail(str(error))
            return None

    # ---- what runs

    @property
    def _busy(self) -> bool:
        return self.runner.busy or self.nuclei.busy

    def _start(self, job: Job) -> None:
        self._job, self._done = job, False
        self.notices.say("run")
        self.notices.say("notes")
        self.status.setText("preparing…" if self.devices.loaded else "loading torch…")
        self.say_busy(True)
        self.runner.start(job)

    def _on_came(self, job: Job, event: Any) -> None:
        if job is not self._job:
            return
        if isinstance(event, Progressed):
            share = event.done / max(event.total, 1)
            self._on_moved(share, f"{event.what}, {event.done + 1} of {event.total}" if event.total > 1 else event.what)
            self.runner.show_progress(share)
        elif isinstance(event, Notice):
            self.notices.add("notes", event.text)
        elif isinstance(event, PageWritten):
            self._done = True
            self.files = {"page": event.path}
            self.open_page()
        elif isinstance(job, MakeReport):
            self._done = True
            self._show_report(event.report, event.files, job.asked)
        else:
            self._done = True
            self.scores.show_scores(event)
            self._see("Scores")

    def _on_ended(self, job: Job, problem: Problem | None) -> None:
        if job is not self._job:
            # another one has taken its place
            return
        self._job = None
        self._end()
        if problem:
            self._fail(problem.text)
        elif not self._done:
            self.status.setText("cancelled; what was measured is kept for the next time")
        else:
            # what was said on the way stands in the report, or beside the scores
            self.notices.say("notes")
            where = self.files.get("page")
            kept = f", kept in {where.parent}" if isinstance(job, MakeReport) and where else ""
            self.status.setText(f"the report is made{kept}" if isinstance(job, MakeReport) else "done")

    def _on_moved(self, share: float, text: str) -> None:
        self.say_busy(True)
        self.bar.setValue(round(1000 * share))
        self.status.setText(text)

    def _end(self) -> None:
        self.say_busy(self._busy)

    # ---- the report

    def _show_report(self, report: PhenotypeReport, files: dict[str, Path], asked: Asked) -> None:
        card = self.data.checkpoints.cards.get(asked.recipe.checkpoint)
        assert card is not None
        self.nuclei.leave()
        self.result, self.files, self._made = report, dict(files), (asked, card)
        self.in_short.say("report", words.in_short(report))
        control = words.control_sentence(report)
        self.read_first.say("report", [*words.read_first(report), control, *report.notices])
        self.limits.say("report", words.limits(report))
        self.show_found(True)
        self._see("Report")
        self._parts = self._filling(report)
        self._fill.start()

    def _filling(self, report: PhenotypeReport) -> Iterator[None]:
        """Make what shows the effects, and fill it."""
        if self.effects is None:
            from napari_phenotrans.widgets.evaluate.effects_panel import EffectsPanel

            self.effects = EffectsPanel()
            self.effects.spot_chosen.connect(self._show_spot)
            self._on_theme()
            yield
            self.effects_place.addWidget(self.effects)
            yield
        yield from self.effects.filling(report)

    def _fill_next(self) -> None:
        """Show one part more of a report: in one turn of the event loop each, so that none is long."""
        for _ in self._parts:
            self._fill.start()
            return

    def _see(self, title: str) -> None:
        self.sections[title].set_open(True)
        self.area.ensureWidgetVisible(self.sections[title].button, 0, 0)

    def _show_spot(self, spot: Spot) -> None:
        assert self._made
        asked, card = self._made
        self.notices.say("field")
        self.nuclei.show(spot, card, asked.recipe, asked.channels)

    def _on_shown(self, spot: Spot) -> None:
        self._end()
        self.status.setText(f"{spot.field}: real on the left, translated (not measured) on the right")

    def _on_not_shown(self, text: str) -> None:
        self._end()
        self._fail(text)

    def _leave(self) -> None:
        self.nuclei.leave()
        self._say_state()

    # ---- the beginning and the end

    def _restore(self) -> None:
        """Show what the user prefers, and what was chosen last."""
        said, last = preferences(), choices().evaluation
        self.devices.choose(said.device, said.precision)
        self.data.start_in = last.get("dataset") or ""
        checkpoint = last.get("checkpoint")
        if checkpoint and checkpoint != self.data.checkpoints.name:
            try:
                self.data.checkpoints.choose(checkpoint)
            except InputError:
                # a file that was moved since: what the dock begins with will do
                keep(evaluation={"checkpoint": None})
        self._say_state()

    def _on_theme(self, _: Any = None) -> None:
        if self.effects:
            self.effects.set_theme(self.viewer.theme)

    def _unload(self) -> None:
        self.runner.unload()
        self.status.setText("the engine has given back its memory")

    def _fail(self, text: str) -> None:
        self.notices.say("run", [text])
        self.status.setText("see above")
        show_error(text)

    def end(self) -> None:
        self.runner.unload()
        self.nuclei.close()
        self.viewer.events.theme.disconnect(self._on_theme)
