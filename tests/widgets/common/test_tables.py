from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt

from napari_phenotrans.widgets.common.tables import RowList

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def table(qtbot: QtBot) -> RowList:
    made = RowList("Images", "What will be translated.", ["Image", "State"], most_rows=3)
    qtbot.addWidget(made)
    made.show()
    return made


def fill(table: RowList, count: int) -> int:
    """Show so many rows, and return the table's height."""
    table.setRowCount(count)
    for row in range(count):
        table.show_cell(row, 0, f"image {row}", f"/data/image {row}")
    table.fit_height()
    return table.height()


def test_it_is_as_high_as_its_rows_up_to_a_limit(table: RowList) -> None:
    heights = [fill(table, count) for count in (1, 2, 3, 9)]
    assert heights[0] == heights[1] < heights[2] == heights[3]


def test_cells_are_shown_and_not_edited(table: RowList, qtbot: QtBot) -> None:
    fill(table, 2)
    item = table.item(1, 0)
    assert item is not None and (item.text(), item.toolTip()) == ("image 1", "/data/image 1")
    table.setCurrentCell(1, 0)
    qtbot.keyClick(table, Qt.Key.Key_F2)
    assert table.state() != RowList.State.EditingState
    assert [index.column() for index in table.selectedIndexes()] == [0, 1]


def test_return_says_on_which_row_it_was_pressed(table: RowList, qtbot: QtBot) -> None:
    fill(table, 2)
    table.setCurrentCell(1, 0)
    with qtbot.waitSignal(table.row_entered) as entered:
        qtbot.keyClick(table, Qt.Key.Key_Return)
    assert entered.args == [1]
