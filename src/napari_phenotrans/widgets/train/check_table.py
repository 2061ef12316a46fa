"""The report of a data set's check: problems and what to do about them, facts, and intensities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QLabel, QWidget

from napari_phenotrans.core.resample import factor
from napari_phenotrans.core.text import counted
from napari_phenotrans.dataset.check_report import AREA
from napari_phenotrans.widgets.common.form_parts import as_tooltip, in_column, push_button, wrapped_label
from napari_phenotrans.widgets.common.notices import sentence_label
from napari_phenotrans.widgets.common.tables import ReadOnlyTable
from napari_phenotrans.widgets.train.histogram import HistogramView

if TYPE_CHECKING:
    from napari_phenotrans.dataset.check_report import Problem, Report

TOOLTIPS = {
    "fields": "Fields of view that training sees.",
    "groups": "Wells, patients or organoids that they belong to; a field is its own where fields.csv says nothing.",
    "held-out": "Fields that training never sees, and their groups; scores come from them.",
    "planes": "Planes of all fields that training sees.",
    "size": "Height × width of the smallest and the largest field, in pixels of the files.",
    "pixel size": "Micrometers per pixel, as the files say.",
    "dtype": "How the files store intensities.",
    "channels": "All that occur.",
}


class CheckTable(QWidget):
    """Shows a `Report`.

    Signals
    -------
    pixel_size_accepted
        The proposed working pixel size was accepted.
    """

    pixel_size_accepted = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._proposed = 0.0
        self.verdict = wrapped_label(tooltip="What the check comes to.")
        self.stale = wrapped_label(
            "Data or settings have changed since: press Check again.",
            "Conditions, channels, what is held out, crop, pixel size, seed or augmentation.",
        )
        self.differences = wrapped_label(
            tooltip="Measured on crops of wells, patients or organoids left out each time."
        )
        self.pixel_size_button = push_button("")
        self.pixel_size_button.clicked.connect(lambda _: self.pixel_size_accepted.emit(self._proposed))
        self._problems, self._histograms = in_column(spacing=6), in_column()
        self._problem_labels: list[QLabel] = []
        self._histogram_views: list[HistogramView] = []
        self.table = ReadOnlyTable("Facts of each condition")
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setWordWrap(False)
        in_column(
            self.verdict,
            self.stale,
            self._problems,
            self.pixel_size_button,
            self.differences,
            self.table,
            self._histograms,
            of=self,
        )
        self.clear()

    @property
    def problems(self) -> list[str]:
        """The problems that are shown, each with what to do."""
        return [label.text() for label in self._problem_labels]

    def clear(self) -> None:
        """Show nothing."""
        self.hide()
        self.stale.hide()
        for widget in (*self._problem_labels, *self._histogram_views):
            widget.hide()
            widget.setParent(None)
            widget.deleteLater()
        self._problem_labels, self._histogram_views = [], []

    def set_stale(self, stale: bool) -> None:
        """Show that the report is not of what is chosen now, or hide that."""
        self.stale.setVisible(stale)

    def show_report(self, report: Report) -> None:
        """Show a report in place of the last one."""
        self.clear()
        counts = [(len(report.errors), "error"), (len(report.warnings), "warning")]
        problems = " and ".join(counted(n, noun) for n, noun in counts if n)
        if report.errors:
            self.verdict.setText(f"This cannot be trained on yet: {problems}.")
        else:
            self.verdict.setText(
                f"This can be trained on{f', with {problems}' if problems else ': nothing speaks against it'}."
            )
        for problem in report.problems:
            self._problem_labels.append(_line(problem))
            self._problems.addWidget(self._problem_labels[-1])
        self._propose(report)
        told = [*(f"{each}." for each in report.differences), AREA] if report.differences else []
        self.differences.setText("\n".join([*report.remarks, *told]))
        self.differences.setVisible(bool(report.remarks or told))
        self._fill(report)
        for channel, histogram in report.histograms.items():
            known = {c.condition: c.percentiles[channel] for c in report.conditions if channel in c.percentiles}
            self._histogram_views.append(HistogramView(channel, histogram, known))
            self._histograms.addWidget(self._histogram_views[-1])
        self.show()

    def _propose(self, report: Report) -> None:
        wanted = report.proposed
        offered = bool(wanted) and (not report.pixel_size or factor(report.pixel_size, wanted or 1) != 1)
        self.pixel_size_button.setVisible(offered)
        if not (wanted and offered):
            return
        self._proposed = wanted
        unit = "µm per pixel" if report.unit == "um" else "pixels per pixel"
        self.pixel_size_button.setText(f"Use {wanted:g} {unit}")
        self.pixel_size_button.setToolTip(
            "Train at this working pixel size: a nucleus is then about 25 pixels wide, so that several cells fit in a "
            "crop. Translation resamples there and back."
        )

    def _fill(self, report: Report) -> None:
        headings, *rows = report.table()
        names = headings[1:]
        self.table.setRowCount(len(names))
        self.table.setColumnCount(len(rows))
        self.table.setVerticalHeaderLabels(list(names))
        self.table.setHorizontalHeaderLabels([row[0] for row in rows])
        for index, name in enumerate(names):
            heading = self.table.verticalHeaderItem(index)
            assert heading is not None
            heading.setToolTip(TOOLTIPS[name])
            for column, row in enumerate(rows):
                self.table.show_cell(index, column, row[index + 1], f"{row[0]}: {row[index + 1]}")
        self.table.columns.setSectionResizeMode(
            QHeaderView.ResizeMode.Stretch if len(rows) < 3 else QHeaderView.ResizeMode.ResizeToContents
        )
        line = self.table.fontMetrics().height() + 6
        self.table.rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.table.rows.setDefaultSectionSize(line)
        bar = self.table.horizontalScrollBar()
        assert bar is not None
        bar_height = bar.sizeHint().height() if len(rows) > 2 else 0
        self.table.setFixedHeight(self.table.columns.sizeHint().height() + line * len(names) + bar_height + 4)


def _line(problem: Problem) -> QLabel:
    label = sentence_label(problem.severity, str(problem))
    label.setToolTip(as_tooltip("\n".join(problem.files[:40]) or problem.do))
    return label
