"""Where a data set is put together: layers, rectangles and folders, each sent to a condition, then written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.dataset.collect import pieces_in, pieces_of, refuse_unfit
from napari_phenotrans.widgets.common.form_layout import Form, narrow_box
from napari_phenotrans.widgets.common.notices import wrapped_label
from napari_phenotrans.widgets.train.layer_pieces import rectangle_pieces, selected_pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari import Viewer

    from napari_phenotrans.dataset.collect import Piece

IMAGE, FIELD, NAMED = "image", "field", "named"
GROUPS = {
    IMAGE: ("One per image", "Rectangles, or planes, of one image are never split up."),
    FIELD: ("One per field", "For fields that have nothing in common; rectangles of one image have."),
    NAMED: ("Named below", "All that is added belongs to this well, patient or organoid."),
}
ROWS = 5


@dataclass(frozen=True, eq=False)
class _Batch:
    """What one press of a button has added."""

    condition: str
    words: str
    pieces: Sequence[Piece]

    @property
    def count(self) -> int:
        return sum(piece.count for piece in self.pieces)


class CollectPanel(QWidget):
    """Adds what is selected in the viewer, and folders, to conditions; asks to write them.

    Signals
    -------
    write_requested
        Pieces, a list, and the folder to write them to.
    failed
        Why something could not be added, in words.
    """

    write_requested = Signal(list, object)
    failed = Signal(str)

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._batches: list[_Batch] = []
        self._busy = False
        self.about = wrapped_label(
            "Name a condition, add what shows it; then name the next. All is copied into a data set folder."
        )
        self.about.setToolTip("For images that are open, or that do not lie in one folder per condition yet.")
        self.condition_box = narrow_box("The condition that what you add next shows: type a name, or choose one.")
        self.condition_box.setEditable(True)
        self.condition_box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        line = self.condition_box.lineEdit()
        assert line is not None
        line.setPlaceholderText("such as untreated")
        self.layers_button = QPushButton("Add layers")
        self.layers_button.setToolTip("Add the images whose layers are selected in the layer list.")
        self.rectangles_button = QPushButton("Add rectangles")
        self.rectangles_button.setToolTip(
            "Add what the selected rectangles of a Shapes layer frame, or all of them, of the topmost visible image."
        )
        self.folder_button = QPushButton("Add folder…")
        self.folder_button.setToolTip("Add all images of a folder, with the groups that a fields.csv beside it says.")
        self.group_box = narrow_box("What stays together when fields are held out: a well, a patient, an organoid.")
        for key, (text, tooltip) in GROUPS.items():
            self.group_box.addItem(text, key)
            self.group_box.setItemData(self.group_box.count() - 1, tooltip, Qt.ItemDataRole.ToolTipRole)
        self.group_edit = QLineEdit()
        self.group_edit.setPlaceholderText("well, patient or organoid")
        self.group_edit.setToolTip("The group of what you add next.")
        self.group_edit.setAccessibleName("Name of the group")
        self.group_edit.hide()
        self.apart_box = QCheckBox("Each layer is an image")
        self.apart_box.setToolTip(
            "Otherwise layers of one size that were not opened by this plugin are the channels of one image."
        )
        self.planes_box = QCheckBox("Each plane is a field")
        self.planes_box.setToolTip("For a stack that is a list of images; not for Z or time, whose planes are alike.")
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels(["Condition", "What", "Fields"])
        self.table.setToolTip("What will be written.")
        self.table.setAccessibleName("What will be written")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setTabKeyNavigation(False)
        vertical, horizontal = self.table.verticalHeader(), self.table.horizontalHeader()
        assert vertical is not None and horizontal is not None
        vertical.hide()
        horizontal.setHighlightSections(False)
        horizontal.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        horizontal.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.remove_button = QPushButton("Remove")
        self.remove_button.setToolTip("Take the selected rows out again; nothing is deleted.")
        self.write_button = QPushButton("Write data set…")
        self.write_button.setToolTip(
            "Choose a folder: a new one, or a data set to add to. Nothing that is there is replaced."
        )

        for button in (self.layers_button, self.rectangles_button, self.folder_button):
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.about)
        rows = Form()
        rows.add("Condition", self.condition_box)
        rows.add("Group", self.group_box)
        rows.addRow("", self.group_edit)
        column.addLayout(rows)
        column.addWidget(self.apart_box)
        column.addWidget(self.planes_box)
        first, second = QHBoxLayout(), QHBoxLayout()
        first.addWidget(self.layers_button)
        first.addWidget(self.rectangles_button)
        second.addWidget(self.folder_button)
        second.addWidget(self.remove_button)
        column.addLayout(first)
        column.addLayout(second)
        column.addWidget(self.table)
        column.addWidget(self.write_button)

        self.group_box.activated.connect(lambda _: self.group_edit.setVisible(self._grouping == NAMED))
        self.layers_button.clicked.connect(lambda _: self._add_layers())
        self.rectangles_button.clicked.connect(lambda _: self._add_rectangles())
        self.folder_button.clicked.connect(lambda _: self._ask_for_folder())
        self.remove_button.clicked.connect(lambda _: self._remove())
        self.write_button.clicked.connect(lambda _: self._ask_where())
        self._show()

    # ---- what the dock tells

    @property
    def pieces(self) -> list[Piece]:
        """All that was added."""
        return [piece for batch in self._batches for piece in batch.pieces]

    @property
    def conditions(self) -> list[str]:
        """The conditions that something was added to."""
        return list(dict.fromkeys(batch.condition for batch in self._batches))

    def add_folder(self, folder: Path, condition: str = "") -> None:
        """Add a folder's images; of a condition that is named as the folder where none is said."""
        self._add(condition or folder.name, lambda name: pieces_in(folder, name), folder.name)

    def add_files(self, files: Sequence[Path]) -> None:
        """Add images to the condition that is typed, or named as their folder where none is."""
        self._add(self._condition or files[0].parent.name, lambda name: pieces_of(files, name), "files")

    def set_busy(self, busy: bool) -> None:
        """Show that the data set is being written."""
        self._busy = busy
        self._show()

    def clear(self) -> None:
        """Forget what was added."""
        self._batches = []
        self._show()

    # ---- what the user does

    @property
    def _grouping(self) -> str:
        return self.group_box.currentData()

    @property
    def _group(self) -> str | None:
        return {IMAGE: None, FIELD: "", NAMED: self.group_edit.text().strip()}[self._grouping]

    def _add_layers(self) -> None:
        how = {"apart": self.apart_box.isChecked(), "planes_apart": self.planes_box.isChecked()}
        self._add(self._condition, lambda name: selected_pieces(self._viewer, name, group=self._group, **how), "layers")

    def _add_rectangles(self) -> None:
        apart = self.apart_box.isChecked()
        self._add(
            self._condition,
            lambda name: rectangle_pieces(self._viewer, name, apart=apart, group=self._group),
            "rectangles",
        )

    def _ask_for_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder of images of one condition")
        if chosen:
            self.add_folder(Path(chosen), self._condition)

    def _ask_where(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the data set")
        if chosen:
            self.write_requested.emit(self.pieces, Path(chosen))

    @property
    def _condition(self) -> str:
        return self.condition_box.currentText().strip()

    def _add(self, condition: str, gather: Callable[[str], list[Piece]], words: str) -> None:
        try:
            refuse_unfit(condition)
            if self._grouping == NAMED and not self._group:
                raise InputError("The group has no name. Type one below Group, or choose another grouping.")
            pieces = gather(condition)
        except InputError as error:
            self.failed.emit(str(error))
            return
        origins = {piece.file.name for piece in pieces if piece.file}
        if len(pieces) == 1:
            words = pieces[0].name
        elif len(origins) == 1:
            words += f" of {origins.pop()}"
        self._batches.append(_Batch(condition, words, pieces))
        self._show()

    def _remove(self) -> None:
        rows = {index.row() for index in self.table.selectedIndexes()}
        self._batches = [batch for row, batch in enumerate(self._batches) if row not in rows]
        self._show()

    def _show(self) -> None:
        self.table.setRowCount(len(self._batches))
        for row, batch in enumerate(self._batches):
            for column, text in enumerate((batch.condition, batch.words, str(batch.count))):
                item = QTableWidgetItem(text)
                item.setToolTip("\n".join([text, *(piece.name for piece in batch.pieces[:40])]))
                self.table.setItem(row, column, item)
        line = self.table.fontMetrics().height() + 8
        horizontal = self.table.horizontalHeader()
        assert horizontal is not None
        for row in range(len(self._batches)):
            self.table.setRowHeight(row, line)
        self.table.setFixedHeight(horizontal.sizeHint().height() + line * min(max(len(self._batches), 2), ROWS) + 4)
        self.table.setVisible(bool(self._batches))
        self.remove_button.setEnabled(bool(self._batches) and not self._busy)
        self.write_button.setEnabled(bool(self._batches) and not self._busy)
        said = self._condition
        self.condition_box.clear()
        self.condition_box.addItems(self.conditions)
        self.condition_box.setEditText(said)
