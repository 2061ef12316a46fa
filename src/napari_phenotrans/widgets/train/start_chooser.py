"""Choosing what training starts from: nothing, or a checkpoint whose channels and conditions are those of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QWidget

from napari_phenotrans.checkpoints.checkpoint import Checkpoint, bundled
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.widgets.common.form_parts import Form, add_choice, in_column, narrow_box
from napari_phenotrans.widgets.common.preferences import last_choices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.checkpoints.checkpoint import Card

NOTHING = "nothing: new networks"


class StartChooser(QWidget):
    """Offers the checkpoints that training with what is chosen may start from; hidden where there are none.

    Signals
    -------
    changed
        The user chose another one, or none.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cards: dict[str, Card] | None = None
        self.box = narrow_box(
            "A checkpoint of the same channels and conditions whose networks are trained on (fine-tuning): sooner done "
            "than from nothing, where the images are alike."
        )
        self.box.addItem(NOTHING, None)
        self.box.activated.connect(lambda _: self.changed.emit())
        in_column(Form({"Start from": self.box}), of=self)
        self.hide()

    @property
    def name(self) -> str | None:
        """Bundled name or path of the chosen checkpoint; None where training starts from nothing."""
        return self.box.currentData()

    @property
    def card(self) -> Card | None:
        """The chosen checkpoint's card."""
        return self._known.get(self.name or "")

    def choose(self, name: str | None) -> None:
        """Choose a checkpoint where it is among those that fit, nothing otherwise."""
        self.box.setCurrentIndex(max(0, self.box.findData(name)))

    def offer(self, engine: str, conditions: Sequence[str], channels: Sequence[str]) -> None:
        """Offer the checkpoints that fit; the chosen one stays where it is among them."""
        fitting = [
            name
            for name, card in self._known.items()
            if (card.engine, set(card.conditions), set(card.channels)) == (engine, set(conditions), set(channels))
        ]
        before = self.name
        with QSignalBlocker(self.box):
            self.box.clear()
            self.box.addItem(NOTHING, None)
            for name in fitting:
                add_choice(self.box, name, name, self._known[name].about)
            self.box.setCurrentIndex(max(0, self.box.findData(before)))
        self.setVisible(bool(fitting))

    @property
    def _known(self) -> dict[str, Card]:
        """The bundled checkpoints, and the one that was used last for translating."""
        if self._cards is None:
            last = last_choices().checkpoint
            self._cards = {}
            for name in dict.fromkeys([*bundled(), *([last] if last else [])]):
                try:
                    self._cards[name] = Checkpoint.read_card(name)
                except InputError:
                    # it was moved since
                    continue
        return self._cards
