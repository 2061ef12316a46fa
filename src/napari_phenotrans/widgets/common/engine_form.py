"""What a checkpoint's engine can be told: strength at hand, the rest one click away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Qt, QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSlider, QVBoxLayout, QWidget

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.widgets.common.form_layout import Form, keep_tab_order
from napari_phenotrans.widgets.common.section import Section
from napari_phenotrans.widgets.common.settings_form import NumberBox, SettingsForm, wheel_where_focused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_phenotrans.checkpoints.checkpoint import Card

STRENGTH = "strength"
# Nobody sees less, and each depth is an inversion that is kept.
STRENGTH_STEP = 0.02
STRENGTH_TOOLTIP = (
    "0 returns the image unchanged, 1 goes to pure noise; deeper shows more of the phenotype and keeps less of the "
    "cells' places."
)
# Keys and wheels change a value in many small steps: it has settled when none came for so long.
SETTLED_MS = 250


def starting_point(card: Card) -> dict[str, Any]:
    """Return what a checkpoint's engine is told where the user says nothing; raises as ``Settings.make`` does."""
    return engine_entry(card.engine).translation.make(**card.translation).model_dump()


def unfit_choices(card: Card) -> dict[str, set[str]]:
    """Return the choices that this checkpoint's engine would refuse, by setting."""
    objective = getattr(engine_entry(card.engine).settings.make(**card.settings), "objective", None)
    # the published solver steps through the table of noise levels that only this objective trains with
    return {"solver": {"ddim"}} if objective != "discrete" else {}


class EngineForm(QWidget):
    """The translation settings of a checkpoint's engine; hidden for an engine that has none.

    Signals
    -------
    changed
        A value has settled: the slider was let go, a number typed, a choice made.
    dragging
        The strength slider is being dragged and stands elsewhere than before.
    """

    changed = Signal()
    dragging = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._card: Card | None = None
        self._own: dict[str, Any] = {}
        self._more: SettingsForm | None = None
        # the slider goes in steps, the number beside it is the strength
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, round(1 / STRENGTH_STEP))
        self.slider.setPageStep(5)
        self.slider.setMinimumWidth(60)
        self.slider.setToolTip(STRENGTH_TOOLTIP)
        wheel_where_focused(self.slider)
        self.slider.valueChanged.connect(self._on_slider)
        self.slider.sliderReleased.connect(self._settle)
        self.strength_box = NumberBox(STRENGTH_STEP)
        self.strength_box.setRange(0, 1)
        self.strength_box.setKeyboardTracking(False)
        self.strength_box.setButtonSymbols(NumberBox.ButtonSymbols.NoButtons)
        # napari's themes leave room for buttons, which a narrow dock has not
        self.strength_box.setStyleSheet("QDoubleSpinBox { min-width: 34px; padding: 1px 3px; }")
        self.strength_box.setFixedWidth(44)
        self.strength_box.setToolTip(STRENGTH_TOOLTIP)
        wheel_where_focused(self.strength_box)
        self.strength_box.valueChanged.connect(self._on_number)
        self.reset_button = QPushButton("Reset")
        self.reset_button.setToolTip("Return to what the checkpoint itself says.")
        self.reset_button.clicked.connect(self._on_reset)
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(SETTLED_MS)
        self._settling.timeout.connect(self._settle)
        # what was last told to those who listen, and whether they know it by dragging alone
        self._said: dict[str, Any] = {}
        self._dragged = False

        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        rows = Form()
        beside = QHBoxLayout()
        beside.addWidget(self.slider, 1)
        beside.addWidget(self.strength_box)
        beside.addWidget(self.reset_button)
        rows.add("Strength", beside, buddy=self.slider)
        column.addLayout(rows)
        self.section = Section("More of the engine", "How the engine computes; seldom needed.", key="engine")
        column.addWidget(self.section)
        self.hide()

    @property
    def how(self) -> dict[str, Any]:
        """The engine's translation settings as they stand; empty for an engine that has none.

        Raises
        ------
        InputError
            If a field holds what cannot be used.
        """
        if self._card is None or not self._own:
            return {}
        said = dict(self._own)
        if STRENGTH in said:
            said[STRENGTH] = self._strength
        if self._more:
            said |= self._more.settings.model_dump(include=set(self._more.fields))
        return said

    @property
    def form(self) -> SettingsForm | None:
        """The fields under *More*."""
        return self._more

    def set_card(self, card: Card | None) -> None:
        """Show what another checkpoint's engine can be told, as the checkpoint says it."""
        self._card = card
        self._own = starting_point(card) if card else {}
        if self._more:
            self._more.setParent(None)
            self._more.deleteLater()
            self._more = None
        more = [name for name in self._own if name != STRENGTH]
        if card and more:
            self._more = SettingsForm(engine_entry(card.engine).translation, more)
            for name, unfit in unfit_choices(card).items():
                if name in more:
                    self._more.refuse(name, unfit)
            self._more.changed.connect(self._settling.start)
            self.section.add(self._more)
            keep_tab_order(self.section.button, *self._more.fields.values())
        self.section.setVisible(bool(more))
        self._show(self._own)
        self.setVisible(bool(self._own))

    def choose(self, how: Mapping[str, Any]) -> None:
        """Show other settings over the checkpoint's own; what this engine does not know is left out.

        Raises
        ------
        InputError
            If a value cannot be used.
        """
        if self._card is None:
            return
        known = {name: value for name, value in how.items() if name in self._own}
        said = engine_entry(self._card.engine).translation.make(**(self._own | known)).model_dump()
        self._show(said)

    @property
    def _strength(self) -> float:
        return self.strength_box.value()

    def _show(self, how: Mapping[str, Any]) -> None:
        if STRENGTH in how:
            with QSignalBlocker(self.slider), QSignalBlocker(self.strength_box):
                self.slider.setValue(round(how[STRENGTH] / STRENGTH_STEP))
                self.strength_box.setValue(how[STRENGTH])
        if self._more:
            self._more.set_values({name: how[name] for name in self._more.fields})
        self._settling.stop()
        self._said, self._dragged = self.how, False
        self._update_reset()

    def _update_reset(self) -> None:
        self.reset_button.setEnabled(self._said != self._own)

    def _on_slider(self, step: int) -> None:
        with QSignalBlocker(self.strength_box):
            self.strength_box.setValue(step * STRENGTH_STEP)
        if self.slider.isSliderDown():
            self._said = self._said | {STRENGTH: self._strength}
            self._dragged = True
            self.dragging.emit()
        else:
            self._settling.start()

    def _on_number(self, strength: float) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(strength / STRENGTH_STEP))
        self._settling.start()

    def _on_reset(self) -> None:
        self._show(self._own)
        self.changed.emit()

    def _settle(self) -> None:
        self._settling.stop()
        try:
            how = self.how
        except InputError:
            # the form says at the field what is wrong with it
            return
        if how == self._said and not self._dragged:
            return
        self._said, self._dragged = how, False
        self._update_reset()
        self.changed.emit()
