"""One button per view, and below them what can be set in the view that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_phenotrans.widgets.viewer.blink import RATE, RATES
from napari_phenotrans.widgets.viewer.comparison import LEFT_KEY, RIGHT_KEY, STEP_KEY, VIEWS

if TYPE_CHECKING:
    from napari_phenotrans.widgets.viewer.comparison import Comparison

WORDS = {
    "matrix": (
        "Matrix",
        "For finding where and in which channel something changes: one row per channel, real beside translated beside "
        "their difference. Press again to leave.",
    ),
    "composites": (
        "Composites",
        "For seeing channels in relation: all of them together, real beside translated. Press again to leave.",
    ),
    "blink": (
        "Blink",
        "For seeing small changes: real and translated by turns in one place. Press again to leave.",
    ),
    "curtain": (
        "Curtain",
        "For following a change across cells: real to the left of a line, translated to the right; drag the line. "
        "Press again to leave.",
    ),
}
LINE_STEPS = 1000
# What of a difference is shown: all of it, in multiples of the engine's error, or what lies above that.
WHOLE, RELATIVE, ABOVE = "whole", "relative", "above"


class ViewBar(QWidget):
    """Says which view the user wants, and shows which there is.

    Signals
    -------
    chosen
        The user wants this view; empty: none.
    difference_chosen
        What the user wants to see of differences: `WHOLE`, `RELATIVE` or `ABOVE`.
    """

    chosen = Signal(str)
    difference_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._comparison: Comparison | None = None
        self.buttons: dict[str, QPushButton] = {}
        row = QHBoxLayout()
        row.setSpacing(2)
        for view in VIEWS:
            word, tooltip = WORDS[view]
            button = QPushButton(word)
            button.setObjectName(f"phenotrans_view_{view}")
            button.setCheckable(True)
            button.setToolTip(tooltip)
            button.setAccessibleName(f"Compare: {word}")
            # as wide as their words, and all four fit a narrow dock
            button.setStyleSheet("padding: 3px 4px;")
            button.setSizePolicy(QSizePolicy.Policy.MinimumExpanding, QSizePolicy.Policy.Fixed)
            button.setMinimumWidth(button.fontMetrics().horizontalAdvance(word) + 12)
            button.clicked.connect(lambda checked, view=view: self._choose(view if checked else ""))
            row.addWidget(button)
            self.buttons[view] = button

        self.units = QComboBox()
        self.units.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.units.addItem("counts", WHOLE)
        self.units.addItem("multiples of the engine's error", RELATIVE)
        self.units.addItem("counts, above the engine's error only", ABOVE)
        self.units.currentIndexChanged.connect(lambda _: self.difference_chosen.emit(self.units.currentData()))
        self.run_button = QPushButton("Pause")
        self.run_button.setToolTip("Stay at what is shown, or go on changing.")
        self.run_button.clicked.connect(self._run)
        self.step_button = QPushButton("Change")
        self.step_button.setToolTip(f"Show the other one now, and stay there. In the viewer: {STEP_KEY}.")
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
            "matrix": _row("Difference in", self.units),
            "blink": _row("", self.run_button, self.step_button, self.rate, self._rate_label),
            "curtain": _row("Line", self.line),
        }
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(row)
        for options in self._options.values():
            options.hide()
            column.addWidget(options)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.set_difference(WHOLE, possible=False)
        self._show_rate()

    @property
    def view(self) -> str:
        """The view that is shown as chosen; empty for none."""
        return next((view for view, button in self.buttons.items() if button.isChecked()), "")

    def set_view(self, view: str) -> None:
        """Show which view there is, without saying that the user chose it; empty for none."""
        for name, button in self.buttons.items():
            button.setChecked(name == view)
        for name, options in self._options.items():
            options.setVisible(name == view)

    def set_enabled(self, enabled: bool, why_not: str = "") -> None:
        """Let views be chosen, or say why there are none."""
        for view, button in self.buttons.items():
            button.setEnabled(enabled)
            button.setToolTip(WORDS[view][1] if enabled else why_not or WORDS[view][1])

    def set_difference(self, shown: str, *, possible: bool, unit: str = "counts") -> None:
        """Show what is shown of differences, in which units, and whether the engine's error is known."""
        with QSignalBlocker(self.units):
            self.units.setItemText(0, unit)
            self.units.setItemText(2, f"{unit}, above the engine's error only")
            self.units.setCurrentIndex(self.units.findData(shown))
        self.units.setEnabled(possible)
        self.units.setToolTip(
            "Show differences in the image's own units, as multiples of what the engine gets wrong by itself, or only "
            "where they exceed so many times that (the factor stands under Trust)."
            if possible
            else "In the image's own units. Check this translation first to see differences as multiples of the "
            "engine's error."
        )

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

    def _choose(self, view: str) -> None:
        # what is shown is the comparison's to say, which may refuse
        self.set_view(self._comparison.view if self._comparison else view)
        self.chosen.emit(view)

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


def _row(text: str, *widgets: QWidget) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    if text:
        layout.addWidget(QLabel(text))
    for widget in widgets:
        layout.addWidget(widget, int(isinstance(widget, QSlider | QComboBox)))
    return row
