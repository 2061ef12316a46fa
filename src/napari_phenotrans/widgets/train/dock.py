"""The dock that trains: it makes and checks a data set, starts training beside napari, and watches run folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.dataset.collect import FieldWritten
from napari_phenotrans.dataset.held_out_choice import HeldOutChoice
from napari_phenotrans.io import readable
from napari_phenotrans.runs.launch import command_line, start_training, train_arguments
from napari_phenotrans.runs.paths import DECIDED
from napari_phenotrans.runs.record import read_decided
from napari_phenotrans.widgets.common.dataset_folder import Found, looking
from napari_phenotrans.widgets.common.preferences import choices, keep
from napari_phenotrans.widgets.common.worker import Runner
from napari_phenotrans.widgets.train.check_controller import DataChecking
from napari_phenotrans.widgets.train.estimate_controller import Estimating
from napari_phenotrans.widgets.train.jobs import HeldOut, Wanted, WriteDataSet
from napari_phenotrans.widgets.train.layout import TrainingForm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer

    from napari_phenotrans.dataset.collect import Piece
    from napari_phenotrans.widgets.common.worker import Problem


class TrainingDock(TrainingForm):
    """See the module's docstring.

    Parameters
    ----------
    napari_viewer
        The viewer that layers and rectangles come from, and previews go to.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.viewer = napari_viewer
        self.checking = DataChecking(self.report, self.examples, self)
        self.writer = Runner(self)
        self.estimating = Estimating(self)
        self._asked: Path | None = None
        self._then: dict[str, Any] = {}
        self._written = FieldWritten(Path(), 0, 0)
        # a run that was started is kept in sight while its view comes, until the user scrolls
        self._following = False
        bar = self.area.verticalScrollBar()
        assert bar is not None
        self._scrolled = bar
        bar.rangeChanged.connect(lambda *_: self._follow_run())
        bar.actionTriggered.connect(lambda _: self._stop_following())

        self.dropped.connect(self.take)
        self.data.folder_chosen.connect(self.open_dataset)
        self.data.changed.connect(self._on_settings)
        self.data.collect.failed.connect(self._fail)
        self.data.collect.write_requested.connect(self._write)
        self.check_button.clicked.connect(lambda _: self.check())
        self.report.pixel_size_wanted.connect(self._use_pixel_size)
        self.examples.more_wanted.connect(self._draw_more)
        self.settings.changed.connect(self._on_settings)
        self.settings.estimate_wanted.connect(self._estimate)
        self.settings.file_wanted.connect(self._ask_for_run)
        self.place.parent_chosen.connect(lambda folder: keep(training={"parent": folder}))
        self.copy_button.clicked.connect(lambda _: self._copy())
        self.start_button.clicked.connect(lambda _: self.start())
        self.cancel_button.clicked.connect(lambda _: self._cancel())
        self.checking.moved.connect(self._on_moved)
        self.checking.ended.connect(self._on_checked)
        self.checking.failed.connect(self._on_stopped)
        self.writer.came.connect(self._on_writing)
        self.writer.ended.connect(self._on_written)
        self.estimating.moved.connect(self.status.setText)
        self.estimating.measured.connect(self._on_measured)
        self.estimating.failed.connect(self._on_stopped)
        self.runs.settings_wanted.connect(self.load_settings)
        self._restore()

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
            self._fail("None of what was dropped is a folder or an image that can be read.")

    def open_dataset(self, folder: Path, **then: Any) -> None:
        """Look into a folder to train on; ``then`` are conditions, channels and what is held out, to choose in it."""
        self._asked, self._then = Path(folder), then
        self.notices.say("data")
        self.status.setText(f"looking into {folder}…")
        worker = looking(self._asked)
        worker.returned.connect(self._on_found)
        worker.start()

    def load_settings(self, folder: Path) -> None:
        """Take data set, engine and settings from a run."""
        file = Path(folder) if Path(folder).name == DECIDED else Path(folder) / DECIDED
        try:
            decided = read_decided(file)
            self.settings.load(file, decided["engine"], decided["settings"])
        except InputError as error:
            self._fail(str(error))
            return
        self.sections["Settings"].set_open(True)
        held_out = decided["held-out"]
        apart = held_out["fields"] and held_out["folder"] != decided["training"]["folder"]
        groups = tuple(dict.fromkeys(group for _, _, group in held_out["fields"]))
        self.open_dataset(
            Path(decided["training"]["folder"]),
            conditions=decided["conditions"],
            channels=decided["settings"].get("channels"),
            held_out=HeldOut(folder=Path(held_out["folder"])) if apart else HeldOut(0.0, groups),
        )

    def check(self) -> None:
        """Check the data set with what is chosen, and draw example crops."""
        wanted = self._wanted_or_why()
        if wanted is None:
            return
        self._begin("checking…")
        self.sections["Check"].set_open(True)
        self.checking.start(wanted)

    def start(self) -> None:
        """Start training as a process of its own, which goes on when napari closes."""
        wanted = self._wanted_or_why()
        if wanted is None:
            return
        found = self.checking.report
        if found and found.errors and self.checking.holds(wanted):
            self._fail(f"This cannot be trained on: {found.errors[0]}")
            return
        try:
            folder = self.place.folder
            start_training(self._arguments(folder), folder)
        except InputError as error:
            self._fail(str(error))
            return
        self.notices.say("run")
        self.status.setText(f"started {folder.name}; it goes on when napari is closed")
        self.place.take()
        self.sections["Runs"].set_open(True)
        self.runs.open_run(folder)
        self._following = True
        self._follow_run()

    # ---- data

    def _on_found(self, found: Found) -> None:
        if found.folder != self._asked:
            # another one was asked for since
            return
        if found.problem:
            self.data.show_nothing(found.problem)
            self.status.setText("this is no data set")
            if found.images:
                self.data.collect.add_folder(found.folder)
                self._show_collecting(
                    f"{found.folder.name} holds images of one condition. Add the other conditions, and write all to a "
                    f"data set folder; or choose the folder that holds the conditions' folders."
                )
            return
        self.data.show_found(found)
        if "conditions" in self._then:
            self.data.choose(self._then["conditions"], self._then.get("channels"))
        if "held_out" in self._then:
            self.data.held_out.choose(self._then["held_out"])
        self.sections["Data"].set_open(True)
        keep(training={"dataset": str(found.folder)})
        self.check()

    def _show_collecting(self, why: str) -> None:
        self.sections["Data"].set_open(True)
        self.data.section.set_open(True)
        self.notices.say("data", [why])

    def _write(self, pieces: list[Piece], folder: Path) -> None:
        self.data.collect.set_busy(True)
        self._written = FieldWritten(folder, 0, 1)
        self._begin("writing the data set…")
        self.writer.start(WriteDataSet(pieces, folder))

    def _on_writing(self, _: WriteDataSet, event: FieldWritten) -> None:
        self._written = event
        self._on_moved(event.done / event.total, f"writing field {event.done} of {event.total}")

    def _on_written(self, job: WriteDataSet, problem: Problem | None) -> None:
        self.data.collect.set_busy(False)
        self._end()
        if problem:
            self._fail(problem.text)
        elif self._written.done < self._written.total:
            self.status.setText("writing was cancelled; fields that are complete stay")
        else:
            self.data.collect.clear()
            self.open_dataset(job.folder)

    # ---- check

    def _wanted(self) -> Wanted:
        """Return what is chosen; raises InputError where something is missing or cannot be used."""
        data = self.data
        if data.folder is None:
            raise InputError("Choose a data set, or make one: a folder of images per condition.")
        conditions, channels = data.chosen_conditions, data.channels.ticked
        if len(conditions) < 2:
            raise InputError("Choose two conditions or more.")
        if not channels:
            raise InputError("Choose a channel or more.")
        return Wanted(
            data.folder, self.settings.settings(conditions=conditions, channels=channels), data.held_out.value
        )

    def _wanted_or_why(self) -> Wanted | None:
        try:
            return self._wanted()
        except InputError as error:
            self._fail(str(error))
            return None

    def _on_checked(self, words: str) -> None:
        self._end()
        self.status.setText(words)
        self._say_state()

    def _draw_more(self) -> None:
        wanted = self._wanted_or_why()
        if wanted:
            self._begin("drawing example crops…")
            self.checking.draw_others(wanted)

    def _use_pixel_size(self, pixel_size: float) -> None:
        self.settings.set_pixel_size(pixel_size)
        self.check()

    # ---- settings

    def _on_settings(self) -> None:
        if self.settings.file is None:
            keep(training={"engine": self.settings.engine, "preset": self.settings.preset})
        if self.data.folder:
            self.place.propose(self.data.folder, self.settings.engine)
        self._say_state()

    def _say_state(self) -> None:
        """Say what is missing before training can start, and whether what was checked is what is chosen."""
        try:
            wanted, missing = self._wanted(), ""
        except InputError as error:
            wanted, missing = None, str(error)
        self.start_button.setToolTip(
            missing or "Train in a process of its own, at lower priority. It goes on when napari is closed."
        )
        checked = self.checking.report is not None
        self.check_button.setText("Check again" if checked else "Check the images")
        self.report.say_stale(checked and not self.checking.holds(wanted))
        if missing and not self._busy:
            self.status.setText(missing)

    def _ask_for_run(self) -> None:
        file, _ = QFileDialog.getOpenFileName(self, "Settings of a run", "", f"Runs ({DECIDED})")
        if file:
            self.load_settings(Path(file))

    def _estimate(self) -> None:
        if self._wanted_or_why() is None:
            return
        try:
            self.estimating.start(self._arguments(None))
        except InputError as error:
            self._fail(str(error))
            return
        self._begin("estimating…")

    def _on_measured(self, words: str) -> None:
        self._end()
        self.settings.show_cost(words)
        self.status.setText("estimated")

    # ---- the run

    def _arguments(self, out: Path | None) -> list[str]:
        """Return the command's arguments; raises InputError where something is missing or cannot be used."""
        wanted = self._wanted()
        held_out = wanted.held_out
        return train_arguments(
            wanted.folder,
            self.settings.engine,
            out,
            self.settings.said() | {"conditions": wanted.settings.conditions, "channels": wanted.settings.channels},
            preset=self.settings.preset,
            held_out=HeldOutChoice(held_out.share, held_out.groups, held_out.folder),
            from_=self.settings.file,
        )

    def _copy(self) -> None:
        try:
            line = command_line(self._arguments(self.place.folder))
        except InputError as error:
            self._fail(str(error))
            return
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(line)
        self.status.setText("copied")

    def _follow_run(self) -> None:
        if self._following:
            self._scrolled.setValue(self.sections["Runs"].y())

    def _stop_following(self) -> None:
        self._following = False

    # ---- what is going on

    def _begin(self, words: str) -> None:
        self.notices.say("run")
        self.status.setText(words)
        self.say_busy(True)

    @property
    def _busy(self) -> bool:
        return self.checking.busy or self.writer.busy or self.estimating.busy

    def _on_moved(self, share: float, words: str) -> None:
        self.bar.setValue(round(1000 * share))
        self.status.setText(words)

    def _end(self) -> None:
        self.say_busy(self._busy)

    def _on_stopped(self, why: str) -> None:
        self._end()
        self._fail(why)
        self._say_state()

    def _cancel(self) -> None:
        self.checking.cancel()
        self.writer.cancel()
        if self.estimating.busy:
            self.estimating.cancel()
            self.status.setText("the estimate was cancelled")
        self._end()

    def _fail(self, text: str) -> None:
        self.notices.say("run", [text])
        self.status.setText("see above")
        show_error(text)

    # ---- the beginning and the end

    def _restore(self) -> None:
        """Show what was chosen last."""
        last = choices().training
        self.data.start_in = last.get("dataset") or ""
        self.settings.choose(last.get("engine") or self.settings.engine, last.get("preset", self.settings.preset))
        if parent := last.get("parent"):
            self.place.make_in(Path(parent))
        self._say_state()

    def end(self) -> None:
        self._cancel()
        self.runs.close_viewer()
