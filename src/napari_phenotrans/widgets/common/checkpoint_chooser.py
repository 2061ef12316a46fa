"""Choosing a checkpoint, and its card in a few lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_phenotrans.checkpoints.checkpoint import Checkpoint, bundled
from napari_phenotrans.checkpoints.describe import card_lines
from napari_phenotrans.checkpoints.told_apart import describe_told, told_apart
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.widgets.common.form_parts import Form, in_column, narrow_box, wrapped_label

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
        self.box = narrow_box("A bundled checkpoint by name, or a .safetensors file that phenotrans wrote.")
        self._cards: dict[str, Card] = {}
        for name in bundled():
            self._cards[name] = Checkpoint.read_card(name)
            self.box.addItem(name, name)
        if not self._cards:
            self.box.addItem("no checkpoint yet", None)
        self.box.addItem(CHOOSE_FILE, CHOOSE_FILE)
        self._name: str | None = self.box.currentData()
        self.box.activated.connect(lambda _: self._on_activated())
        in_column(Form({"Checkpoint": self.box}), of=self)
        #: The card in a few lines; the dock puts it where it wants it.
        self.about = wrapped_label(
            tooltip="The checkpoint's card: what it is and what it reached on images that training never saw."
        )
        self._show_card()

    @property
    def name(self) -> str | None:
        """The bundled name or the path; None where there is none."""
        return self._name

    @property
    def card(self) -> Card | None:
        """The chosen checkpoint's card; None where there is none."""
        return self._cards.get(self._name or "")

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
        if (placeholder := self.box.findData(None)) >= 0:
            self.box.removeItem(placeholder)
        with QSignalBlocker(self.box):
            self.box.setCurrentIndex(self.box.findData(key))
        self._name = key
        self._show_card()
        self.changed.emit()

    def restore(self, name_or_path: str | None) -> bool:
        """Choose the checkpoint of an earlier session; return whether it is still there, or none was remembered."""
        if name_or_path and name_or_path != self.name:
            try:
                self.choose(name_or_path)
            except InputError:
                # a file that was moved since: what the chooser begins with will do
                return False
        return True

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
            self.box.setCurrentIndex(max(0, self.box.findData(self._name)))

    def _show_card(self) -> None:
        lines = ["There is no checkpoint yet."]
        if self.card and self._name:
            lines = [*card_lines(self.card), *map(describe_told, told_apart(self._name))]
        self.about.setText("\n".join(lines))
