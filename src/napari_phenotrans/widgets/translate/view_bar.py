"""One button per view, and below them what can be set in the view that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QLabel, QPushButton, QSizePolicy, QSlider, QWidget

from napari_phenotrans.widgets.common.form_parts import (
    Form,
    as_panel,
    as_tooltip,
    elided,
    in_column,
    in_row,
    narrow_box,
    plain_label,
    push_button,
)
from napari_phenotrans.widgets.viewer.blink import RATE, RATES
from napari_phenotrans.widgets.viewer.comparison import LEFT_KEY, RIGHT_KEY, STEP_KEY, VIEWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QStandardItemModel

    from napari_phenotrans.widgets.viewer.comparison import Comparison

BUTTONS = {
    "matrix": (
        "Matrix",
        "For finding where and in which channel something changes: one row per channel, real beside translated beside "
        "their difference. Press again to leave.",
    ),
    "composites": (
        "Composites",
        "For seeing channels in relation: all of them together, real beside translated. Press again to leave.",
    ),
    "blink": ("Blink", "For seeing small changes: real and translated by turns in one place. Press again to leave."),
    "curtain": (
        "Curtain",
        "For following a change across cells: real to the left of a line, translated to the right; drag the line. "
        "Press again to leave.",
    ),
}
LINE_STEPS = 1000
# Pixels for the name of the sample that is shown, whichever that is.
SAMPLE_WIDTH = 104
# Which difference is shown: all of it, in multiples of the engine's error, or what lies above that.
WHOLE, RELATIVE, ABOVE = "whole", "relative", "above"
# In place of the difference, where there is such a map: where samples differ, where trainings or samples agree, the
# difference with outlines around that, and how far turns of the image differ.
SPREAD, AGREES, OUTLINES, TURNS = "spread", "agrees", "outlines", "turns"
MAPS = {
    SPREAD: "spread of the samples",
    AGREES: "agreement of the change",
    OUTLINES: "counts, outlined where it agrees",
    TURNS: "turned disagreement",
}
# What the result that is shown is compared with.
REAL_IMAGE, HELD_RESULT = "real", "held"


class ViewBar(QWidget):
    """Buttons for the views, and fields for the options of the one that is shown.

    Signals
    -------
    view_chosen
        The user chose this view; empty: none.
    difference_chosen
        The difference that the user chose: `WHOLE`, `RELATIVE`, `ABOVE`, or one of `MAPS`.
    sample_chosen
        The place among the samples that the user chose to see.
    beside_chosen
        What the result is compared with: `REAL_IMAGE` or `HELD_RESULT`.
    hold_requested, clear_requested
        The result that is shown is to be held beside the next, or to be removed.
    """

    view_chosen = Signal(str)
    difference_chosen = Signal(str)
    sample_chosen = Signal(int)
    beside_chosen = Signal(str)
    hold_requested = Signal()
    clear_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._comparison: Comparison | None = None
        self.buttons = {view: self._view_button(view) for view in VIEWS}
        buttons = in_row(*self.buttons.values())
        buttons.setSpacing(2)
        self.units = narrow_box("")
        self.units.addItem("counts", WHOLE)
        self.units.addItem("multiples of the engine's error", RELATIVE)
        self.units.addItem("counts, above the error only", ABOVE)
        self.units.currentIndexChanged.connect(lambda _: self.difference_chosen.emit(self.units.currentData()))
        self.run_button = push_button("Pause", "Stay at what is shown, or go on changing.")
        self.run_button.clicked.connect(self._run)
        self.step_button = push_button("Change", f"Show the other one now, and stay there. In the viewer: {STEP_KEY}.")
        self.step_button.clicked.connect(self._step)
        self.rate = QSlider(Qt.Orientation.Horizontal)
        self.rate.setRange(round(RATES[0] * 100), round(RATES[1] * 100))
        self.rate.setValue(round(RATE * 100))
        self.rate.setToolTip(
            "Changes per second; no more than three, since faster flashing can harm people with photosensitive "
            "epilepsy."
        )
        self.rate.valueChanged.connect(self._set_rate)
        self.line = QSlider(Qt.Orientation.Horizontal)
        self.line.setRange(0, LINE_STEPS)
        self.line.setValue(LINE_STEPS // 2)
        self.line.setSingleStep(LINE_STEPS // 50)
        self.line.setToolTip(
            f"Where the line stands between the left and the right edge of the view: drag it here or in the picture. "
            f"Arrow keys move it while this slider has the focus, {LEFT_KEY} and {RIGHT_KEY} in the viewer."
        )
        self.line.valueChanged.connect(self._move_line)
        self._rate_label = QLabel()
        self._options = {
            "matrix": _options_row(QLabel("Difference in"), self.units),
            "blink": _options_row(self.run_button, self.step_button, self.rate, self._rate_label),
            "curtain": _options_row(QLabel("Line"), self.line),
        }
        self.sample = QSlider(Qt.Orientation.Horizontal)
        self.sample.setPageStep(1)
        self.sample.setTickPosition(QSlider.TickPosition.TicksBelow)
        self.sample.setToolTip(
            "Which of the drawn answers translated and difference show. What they disagree on, the image does not "
            "decide: see the spread under Difference in."
        )
        self.sample.valueChanged.connect(self._on_sample)
        self._sample_names: tuple[str, ...] = ()
        self._maps: tuple[str, ...] = ()
        self._sample_label = plain_label()
        self._sample_label.setFixedWidth(SAMPLE_WIDTH)
        self._samples = _options_row(QLabel("Shown"), self.sample, self._sample_label)
        self._samples.hide()
        self.beside = narrow_box(
            "What the result that is shown is compared with, in every view.",
            {
                REAL_IMAGE: ("the real image", "Real beside translated."),
                HELD_RESULT: ("the result that is held", "The held result in the place of the real image."),
            },
        )
        self.beside.activated.connect(lambda _: self.beside_chosen.emit(self.beside.currentData()))
        self._beside = as_panel(Form({"Beside": self.beside}))
        self._beside.hide()
        self.hold_button = push_button(
            "Hold this result",
            "Keep a copy, so that the next one (another engine, strength or sample) stands beside it.",
        )
        self.hold_button.clicked.connect(lambda _: self.hold_requested.emit())
        self.clear_button = push_button("Clear", "Remove this result, its check and what is held from the viewer.")
        self.clear_button.clicked.connect(lambda _: self.clear_requested.emit())
        held = in_row(self.hold_button, self.clear_button, stretch=(2, 1))
        in_column(buttons, *self._options.values(), self._samples, self._beside, held, of=self, spacing=4)
        for options in self._options.values():
            options.hide()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.set_difference(WHOLE, possible=False)
        self._show_rate()

    def _view_button(self, view: str) -> QPushButton:
        name, tooltip = BUTTONS[view]
        button = push_button(name, tooltip)
        button.setObjectName(f"phenotrans_view_{view}")
        button.setCheckable(True)
        button.setAccessibleName(f"Compare: {name}")
        # as wide as their names, and all four fit a narrow dock
        button.setStyleSheet("padding: 3px 4px;")
        button.setSizePolicy(QSizePolicy.Policy.MinimumExpanding, QSizePolicy.Policy.Fixed)
        button.setMinimumWidth(button.fontMetrics().horizontalAdvance(name) + 12)
        button.clicked.connect(lambda checked: self._choose(view if checked else ""))
        return button

    @property
    def view(self) -> str:
        """The view that is shown as chosen; empty for none."""
        return next((view for view, button in self.buttons.items() if button.isChecked()), "")

    def set_view(self, view: str) -> None:
        """Show which view there is, without emitting `view_chosen`; empty for none."""
        for name, button in self.buttons.items():
            button.setChecked(name == view)
        for name, options in self._options.items():
            options.setVisible(name == view)

    def set_enabled(self, enabled: bool, reason: str = "") -> None:
        """Let views be chosen, or give the reason why there are none."""
        self.hold_button.setEnabled(enabled)
        self.clear_button.setEnabled(enabled)
        for view, button in self.buttons.items():
            button.setEnabled(enabled)
            button.setToolTip(BUTTONS[view][1] if enabled else reason or BUTTONS[view][1])

    def set_difference(self, shown: str, *, possible: bool, unit: str = "counts", above: bool = False) -> None:
        """Show which difference is shown, in which unit, and whether the engine's error is known (``possible``).

        ``above`` offers what lies above that error alone, where it was kept and the error was not.
        """
        with QSignalBlocker(self.units):
            self.units.setItemText(0, unit)
            self.units.setItemText(2, f"{unit}, above the error only")
            self._offer_maps()
            self.units.setCurrentIndex(max(0, self.units.findData(shown)))
        self._enable(1, possible)
        self._enable(2, possible or above)
        self.units.setEnabled(possible or above or bool(self._maps))
        self.units.setToolTip(
            "Show differences in the image's own units, as multiples of what the engine gets wrong by itself, or only "
            "where they exceed so many times that (the factor stands under Trust)."
            if possible
            else "In the image's own units. Check this translation first to see differences as multiples of the "
            "engine's error."
        )

    def set_held(self, held: bool, beside: str = REAL_IMAGE) -> None:
        """Offer a held result to compare with, or none; ``beside`` is what is compared with now."""
        self._beside.setVisible(held)
        self.beside.setCurrentIndex(self.beside.findData(beside if held else REAL_IMAGE))

    def set_samples(self, names: Sequence[str], shown: int = 0) -> None:
        """Offer several answers by name; none where there are none."""
        self._sample_names = tuple(names)
        with QSignalBlocker(self.sample):
            self.sample.setRange(0, max(0, len(names) - 1))
            self.sample.setValue(shown)
        self._samples.setVisible(bool(names))
        self._show_sample()

    def set_maps(self, maps: Sequence[str]) -> None:
        """Offer these of `MAPS` in place of the difference."""
        self._maps = tuple(maps)
        with QSignalBlocker(self.units):
            self._offer_maps()

    def _offer_maps(self) -> None:
        for which, text in MAPS.items():
            there = self.units.findData(which)
            if which in self._maps and there < 0:
                self.units.addItem(text, which)
            elif which not in self._maps and there >= 0:
                self.units.removeItem(there)

    def _enable(self, place: int, possible: bool) -> None:
        item = cast("QStandardItemModel", self.units.model()).item(place)
        assert item is not None
        item.setEnabled(possible)

    def follow(self, comparison: Comparison) -> None:
        """Show what a comparison shows and set what can be set in its views; which one it shows is not decided here."""
        self._comparison = comparison
        comparison.changed.connect(self._on_comparison)
        comparison.blink.changed.connect(self._on_blink)
        comparison.curtain.moved.connect(self._on_line)
        self._on_comparison()

    def unfollow(self) -> None:
        """Stop listening to the comparison."""
        if self._comparison:
            self._comparison.changed.disconnect(self._on_comparison)
            self._comparison.blink.changed.disconnect(self._on_blink)
            self._comparison.curtain.moved.disconnect(self._on_line)
            self._comparison = None

    # ---- what the user does

    def _on_sample(self, place: int) -> None:
        self._show_sample()
        self.sample_chosen.emit(place)

    def _show_sample(self) -> None:
        if self._sample_names:
            name = self._sample_names[self.sample.value()]
            self._sample_label.setToolTip(as_tooltip(name))
            self._sample_label.setText(elided(_short(name), self._sample_label, SAMPLE_WIDTH))

    def _choose(self, view: str) -> None:
        # what is shown is the comparison's to say, which may refuse
        self.set_view(self._comparison.view if self._comparison else view)
        self.view_chosen.emit(view)

    def _run(self) -> None:
        if self._comparison:
            blink = self._comparison.blink
            (blink.pause if blink.running else blink.run)()

    def _step(self) -> None:
        if self._comparison:
            self._comparison.blink.step()

    def _set_rate(self, _: int) -> None:
        if self._comparison:
            self._comparison.blink.rate = self.rate.value() / 100
        self._show_rate()

    def _move_line(self, value: int) -> None:
        if self._comparison and self._comparison.view == "curtain":
            self._comparison.curtain.share = value / LINE_STEPS

    # ---- what the comparison says

    def _on_comparison(self) -> None:
        assert self._comparison
        self.set_view(self._comparison.view)
        self._on_blink()
        self._on_line()

    def _on_blink(self) -> None:
        assert self._comparison
        self.run_button.setText("Pause" if self._comparison.blink.running else "Go on")

    def _on_line(self) -> None:
        assert self._comparison
        if self._comparison.view == "curtain":
            with QSignalBlocker(self.line):
                self.line.setValue(round(self._comparison.curtain.share * LINE_STEPS))

    def _show_rate(self) -> None:
        self._rate_label.setText(f"{self.rate.value() / 100:.2g} / s")


def _short(name: str) -> str:
    """Return a sample's name without what the row says already."""
    return name.removeprefix("sample ").removesuffix(" of samples")


def _options_row(*widgets: QWidget) -> QWidget:
    """Return widgets beside each other, of which sliders and boxes take the room that is left."""
    options = QWidget()
    in_row(*widgets, of=options, stretch=[int(isinstance(widget, QSlider | QComboBox)) for widget in widgets])
    return options
