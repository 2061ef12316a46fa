"""A plot of curves over steps, drawn by pyqtgraph in napari's colors."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.theme import get_theme
from qtpy import API_NAME
from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtWidgets import QWidget

from napari_phenotrans.widgets.common.curves import FLOOR
from napari_phenotrans.widgets.common.form_parts import in_column

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from napari_phenotrans.widgets.common.curves import Curve, Level

HEIGHT = 190
# How near a point, in pixels of the screen, a click picks it.
PICK_DISTANCE = 25
DASHES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine)
# A curve of so few points is one of scores: each point is shown.
FEW = 60
# Raw values behind smoothed ones are drawn so faintly.
FAINT = 60
QT_VARIABLE = "PYQTGRAPH_QT_LIB"


@cache
def load_pyqtgraph() -> Any:
    """Import pyqtgraph for the Qt that napari uses; takes most of a second, so let another thread do it first."""
    before = os.environ.get(QT_VARIABLE)
    os.environ[QT_VARIABLE] = API_NAME
    try:
        import pyqtgraph
    finally:
        # processes that are started from here may use another Qt
        if before is None:
            del os.environ[QT_VARIABLE]
        else:
            os.environ[QT_VARIABLE] = before
    return pyqtgraph


class Plot(QWidget):
    """Curves and levels over steps.

    Parameters
    ----------
    name
        What is shown, for screen readers.
    pickable
        Whether a click picks a step.

    Signals
    -------
    picked
        The step of the point next to which the user clicked.
    """

    picked = Signal(int)

    def __init__(self, name: str, *, pickable: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pg = load_pyqtgraph()
        self._curves: tuple[Curve, ...] = ()
        self._levels: tuple[Level, ...] = ()
        self._hidden: frozenset[str] = frozenset()
        self._raw, self._smoothed, self._log = True, False, False
        self._items: dict[Any, Any] = {}
        self.setAccessibleName(name)
        self.graphics = self._pg.PlotWidget(background=None, enableMenu=False)
        self.graphics.setFrameShape(self.graphics.Shape.NoFrame)
        self.graphics.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        # the dock scrolls under the wheel, as it does everywhere else
        self.graphics.viewport().installEventFilter(self)
        self.plot = self.graphics.getPlotItem()
        self.plot.hideButtons()
        self.plot.setMouseEnabled(x=False, y=False)
        for side in ("left", "bottom"):
            self.plot.getAxis(side).enableAutoSIPrefix(False)
        # pyqtgraph's own logarithmic axis writes its numbers over each other in so small a plot
        axis = self.plot.getAxis("left")
        linear = axis.tickStrings
        axis.tickStrings = lambda values, scale, spacing: (
            [f"{10**value:.2g}" for value in values] if self._log else linear(values, scale, spacing)
        )
        self.plot.showGrid(x=True, y=True, alpha=0.15)
        self._mark = self._pg.InfiniteLine(angle=90, movable=False)
        self._mark.hide()
        self.plot.addItem(self._mark, ignoreBounds=True)
        if pickable:
            self.graphics.scene().sigMouseClicked.connect(self._on_clicked)
            self.graphics.setCursor(Qt.CursorShape.PointingHandCursor)
        in_column(self.graphics, of=self)
        self.setFixedHeight(HEIGHT)
        self.set_theme("dark")

    # ---- what is shown

    def show_curves(self, curves: Sequence[Curve], levels: Sequence[Level] = ()) -> None:
        """Show these and nothing else; a curve that is there already is moved, not made anew."""
        self._curves, self._levels = tuple(curves), tuple(levels)
        self._draw()

    def hide_groups(self, groups: Collection[str]) -> None:
        """Leave out the curves and levels of these groups."""
        if frozenset(groups) != self._hidden:
            self._hidden = frozenset(groups)
            self._draw()

    def draw_as(self, *, raw: bool, smoothed: bool, log: bool) -> None:
        """Say whether values are drawn as they are, smoothed, or both, and whether upwards logarithmically."""
        if (raw, smoothed, log) != (self._raw, self._smoothed, self._log):
            self._raw, self._smoothed, self._log = raw, smoothed, log
            self.plot.getAxis("left").picture = None
            self._draw()

    def mark(self, step: int | None) -> None:
        """Draw an upright line at a step, or none."""
        self._mark.setVisible(step is not None)
        if step is not None:
            self._mark.setValue(step)

    def set_theme(self, name: str) -> None:
        """Take the colors of one of napari's themes."""
        theme = get_theme(name)
        text = theme.text.as_hex()
        for side in ("left", "bottom"):
            axis = self.plot.getAxis(side)
            axis.setPen(self._pg.mkPen(theme.highlight.as_hex()))
            axis.setTextPen(self._pg.mkPen(text))
        self._mark.setPen(self._pg.mkPen(text, width=1))

    @property
    def shown(self) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
        """What is drawn, by a curve's name and ``raw`` or ``smoothed``: steps and values."""
        drawn = {}
        for (name, kind), item in self._items.items():
            if kind in ("raw", "smoothed"):
                steps, values = item.getOriginalDataset()
                drawn[name, kind] = (steps, 10**values if self._log else values)
        return drawn

    @property
    def shown_levels(self) -> dict[tuple[str, str], float]:
        """The levels that are drawn, by a level's name and kind."""
        values = {key: item.value() for key, item in self._items.items() if key[1] not in ("raw", "smoothed")}
        return {key: float(10**value if self._log else value) for key, value in values.items()}

    # ---- drawing

    def _draw(self) -> None:
        wanted = set()
        for curve in self._curves:
            if curve.group in self._hidden:
                continue
            few = len(curve.raw[0]) <= FEW
            for kind, drawn in (("raw", self._raw or few), ("smoothed", self._smoothed and not few)):
                if drawn:
                    wanted.add((curve.name, kind))
                    self._draw_curve(curve, kind, few)
        for level in self._levels:
            if level.group not in self._hidden and not (self._log and level.value <= 0):
                wanted.add((level.name, level.kind))
                self._draw_level(level)
        for key in set(self._items) - wanted:
            self.plot.removeItem(self._items.pop(key))

    def _draw_curve(self, curve: Curve, kind: str, few: bool) -> None:
        steps, values = curve.raw if kind == "raw" else curve.smoothed
        if self._log:
            # what has no logarithm is left out
            values = np.log10(np.where(values > 0, values, np.nan))
        item = self._items.get((curve.name, kind))
        if item is None:
            item = self._items[curve.name, kind] = self.plot.plot(connect="finite")
            item.setZValue(1 if kind == "smoothed" else 0)
        color = self._pg.mkColor(curve.color)
        if kind == "raw" and self._smoothed and not few:
            color.setAlpha(FAINT)
        # dashes of values that jump up and down are no dashes
        style = DASHES[curve.dash % len(DASHES)] if kind == "smoothed" or few else DASHES[0]
        item.setPen(self._pg.mkPen(color, width=2 if kind == "smoothed" else 1, style=style))
        item.setSymbol("o" if few else None)
        if few:
            item.setSymbolSize(6)
            item.setSymbolBrush(color)
            item.setSymbolPen(None)
        item.setData(steps, values)

    def _draw_level(self, level: Level) -> None:
        line = self._items.get((level.name, level.kind))
        if line is None:
            line = self._items[level.name, level.kind] = self._pg.InfiniteLine(angle=0, movable=False)
            self.plot.addItem(line)
        style = Qt.PenStyle.DashLine if level.kind == FLOOR else Qt.PenStyle.DotLine
        line.setPen(self._pg.mkPen(level.color, width=1, style=style))
        line.setValue(np.log10(level.value) if self._log else level.value)

    # ---- the mouse

    def eventFilter(self, watched: Any, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.Wheel:
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def _on_clicked(self, event: Any) -> None:
        box = self.plot.getViewBox()
        at = box.mapSceneToView(event.scenePos()).x()
        steps = [curve.raw[0] for curve in self._curves if curve.group not in self._hidden and len(curve.raw[0])]
        if not steps:
            return
        every = np.concatenate(steps)
        nearest = float(every[np.abs(every - at).argmin()])
        if abs(nearest - at) / max(box.viewPixelSize()[0], 1e-12) <= PICK_DISTANCE:
            self.picked.emit(round(nearest))
