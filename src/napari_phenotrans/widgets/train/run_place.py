"""Where a run is made: its name, and the folder that runs are made in."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.widgets.common.form_layout import Form

SHOWN = 190


class RunPlace(QWidget):
    """Proposes a folder that is not there yet; the user may say another.

    Signals
    -------
    parent_chosen
        The user wants runs to be made in this folder, as text.
    """

    parent_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._proposed = ""
        self._in: Path | None = None
        self._stem = ""
        self.name_edit = QLineEdit()
        self.name_edit.setAcceptDrops(False)
        self.name_edit.setToolTip("The run's folder: settings, losses, scores, previews and checkpoints go there.")
        self.parent_button = QPushButton()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        rows = Form()
        rows.add("Run", self.name_edit)
        rows.add("In", self.parent_button)
        column.addLayout(rows)
        self.parent_button.clicked.connect(lambda _: self._ask())
        self._show()

    @property
    def folder(self) -> Path:
        """The run folder to make.

        Raises
        ------
        InputError
            If it is not said where, or how the run is called.
        """
        name = self.name_edit.text().strip()
        if self._in is None or not name:
            raise InputError("Where to? Choose a folder for runs, and name the run.")
        return self._in / name

    def make_in(self, folder: Path) -> None:
        """Make runs in this folder."""
        self._in = folder
        self._show()
        self._propose()

    def propose(self, dataset: Path, engine: str) -> None:
        """Name a run after its data set and engine, unless the user has named it; beside the data set at first."""
        self._stem = f"{dataset.name}-{engine}"
        if self._in is None:
            self.make_in(dataset.parent)
        else:
            self._propose()

    def _propose(self) -> None:
        if self.name_edit.text() not in ("", self._proposed) or not self._stem or self._in is None:
            return
        number = 1
        while (self._in / f"{self._stem}-{number}").exists():
            number += 1
        self._proposed = f"{self._stem}-{number}"
        self.name_edit.setText(self._proposed)

    def take(self) -> None:
        """Propose another name: the one that stands there is taken now."""
        self._proposed = self.name_edit.text()
        self._propose()

    def _ask(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Where runs are made", str(self._in or ""))
        if chosen:
            self.make_in(Path(chosen))
            self.parent_chosen.emit(chosen)

    def _show(self) -> None:
        where = str(self._in or "")
        shown = self.parent_button.fontMetrics().elidedText(where, Qt.TextElideMode.ElideMiddle, SHOWN)
        self.parent_button.setText(shown or "Choose…")
        self.parent_button.setToolTip(f"Runs are made in {where or 'a folder that you choose'}. Press to change.")
