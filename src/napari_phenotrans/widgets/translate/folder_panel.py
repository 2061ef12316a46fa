"""Translating or completing all images of a folder: choosing it, and how far each of its files is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFileDialog,
    QHeaderView,
    QStyledItemDelegate,
    QTableWidgetItem,
    QWidget,
)

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import duration
from napari_phenotrans.translation.batch import FileCompleted, FileDone, FileFailed, FileSkipped, FileStarted
from napari_phenotrans.translation.batch_summary import SAME, Summary
from napari_phenotrans.translation.inputs import images_in
from napari_phenotrans.widgets.common.form_parts import (
    as_panel,
    as_tooltip,
    elided,
    in_column,
    in_row,
    push_button,
    wrapped_label,
)
from napari_phenotrans.widgets.common.tables import RowList
from napari_phenotrans.widgets.translate.folder_job import FileNoticed, FileRunning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtCore import QModelIndex
    from qtpy.QtWidgets import QStyleOptionViewItem

WAITING, RUNNING, DONE, SKIPPED, FAILED, CANCELLED = "waiting", "running", "done", "skipped", "failed", "cancelled"
# What is done with a folder, while it is done, and the folder in it for the results.
TRANSLATE, COMPLETE = ("Translate", "translating", "translated"), ("Complete", "completing", "completed")
CHOOSE = "{} all images of a folder, with the checkpoint and the conditions chosen above."
# Rows that are seen at once; the rest is scrolled to.
ROWS = 6


class FolderPanel(QWidget):
    """A button that asks for a folder, and a list of its images with a state each.

    Signals
    -------
    batch_requested
        Files, the folder for their results, and other fields of `batch.FilesRequest`, a dictionary.
    open_requested
        The `FileDone` or `FileCompleted` of a file that was double-clicked, or chosen with Return.
    cancel_requested
        No more files are to be translated.
    """

    batch_requested = Signal(list, object, dict)
    open_requested = Signal(object)
    cancel_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ready, self._reason, self._running = False, "", False
        self._verb, self._doing, self._results = TRANSLATE
        self._folder: Path | None = None
        self._out: Path | None = None
        self._rows: dict[Path, int] = {}
        self._states: dict[Path, str] = {}
        self._notes: dict[Path, list[str]] = {}
        self._done: dict[Path, FileDone | FileCompleted] = {}
        self._summary = Summary([])
        self.choose_button = push_button("")
        self.about = wrapped_label(tooltip="What the folder holds.")
        self.out_button = push_button("", "Choose the folder for the results.")
        self.join_box = QCheckBox("One channel per file")
        self.join_box.setToolTip("Join files whose names differ by their channel to one image each.")
        self.skip_box = QCheckBox("Skip what is done")
        self.skip_box.setToolTip(
            "Continue a batch: pass over images whose results were made from the same pixels, by the same checkpoint "
            "and with the same settings. Other results are not skipped."
        )
        self.replace_box = QCheckBox("Replace earlier results")
        self.replace_box.setToolTip("Otherwise a file whose results exist is not translated, and said to have failed.")
        self.table = RowList(
            "Images of the folder",
            "Double-click, or press Return on, an image that is done or skipped to see its translation.",
            ["Image", "State"],
            ROWS,
        )
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setWordWrap(False)
        self._elide_names = _MiddleElided(self.table)
        self.table.setItemDelegateForColumn(0, self._elide_names)
        self.table.columns.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.details = wrapped_label(tooltip="What is known of the image that is selected above.")
        self.details.hide()
        self.start_button = push_button("")
        self.cancel_button = push_button("Cancel", "Stop before the next tile; files that are done stay.")
        #: What is shown once a folder is chosen.
        self.batch = as_panel(
            self.about,
            self.out_button,
            self.join_box,
            self.skip_box,
            self.replace_box,
            self.table,
            self.details,
            in_row(self.start_button, self.cancel_button, stretch=(2, 1)),
        )
        self.batch.hide()
        self.status = wrapped_label(tooltip="What became of the folder.")
        self.status.hide()
        in_column(self.choose_button, self.batch, self.status, of=self)

        self.choose_button.clicked.connect(lambda _: self._ask_for_folder())
        self.out_button.clicked.connect(lambda _: self._ask_for_out())
        self.join_box.clicked.connect(lambda _: self._list_images())
        self.start_button.clicked.connect(lambda _: self._start())
        self.cancel_button.clicked.connect(lambda _: self.cancel_requested.emit())
        self.table.currentCellChanged.connect(lambda *_: self._show_details())
        self.table.cellDoubleClicked.connect(lambda row, _: self._open(row))
        self.table.row_entered.connect(self._open)
        self.set_ready(False, "Choose a checkpoint.")

    # ---- what the dock tells

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are listed."""
        return tuple(self._rows)

    def set_ready(self, ready: bool, reason: str = "") -> None:
        """Let files be translated, or give the reason why they cannot be."""
        self._ready, self._reason = ready, reason
        self._update()

    def set_completes(self, completes: bool) -> None:
        """Say that images are completed rather than translated."""
        self._verb, self._doing, results = COMPLETE if completes else TRANSLATE
        if self._folder is not None and self._out == self._folder / self._results and not self._running:
            self._out = self._folder / results
        self._results = results
        self._update()

    def show_folder(self, folder: Path) -> None:
        """List a folder's images, which then wait for the user to start."""
        self._folder, self._out = folder, folder / self._results
        self.join_box.setChecked(False)
        self._list_images()

    def show_batch(self, paths: Iterable[Path]) -> None:
        """List files, all waiting."""
        self._rows = {path: row for row, path in enumerate(paths)}
        self._notes, self._done = {}, {}
        self._summary = Summary(list(self._rows))
        self._states = dict.fromkeys(self._rows, WAITING)
        self.table.setCurrentCell(-1, -1)
        self.table.setRowCount(len(self._rows))
        for path, row in self._rows.items():
            item = QTableWidgetItem(path.name)
            item.setToolTip(as_tooltip(str(path)))
            self.table.setItem(row, 0, item)
            self.table.setItem(row, 1, QTableWidgetItem())
            self.update_file(path, WAITING)
        self.table.fit_height()

    def update_file(self, path: Path, state: str, text: str = "") -> None:
        """Show a file's state: ``WAITING``, ``RUNNING``, ``DONE``, ``SKIPPED``, ``FAILED`` or ``CANCELLED``.

        ``text`` is how much of it is done, or why it failed.
        """
        self._states[path] = state
        item = self.table.item(self._rows[path], 1)
        assert item is not None
        state_text = f"{state}: {text}" if state == FAILED else f"{state} {text}".strip()
        item.setText(state_text.replace("\n", " "))
        item.setToolTip(as_tooltip("\n".join([state_text, *self._notes.get(path, [])])))
        self._show_details()

    def show_event(self, event: Any) -> None:
        """Show an event of `folder_job.TranslateFolder`."""
        self._summary.add(event)
        if isinstance(event, FileStarted):
            self.update_file(event.path, RUNNING, "0 %")
            self.table.scrollToItem(self.table.item(self._rows[event.path], 0))
        elif isinstance(event, FileRunning):
            self.update_file(event.path, RUNNING, f"{round(100 * event.share)} %")
        elif isinstance(event, FileNoticed):
            self._notes.setdefault(event.path, []).append(f"• {event.text}")
        elif isinstance(event, FileDone | FileCompleted):
            self._done[event.path] = event
            count = len(self._notes.get(event.path, ()))
            self.update_file(event.path, DONE, f"({count} note{'' if count == 1 else 's'})" if count else "")
        elif isinstance(event, FileSkipped):
            self._done[event.path] = event.done
            self._notes.setdefault(event.path, []).append(f"• {SAME}")
            self.update_file(event.path, SKIPPED)
        elif isinstance(event, FileFailed):
            self.update_file(event.path, FAILED, event.reason)
        self._show_counts()

    def end(self, problem: str = "") -> None:
        """Show that it is over: what waited or ran was cancelled, or stopped by a problem."""
        for path, state in list(self._states.items()):
            if state in (WAITING, RUNNING):
                self.update_file(path, *((FAILED, problem) if problem else (CANCELLED,)))
        self._running = False
        self._show_counts()
        if ends := self._summary.ends:
            self._show_status(f"{self.status.text()}, in {duration(sum(end.seconds for end in ends))}")
        self._update()

    # ---- what the user does

    def _ask_for_folder(self) -> None:
        title = f"Folder of images to {self._verb.lower()}"
        folder = QFileDialog.getExistingDirectory(self, title, str(self._folder or ""))
        if folder:
            self.show_folder(Path(folder))

    def _ask_for_out(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the results", str(self._folder or ""))
        if folder:
            self._out = Path(folder)
            self._update()

    def _list_images(self) -> None:
        assert self._folder is not None
        try:
            images = images_in(self._folder, join=self.join_box.isChecked())
        except InputError as error:
            self._show_status(str(error))
            if self.join_box.isChecked():
                self.join_box.setChecked(False)
            else:
                self.batch.hide()
            return
        self._show_status("")
        self.about.setText(f"{self._folder.name}: {images.words()}.")
        self.show_batch(images.images)
        self.batch.show()
        self._update()

    def _start(self) -> None:
        paths = list(self._rows)
        self.show_batch(paths)
        self._running = True
        self._show_counts()
        self._update()
        more = {
            "overwrite": self.replace_box.isChecked(),
            "skip_existing": self.skip_box.isChecked(),
            "reading": {"join": self.join_box.isChecked()},
        }
        self.batch_requested.emit(paths, self._out, more)

    def _open(self, row: int) -> None:
        path = self._path_at(row)
        if path in self._done:
            self.open_requested.emit(self._done[path])

    # ---- what it shows

    def _show_status(self, text: str) -> None:
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def _show_details(self) -> None:
        path = self._path_at(self.table.currentRow())
        item = self.table.item(self.table.currentRow(), 1)
        known = path is not None and (self._states[path] == FAILED or path in self._notes)
        self.details.setText(f"{path.name}: {item.toolTip()}" if path and item and known else "")
        self.details.setVisible(known)

    def _path_at(self, row: int) -> Path | None:
        return next((path for path, at in self._rows.items() if at == row), None)

    def _show_counts(self) -> None:
        states = list(self._states.values())
        counts = [(states.count(state), state) for state in (DONE, SKIPPED, FAILED, CANCELLED) if states.count(state)]
        text = ", ".join(f"{count} {state}" for count, state in counts) or self._doing
        self._show_status(f"{text} of {len(states)}")

    def _update(self) -> None:
        reason = "" if self._ready else f" {self._reason}"
        self.choose_button.setEnabled(not self._running)
        self.choose_button.setText(f"{self._verb} a folder…")
        self.choose_button.setToolTip(as_tooltip(CHOOSE.format(self._verb)))
        self.start_button.setEnabled(self._ready and not self._running)
        self.start_button.setText(f"{self._verb} {len(self._rows)} image{'' if len(self._rows) == 1 else 's'}")
        self.start_button.setToolTip("One after the other; one that fails does not stop the others." + reason)
        self.cancel_button.setEnabled(self._running)
        for widget in (self.out_button, self.join_box, self.skip_box, self.replace_box):
            widget.setEnabled(not self._running)
        if self._out is not None:
            self.out_button.setText(elided(f"Results in {self._out}", self.out_button, 260))
            self.out_button.setToolTip(as_tooltip(f"Results go to {self._out}. Press to choose another folder."))


class _MiddleElided(QStyledItemDelegate):
    """Leaves out the middle of names that are too long: what tells files apart stands at either end."""

    def initStyleOption(self, option: QStyleOptionViewItem | None, index: QModelIndex) -> None:
        super().initStyleOption(option, index)
        if option is not None:
            option.textElideMode = Qt.TextElideMode.ElideMiddle
