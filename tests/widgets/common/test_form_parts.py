from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QTextDocument
from qtpy.QtWidgets import QComboBox, QLabel, QLineEdit, QWidget

from napari_phenotrans.widgets.common.form_parts import (
    Form,
    as_panel,
    as_tooltip,
    elided,
    in_column,
    in_row,
    in_words,
    keep_tab_order,
    narrow_box,
    progress_bar,
    wrapped_label,
)

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


def test_columns_and_rows_hold_their_parts_in_order_without_margins(qtbot: QtBot) -> None:
    first, left, right, last = QLabel("first"), QLabel("left"), QLabel("right"), QLabel("last")
    panel = as_panel(first, in_row(left, right, stretch=(0, 1)), in_column(last))
    qtbot.addWidget(panel)
    panel.resize(300, 200)
    panel.show()
    assert first.y() < left.y() == right.y() < last.y()
    assert first.x() == left.x() == 0 and last.x() == 0
    assert right.width() > left.width()


def test_choices_have_values_texts_and_tooltips(qtbot: QtBot) -> None:
    box = narrow_box("All of it.", {"a": ("First", "The first."), "b": ("Second", "The second.")})
    qtbot.addWidget(box)
    assert [(box.itemData(i), box.itemText(i)) for i in range(box.count())] == [("a", "First"), ("b", "Second")]
    assert box.itemData(1, Qt.ItemDataRole.ToolTipRole) == "The second."
    assert box.toolTip() == "All of it."


def test_a_hidden_bar_keeps_its_room(qtbot: QtBot) -> None:
    bar, below = progress_bar("Progress", "How far it is."), QLabel("below")
    panel = as_panel(bar, below)
    qtbot.addWidget(panel)
    panel.show()
    y = below.y()
    bar.hide()
    panel.layout().activate()
    assert below.y() == y > 0


def test_labels_speak_of_their_fields(qtbot: QtBot) -> None:
    edit, panel = QLineEdit(), QWidget()
    qtbot.addWidget(panel)
    edit.setToolTip("The name.")
    panel.setLayout(Form({"Name": edit}))
    (label,) = panel.findChildren(QLabel)
    assert (label.text(), label.toolTip(), label.buddy()) == ("Name", "The name.", edit)


def test_tab_goes_through_widgets_in_the_order_that_is_said(qtbot: QtBot) -> None:
    edits = [QLineEdit() for _ in range(3)]
    panel = as_panel(*edits)
    qtbot.addWidget(panel)
    panel.show()
    keep_tab_order(edits[2], edits[0], edits[1])
    edits[2].setFocus()
    for expected in (edits[0], edits[1]):
        qtbot.keyClick(panel.focusWidget(), Qt.Key.Key_Tab)
        assert panel.focusWidget() is expected


def test_long_texts_lose_their_middle(qtbot: QtBot) -> None:
    label = QLabel()
    qtbot.addWidget(label)
    assert elided("short", label, 200) == "short"
    text = elided("/data/" + "long/" * 40 + "end", label, 200)
    assert text.startswith("/data") and text.endswith("end") and "…" in text


@pytest.mark.parametrize("name", ["<b>DAPI</b>", '<img src="secret.png">', "a\n<i>b</i>"])
def test_names_that_look_like_markup_are_shown_letter_by_letter(name: str, qtbot: QtBot) -> None:
    label = wrapped_label(name, name)
    qtbot.addWidget(label)
    assert (label.text(), label.textFormat()) == (name, Qt.TextFormat.PlainText)
    shown = QTextDocument()
    shown.setHtml(label.toolTip())
    assert shown.toPlainText() == name
    assert as_tooltip("DAPI & PH3") == "DAPI & PH3"


def test_the_name_of_a_row_is_no_markup(qtbot: QtBot) -> None:
    box = QComboBox()
    rows = Form({"<b>PH3</b>": box})
    widget = QWidget()
    qtbot.addWidget(widget)
    widget.setLayout(rows)
    label = rows.labelForField(box)
    assert isinstance(label, QLabel)
    assert label.textFormat() == Qt.TextFormat.PlainText


def test_settings_are_named_as_their_fields_are() -> None:
    assert in_words("Say --pixel-size 0.65, to which all are resampled.") == (
        "Set ‘Pixel size’ 0.65, to which all are resampled."
    )
    assert in_words("Choose a smaller --crop -- or wait.") == "Choose a smaller ‘Crop’ -- or wait."
    assert in_words("A path/of--a file, and 3--4 pixels") == "A path/of--a file, and 3--4 pixels"


def test_a_choice_is_shown_whole_as_far_as_there_is_room(qtbot: QtBot) -> None:
    box = narrow_box("what is chosen")
    qtbot.addWidget(box)
    box.addItems(["short", "a choice of some more words"])
    box.resize(box.minimumSizeHint())
    box.show()
    assert box.shown_text == "short"
    box.setCurrentIndex(1)
    assert box.shown_text == "a choice of some more words"
    box.addItem("a_name_of_a_file_that_is_far_longer_than_any_dock_is_wide_D02.ome.tif")
    box.setCurrentIndex(2)
    assert box.minimumSizeHint().width() < 320
    box.resize(box.minimumSizeHint())
    assert box.shown_text.startswith("a_name") and box.shown_text.endswith(".ome.tif") and "…" in box.shown_text
