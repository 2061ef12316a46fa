"""The dock that evaluates engines: what happens when its parts are used."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, QUrl
from qtpy.QtGui import QDesktopServices

from napari_phenotrans.checkpoints.describe import card_warnings
from napari_phenotrans.checkpoints.told_apart import known_of_pictures
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice, Progressed
from napari_phenotrans.phenotype.page import text as report_text
from napari_phenotrans.phenotype.pipeline import MEASURING
from napari_phenotrans.phenotype.result import FirstLook
from napari_phenotrans.runs.paths import DECIDED, checkpoints_in
from napari_phenotrans.runs.record import read_decided
from napari_phenotrans.widgets.common.dataset_folder import FolderInspector
from napari_phenotrans.widgets.common.notices import ERROR
from napari_phenotrans.widgets.common.preferences import last_choices, preferences, remember
from napari_phenotrans.widgets.common.time_left import TimeLeft
from napari_phenotrans.widgets.evaluate.data_panel import LABELS
from napari_phenotrans.widgets.evaluate.effect_text import answer
from napari_phenotrans.widgets.evaluate.jobs import (
    CropsDrawn,
    DrawCrops,
    EvaluationRequest,
    MakeReport,
    MakeScores,
    PageWritten,
    WritePage,
)
from napari_phenotrans.widgets.evaluate.labels_as_objects import LabelsAsObjects
from napari_phenotrans.widgets.evaluate.layout import EvaluateForm
from napari_phenotrans.widgets.evaluate.object_view import ObjectView
from napari_phenotrans.widgets.evaluate.report_pace import ReportPace
from napari_phenotrans.widgets.translate.jobs import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari import Viewer

    from napari_phenotrans.checkpoints.checkpoint import Card
    from napari_phenotrans.phenotype.result import PhenotypeReport
    from napari_phenotrans.widgets.common.dataset_folder import FolderContents
    from napari_phenotrans.widgets.common.worker import Job, Problem
    from napari_phenotrans.widgets.evaluate.can_you_tell import CanYouTell
    from napari_phenotrans.widgets.evaluate.effects_panel import EffectsPanel
    from napari_phenotrans.widgets.evaluate.paired_objects import ObjectLocation


class EvaluateDock(EvaluateForm):
    """Makes phenotype reports and scores, and shows the objects behind every number.

    Parameters
    ----------
    napari_viewer
        The viewer in which objects are shown, and whose Labels layers may be the objects.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.inspector = FolderInspector(self)
        self.object_view = ObjectView(napari_viewer, self)
        #: Made with the first report.
        self.effects: EffectsPanel | None = None
        #: The last report that was made here, and the files that it was written to.
        self.result: PhenotypeReport | None = None
        self.files: dict[str, Path] = {}
        #: *Can you tell?*, while it is open.
        self.window_of_crops: CanYouTell | None = None
        # what the shown report was made of, and with
        self._made_with: tuple[EvaluationRequest, Card] | None = None
        self._job: Job | None = None
        self._time_left, self._pace = TimeLeft(), ReportPace()
        self._done = False
        # what is left to do to show a report, in one turn of the event loop each, so that none is long
        self._filling: Iterator[None] = iter(())
        self._fill_timer = QTimer(self)
        self._fill_timer.setSingleShot(True)
        self._fill_timer.timeout.connect(self._fill_next)

        self.data.dataset.folder_chosen.connect(self.open_dataset)
        self.data.changed.connect(self._on_data)
        self.data.failed.connect(self.fail)
        self.inspector.inspected.connect(self._on_inspected)
        self.start_button.clicked.connect(lambda _: self.make_report())
        self.scores.button.clicked.connect(lambda _: self.make_scores())
        self.pictures.button.clicked.connect(lambda _: self.tell())
        self.open_button.clicked.connect(lambda _: self.open_page())
        self.leave_button.clicked.connect(lambda _: self._leave())
        self.devices.failed.connect(lambda text: self.notices.say("device", [text], ERROR))
        self.devices.unload_requested.connect(self.unload)
        self.runner.came.connect(self._on_came)
        self.runner.ended.connect(self._on_ended)
        self.object_view.moved.connect(self._on_object_progress)
        self.object_view.shown.connect(self._on_object_shown)
        self.object_view.noticed.connect(lambda text: self.notices.add("field", text))
        self.object_view.failed.connect(self._on_object_failed)
        napari_viewer.events.theme.connect(self._on_theme)
        self.restore()

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
        self.notices.say("data")
        self.status.setText(f"looking into {folder}…")
        self.inspector.inspect(folder)

    def make_report(self) -> None:
        """Make a report with what is chosen, in place of what runs."""
        if request := self._request_or_fail():
            self._start(MakeReport(request))

    def make_scores(self) -> None:
        """Compute scores with what is chosen, in place of what runs."""
        features = self.scores.features.ticked
        if not features:
            self.fail("Choose what is compared: one kind of features or more.")
        elif request := self._request_or_fail():
            self.scores.clear()
            self._start(MakeScores(request, features, self.scores.download_box.isChecked()))

    def tell(self) -> None:
        """Draw crops with what is chosen, and ask which of them are translated."""
        if request := self._request_or_fail():
            self._start(DrawCrops(request))

    def cancel(self) -> None:
        super().cancel()
        self.object_view.cancel()
        self.show_busy(self.busy)

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
        checkpoints = checkpoints_in(folder)
        if not checkpoints:
            self.fail(f"The run {folder.name} has no checkpoint yet. Wait until it has saved one.")
            return
        try:
            dataset = Path(read_decided(folder / DECIDED)["training"]["folder"])
        except InputError as error:
            self.fail(str(error))
            return
        self._choose_checkpoint(checkpoints[0])
        self.open_dataset(dataset)

    def _choose_checkpoint(self, path: Path) -> None:
        try:
            self.data.checkpoints.choose(path)
        except InputError as error:
            self.fail(str(error))

    def _on_inspected(self, contents: FolderContents) -> None:
        if contents.problem:
            self.data.show_problem(contents.problem)
            return
        remember(evaluation={"dataset": str(contents.folder)})
        self.data.show_contents(contents)

    def _on_data(self) -> None:
        if self.data.checkpoints.name:
            remember(evaluation={"checkpoint": self.data.checkpoints.name})
        # what failed did so with what was chosen before
        self.notices.say("run")
        self._show_known_pictures()
        self._update_state()

    def _show_known_pictures(self) -> None:
        name, card = self.data.checkpoints.name, self.data.checkpoints.card
        if name and card:
            way = self.data.conditions.source, self.data.conditions.target
            self.pictures.show_known([*card_warnings(card), *known_of_pictures(name, card, *way)])

    def _update_state(self) -> None:
        missing = self.data.missing
        for button, tooltip in (
            (self.start_button, "Find, measure and compare the objects of real and translated images."),
            (self.scores.button, "Translate the fields, and score them against real ones of the target."),
        ):
            button.setToolTip(missing or tooltip)
        if not self.busy:
            self.status.setText(missing or f"ready{self._time_it_takes}")

    @property
    def _time_it_takes(self) -> str:
        """What is to be expected of a report, as in ": 24 fields, about 3 min"; empty where it is soon there."""
        contents, conditions = self.data.contents, self.data.conditions
        assert contents is not None
        fields = sum(contents.fields.get(name or "", 0) for name in (conditions.source, conditions.target))
        return self._pace.text(fields, self.data.checkpoints.name or "")

    def _request_or_fail(self) -> EvaluationRequest | None:
        """Return what is chosen, or say what is missing."""
        data, contents = self.data, self.data.contents
        try:
            if data.missing or contents is None:
                raise InputError(data.missing)
            return EvaluationRequest(
                folder=contents.folder,
                recipe=Recipe(
                    checkpoint=str(data.checkpoints.name),
                    source=str(data.conditions.source),
                    target=str(data.conditions.target),
                    device=self.devices.device,
                    precision=self.devices.precision,
                    tile=preferences().tile,
                    how=data.engine.how,
                ),
                settings=data.settings,
                channels=data.channels,
                held_out=data.held_out,
                labels=LabelsAsObjects(self.viewer) if data.objects == LABELS else None,
                control=data.control.folder,
                repeats=data.repeats,
                out=data.out.folder,
                overwrite=data.replace_box.isChecked(),
            )
        except InputError as error:
            self.fail(str(error))
            return None

    # ---- what runs

    @property
    def busy(self) -> bool:
        return self.runner.busy or self.object_view.busy

    def _start(self, job: Job) -> None:
        self._job, self._done = job, False
        self._time_left = TimeLeft()
        self.notices.say("notes")
        self.begin("preparing…" if self.devices.loaded else "loading torch…")
        self.runner.start(job)

    def _on_came(self, job: Job, event: Any) -> None:
        if job is not self._job:
            return
        if isinstance(event, Progressed):
            share = event.done / max(event.total, 1)
            count = f", {event.done} of {event.total}" if event.total > 1 else ""
            # what follows, such as the name of a field, is another one each time
            left = self._time_left.after(f"{event.what.split()[0]} {event.total}", share)
            self.show_progress(share, f"{event.what}{count}{left}")
            if isinstance(job, MakeReport) and event.what == MEASURING:
                self._pace.note(event, job.request.recipe.checkpoint)
            self.runner.show_progress(share)
        elif isinstance(event, Notice):
            self.notices.add("notes", event.text)
        elif isinstance(event, PageWritten):
            self._done = True
            self.files = {"page": event.path}
            self.open_page()
        elif isinstance(event, CropsDrawn):
            self._done = True
            self._ask(event)
        elif isinstance(job, MakeReport):
            self._done = not isinstance(event, FirstLook)
            self._show_report(event.report, event.files, job.request)
        else:
            self._done = True
            self.scores.show_scores(event)
            self.pictures.show_verdicts(event.pictures)
            self._scroll_to("Scores")

    def _on_ended(self, job: Job, problem: Problem | None) -> None:
        if job is not self._job:
            # another one has taken its place
            return
        self._job = None
        self.show_busy(self.busy)
        if problem:
            self.fail(problem.text)
        elif not self._done:
            self.status.setText("cancelled; what was measured is kept for the next time")
        else:
            # what was noticed on the way stands in the report, or beside the scores
            self.notices.say("notes")
            page = self.files.get("page")
            folder = f", kept in {page.parent}" if isinstance(job, MakeReport) and page else ""
            self.status.setText(f"the report is made{folder}" if isinstance(job, MakeReport) else "done")

    def _ask(self, drawn: CropsDrawn) -> None:
        """Open *Can you tell?*, in place of one that is open."""
        from napari_phenotrans.widgets.evaluate.can_you_tell import CanYouTell

        if self.window_of_crops is not None:
            self.window_of_crops.close()
        self.window_of_crops = CanYouTell(drawn, self)
        self.window_of_crops.told.connect(self._show_known_pictures)
        self.window_of_crops.finished.connect(self._forget_window)
        self.window_of_crops.show()

    def _forget_window(self) -> None:
        if self.window_of_crops is not None:
            self.window_of_crops.deleteLater()
            self.window_of_crops = None

    # ---- the report

    def _show_report(self, report: PhenotypeReport, files: dict[str, Path], request: EvaluationRequest) -> None:
        card = self.data.checkpoints.cards.get(request.recipe.checkpoint)
        assert card is not None
        # what stands there is a first look: the whole report comes in its place, and nobody loses theirs
        goes_on = self.result is not None and self.result.first_look is not None and report.first_look is None
        if not goes_on:
            self.object_view.leave()
        self.result, self.files, self._made_with = report, dict(files), (request, card)
        self.pictures.show_verdicts([report.verdict] if report.verdict else [])
        self.answer.setText(answer(report))
        believed = [*report_text.comes_again(report), *report_text.beside_null(report)]
        self.believed.say("report", believed)
        self.in_short.say("report", [text for text in report_text.in_short(report) if text not in believed])
        control = report_text.control_sentence(report)
        self.read_first.say("report", [*report_text.read_first(report), control, *report.notices])
        self.limits.say("report", report_text.limits(report))
        self.show_report_sections(True)
        if not goes_on:
            self._scroll_to("Report")
        self._filling = self._fill(report, goes_on=goes_on)
        self._fill_timer.start()

    def _fill(self, report: PhenotypeReport, *, goes_on: bool) -> Iterator[None]:
        """Make the panel of effects, where there is none yet, and fill it."""
        chosen = self.effects.effect.measurement if goes_on and self.effects and self.effects.effect else None
        if self.effects is None:
            from napari_phenotrans.widgets.evaluate.effects_panel import EffectsPanel

            self.effects = EffectsPanel()
            self.effects.object_chosen.connect(self._show_object)
            self._on_theme()
            yield
            self.effects_column.addWidget(self.effects)
            yield
        yield from self.effects.filling(report)
        if chosen is not None:
            keys = [row.measurement.key for row in report.effects.rows]
            self.effects.choose(keys.index(chosen.key) if chosen.key in keys else 0)
        else:
            # all of it is there now, and what was above has its height
            self._scroll_to("Report")

    def _fill_next(self) -> None:
        for _ in self._filling:
            self._fill_timer.start()
            return

    def _scroll_to(self, title: str) -> None:
        self.sections[title].set_open(True)
        self.show_from_top(self.sections[title])

    def _show_object(self, location: ObjectLocation) -> None:
        assert self._made_with
        request, card = self._made_with
        self.notices.say("field")
        self.object_view.show(location, card, request.recipe, request.channels)

    def _on_object_progress(self, share: float, text: str) -> None:
        self.show_busy(True)
        self.show_progress(share, text)

    def _on_object_shown(self, location: ObjectLocation) -> None:
        self.show_busy(self.busy)
        self.status.setText(f"{location.field}: real on the left, translated (not measured) on the right")

    def _on_object_failed(self, text: str) -> None:
        self.show_busy(self.busy)
        self.notices.say("field", [text], ERROR)
        self.status.setText("not shown")

    def _leave(self) -> None:
        self.notices.say("field")
        self.object_view.leave()
        self._update_state()

    # ---- the beginning and the end

    def restore(self) -> None:
        last = last_choices().evaluation
        self.data.dataset.start_in = last.get("dataset") or ""
        if not self.data.checkpoints.restore(last.get("checkpoint")):
            remember(evaluation={"checkpoint": None})
        self._update_state()

    def _on_theme(self, _: Any = None) -> None:
        if self.effects:
            self.effects.set_theme(self.viewer.theme)

    def end(self) -> None:
        super().end()
        if self.window_of_crops is not None:
            self.window_of_crops.close()
        self.object_view.close()
        self.viewer.events.theme.disconnect(self._on_theme)
