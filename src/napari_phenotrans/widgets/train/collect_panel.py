"""Putting a data set together: layers, rectangles and folders are added to conditions, then written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QHeaderView, QLineEdit, QSizePolicy, QWidget

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.dataset.collect import pieces_in, pieces_of, refuse_unfit
from napari_phenotrans.widgets.common.form_parts import Form, in_column, in_row, narrow_box, push_button, wrapped_label
from napari_phenotrans.widgets.common.tables import RowList
from napari_phenotrans.widgets.train.collect_from_viewer import rectangle_pieces, selected_pieces

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
    """The pieces that one press of a button added."""

    condition: str
    label: str
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
    changed
        Something was added or taken out.
    failed
        Why something could not be added.
    """

    write_requested = Signal(list, object)
    changed = Signal()
    failed = Signal(str)

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._batches: list[_Batch] = []
        self._busy = False
        about = wrapped_label(
            "Name a condition, add what shows it; then name the next. All is copied into a data set folder.",
            "For images that are open, or that do not lie in one folder per condition yet.",
        )
        self._make_fields()
        self._make_buttons()
        self.table = RowList("What will be written", "What will be written.", ["Condition", "What", "Fields"], ROWS)
        self.table.columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.columns.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        form = Form({"Condition": self.condition_box, "Group": self.group_box})
        form.addRow("", self.group_edit)
        in_column(
            about,
            form,
            self.apart_box,
            self.planes_box,
            in_row(self.layers_button, self.rectangles_button),
            in_row(self.folder_button, self.remove_button),
            self.table,
            Form({"Data set": self.name_edit}),
            self.write_button,
            of=self,
        )
        self._show()

    def _make_fields(self) -> None:
        """Make the fields that say what is added next."""
        self.condition_box = narrow_box("The condition that what you add next shows: type a name, or choose one.")
        self.condition_box.setEditable(True)
        self.condition_box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        condition_edit = self.condition_box.lineEdit()
        assert condition_edit is not None
        condition_edit.setPlaceholderText("such as untreated")
        self.group_box = narrow_box(
            "What stays together when fields are held out: a well, a patient, an organoid.", GROUPS
        )
        self.group_box.activated.connect(lambda _: self.group_edit.setVisible(self._grouping == NAMED))
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

    def _make_buttons(self) -> None:
        """Make the buttons that add, remove and write."""
        self.layers_button = push_button("Add layers", "Add the images whose layers are selected in the layer list.")
        self.rectangles_button = push_button(
            "Add rectangles",
            "Add what the selected rectangles of a Shapes layer frame, or all of them, of the topmost visible image.",
        )
        self.folder_button = push_button(
            "Add folder…", "Add all images of a folder, with the groups that a fields.csv beside it says."
        )
        for button in (self.layers_button, self.rectangles_button, self.folder_button):
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.remove_button = push_button("Remove", "Take the selected rows out again; nothing is deleted.")
        self.name_edit = QLineEdit()
        self.name_edit.setPlaceholderText("name of a new folder")
        self.name_edit.setAccessibleName("Name of the data set's folder")
        self.name_edit.setToolTip("The data set's folder is made with this name; without one, the chosen folder is it.")
        self.write_button = push_button(
            "Write data set…",
            "Choose where: the data set's folder is made there, or, without a name for it, a data set is added to. "
            "Nothing that is there is replaced.",
        )
        self.layers_button.clicked.connect(lambda _: self._add_layers())
        self.rectangles_button.clicked.connect(lambda _: self._add_rectangles())
        self.folder_button.clicked.connect(lambda _: self._ask_for_folder())
        self.remove_button.clicked.connect(lambda _: self._remove())
        self.write_button.clicked.connect(lambda _: self._ask_where())

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
        """Add a folder's images; without a condition, the folder's name is it."""
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
        folder = QFileDialog.getExistingDirectory(self, "Folder of images of one condition")
        if folder:
            self.add_folder(Path(folder), self._condition)

    def _ask_where(self) -> None:
        name = self.name_edit.text().strip()
        title = f"Where the folder {name} is made" if name else "Folder for the data set"
        folder = QFileDialog.getExistingDirectory(self, title, str(Path.home()))
        if folder:
            self.write_requested.emit(self.pieces, Path(folder) / name)

    @property
    def _condition(self) -> str:
        return self.condition_box.currentText().strip()

    def _add(self, condition: str, gather: Callable[[str], list[Piece]], label: str) -> None:
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
            label = pieces[0].name
        elif len(origins) == 1:
            label += f" of {origins.pop()}"
        self._batches.append(_Batch(condition, label, pieces))
        self._show()
        self.changed.emit()

    def _remove(self) -> None:
        rows = {index.row() for index in self.table.selectedIndexes()}
        self._batches = [batch for row, batch in enumerate(self._batches) if row not in rows]
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        self.table.setRowCount(len(self._batches))
        for row, batch in enumerate(self._batches):
            for column, text in enumerate((batch.condition, batch.label, str(batch.count))):
                tooltip = "\n".join([text, *(piece.name for piece in batch.pieces[:40])])
                self.table.show_cell(row, column, text, tooltip)
        self.table.fit_height()
        self.table.setVisible(bool(self._batches))
        self.remove_button.setEnabled(bool(self._batches) and not self._busy)
        self.write_button.setEnabled(bool(self._batches) and not self._busy)
        condition = self._condition
        self.condition_box.clear()
        self.condition_box.addItems(self.conditions)
        self.condition_box.setEditText(condition)
