"""Tables that show and do not edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from napari_phenotrans.widgets.common.form_parts import as_tooltip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QKeyEvent


class ReadOnlyTable(QTableWidget):
    """A table whose cells cannot be edited; the Tab key leaves it.

    Parameters
    ----------
    name
        What it shows, for screen readers.
    tooltip
        Of the whole table.
    """

    def __init__(self, name: str, tooltip: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setToolTip(tooltip)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.columns.setHighlightSections(False)

    @property
    def columns(self) -> QHeaderView:
        """The header across."""
        header = self.horizontalHeader()
        assert header is not None
        return header

    @property
    def rows(self) -> QHeaderView:
        """The header down the side."""
        header = self.verticalHeader()
        assert header is not None
        return header

    def show_cell(self, row: int, column: int, text: str, tooltip: str) -> None:
        """Show a text in a cell."""
        item = QTableWidgetItem(text)
        item.setToolTip(as_tooltip(tooltip))
        self.setItem(row, column, item)


class RowList(ReadOnlyTable):
    """A list of rows that are selected as wholes, as high as it has rows up to a limit.

    Parameters
    ----------
    name, tooltip
        As of `ReadOnlyTable`.
    headings
        One per column.
    most_rows
        Rows that are seen at once; the rest is scrolled to.

    Signals
    -------
    row_entered
        The row on which Return was pressed.
    """

    row_entered = Signal(int)

    def __init__(
        self, name: str, tooltip: str, headings: Sequence[str], most_rows: int, parent: QWidget | None = None
    ) -> None:
        super().__init__(name, tooltip, parent)
        self._most_rows = most_rows
        self.setColumnCount(len(headings))
        self.setHorizontalHeaderLabels(list(headings))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.rows.hide()

    def fit_height(self) -> None:
        """Make the table as high as its rows."""
        line, count = self.fontMetrics().height() + 8, self.rowCount()
        for row in range(count):
            self.setRowHeight(row, line)
        self.setFixedHeight(self.columns.sizeHint().height() + line * min(max(count, 2), self._most_rows) + 4)

    def keyPressEvent(self, e: QKeyEvent | None) -> None:
        if e is not None and e.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.row_entered.emit(self.currentRow())
        else:
            super().keyPressEvent(e)
