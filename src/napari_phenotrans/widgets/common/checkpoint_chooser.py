"""Choosing a checkpoint, and its card in a few lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_phenotrans.checkpoints.checkpoint import Checkpoint, bundled
from napari_phenotrans.checkpoints.describe import card_lines
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.widgets.common.form_layout import Form, narrow_box
from napari_phenotrans.widgets.common.notices import wrapped_label

if TYPE_CHECKING:
    from napari_phenotrans.checkpoints.checkpoint import Card

CHOOSE_FILE = "Choose a file…"


class CheckpointChooser(QWidget):
    """The bundled checkpoints by name, any other as a file.

    Signals
    -------
    changed
        Another checkpoint was chosen.
    failed
        A file that was chosen is no checkpoint; the message for the user.
    """

    changed = Signal()
    failed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.box = narrow_box("A bundled checkpoint by name, or a .safetensors file that phenotrans wrote.")
        self._cards: dict[str, Card] = {}
        for name in bundled():
            self._cards[name] = Checkpoint.read_card(name)
            self.box.addItem(name, name)
        if not self._cards:
            self.box.addItem("no checkpoint yet", None)
        self.box.addItem(CHOOSE_FILE, CHOOSE_FILE)
        self._chosen: str | None = self.box.currentData()
        self.box.activated.connect(lambda _: self._on_activated())
        rows = Form()
        rows.add("Checkpoint", self.box)
        layout.addLayout(rows)
        # its place in the dock is the dock's to choose
        self.about = wrapped_label()
        self.about.setToolTip(
            "The checkpoint's card: what it is and what it reached on images that training never saw."
        )
        self._show_card()

    @property
    def name(self) -> str | None:
        """The bundled name or the path; None where there is none."""
        return self._chosen

    @property
    def card(self) -> Card | None:
        return self._cards.get(self._chosen or "")

    @property
    def cards(self) -> dict[str, Card]:
        """The cards of all offered checkpoints, by name or path."""
        return dict(self._cards)

    def choose(self, name_or_path: str | Path) -> None:
        """Choose a checkpoint; a file is added to the list.

        Raises
        ------
        InputError
            If it is no checkpoint.
        """
        key = str(name_or_path)
        # read again each time: a file may have been trained on since
        self._cards[key] = Checkpoint.read_card(key)
        if self.box.findData(key) < 0:
            self.box.insertItem(self.box.count() - 1, Path(key).name, key)
        if (nothing := self.box.findData(None)) >= 0:
            self.box.removeItem(nothing)
        with QSignalBlocker(self.box):
            self.box.setCurrentIndex(self.box.findData(key))
        self._chosen = key
        self._show_card()
        self.changed.emit()

    def _on_activated(self) -> None:
        key = self.box.currentData()
        if key == CHOOSE_FILE:
            key, _ = QFileDialog.getOpenFileName(self, "Choose a checkpoint", "", "Checkpoints (*.safetensors)")
        try:
            if key:
                self.choose(key)
        except InputError as error:
            self.failed.emit(str(error))
        with QSignalBlocker(self.box):
            self.box.setCurrentIndex(max(0, self.box.findData(self._chosen)))

    def _show_card(self) -> None:
        self.about.setText("\n".join(card_lines(self.card)) if self.card else "There is no checkpoint yet.")
