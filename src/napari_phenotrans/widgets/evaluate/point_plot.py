"""A scatter plot: pointing at a point shows what it is, a click picks it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QColor, QHelpEvent
from qtpy.QtWidgets import QToolTip

from napari_phenotrans.widgets.common.plot import PICK_DISTANCE, Plot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from qtpy.QtCore import QObject

POINT, MARK = 8, 15
# Pixels below the plot: pyqtgraph leaves too few for its own label.
BOTTOM_MARGIN = 8
# matplotlib's name for a mark, and pyqtgraph's.
SYMBOLS = {"o": "o", "s": "s", "X": "x", "^": "t1", "D": "d", ".": "o"}
SMALL = 5
# Of 255: on a dark background what is darker is drawn lighter.
DARK, LIGHTER = 120, 120


@dataclass(frozen=True, eq=False)
class Points:
    """Points of one kind.

    Parameters
    ----------
    name
        Of the kind.
    numbers
        (n,) by which a point is known when it is picked.
    x, y
        (n,) finite.
    color, symbol
        As matplotlib names them.
    """

    name: str
    numbers: np.ndarray
    x: np.ndarray
    y: np.ndarray
    color: str
    symbol: str = "o"


@dataclass(frozen=True)
class Axis:
    """An axis and its label; where ``log``, points are logarithms, and the ticks show the numbers themselves."""

    label: str
    log: bool = False


@dataclass(frozen=True)
class Line:
    """A line to read points against: at an angle through 0, or across at a value (``along`` is "x" or "y")."""

    along: str
    value: float = 0.0
    dashed: bool = False


DIAGONAL = Line("diagonal", dashed=True)


class PointPlot(Plot):
    """Points of several kinds; a rectangle drawn with the mouse is looked at closer, a double click shows all.

    Parameters
    ----------
    name
        What is shown, for screen readers.
    height
        In pixels of the screen.

    Signals
    -------
    picked
        The number of the point that the user clicked on.
    """

    def __init__(self, name: str, height: int) -> None:
        #: Says what a point is, by its number; shown under the mouse.
        self.about: Callable[[int], str] = lambda number: ""
        self._kinds: tuple[Points, ...] = ()
        self._left_out: frozenset[str] = frozenset()
        self._lines: tuple[Line, ...] = ()
        self._drawn: list[Any] = []
        self._ringed: int | None = None
        self._theme = "dark"
        super().__init__(name, pickable=True)
        self.setFixedHeight(height)
        self.plot.setMouseEnabled(x=True, y=True)
        self.plot.getViewBox().setMouseMode(self._pg.ViewBox.RectMode)
        self._ring = self._pg.ScatterPlotItem(size=MARK, brush=None)
        self._ring.setZValue(10)
        self.plot.addItem(self._ring, ignoreBounds=True)
        self.plot.setContentsMargins(0, 0, 0, BOTTOM_MARGIN)
        self._axes = (Axis(""), Axis(""))
        for side, number in (("bottom", 0), ("left", 1)):
            axis = self.plot.getAxis(side)
            linear = axis.tickStrings
            axis.tickStrings = lambda values, scale, spacing, number=number, linear=linear: (
                [f"{np.exp(value):.2g}" for value in values]
                if self._axes[number].log
                else linear(values, scale, spacing)
            )

    # ---- what is shown

    def show_points(self, kinds: Sequence[Points], axes: tuple[Axis, Axis], lines: Sequence[Line] = ()) -> None:
        """Show these, the first kind in front, and look at all of them."""
        self._kinds, self._axes, self._lines = tuple(kinds), axes, tuple(lines)
        for side, axis in zip(("bottom", "left"), axes, strict=True):
            shown = self.plot.getAxis(side)
            shown.setLabel(escape(axis.label))  # it takes HTML
            shown.picture = None
        self._redraw()
        self.show_all()

    def hide_kinds(self, names: Collection[str]) -> None:
        """Leave out these kinds."""
        self._left_out = frozenset(names)
        self._redraw()

    def ring(self, number: int | None) -> None:
        """Mark one point, or none."""
        self._ringed = number
        at = self.where(number) if number is not None else None
        self._ring.setData(*(([], []) if at is None else ([at[0]], [at[1]])))

    def where(self, number: int) -> tuple[float, float] | None:
        """Return where a point is, None where it is not shown."""
        for kind in self._visible:
            indices = np.flatnonzero(kind.numbers == number)
            if len(indices):
                return float(kind.x[indices[0]]), float(kind.y[indices[0]])
        return None

    def show_all(self) -> None:
        """Look at all points."""
        self.plot.enableAutoRange()

    def set_theme(self, name: str) -> None:
        """Take the colors of one of napari's themes."""
        super().set_theme(name)
        self._theme = name
        if self._drawn:
            self._redraw()

    @property
    def points(self) -> dict[str, np.ndarray]:
        """The numbers of the points that are drawn, by kind."""
        return {kind.name: kind.numbers for kind in self._visible}

    @property
    def _visible(self) -> list[Points]:
        return [kind for kind in self._kinds if kind.name not in self._left_out]

    def _redraw(self) -> None:
        for item in self._drawn:
            self.plot.removeItem(item)
        faint, text = get_theme(self._theme).highlight.as_hex(), get_theme(self._theme).text.as_hex()
        self._drawn = []
        for line in self._lines:
            style = Qt.PenStyle.DashLine if line.dashed else Qt.PenStyle.SolidLine
            angle = {"diagonal": 45, "x": 90, "y": 0}[line.along]
            at = (0, 0) if line.along == "diagonal" else line.value
            item = self._pg.InfiniteLine(at, angle=angle, pen=self._pg.mkPen(faint, width=1, style=style))
            self.plot.addItem(item, ignoreBounds=True)
            self._drawn.append(item)
        for height, kind in enumerate(reversed(self._visible)):
            item = self._pg.ScatterPlotItem(
                x=kind.x,
                y=kind.y,
                symbol=SYMBOLS[kind.symbol],
                size=SMALL if kind.symbol == "." else POINT,
                pen=None,
                brush=self._pg.mkBrush(shown_color(kind.color, self._theme)),
            )
            item.setZValue(height + 1)
            self.plot.addItem(item)
            self._drawn.append(item)
        self._ring.setPen(self._pg.mkPen(text, width=2))
        self.ring(self._ringed)

    # ---- the mouse

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            number = self._nearest(self.graphics.mapToScene(event.pos()))
            text = self.toolTip() if number is None else self.about(number)
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().eventFilter(watched, event)

    def _on_clicked(self, event: Any) -> None:
        if event.double():
            self.show_all()
        elif (number := self._nearest(event.scenePos())) is not None:
            self.picked.emit(number)

    def _nearest(self, at: QPointF) -> int | None:
        """Return the number of the point next to a place of the scene; None where none is near."""
        visible = self._visible
        if not visible:
            return None
        box = self.plot.getViewBox()
        position = box.mapSceneToView(at)
        wide, high = box.viewPixelSize()
        x, y, numbers = (np.concatenate([getattr(kind, part) for kind in visible]) for part in ("x", "y", "numbers"))
        if not len(numbers):
            return None
        away = np.hypot((x - position.x()) / max(wide, 1e-12), (y - position.y()) / max(high, 1e-12))
        return int(numbers[away.argmin()]) if away.min() <= PICK_DISTANCE else None


def shown_color(color: str, theme: str) -> QColor:
    """Return a color as it can be seen on a theme's background."""
    plain = QColor(color)
    dark_theme = QColor(get_theme(theme).background.as_hex()).lightness() < DARK
    return plain.lighter(LIGHTER) if dark_theme and plain.lightness() < DARK else plain
