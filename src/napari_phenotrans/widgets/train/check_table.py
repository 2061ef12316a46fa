"""What the check of a data set found: problems and what to do about them, facts, and intensities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_phenotrans.core.resample import factor
from napari_phenotrans.widgets.common.curves import COLORS
from napari_phenotrans.widgets.common.notices import wrapped_label
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
ERROR, WARNING = COLORS[3], COLORS[6]


class CheckTable(QWidget):
    """Shows a `Report`.

    Signals
    -------
    pixel_size_wanted
        The proposed working pixel size was accepted.
    """

    pixel_size_wanted = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._proposed = 0.0
        self.verdict = wrapped_label()
        self.verdict.setToolTip("What the check comes to.")
        self.stale = wrapped_label("Data or settings have changed since: press Check again.")
        self.stale.setToolTip("Conditions, channels, what is held out, crop, pixel size, seed or augmentation.")
        self.pixel_size_button = QPushButton()
        self.pixel_size_button.clicked.connect(lambda _: self.pixel_size_wanted.emit(self._proposed))
        self._problems, self._histograms = QVBoxLayout(), QVBoxLayout()
        self._problem_labels: list[QLabel] = []
        self._histogram_views: list[HistogramView] = []
        self._problems.setSpacing(6)
        self.table = QTableWidget()
        self.table.setAccessibleName("Facts of each condition")
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setTabKeyNavigation(False)
        self.table.setWordWrap(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.verdict)
        column.addWidget(self.stale)
        column.addLayout(self._problems)
        column.addWidget(self.pixel_size_button)
        column.addWidget(self.table)
        column.addLayout(self._histograms)
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

    def say_stale(self, stale: bool) -> None:
        """Say that what is shown is not what is chosen now, or that it is."""
        self.stale.setVisible(stale)

    def show_report(self, report: Report) -> None:
        """Show what was found."""
        self.clear()
        counts = [(len(report.errors), "error"), (len(report.warnings), "warning")]
        said = " and ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts if n)
        if report.errors:
            self.verdict.setText(f"This cannot be trained on yet: {said}.")
        else:
            self.verdict.setText(
                f"This can be trained on{f', with {said}' if said else ': nothing speaks against it'}."
            )
        for problem in report.problems:
            self._problem_labels.append(_line(problem))
            self._problems.addWidget(self._problem_labels[-1])
        self._propose(report)
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
        for place, name in enumerate(names):
            heading = self.table.verticalHeaderItem(place)
            assert heading is not None
            heading.setToolTip(TOOLTIPS[name])
            for number, row in enumerate(rows):
                item = QTableWidgetItem(row[place + 1])
                item.setToolTip(f"{row[0]}: {row[place + 1]}")
                self.table.setItem(place, number, item)
        vertical, horizontal = self.table.verticalHeader(), self.table.horizontalHeader()
        assert vertical is not None and horizontal is not None
        horizontal.setHighlightSections(False)
        horizontal.setSectionResizeMode(
            QHeaderView.ResizeMode.Stretch if len(rows) < 3 else QHeaderView.ResizeMode.ResizeToContents
        )
        line = self.table.fontMetrics().height() + 6
        vertical.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        vertical.setDefaultSectionSize(line)
        bar = self.table.horizontalScrollBar()
        assert bar is not None
        scrolls = bar.sizeHint().height() if len(rows) > 2 else 0
        self.table.setFixedHeight(horizontal.sizeHint().height() + line * len(names) + scrolls + 4)


def _line(problem: Problem) -> QLabel:
    label = wrapped_label(f"{problem.severity.capitalize()}: {problem}")
    color = ERROR if problem.severity == "error" else WARNING
    label.setStyleSheet(f"QLabel {{ border-left: 3px solid {color}; padding-left: 6px; }}")
    label.setToolTip("\n".join(problem.files[:40]) or problem.do)
    return label
