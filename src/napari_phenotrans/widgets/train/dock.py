"""The dock that trains engines: what happens when its parts are used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.dataset.collect import FieldWritten
from napari_phenotrans.dataset.held_out_choice import HeldOutChoice
from napari_phenotrans.io import readable
from napari_phenotrans.runs.launch import command_line, start_training, train_arguments
from napari_phenotrans.runs.paths import DECIDED
from napari_phenotrans.runs.record import read_decided
from napari_phenotrans.widgets.common.dataset_folder import FolderInspector
from napari_phenotrans.widgets.common.notices import NOTE
from napari_phenotrans.widgets.common.preferences import last_choices, remember
from napari_phenotrans.widgets.train.check_controller import CheckController
from napari_phenotrans.widgets.train.estimate_controller import EstimateController
from napari_phenotrans.widgets.train.jobs import TrainingRequest, WriteDataSet
from napari_phenotrans.widgets.train.layout import TrainingForm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Layer

    from napari_phenotrans.dataset.collect import Piece
    from napari_phenotrans.widgets.common.dataset_folder import FolderContents
    from napari_phenotrans.widgets.common.worker import Problem


# What a control's run folder is called, after the name of the run that it is for.
CONTROL = "control"


class TrainingDock(TrainingForm):
    """Makes and checks data sets, starts trainings beside napari, and watches their run folders.

    Parameters
    ----------
    napari_viewer
        The viewer that layers and rectangles come from, and previews go to.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.inspector = FolderInspector(self)
        self.checking = CheckController(self.report, self.examples, self)
        self.estimating = EstimateController(self)
        # what to choose in the data set that is being looked into
        self._choices_in_dataset: dict[str, Any] = {}
        self._written = FieldWritten(Path(), 0, 0)
        # a run that was started is kept in sight while its view comes, until the user scrolls
        self._following = False
        scroll_bar = self.area.verticalScrollBar()
        assert scroll_bar is not None
        self._scroll_bar = scroll_bar
        scroll_bar.rangeChanged.connect(lambda *_: self._follow_run())
        scroll_bar.actionTriggered.connect(lambda _: self._stop_following())

        self.data.dataset.folder_chosen.connect(self.open_dataset)
        self.data.changed.connect(self._on_settings)
        self.data.collect.failed.connect(self.fail)
        self.data.collect.changed.connect(self._on_collected)
        self.data.collect.write_requested.connect(self._write)
        self.inspector.inspected.connect(self._on_inspected)
        self.check_button.clicked.connect(lambda _: self.check())
        self.report.pixel_size_accepted.connect(self._use_pixel_size)
        self.examples.more_requested.connect(self._draw_more)
        self.settings.changed.connect(self._on_settings)
        self.settings.estimate_requested.connect(self._estimate)
        self.settings.file_requested.connect(self._ask_for_run)
        self.repeats.changed.connect(self._on_settings)
        self.repeats.changed.connect(lambda: self.settings.show_cost(""))
        self.repeats.control_requested.connect(self.start_control)
        self.run_folder.parent_chosen.connect(lambda folder: remember(training={"parent": folder}))
        self.copy_button.clicked.connect(lambda _: self._copy())
        self.start_button.clicked.connect(lambda _: self.start())
        self.checking.moved.connect(self.show_progress)
        self.checking.ended.connect(self._on_checked)
        self.checking.failed.connect(self._on_stopped)
        self.runner.came.connect(self._on_writing)
        self.runner.ended.connect(self._on_written)
        self.estimating.moved.connect(self.status.setText)
        self.estimating.measured.connect(self._on_measured)
        self.estimating.failed.connect(self._on_stopped)
        self.runs.settings_requested.connect(self.load_settings)
        self.runs.living_found.connect(self._show_run)
        self.restore()

    # ---- what the user can do

    def take(self, paths: Sequence[Path]) -> None:
        """Take what was dropped: a run, a data set, folders of conditions, or images."""
        runs = [path.parent if path.name == DECIDED else path for path in paths]
        runs = [folder for folder in runs if (folder / DECIDED).is_file()]
        folders = [path for path in paths if path.is_dir() and not readable(path)]
        images = [path for path in paths if readable(path)]
        if runs:
            self.load_settings(runs[0])
        elif len(folders) == 1:
            self.open_dataset(folders[0])
        elif len(folders) > 1 and len({folder.parent for folder in folders}) == 1:
            # the folders of conditions, side by side: the data set is what holds them
            self.open_dataset(folders[0].parent, conditions=[folder.name for folder in folders])
        elif folders:
            for folder in folders:
                self.data.collect.add_folder(folder)
            self._show_collecting("These folders lie apart: write them to a data set folder.")
        elif images:
            self.data.collect.add_files(images)
            self._show_collecting("")
        else:
            self.fail("None of what was dropped is a folder or an image that can be read.")

    def take_image(self, path: Path | None, layers: Sequence[Layer]) -> None:
        """Begin with the data that an image of the viewer is of.

        Where its folder has others with images beside it, that is a data set; else the image, or its layers, are where
        one is made.
        """
        if path is not None and len(_folders_of_images(path.parent.parent)) > 1:
            self.open_dataset(path.parent.parent)
            return
        if path is not None:
            self.data.collect.add_files([path])
            self._show_collecting(
                f"{path.name} shows one condition: add more of its images, and those of another condition."
            )
            return
        self.viewer.layers.selection = set(layers)
        self._show_collecting("Name the condition that the selected layers show, and press Add layers; then the next.")

    def open_dataset(self, folder: Path, **choices: Any) -> None:
        """Look into a folder to train on; ``conditions``, ``channels``, ``held_out`` and ``kept`` are chosen in it."""
        self._choices_in_dataset = choices
        self.notices.say("data")
        self.status.setText(f"looking into {folder}…")
        self.inspector.inspect(folder)

    def load_settings(self, folder: Path) -> None:
        """Take data set, engine and settings from a run."""
        file = Path(folder) if Path(folder).name == DECIDED else Path(folder) / DECIDED
        try:
            decided = read_decided(file)
            self.settings.load(file, decided["engine"], decided["settings"])
        except InputError as error:
            self.fail(str(error))
            return
        self.sections["Settings"].set_open(True)
        held_out = decided["held-out"]
        apart = held_out["fields"] and held_out["folder"] != decided["training"]["folder"]
        groups = tuple(dict.fromkeys(group for _, _, group in held_out["fields"]))
        self.open_dataset(
            Path(decided["training"]["folder"]),
            conditions=decided["conditions"],
            channels=decided["settings"].get("channels"),
            kept=decided["settings"].get("kept"),
            held_out=HeldOutChoice(folder=Path(held_out["folder"])) if apart else HeldOutChoice(0.0, groups),
        )

    def check(self) -> None:
        """Check the data set with what is chosen, and draw example crops."""
        request = self._request_or_fail()
        if request is None:
            return
        self.begin("checking…")
        self.sections["Check"].set_open(True)
        self.checking.start(request)

    def start(self) -> None:
        """Start training as a process of its own, which goes on when napari closes."""
        request = self._request_or_fail()
        if request is None:
            return
        report = self.checking.report
        if report and report.errors and self.checking.holds(request):
            self.fail(f"This cannot be trained on: {report.errors[0]}")
            return
        try:
            folder = self.run_folder.path
            self._begin(self._arguments(folder), folder)
        except InputError as error:
            self.fail(str(error))
            return
        self.run_folder.propose_next()

    def start_control(self, condition: str) -> None:
        """Start the same training between two halves of one condition, where nothing differs."""
        if self._request_or_fail() is None:
            return
        try:
            folder = self.run_folder.beside(CONTROL)
            self._begin(self._arguments(folder, null=condition), folder)
        except InputError as error:
            self.fail(str(error))

    def _begin(self, arguments: Sequence[str], folder: Path) -> None:
        """Start a training, and show it; raises InputError where it cannot start."""
        start_training(arguments, folder)
        self.notices.say("run")
        self.status.setText(f"started {folder.name}; it goes on when napari is closed")
        self.runs.open_run(folder)
        self._show_run()

    # ---- data

    def _on_inspected(self, contents: FolderContents) -> None:
        folder, choices = contents.folder, self._choices_in_dataset
        if contents.problem:
            self.data.show_problem(contents.problem)
            self.status.setText("this is no data set")
            if contents.images:
                self.data.collect.add_folder(folder)
                self._show_collecting(
                    f"{folder.name} holds images of one condition. Add the other conditions, and write all to a "
                    f"data set folder; or choose the folder that holds the conditions' folders."
                )
            return
        self.data.show_contents(contents)
        self.settings.kept.show_differences(None)
        self.settings.kept.choose(choices.get("kept"))
        if "conditions" in choices:
            self.data.choose(choices["conditions"], choices.get("channels"))
        if "held_out" in choices:
            self.data.held_out.choose(choices["held_out"])
        self.sections["Data"].set_open(True)
        remember(training={"dataset": str(folder)})
        self.check()

    def _show_collecting(self, reason: str) -> None:
        self.sections["Data"].set_open(True)
        self.data.section.set_open(True)
        self.notices.say("data", [reason], NOTE)

    def _on_collected(self) -> None:
        # what was added may be what was asked for, and nothing is asked where all was taken out again
        self.notices.say("run")
        if not self.data.collect.pieces:
            self.notices.say("data")

    def _write(self, pieces: list[Piece], folder: Path) -> None:
        self.data.collect.set_busy(True)
        self._written = FieldWritten(folder, 0, 1)
        self.begin("writing the data set…")
        self.runner.start(WriteDataSet(pieces, folder))

    def _on_writing(self, _: WriteDataSet, event: FieldWritten) -> None:
        self._written = event
        self.show_progress(event.done / event.total, f"writing field {event.done} of {event.total}")

    def _on_written(self, job: WriteDataSet, problem: Problem | None) -> None:
        self.data.collect.set_busy(False)
        self.show_busy(self.busy)
        if problem:
            self.fail(problem.text)
        elif self._written.done < self._written.total:
            self.status.setText("writing was cancelled; fields that are complete stay")
        else:
            self.data.collect.clear()
            self.open_dataset(job.folder)

    # ---- check

    def _request(self) -> TrainingRequest:
        """Return what is chosen; raises InputError where something is missing or cannot be used."""
        data = self.data
        if data.folder is None:
            raise InputError("Choose a data set, or make one: a folder of images per condition.")
        conditions, channels = data.chosen_conditions, data.channels.ticked
        if len(conditions) < 2:
            raise InputError("Choose two conditions or more.")
        if not channels:
            raise InputError("Choose a channel or more.")
        if card := self.settings.start_from.card:
            # networks know conditions and channels by their places
            conditions, channels = card.conditions, card.channels
        settings = self.settings.settings(conditions=conditions, channels=channels)
        return TrainingRequest(data.folder, settings, data.held_out.value)

    def _request_or_fail(self) -> TrainingRequest | None:
        try:
            return self._request()
        except InputError as error:
            self.fail(str(error))
            return None

    def _on_checked(self, text: str) -> None:
        self.show_busy(self.busy)
        self.status.setText(text)
        if self.checking.report:
            self.settings.kept.show_differences(self.checking.report.differences, self.checking.report.sizes)
        self._update_state()

    def _draw_more(self) -> None:
        request = self._request_or_fail()
        if request:
            self.begin("drawing example crops…")
            self.checking.draw_others(request)

    def _use_pixel_size(self, pixel_size: float) -> None:
        self.settings.set_pixel_size(pixel_size)
        self.check()

    # ---- settings

    def _on_settings(self) -> None:
        # what failed did so with what was chosen before
        self.notices.say("run")
        if self.settings.file is None:
            remember(training={"engine": self.settings.engine, "preset": self.settings.preset})
        self.repeats.show_conditions(self.data.chosen_conditions)
        self.settings.kept.show_channels(self.data.channels.ticked)
        self.settings.offer_starts(self.data.chosen_conditions, self.data.channels.ticked)
        if self.data.folder:
            self.run_folder.propose(self.data.folder, self.settings.engine)
        self._update_state()

    def _update_state(self) -> None:
        """Say what is missing before training can start, and whether what was checked is what is chosen."""
        try:
            request, missing = self._request(), ""
        except InputError as error:
            request, missing = None, str(error)
        self.start_button.setToolTip(
            missing or "Train in a process of its own, at lower priority. It goes on when napari is closed."
        )
        checked = self.checking.report is not None
        self.check_button.setText("Check again" if checked else "Check the images")
        self.report.set_stale(checked and not self.checking.holds(request))
        if missing and not self.busy:
            self.status.setText(missing)

    def _ask_for_run(self) -> None:
        file, _ = QFileDialog.getOpenFileName(self, "Settings of a run", "", f"Runs ({DECIDED})")
        if file:
            self.load_settings(Path(file))

    def _estimate(self) -> None:
        if self._request_or_fail() is None:
            return
        try:
            self.estimating.start(self._arguments(None), self.repeats.count)
        except InputError as error:
            self.fail(str(error))
            return
        self.begin("estimating…")

    def _on_measured(self, text: str) -> None:
        self.show_busy(self.busy)
        self.settings.show_cost(text)
        self.status.setText("estimated")

    # ---- the run

    def _arguments(self, out: Path | None, *, null: str | None = None) -> list[str]:
        """Return the command's arguments; raises InputError where something is missing or cannot be used.

        With ``null`` they train a control between halves of that condition, once.
        """
        request = self._request()
        data: dict[str, Any] = {"channels": request.settings.channels}
        held_out = request.held_out
        if null is None:
            data |= {"conditions": request.settings.conditions}
            more = ["--repeats", str(self.repeats.count)] if self.repeats.count > 1 else []
        else:
            # what training would start from has learned what differs, and its conditions are no halves
            data |= {"start_from": None}
            held_out = held_out.of_halves()
            more = ["--null", null]
        arguments = train_arguments(
            request.folder,
            self.settings.engine,
            out,
            self.settings.field_values() | data,
            preset=self.settings.preset,
            held_out=held_out,
            from_=self.settings.file,
        )
        return arguments + more

    def _copy(self) -> None:
        try:
            line = command_line(self._arguments(self.run_folder.path))
        except InputError as error:
            self.fail(str(error))
            return
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(line)
        self.status.setText("copied")

    def _show_run(self) -> None:
        """Bring the chosen run into sight, and keep it there while its view comes."""
        self.sections["Runs"].set_open(True)
        self._following = True
        self._follow_run()

    def _follow_run(self) -> None:
        if self._following:
            self._scroll_bar.setValue(self.sections["Runs"].y())

    def _stop_following(self) -> None:
        self._following = False

    # ---- what is going on

    @property
    def busy(self) -> bool:
        return self.runner.busy or self.checking.busy or self.estimating.busy

    def _on_stopped(self, reason: str) -> None:
        self.show_busy(self.busy)
        self.fail(reason)
        self._update_state()

    def cancel(self) -> None:
        super().cancel()
        self.checking.cancel()
        if self.estimating.busy:
            self.estimating.cancel()
            self.status.setText("the estimate was cancelled")
        self.show_busy(self.busy)

    # ---- the beginning and the end

    def restore(self) -> None:
        last = last_choices().training
        self.data.dataset.start_in = last.get("dataset") or ""
        self.settings.choose(last.get("engine") or self.settings.engine, last.get("preset", self.settings.preset))
        if parent := last.get("parent"):
            self.run_folder.set_parent_folder(Path(parent))
        self._update_state()

    def end(self) -> None:
        self.cancel()
        super().end()
        self.runs.close_viewer()


def _folders_of_images(folder: Path) -> list[Path]:
    """Return the folders in a folder that hold images that can be read."""
    try:
        inside = [path for path in folder.iterdir() if path.is_dir() and not readable(path)]
        return [path for path in inside if any(map(readable, path.iterdir()))]
    except OSError:
        # a folder that may not be listed is none to train on
        return []
