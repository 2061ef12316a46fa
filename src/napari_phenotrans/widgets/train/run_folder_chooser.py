"""Choosing where a run is written: its name, and the folder that runs are made in."""

from __future__ import annotations

import itertools
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QLineEdit, QWidget

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.widgets.common.form_parts import Form, as_tooltip, elided, in_column, push_button
from napari_phenotrans.widgets.common.preferences import folder_to_write_to

SHOWN_WIDTH = 190


class RunFolderChooser(QWidget):
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
        self._parent_folder: Path | None = None
        self._stem = ""
        self.name_edit = QLineEdit()
        self.name_edit.setAcceptDrops(False)
        self.name_edit.setToolTip("The run's folder: settings, losses, scores, previews and checkpoints go there.")
        self.parent_button = push_button("")
        in_column(Form({"Run": self.name_edit, "In": self.parent_button}), of=self)
        self.parent_button.clicked.connect(lambda _: self._ask())
        self._show()

    @property
    def path(self) -> Path:
        """The run folder to make.

        Raises
        ------
        InputError
            If the folder for runs or the run's name is missing.
        """
        name = self.name_edit.text().strip()
        if self._parent_folder is None or not name:
            raise InputError("Where to? Choose a folder for runs, and name the run.")
        return self._parent_folder / name

    def beside(self, what: str) -> Path:
        """Return a folder that is not there yet, called after the chosen one and ``what``; raises as `path`."""
        name = f"{self.path.name}-{what}"
        names = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
        return next(folder for each in names if not (folder := self.path.with_name(each)).exists())

    def set_parent_folder(self, folder: Path) -> None:
        """Make runs in this folder."""
        self._parent_folder = folder
        self._show()
        self._propose()

    def propose(self, dataset: Path, engine: str) -> None:
        """Name a run after its data set and engine, unless the user has named it; beside the data set at first."""
        self._stem = f"{dataset.name}-{engine}"
        if self._parent_folder is None:
            self.set_parent_folder(folder_to_write_to(dataset.parent))
        else:
            self._propose()

    def _propose(self) -> None:
        if self.name_edit.text() not in ("", self._proposed) or not self._stem or self._parent_folder is None:
            return
        number = 1
        while (self._parent_folder / f"{self._stem}-{number}").exists():
            number += 1
        self._proposed = f"{self._stem}-{number}"
        self.name_edit.setText(self._proposed)

    def propose_next(self) -> None:
        """Propose another name: a run of the one that stands there was started."""
        self._proposed = self.name_edit.text()
        self._propose()

    def _ask(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Where runs are made", str(self._parent_folder or ""))
        if folder:
            self.set_parent_folder(Path(folder))
            self.parent_chosen.emit(folder)

    def _show(self) -> None:
        folder = str(self._parent_folder or "")
        self.parent_button.setText(elided(folder, self.parent_button, SHOWN_WIDTH) or "Choose…")
        runs = f"Runs are made in {folder or 'a folder that you choose'}. Press to change."
        self.parent_button.setToolTip(as_tooltip(runs))
