"""Choosing what training must not see: a share of the groups, groups by name, or another folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QStringListModel, Qt, Signal
from qtpy.QtWidgets import QCompleter, QFileDialog, QLineEdit, QSpinBox, QWidget

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.dataset.held_out_choice import HeldOutChoice
from napari_phenotrans.widgets.common.form_parts import in_column, narrow_box, push_button
from napari_phenotrans.widgets.common.settings_form import wheel_where_focused

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARE, GROUPS, FOLDER, BATCHES = "share", "groups", "folder", "batches"
WAYS = {
    SHARE: ("Share of groups", "Drawn by the seed from the groups of each condition."),
    GROUPS: ("Groups by name", "As fields.csv names them; without one each field is a group named as its file."),
    FOLDER: ("Another folder", "A data set folder of its own, with the same conditions."),
    BATCHES: ("Whole batches", "By a column of fields.csv: plates, days, donors. Scores are of batches never seen."),
}


class HeldOutChooser(QWidget):
    """A way to hold fields out, and what it needs.

    Signals
    -------
    changed
        Something else was chosen.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._folder: Path | None = None
        self.box = narrow_box(
            "What training must not see. Scores on it say how far an engine can be trusted; a group is never split.",
            WAYS,
        )
        self.share_box = QSpinBox()
        self.share_box.setRange(0, 90)
        self.share_box.setValue(20)
        self.share_box.setSuffix(" %")
        self.share_box.setKeyboardTracking(False)
        self.share_box.setToolTip("Share of each condition's groups; 0 holds nothing out, and there are no scores.")
        self.share_box.setAccessibleName("Share of the groups that is held out")
        wheel_where_focused(self.share_box)
        self.by_edit = QLineEdit("plate")
        self.by_edit.setToolTip("Column of fields.csv, as it is spelled there; a share of its values is held out.")
        self.by_edit.setAccessibleName("Column whose batches are held out")
        self.groups_edit = QLineEdit()
        self.groups_edit.setPlaceholderText("A01, A02")
        self.groups_edit.setToolTip("Names of groups, separated by commas.")
        self.groups_edit.setAccessibleName("Groups that are held out")
        self._names = QStringListModel(self)
        completer = QCompleter(self._names, self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.groups_edit.setCompleter(completer)
        self.folder_button = push_button("Choose…", "Choose the folder with held-out fields.")
        in_column(self.box, self.share_box, self.by_edit, self.groups_edit, self.folder_button, of=self)
        self.box.activated.connect(lambda _: self._on_way())
        self.share_box.valueChanged.connect(lambda _: self.changed.emit())
        self.groups_edit.editingFinished.connect(self.changed)
        self.by_edit.editingFinished.connect(self.changed)
        self.folder_button.clicked.connect(lambda _: self._ask())
        self._show()

    @property
    def value(self) -> HeldOutChoice:
        """What is chosen.

        Raises
        ------
        InputError
            If groups, batches or a folder are to be held out and none is named.
        """
        way = self.box.currentData()
        if way == SHARE:
            return HeldOutChoice(self.share_box.value() / 100)
        if way == BATCHES:
            column = self.by_edit.text().strip()
            if not column:
                raise InputError("No column is named. Name the column of fields.csv whose batches are to be held out.")
            return HeldOutChoice(self.share_box.value() / 100, by=column)
        if way == GROUPS:
            names = tuple(name.strip() for name in self.groups_edit.text().split(",") if name.strip())
            if not names:
                raise InputError("No group is named. Name the groups to hold out, separated by commas, or a share.")
            return HeldOutChoice(groups=names)
        if self._folder is None:
            raise InputError("No held-out folder is chosen. Press Choose…, or hold out a share of the groups.")
        return HeldOutChoice(folder=self._folder)

    def choose(self, held_out: HeldOutChoice) -> None:
        """Show another choice, without emitting `changed`."""
        way = FOLDER if held_out.folder else GROUPS if held_out.groups else BATCHES if held_out.by else SHARE
        self.by_edit.setText(held_out.by or self.by_edit.text())
        self.box.setCurrentIndex(self.box.findData(way))
        with QSignalBlocker(self.share_box):
            self.share_box.setValue(round(100 * held_out.share))
        self.groups_edit.setText(", ".join(held_out.groups))
        self._folder = held_out.folder
        self._show()

    def offer(self, groups: Sequence[str]) -> None:
        """Complete names of groups while they are typed."""
        self._names.setStringList(list(groups))

    def _on_way(self) -> None:
        self._show()
        self.changed.emit()

    def _ask(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of held-out fields", str(self._folder or ""))
        if folder:
            self._folder = Path(folder)
            self._show()
            self.changed.emit()

    def _show(self) -> None:
        way = self.box.currentData()
        self.share_box.setVisible(way in (SHARE, BATCHES))
        self.by_edit.setVisible(way == BATCHES)
        self.groups_edit.setVisible(way == GROUPS)
        self.folder_button.setVisible(way == FOLDER)
        self.folder_button.setText(self._folder.name if self._folder else "Choose…")
