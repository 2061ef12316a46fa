"""Choosing a folder to translate, and how far each of its files is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QStyledItemDelegate,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.translation.batch import FileDone, FileFailed, FileStarted, images_in
from napari_phenotrans.widgets.common.notices import wrapped_label
from napari_phenotrans.widgets.translate.batch_job import FileNoticed, FileRunning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtCore import QModelIndex
    from qtpy.QtGui import QKeyEvent
    from qtpy.QtWidgets import QStyleOptionViewItem

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
CHOOSE = "Translate all images of a folder, with the checkpoint and the conditions chosen above."
# Rows that are seen at once; the rest is scrolled to.
ROWS = 6


class FolderPanel(QWidget):
    """A button that asks for a folder, then its images with a state each.

    Signals
    -------
    batch_requested
        Files, the folder for their results, and other fields of `batch.FilesRequest`, a dictionary.
    open_requested
        The `FileDone` of a file that was double-clicked, or chosen with Return.
    cancel_requested
        No more files are to be translated.
    """

    batch_requested = Signal(list, object, dict)
    open_requested = Signal(object)
    cancel_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ready, self._why, self._running = False, "", False
        self._folder: Path | None = None
        self._out: Path | None = None
        self._rows: dict[Path, int] = {}
        self._states: dict[Path, str] = {}
        self._notes: dict[Path, list[str]] = {}
        self._done: dict[Path, FileDone] = {}
        self.choose_button = QPushButton("Translate a folder…")
        self.about = wrapped_label()
        self.about.setToolTip("What the folder holds.")
        self.join_box = QCheckBox("One channel per file")
        self.join_box.setToolTip("Join files whose names differ by their channel to one image each.")
        self.replace_box = QCheckBox("Replace earlier results")
        self.replace_box.setToolTip("Otherwise a file whose results exist is not translated, and said to have failed.")
        self.out_button = QPushButton()
        self.out_button.setToolTip("Choose the folder for the results.")
        self.table = _Table(0, 2)
        self.table.setHorizontalHeaderLabels(["Image", "State"])
        self.table.setToolTip("Double-click, or press Return on, an image that is done to see its translation.")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setTabKeyNavigation(False)
        self.table.setWordWrap(False)
        self._names = _MiddleElided(self.table)
        self.table.setItemDelegateForColumn(0, self._names)
        vertical, horizontal = self.table.verticalHeader(), self.table.horizontalHeader()
        assert vertical is not None and horizontal is not None
        vertical.hide()
        horizontal.setHighlightSections(False)
        horizontal.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.details = wrapped_label()
        self.details.setToolTip("What is known of the image that is selected above.")
        self.details.hide()
        self.start_button = QPushButton("Translate")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop before the next tile; files that are done stay.")

        self.chosen = QWidget()
        inside = QVBoxLayout(self.chosen)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self.about)
        inside.addWidget(self.out_button)
        inside.addWidget(self.join_box)
        inside.addWidget(self.replace_box)
        inside.addWidget(self.table)
        inside.addWidget(self.details)
        buttons = QHBoxLayout()
        buttons.addWidget(self.start_button, 2)
        buttons.addWidget(self.cancel_button, 1)
        inside.addLayout(buttons)
        self.chosen.hide()
        self.status = wrapped_label()
        self.status.setToolTip("What became of the folder.")
        self.status.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.choose_button)
        column.addWidget(self.chosen)
        column.addWidget(self.status)

        self.choose_button.clicked.connect(lambda _: self._ask_for_folder())
        self.out_button.clicked.connect(lambda _: self._ask_for_out())
        self.join_box.clicked.connect(lambda _: self._list())
        self.start_button.clicked.connect(lambda _: self._start())
        self.cancel_button.clicked.connect(lambda _: self.cancel_requested.emit())
        self.table.currentCellChanged.connect(lambda *_: self._say_details())
        self.table.cellDoubleClicked.connect(lambda row, _: self._open(row))
        self.table.entered_row.connect(self._open)
        self.set_ready(False, "Choose a checkpoint.")

    # ---- what the dock tells

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are listed."""
        return tuple(self._rows)

    def set_ready(self, ready: bool, why: str = "") -> None:
        """Say whether files can be translated; ``why`` not, in words."""
        self._ready, self._why = ready, why
        self._update()

    def show_folder(self, folder: Path) -> None:
        """List a folder's images, which then wait for the user to start."""
        self._folder, self._out = folder, folder / "translated"
        self.join_box.setChecked(False)
        self._list()

    def show_batch(self, paths: Iterable[Path]) -> None:
        """List files, all waiting."""
        self._rows = {path: row for row, path in enumerate(paths)}
        self._notes, self._done = {}, {}
        self._states = dict.fromkeys(self._rows, WAITING)
        self.table.setCurrentCell(-1, -1)
        self.table.setRowCount(len(self._rows))
        for path, row in self._rows.items():
            item = QTableWidgetItem(path.name)
            item.setToolTip(str(path))
            self.table.setItem(row, 0, item)
            self.table.setItem(row, 1, QTableWidgetItem())
            self.update_file(path, WAITING)
        line = self.table.fontMetrics().height() + 8
        for row in range(len(self._rows)):
            self.table.setRowHeight(row, line)
        horizontal = self.table.horizontalHeader()
        assert horizontal is not None
        self.table.setFixedHeight(horizontal.sizeHint().height() + line * min(max(len(self._rows), 2), ROWS) + 4)

    def update_file(self, path: Path, state: str, text: str = "") -> None:
        """Show a file's state: ``WAITING``, ``RUNNING``, ``DONE``, ``FAILED`` or ``CANCELLED``.

        ``text`` is how much of it is done, or why it failed.
        """
        self._states[path] = state
        item = self.table.item(self._rows[path], 1)
        assert item is not None
        words = f"{state}: {text}" if state == FAILED else f"{state} {text}".strip()
        item.setText(words.replace("\n", " "))
        item.setToolTip("\n".join([words, *self._notes.get(path, [])]))
        self._say_details()

    def show_event(self, event: Any) -> None:
        """Show an event of `batch_job.TranslateFolder`."""
        if isinstance(event, FileStarted):
            self.update_file(event.path, RUNNING, "0 %")
            self.table.scrollToItem(self.table.item(self._rows[event.path], 0))
        elif isinstance(event, FileRunning):
            self.update_file(event.path, RUNNING, f"{round(100 * event.share)} %")
        elif isinstance(event, FileNoticed):
            self._notes.setdefault(event.path, []).append(f"• {event.text}")
        elif isinstance(event, FileDone):
            self._done[event.path] = event
            noted = len(self._notes.get(event.path, ()))
            self.update_file(event.path, DONE, f"({noted} note{'' if noted == 1 else 's'})" if noted else "")
        elif isinstance(event, FileFailed):
            self.update_file(event.path, FAILED, event.reason)
        self._say_states()

    def end(self, problem: str = "") -> None:
        """Show that it is over: what waited or ran was cancelled, or stopped by a problem."""
        for path, state in list(self._states.items()):
            if state in (WAITING, RUNNING):
                self.update_file(path, *((FAILED, problem) if problem else (CANCELLED,)))
        self._running = False
        self._say_states()
        self._update()

    # ---- what the user does

    def _ask_for_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder of images to translate", str(self._folder or ""))
        if chosen:
            self.show_folder(Path(chosen))

    def _ask_for_out(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the results", str(self._folder or ""))
        if chosen:
            self._out = Path(chosen)
            self._update()

    def _list(self) -> None:
        assert self._folder is not None
        try:
            found = images_in(self._folder, join=self.join_box.isChecked())
        except InputError as error:
            self._say(str(error))
            if self.join_box.isChecked():
                self.join_box.setChecked(False)
            else:
                self.chosen.hide()
            return
        self._say("")
        self.about.setText(f"{self._folder.name}: {found.words()}.")
        self.show_batch(found.images)
        self.chosen.show()
        self._update()

    def _start(self) -> None:
        paths = list(self._rows)
        self.show_batch(paths)
        self._running = True
        self._say_states()
        self._update()
        more = {"overwrite": self.replace_box.isChecked(), "reading": {"join": self.join_box.isChecked()}}
        self.batch_requested.emit(paths, self._out, more)

    def _open(self, row: int) -> None:
        path = self._path_at(row)
        if path in self._done:
            self.open_requested.emit(self._done[path])

    # ---- what it shows

    def _say(self, text: str) -> None:
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def _say_details(self) -> None:
        path = self._path_at(self.table.currentRow())
        item = self.table.item(self.table.currentRow(), 1)
        known = path is not None and (self._states[path] == FAILED or path in self._notes)
        self.details.setText(f"{path.name}: {item.toolTip()}" if path and item and known else "")
        self.details.setVisible(known)

    def _path_at(self, row: int) -> Path | None:
        return next((path for path, at in self._rows.items() if at == row), None)

    def _say_states(self) -> None:
        states = list(self._states.values())
        counts = [(states.count(state), state) for state in (DONE, FAILED, CANCELLED) if states.count(state)]
        self._say(f"{', '.join(f'{count} {state}' for count, state in counts) or 'translating'} of {len(states)}")

    def _update(self) -> None:
        why = "" if self._ready else f" {self._why}"
        self.choose_button.setEnabled(not self._running)
        self.choose_button.setToolTip(CHOOSE)
        self.start_button.setEnabled(self._ready and not self._running)
        self.start_button.setText(f"Translate {len(self._rows)} image{'' if len(self._rows) == 1 else 's'}")
        self.start_button.setToolTip("One after the other; one that fails does not stop the others." + why)
        self.cancel_button.setEnabled(self._running)
        for widget in (self.out_button, self.join_box, self.replace_box):
            widget.setEnabled(not self._running)
        if self._out is not None:
            self.out_button.setText(_elided(f"Results in {self._out}", self.out_button))
            self.out_button.setToolTip(f"Results go to {self._out}. Press to choose another folder.")


class _Table(QTableWidget):
    """A table that says where Return was pressed."""

    entered_row = Signal(int)

    def keyPressEvent(self, e: QKeyEvent | None) -> None:
        if e is not None and e.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.entered_row.emit(self.currentRow())
        else:
            super().keyPressEvent(e)


class _MiddleElided(QStyledItemDelegate):
    """Leaves out the middle of names that are too long: what tells files apart stands at either end."""

    def initStyleOption(self, option: QStyleOptionViewItem | None, index: QModelIndex) -> None:
        super().initStyleOption(option, index)
        if option is not None:
            option.textElideMode = Qt.TextElideMode.ElideMiddle


def _elided(text: str, widget: QWidget) -> str:
    return widget.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, 260)
