"""Runs beside each other: one curve of each together, and the settings that differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from napari_phenotrans.widgets.common.curves import COLORS
from napari_phenotrans.widgets.common.form_layout import Form, narrow_box
from napari_phenotrans.widgets.common.notices import wrapped_label
from napari_phenotrans.widgets.runs.curve_panel import CurvePanel
from napari_phenotrans.widgets.runs.run_curves import run_name
from napari_phenotrans.widgets.runs.run_state import different_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.widgets.common.curves import Curve
    from napari_phenotrans.widgets.runs.run_state import RunLook


class RunCompare(QWidget):
    """What several runs have in common to be drawn, and a table of their settings, as far as those differ."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs: tuple[RunLook, ...] = ()
        self.curve_box = narrow_box("Which score or loss of the runs is drawn; not every run needs to have it.")
        self.curves = CurvePanel("Runs compared", smoothing=True)
        # scores may be negative
        self.curves.log_box.setChecked(False)
        self.said = wrapped_label()
        self.said.setToolTip("What of the runs' settings differs.")
        self.table = QTableWidget()
        self.table.setAccessibleName("Settings that differ")
        self.table.setToolTip("The settings that are not the same in all chosen runs; a dash where an engine has none.")
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        header = self.table.horizontalHeader()
        assert header is not None
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(70)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        form = Form()
        form.add("Curve", self.curve_box)
        column.addLayout(form)
        for widget in (self.curves, self.said, self.table):
            column.addWidget(widget)
        column.addStretch(1)
        self.curve_box.activated.connect(lambda _: self._draw())

    def show_runs(self, runs: Sequence[RunLook]) -> None:
        """Show these runs beside each other."""
        self._runs = tuple(runs)
        names = list(dict.fromkeys(name for run in runs for name in run.curves))
        if names != [self.curve_box.itemText(index) for index in range(self.curve_box.count())]:
            chosen = self.curve_box.currentText()
            self.curve_box.clear()
            self.curve_box.addItems(names)
            self.curve_box.setCurrentIndex(max(0, self.curve_box.findText(chosen)))
        self._draw()
        self._fill()

    def set_theme(self, name: str) -> None:
        """Take the colors of one of napari's themes."""
        self.curves.plot.set_theme(name)

    def _draw(self) -> None:
        name = self.curve_box.currentText()
        shown: list[Curve] = []
        for place, (run, called) in enumerate(zip(self._runs, self._names(), strict=True)):
            if curve := run.curves.get(name):
                shown.append(curve.called(called, COLORS[place % len(COLORS)]))
        self.curves.show_curves(shown)

    def _fill(self) -> None:
        rows, names = different_settings(self._runs), self._names()
        self.said.setText("Settings that differ:" if rows else "All settings are the same.")
        self.table.setVisible(bool(rows))
        self.table.setColumnCount(len(names))
        self.table.setRowCount(len(rows))
        self.table.setHorizontalHeaderLabels(names)
        self.table.setVerticalHeaderLabels([name for name, _ in rows])
        for line, (_, values) in enumerate(rows):
            for column, value in enumerate(values):
                item = QTableWidgetItem(value)
                # columns are narrow
                item.setToolTip(value)
                self.table.setItem(line, column, item)
        height = self.table.fontMetrics().height() * 2
        self.table.setFixedHeight(min(12, len(rows) + 2) * height)

    def _names(self) -> list[str]:
        folders = [run.folder for run in self._runs]
        return [run_name(folder, folders) for folder in folders]
