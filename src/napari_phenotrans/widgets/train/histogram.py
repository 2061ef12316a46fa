"""A histogram of a channel's intensities, with a curve per condition."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QWidget

from napari_phenotrans.widgets.common.curves import COLORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_phenotrans.dataset.check_report import Histogram

PLOT_HEIGHT = 64
# Of the share axis, which is logarithmic: a rare marker is in one pixel of ten thousand.
LEAST = 1e-5
FILL = 40


class HistogramView(QWidget):
    """One channel; a color per condition, the same in every channel.

    Parameters
    ----------
    channel
        Its name.
    histogram
        Its intensities.
    percentiles
        Per condition the 1st, 50th, 99th and 99.9th, for those who want numbers.
    """

    def __init__(
        self,
        channel: str,
        histogram: Histogram,
        percentiles: Mapping[str, tuple[float, ...]],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._channel, self._histogram = channel, histogram
        self.setMinimumWidth(120)
        line = self.fontMetrics().height()
        self.setFixedHeight(PLOT_HEIGHT + 2 * line + 8)
        lines = [f"{c}: median {p[1]:.5g}, 99.9 % below {p[3]:.5g}" for c, p in percentiles.items() if len(p) > 3]
        description = "\n".join([f"How often each intensity of {channel} occurs, upwards logarithmically.", *lines])
        self.setToolTip(description)
        self.setAccessibleName(f"Histogram of {channel}")
        self.setAccessibleDescription(description)

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        metrics, line = self.fontMetrics(), self.fontMetrics().height()
        painter.setPen(text)
        painter.drawText(0, metrics.ascent(), self._channel)
        plot = QRectF(0, line + 2, self.width() - 1, PLOT_HEIGHT)
        painter.setPen(QPen(_faint(text), 1))
        painter.drawLine(plot.bottomLeft(), plot.bottomRight())
        edges, shares = self._histogram.edges, self._histogram.shares
        if not edges:
            painter.end()
            return
        # curves, and the conditions' names in their colors from the right
        right = float(self.width())
        for number, (condition, values) in reversed(list(enumerate(shares.items()))):
            color = QColor(COLORS[number % len(COLORS)])
            outline = _outline(plot, values)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(_faint(color))
            painter.drawPolygon(QPolygonF([plot.bottomLeft(), *outline, plot.bottomRight()]))
            painter.setPen(QPen(color, 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPolyline(QPolygonF(outline))
            right -= metrics.horizontalAdvance(condition) + 8
            if right > metrics.horizontalAdvance(self._channel) + 8:
                painter.drawText(QPointF(right, metrics.ascent()), condition)
        # the ends of the axis
        painter.setPen(text)
        low, high = f"{edges[0]:.4g}", f"{edges[-1]:.4g}"
        base = plot.bottom() + metrics.ascent() + 2
        painter.drawText(QPointF(0, base), low)
        painter.drawText(QPointF(self.width() - metrics.horizontalAdvance(high) - 1, base), high)
        painter.end()


def _outline(plot: QRectF, shares: tuple[float, ...]) -> list[QPointF]:
    """Return the steps of a histogram from left to right; an empty bin lies on the ground."""
    points = []
    wide = plot.width() / len(shares)
    for number, share in enumerate(shares):
        up = max(0.0, 1 - math.log10(share) / math.log10(LEAST)) if share > LEAST else 0.0
        y = plot.bottom() - up * plot.height()
        points += [QPointF(plot.left() + number * wide, y), QPointF(plot.left() + (number + 1) * wide, y)]
    return points


def _faint(color: QColor) -> QColor:
    faint = QColor(color)
    faint.setAlpha(FILL)
    return faint
