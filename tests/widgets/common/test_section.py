from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from napari_phenotrans.widgets.common.preferences import last_choices
from napari_phenotrans.widgets.common.section import Section

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


def make(qtbot: QtBot, **more: bool) -> tuple[Section, QLabel]:
    section, inside = Section("More", "What is seldom needed.", **more), QLabel("inside")
    section.add(inside)
    qtbot.addWidget(section)
    section.show()
    return section, inside


@pytest.mark.parametrize("key", [Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter])
def test_it_opens_by_key_and_says_so(key: Qt.Key, qtbot: QtBot) -> None:
    section, inside = make(qtbot)
    assert not inside.isVisible()
    assert section.button.arrowType() == Qt.ArrowType.RightArrow
    with qtbot.waitSignal(section.toggled):
        qtbot.keyClick(section.button, key)
    assert inside.isVisible()
    assert section.opened
    assert section.button.arrowType() == Qt.ArrowType.DownArrow
    assert section.button.focusPolicy() == Qt.FocusPolicy.StrongFocus


def test_it_is_as_the_user_left_it(qtbot: QtBot) -> None:
    section, _ = make(qtbot)
    assert not section.opened
    qtbot.mouseClick(section.button, Qt.MouseButton.LeftButton)
    again, inside = make(qtbot)
    assert again.opened
    assert inside.isVisible()
    qtbot.mouseClick(again.button, Qt.MouseButton.LeftButton)
    assert not make(qtbot, opened=True)[0].opened


def test_what_the_program_opens_is_not_remembered(qtbot: QtBot) -> None:
    section, inside = make(qtbot)
    with qtbot.assertNotEmitted(section.toggled):
        section.set_open(True)
    assert inside.isVisible()
    assert last_choices().open_sections == {}


def test_closed_it_takes_no_more_room_than_its_title(qtbot: QtBot) -> None:
    section, _ = make(qtbot)
    closed = section.sizeHint().height()
    section.set_open(True)
    assert closed <= section.button.sizeHint().height() + 4 < section.sizeHint().height()
