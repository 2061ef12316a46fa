"""The translation settings of a checkpoint's engine: how deep it goes on a slider, the others in a section."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Qt, QTimer, Signal
from qtpy.QtWidgets import QLabel, QSlider, QWidget

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.widgets.common.form_parts import Form, in_column, in_row, keep_tab_order, push_button
from napari_phenotrans.widgets.common.section import Section
from napari_phenotrans.widgets.common.settings_form import NumberBox, SettingsForm, wheel_where_focused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_phenotrans.checkpoints.checkpoint import Card

# What an engine calls how deep it goes, and what the slider is called then.
DEPTHS = {"strength": "Strength", "depth": "Depth"}
# Nobody sees a smaller step, and each strength is an inversion that stays in memory.
STRENGTH_STEP = 0.02
STRENGTH_TOOLTIP = (
    "0 returns the image unchanged, 1 is the most that this checkpoint changes, on the way to pure noise; deeper shows "
    "more of the phenotype and keeps less of the cells' places."
)
# Keys and wheels change a value in many small steps: it has settled when none came for so long.
SETTLED_MS = 250


def default_settings(card: Card) -> dict[str, Any]:
    """Return a checkpoint's own translation settings; raises as ``Settings.make`` does."""
    return engine_entry(card.engine).translation.make(**card.translation).model_dump()


def unfit_choices(card: Card) -> dict[str, set[str]]:
    """Return the choices that this checkpoint's engine would refuse, by setting."""
    objective = getattr(engine_entry(card.engine).settings.make(**card.settings), "objective", None)
    # the published solver steps through the table of noise levels that only this objective trains with
    return {"solver": {"ddim"}} if objective != "discrete" else {}


class EngineForm(QWidget):
    """The translation settings of a checkpoint's engine; hidden while there is no checkpoint.

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
        self._defaults: dict[str, Any] = {}
        self._form: SettingsForm | None = None
        self._depth: str | None = None  # which of DEPTHS the engine has
        self.slider = _strength_slider()
        self.slider.valueChanged.connect(self._on_slider)
        self.slider.sliderReleased.connect(self._settle)
        self.strength_box = _strength_box()
        self.strength_box.valueChanged.connect(self._on_number)
        self.reset_button = push_button("Reset", "Return to what the checkpoint itself says.")
        self.reset_button.clicked.connect(self._on_reset)
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(SETTLED_MS)
        self._settling.timeout.connect(self._settle)
        # the settings that were emitted last, and whether only `dragging` was
        self._emitted: dict[str, Any] = {}
        self._dragged = False

        self._rows = Form()
        self._depth_row = in_row(self.slider, self.strength_box, self.reset_button, stretch=(1, 0, 0))
        self._rows.add("Strength", self._depth_row, buddy=self.slider)
        self.section = Section("More of the engine", "How the engine computes; seldom needed.", key="engine")
        in_column(self._rows, self.section, of=self)
        self.hide()

    @property
    def how(self) -> dict[str, Any]:
        """The engine's translation settings as they stand; empty while there is no checkpoint.

        Raises
        ------
        InputError
            If a field holds what cannot be used.
        """
        if self._card is None or not self._defaults:
            return {}
        how = dict(self._defaults)
        if self._depth:
            how[self._depth] = self._strength
        if self._form:
            how |= self._form.settings.model_dump(include=set(self._form.fields))
        return how

    @property
    def form(self) -> SettingsForm | None:
        """The fields under *More*."""
        return self._form

    def set_card(self, card: Card | None) -> None:
        """Show the settings of another checkpoint's engine, with the values that the checkpoint says."""
        self._card = card
        self._defaults = default_settings(card) if card else {}
        if self._form:
            self._form.setParent(None)
            self._form.deleteLater()
            self._form = None
        self._depth = next((name for name in DEPTHS if name in self._defaults), None)
        self._rows.setRowVisible(self._depth_row, self._depth is not None)
        if self._depth:
            label = self._rows.labelForField(self._depth_row)
            assert isinstance(label, QLabel)
            label.setText(DEPTHS[self._depth])
        others = [name for name in self._defaults if name != self._depth]
        if card and others:
            kept = card.settings.get("kept") or ()
            names = {"kept": card.channels, "guided": [name for name in card.channels if name not in kept]}
            self._form = SettingsForm(engine_entry(card.engine).translation, others, names=names)
            for name, unfit in unfit_choices(card).items():
                if name in others:
                    self._form.refuse(name, unfit)
            self._form.changed.connect(self._settling.start)
            self.section.add(self._form)
            keep_tab_order(self.section.button, *self._form.stops)
        self.section.setVisible(bool(others))
        self._show(self._defaults)
        self.setVisible(bool(self._defaults))

    def choose(self, how: Mapping[str, Any]) -> None:
        """Show other settings over the checkpoint's own; what this engine does not know is left out.

        Raises
        ------
        InputError
            If a value cannot be used.
        """
        if self._card is None:
            return
        known = {name: value for name, value in how.items() if name in self._defaults}
        self._show(engine_entry(self._card.engine).translation.make(**(self._defaults | known)).model_dump())

    @property
    def _strength(self) -> float:
        return self.strength_box.value()

    def _show(self, how: Mapping[str, Any]) -> None:
        if self._depth:
            with QSignalBlocker(self.slider), QSignalBlocker(self.strength_box):
                self.slider.setValue(round(how[self._depth] / STRENGTH_STEP))
                self.strength_box.setValue(how[self._depth])
        if self._form:
            self._form.set_values({name: how[name] for name in self._form.fields})
        self._settling.stop()
        self._emitted, self._dragged = self.how, False
        self._update_reset()

    def _update_reset(self) -> None:
        self.reset_button.setEnabled(self._emitted != self._defaults)

    def _on_slider(self, step: int) -> None:
        with QSignalBlocker(self.strength_box):
            self.strength_box.setValue(step * STRENGTH_STEP)
        if self.slider.isSliderDown() and self._depth:
            self._emitted = self._emitted | {self._depth: self._strength}
            self._dragged = True
            self.dragging.emit()
        else:
            self._settling.start()

    def _on_number(self, strength: float) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(strength / STRENGTH_STEP))
        self._settling.start()

    def _on_reset(self) -> None:
        self._show(self._defaults)
        self.changed.emit()

    def _settle(self) -> None:
        self._settling.stop()
        try:
            how = self.how
        except InputError:
            # the form says at the field what is wrong with it
            return
        if how == self._emitted and not self._dragged:
            return
        self._emitted, self._dragged = how, False
        self._update_reset()
        self.changed.emit()


def _strength_slider() -> QSlider:
    """Return a slider that goes in steps of the strength."""
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(0, round(1 / STRENGTH_STEP))
    slider.setPageStep(5)
    slider.setMinimumWidth(60)
    slider.setToolTip(STRENGTH_TOOLTIP)
    wheel_where_focused(slider)
    return slider


def _strength_box() -> NumberBox:
    """Return a box for the strength itself, as narrow as its numbers."""
    box = NumberBox(STRENGTH_STEP)
    box.setRange(0, 1)
    box.setKeyboardTracking(False)
    box.setButtonSymbols(NumberBox.ButtonSymbols.NoButtons)
    # napari's themes leave room for buttons, which a narrow dock has not
    box.setStyleSheet("QDoubleSpinBox { min-width: 34px; padding: 1px 3px; }")
    box.setFixedWidth(44)
    box.setToolTip(STRENGTH_TOOLTIP)
    wheel_where_focused(box)
    return box
