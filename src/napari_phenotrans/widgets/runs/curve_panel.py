"""A plot of curves with its controls: which are drawn, raw or smoothed, linear or logarithmic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QCheckBox, QWidget
from superqt import QFlowLayout

from napari_phenotrans.widgets.common.curves import FLOOR
from napari_phenotrans.widgets.common.form_parts import in_column, wrapped_label
from napari_phenotrans.widgets.common.plot import Plot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.widgets.common.curves import Curve, Level

SWATCH = 10
STYLES = "drawn through", "dashed", "dotted", "dash-dotted"


class CurvePanel(QWidget):
    """A plot above a check box per group of curves, and a line that says what the styles mean.

    Parameters
    ----------
    name
        What is shown, for screen readers.
    smoothing
        Whether curves may be smoothed and logarithmic; scores are too few for that, and may be negative.
    pickable
        Whether a click picks a step.

    Signals
    -------
    picked
        A step that the user clicked on.
    """

    picked = Signal(int)

    def __init__(
        self, name: str, *, smoothing: bool = False, pickable: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.plot = Plot(name, pickable=pickable)
        self.plot.setToolTip(f"{name} over steps." + (" Click on a point to choose its step." if pickable else ""))
        self.plot.picked.connect(self.picked)
        self.raw_box = _box("Raw", "Each value as it was.")
        self.smoothed_box = _box("Smoothed", "The running mean over 4 % of the steps.")
        self.log_box = _box("Log scale", "Equal factors are equally high; values that are not above 0 are left out.")
        self.raw_box.setChecked(True)
        self.smoothed_box.setChecked(smoothing)
        self.log_box.setChecked(smoothing)
        self.boxes: dict[str, QCheckBox] = {}
        self._drawn: tuple[tuple[str, str], ...] = ()
        self.legend = wrapped_label(tooltip="How the lines of a color differ.")
        self.legend.hide()
        groups, options = QWidget(), QWidget()
        self._flow = _flow_layout(groups)
        options_flow = _flow_layout(options)
        for box in (self.smoothed_box, self.raw_box, self.log_box):
            options_flow.addWidget(box)
            box.toggled.connect(self._on_option)
        in_column(self.plot, groups, self.legend, options, of=self, spacing=4)
        options.setVisible(smoothing)
        self._on_option()

    def show_curves(self, curves: Sequence[Curve], levels: Sequence[Level] = ()) -> None:
        """Show these and nothing else; groups that the user has hidden stay so."""
        groups = tuple(dict.fromkeys((curve.group, curve.color) for curve in curves))
        if groups != self._drawn:
            self._make_boxes(groups)
        self.plot.show_curves(curves, levels)
        self._on_group()
        self._show_legend(curves, levels)

    def _make_boxes(self, groups: tuple[tuple[str, str], ...]) -> None:
        self._drawn = groups
        hidden = {name for name, box in self.boxes.items() if not box.isChecked()}
        for box in self.boxes.values():
            self._flow.removeWidget(box)
            box.deleteLater()
        self.boxes = {}
        for name, color in groups:
            box = self.boxes[name] = _box(name, f"Show or hide {name}.")
            swatch = QPixmap(SWATCH, SWATCH)
            swatch.fill(QColor(color))
            box.setIcon(QIcon(swatch))
            box.setIconSize(QSize(SWATCH, SWATCH))
            box.setChecked(name not in hidden)
            box.toggled.connect(self._on_group)
            self._flow.addWidget(box)

    def _show_legend(self, curves: Sequence[Curve], levels: Sequence[Level]) -> None:
        entries = []
        name_by_dash = {curve.dash: curve.name.removeprefix(curve.group).strip() for curve in curves}
        if len(name_by_dash) > 1:
            entries += [f"{name}: {STYLES[dash % len(STYLES)]}" for dash, name in sorted(name_by_dash.items())]
        for kind in dict.fromkeys(level.kind for level in levels):
            entries.append(f"{kind}: {'dashed' if kind == FLOOR else 'dotted'} across")
        self.legend.setText("; ".join(entries))
        self.legend.setVisible(bool(entries))

    def _on_group(self) -> None:
        self.plot.hide_groups([name for name, box in self.boxes.items() if not box.isChecked()])

    def _on_option(self) -> None:
        self.plot.draw_as(
            raw=self.raw_box.isChecked(), smoothed=self.smoothed_box.isChecked(), log=self.log_box.isChecked()
        )


def _box(text: str, tooltip: str) -> QCheckBox:
    box = QCheckBox(text)
    box.setToolTip(tooltip)
    return box


def _flow_layout(widget: QWidget) -> QFlowLayout:
    layout = QFlowLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    return layout
