"""What a flow is to make: a translation or a completion, and how many answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QTimer, Signal
from qtpy.QtWidgets import QLabel, QSpinBox, QWidget

from napari_phenotrans.engines import engine_entry
from napari_phenotrans.translation.request import Answers
from napari_phenotrans.widgets.common.form_parts import Form, in_column, in_row, narrow_box
from napari_phenotrans.widgets.common.settings_form import NumberBox, wheel_where_focused

if TYPE_CHECKING:
    from napari_phenotrans.checkpoints.checkpoint import Card

# Each is held whole in memory; the command line makes more.
MOST_SAMPLES = 20
# Arrow keys go through numbers that nobody wants: a number has settled when none came for so long.
SETTLED_MS = 400
TRANSLATE = "Translate all that moves"


class AnswersForm(QWidget):
    """Fields for several answers, and for drawing a channel; hidden for engines that give one answer only.

    Signals
    -------
    changed
        Something else is to be made: a value has settled, or a choice was made.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.what = narrow_box(
            "Translate: from the source to the target condition. Complete: draw a channel anew from the kept channels "
            "alone, in the target condition; the image need not have it, and nothing of it is used where it has."
        )
        self.samples = QSpinBox()
        self.samples.setRange(1, MOST_SAMPLES)
        self.samples.setToolTip(
            "Several answers: part of the noise is drawn anew for each, so that they differ in what the image does not "
            "decide. Each takes half as long as the translation, and as long again it takes to measure what the engine "
            "gets wrong by itself, beyond which they may agree. 1: the translation alone, without chance."
        )
        self.redraw = NumberBox(0.1)
        self.redraw.setRange(0, 1)
        self.redraw.setToolTip(
            "Share of the noise that is drawn anew for each sample: 0 makes them all the same, 1 keeps nothing of what "
            "moves."
        )
        self.seed = QSpinBox()
        self.seed.setRange(0, 10**9)
        self.seed.setToolTip("Of what is drawn: the same seed gives the same samples.")
        for field in (self.samples, self.redraw, self.seed):
            field.setKeyboardTracking(False)
            wheel_where_focused(field)
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(SETTLED_MS)
        self._settling.timeout.connect(self.changed.emit)
        rows = Form()
        rows.add("Make", self.what)
        rows.add("Samples", self.samples)
        self._chance = QWidget()
        label = QLabel("seed")
        label.setToolTip(self.seed.toolTip())
        in_row(self.redraw, label, self.seed, of=self._chance, stretch=(1, 0, 1))
        self._chance.setToolTip(self.redraw.toolTip())
        rows.add("Redraw", self._chance)
        in_column(rows, of=self)
        self.what.activated.connect(lambda _: self._on_what())
        for field in (self.samples, self.redraw, self.seed):
            field.valueChanged.connect(self._on_number)
        self.hide()

    @property
    def answers(self) -> Answers:
        """How many answers, and how they are drawn."""
        if self.isHidden():
            return Answers()
        samples = self.samples.value()
        return Answers(samples, self.redraw.value(), self.seed.value(), agreement=samples > 1 and not self.drawn)

    @property
    def drawn(self) -> tuple[str, ...]:
        """The channels to draw from the kept ones; none where translating."""
        return () if self.isHidden() else tuple(self.what.currentData() or ())

    def settle(self) -> None:
        """Take numbers as they stand, without emitting `changed`: they are used already."""
        self._settling.stop()

    def set_card(self, card: Card | None) -> None:
        """Offer what another checkpoint can make; it starts with its translation alone."""
        share = engine_entry(card.engine).redraw if card else None
        kept = tuple((card.settings.get("kept") or ()) if card else ())
        with QSignalBlocker(self.what), QSignalBlocker(self.samples), QSignalBlocker(self.redraw):
            self.what.clear()
            self.what.addItem(TRANSLATE, ())
            if card and kept and share is not None:
                moving = [name for name in card.channels if name not in kept]
                for some in [moving] * (len(moving) > 1) + [[name] for name in moving]:
                    self.what.addItem(f"Complete: draw {', '.join(some)} from {', '.join(kept)}", tuple(some))
            self.samples.setValue(1)
            self.redraw.setValue(share or 0.0)
        self.setVisible(share is not None)
        self._update()

    def _on_what(self) -> None:
        self._update()
        self.changed.emit()

    def _on_number(self) -> None:
        self._update()
        self._settling.start()

    def _update(self) -> None:
        """Enable what makes a difference."""
        several, drawn = self.samples.value() > 1, bool(self.drawn)
        self.redraw.setEnabled(several and not drawn)
        self.seed.setEnabled(several or drawn)
