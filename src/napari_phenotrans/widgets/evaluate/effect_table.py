"""The first effects of a report as a table in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QWidget

from napari_phenotrans.phenotype.page import text as report_text
from napari_phenotrans.phenotype.page.html import SHOWN
from napari_phenotrans.widgets.common.form_parts import as_tooltip
from napari_phenotrans.widgets.common.tables import ReadOnlyTable
from napari_phenotrans.widgets.evaluate.effect_text import LOOKS, SENTENCES, verdict_words
from napari_phenotrans.widgets.evaluate.point_plot import shown_color

if TYPE_CHECKING:
    from napari_phenotrans.phenotype.result import PhenotypeReport
    from napari_phenotrans.phenotype.statistics.effects import Effect

HEADINGS = (
    ("Reality", "Mean of real source → mean of real target; below, in standard deviations between objects."),
    ("Engine", "Mean of translated images; below, its change, and what the engine changes where nothing should."),
    (
        "Gap closed",
        "Share of the way from real source to real target, over the whole distribution; below, what random halves of "
        "the real target reach.",
    ),
)
TALLEST = 420
# Rows of an effect: its name across all columns, then its numbers.
ROWS = 2
# Measurements of whole fields, below those of objects.
FIELDS = 4


class EffectTable(ReadOnlyTable):
    """Two rows per effect, so that it can be read in a narrow dock: its name and what became of it, and its numbers.

    Signals
    -------
    effect_chosen
        The number of an effect, among all of the report.
    """

    effect_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(
            "The first effects",
            "The largest real differences; what a larger one says already is left out. A click looks at one.",
            parent,
        )
        self._numbers: list[int] = []
        self._verdicts: list[str] = []
        self._theme = "dark"
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setWordWrap(True)
        self.setColumnCount(len(HEADINGS))
        self.setHorizontalHeaderLabels([heading for heading, _ in HEADINGS])
        for column, (_, tooltip) in enumerate(HEADINGS):
            item = self.horizontalHeaderItem(column)
            assert item is not None
            item.setToolTip(as_tooltip(tooltip))
        self.columns.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.rows.setVisible(False)
        self.currentCellChanged.connect(self._on_current)

    def show_effects(self, report: PhenotypeReport) -> None:
        """Show the largest effects, each saying something of its own."""
        rows = [*report.effects.leading[:SHOWN], *report.effects.of_fields[:FIELDS]]
        number = {row.measurement.key: index for index, row in enumerate(report.effects.rows)}
        self._numbers = [number[row.measurement.key] for row in rows]
        self._verdicts = [row.verdict for row in rows]
        line = self.fontMetrics().height()
        with QSignalBlocker(self):
            self.clearSpans()
            self.setRowCount(ROWS * len(rows))
            for rank, row in enumerate(rows):
                name = _name(row)
                self.show_cell(ROWS * rank, 0, name, f"{name}. {SENTENCES[row.verdict]}")
                self.setSpan(ROWS * rank, 0, 1, len(HEADINGS))
                self.setRowHeight(ROWS * rank, 2 * line + 6)
                self.setRowHeight(ROWS * rank + 1, 3 * line + 6)
                for column, text in enumerate(_numbers(row)):
                    self.show_cell(ROWS * rank + 1, column, text, HEADINGS[column][1])
            self.clearSelection()
        self.set_theme(self._theme)
        self.setFixedHeight(min(TALLEST, self.columns.sizeHint().height() + len(rows) * (5 * line + 12) + 4))

    def mark(self, number: int) -> None:
        """Select an effect, where it is among these."""
        with QSignalBlocker(self):
            self.clearSelection()
            if number in self._numbers:
                self.selectRow(ROWS * self._numbers.index(number))

    def set_theme(self, name: str) -> None:
        """Take the colors of one of napari's themes."""
        self._theme = name
        for rank, verdict in enumerate(self._verdicts):
            item = self.item(ROWS * rank, 0)
            if item is not None and verdict not in ("unchanged", "not tested"):
                item.setForeground(QColor(shown_color(LOOKS[verdict][0], name)))

    def _on_current(self, row: int) -> None:
        if 0 <= row // ROWS < len(self._numbers):
            self.effect_chosen.emit(self._numbers[row // ROWS])


def _name(row: Effect) -> str:
    unit = report_text.unit(row.measurement)
    return f"{row.measurement.words}{f' ({unit})' if unit else ''}: {verdict_words(row.verdict)}"


def _numbers(row: Effect) -> tuple[str, ...]:
    m = row.measurement
    best = "" if row.gap_floor is None else f"\nhalves {row.gap_floor:.2f}"
    return (
        f"{report_text.bare(row.source, m)} → {report_text.bare(row.target, m)}\n{report_text.sd(row.real_sd)} SD",
        f"→ {report_text.bare(row.translated, m)}\n{report_text.sd(row.made_sd)} SD\nerror {abs(row.error_sd):.2f}",
        "–" if row.gap is None else f"{row.gap.value:.2f}{best}".replace("-", "−"),
    )
