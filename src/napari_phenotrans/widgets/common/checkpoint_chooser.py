"""Choosing a checkpoint, and its card in a few lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_phenotrans.checkpoints.checkpoint import Checkpoint, bundled
from napari_phenotrans.checkpoints.describe import IS_LOOK, card_lines, card_warnings
from napari_phenotrans.checkpoints.matching import find_stains
from napari_phenotrans.checkpoints.told_apart import describe_told, told_apart
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.runs.family import is_family, with_families
from napari_phenotrans.runs.paths import BEST, LAST
from napari_phenotrans.widgets.common.form_parts import (
    Form,
    add_choice,
    as_tooltip,
    in_column,
    narrow_box,
    wrapped_label,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QStandardItemModel

    from napari_phenotrans.checkpoints.checkpoint import Card

CHOOSE_FILE, CHOOSE_FAMILY = "Choose a file…", "Choose a family of trainings…"
NO_FAMILY = (
    "{folder} holds no family of trainings. Choose the folder that a training with two repeats or more made, or the "
    "file of a single checkpoint."
)
OTHER_CHANNELS = "The image has not all of these channels."


def listed_as(name: str, card: Card) -> str:
    """Return what a checkpoint is called in a list: a run's after its run, of which every one has a *best*."""
    path = Path(name)
    if is_family(path):
        return f"{path.name}: all {len(with_families((name,)))} trainings"
    known = f"{path.parent.name}: {path.stem}" if path.name in (BEST, LAST) else path.name
    return f"{known} (look)" if IS_LOOK in card_warnings(card) else known


def about(card: Card) -> str:
    """Return what a checkpoint is for, in two lines."""
    way = f"{', '.join(card.channels)}: {' ↔ '.join(card.conditions)}"
    return f"{card.about}\n{way}" if card.about else way


class CheckpointChooser(QWidget):
    """The bundled checkpoints by name, any other as a file; with ``families`` also the folder of a family of trainings.

    Of a family the card is that of its first training.

    Signals
    -------
    changed
        Another checkpoint was chosen.
    failed
        A file that was chosen is no checkpoint; the message for the user.
    """

    changed = Signal()
    failed = Signal(str)

    def __init__(self, parent: QWidget | None = None, *, families: bool = False) -> None:
        super().__init__(parent)
        self._families = families
        self.box = narrow_box("A bundled checkpoint by name, or a .safetensors file that phenotrans wrote.")
        self._cards: dict[str, Card] = {}
        for name in bundled():
            self._cards[name] = Checkpoint.read_card(name)
            add_choice(self.box, name, listed_as(name, self._cards[name]), about(self._cards[name]))
        if not self._cards:
            self.box.addItem("no checkpoint yet", None)
        if families:
            add_choice(self.box, CHOOSE_FAMILY, CHOOSE_FAMILY, "The folder that a training with several repeats made.")
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
        """Choose a checkpoint; a file, or the folder of a family, is added to the list.

        Raises
        ------
        InputError
            If it is no checkpoint, or a family of which fewer than two trainings have one.
        """
        key = str(name_or_path)
        first, *_ = with_families((key,)) if self._families else (key,)
        # read again each time: a file may have been trained on since
        self._cards[key] = Checkpoint.read_card(first)
        if self.box.findData(key) < 0:
            self.box.insertItem(self.box.findData(CHOOSE_FAMILY if self._families else CHOOSE_FILE), "", key)
        place, card = self.box.findData(key), self._cards[key]
        self.box.setItemText(place, listed_as(key, card))
        self.box.setItemData(place, as_tooltip(f"{about(card)}\n{key}"), Qt.ItemDataRole.ToolTipRole)
        if (placeholder := self.box.findData(None)) >= 0:
            self.box.removeItem(placeholder)
        with QSignalBlocker(self.box):
            self.box.setCurrentIndex(self.box.findData(key))
        self._name = key
        self._show_card()
        self.changed.emit()

    def show_fit(self, channels: Sequence[str]) -> None:
        """Say in the list which checkpoints an image with these channels is for; nothing is said where there is none.

        The texts stay as wide as they are: those that fit stay as they were, and the others are dimmed.
        """
        model = cast("QStandardItemModel", self.box.model())
        for name, card in self._cards.items():
            item = model.item(self.box.findData(name))
            if item is not None:
                fits = not channels or None not in find_stains(channels, card.channels, {})[0]
                item.setToolTip(as_tooltip(f"{about(card)}\n{'' if fits else OTHER_CHANNELS}".strip()))
                role = QPalette.ColorGroup.Active if fits else QPalette.ColorGroup.Disabled
                item.setForeground(self.box.palette().brush(role, QPalette.ColorRole.Text))

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
        elif key == CHOOSE_FAMILY:
            key = QFileDialog.getExistingDirectory(self, "Choose the folder of a family of trainings")
            if key and not is_family(key):
                self.failed.emit(NO_FAMILY.format(folder=key))
                key = ""
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
