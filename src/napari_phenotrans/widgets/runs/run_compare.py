"""Comparing runs: one curve of each in a plot, and a table of the settings that differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHeaderView, QWidget

from napari_phenotrans.widgets.common.curves import COLORS
from napari_phenotrans.widgets.common.form_parts import Form, in_column, narrow_box, wrapped_label
from napari_phenotrans.widgets.common.tables import ReadOnlyTable
from napari_phenotrans.widgets.runs.curve_panel import CurvePanel
from napari_phenotrans.widgets.runs.run_curves import run_name
from napari_phenotrans.widgets.runs.run_state import different_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.widgets.common.curves import Curve
    from napari_phenotrans.widgets.runs.run_state import RunSnapshot


class RunCompare(QWidget):
    """A plot of one score or loss of several runs, and a table of the settings in which they differ."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs: tuple[RunSnapshot, ...] = ()
        self.curve_box = narrow_box("Which score or loss of the runs is drawn; not every run needs to have it.")
        self.curves = CurvePanel("Runs compared", smoothing=True)
        # scores may be negative
        self.curves.log_box.setChecked(False)
        self.heading = wrapped_label(tooltip="What of the runs' settings differs.")
        self.table = ReadOnlyTable(
            "Settings that differ",
            "The settings that are not the same in all chosen runs; a dash where an engine has none.",
        )
        self.table.columns.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.columns.setMinimumSectionSize(70)
        in_column(Form({"Curve": self.curve_box}), self.curves, self.heading, self.table, of=self).addStretch(1)
        self.curve_box.activated.connect(lambda _: self._draw())

    def show_runs(self, runs: Sequence[RunSnapshot]) -> None:
        """Show these runs beside each other."""
        self._runs = tuple(runs)
        names = list(dict.fromkeys(name for run in runs for name in run.curves))
        if names != [self.curve_box.itemText(index) for index in range(self.curve_box.count())]:
            name_before = self.curve_box.currentText()
            self.curve_box.clear()
            self.curve_box.addItems(names)
            self.curve_box.setCurrentIndex(max(0, self.curve_box.findText(name_before)))
        self._draw()
        self._fill()

    def set_theme(self, name: str) -> None:
        """Take the colors of one of napari's themes."""
        self.curves.plot.set_theme(name)

    def _draw(self) -> None:
        name = self.curve_box.currentText()
        shown: list[Curve] = []
        for number, (run, label) in enumerate(zip(self._runs, self._names(), strict=True)):
            if curve := run.curves.get(name):
                shown.append(curve.called(label, COLORS[number % len(COLORS)]))
        self.curves.show_curves(shown)

    def _fill(self) -> None:
        rows, names = different_settings(self._runs), self._names()
        self.heading.setText("Settings that differ:" if rows else "All settings are the same.")
        self.table.setVisible(bool(rows))
        self.table.setColumnCount(len(names))
        self.table.setRowCount(len(rows))
        self.table.setHorizontalHeaderLabels(names)
        self.table.setVerticalHeaderLabels([name for name, _ in rows])
        for line, (_, values) in enumerate(rows):
            for column, value in enumerate(values):
                # columns are narrow
                self.table.show_cell(line, column, value, value)
        height = self.table.fontMetrics().height() * 2
        self.table.setFixedHeight(min(12, len(rows) + 2) * height)

    def _names(self) -> list[str]:
        folders = [run.folder for run in self._runs]
        return [run_name(folder, folders) for folder in folders]
