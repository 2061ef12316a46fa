from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtWidgets import QLabel

from napari_phenotrans.widgets.common.notices import ERROR, NOTE, PLAIN, WARNING, Notices
from tests.widgets.gestures import click

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def notices(qtbot: QtBot) -> Notices:
    made = Notices()
    qtbot.addWidget(made)
    return made


def shown(notices: Notices) -> list[str]:
    return [label.text() for label in notices.findChildren(QLabel) if label.isVisible()]


def test_a_sentence_goes_with_its_subject_and_is_said_once(notices: Notices) -> None:
    notices.say("file", ["The file has two series."])
    notices.say("axes", ["The axes are a guess.", "The file has two series."])
    assert notices.texts == ["The file has two series.", "The axes are a guess."]
    notices.say("file")
    assert notices.texts == ["The axes are a guess.", "The file has two series."]
    notices.say("axes")
    assert notices.texts == []
    assert not notices.isVisible()


def test_the_gravest_come_first_and_each_kind_is_told_by_word_and_color(notices: Notices) -> None:
    notices.say("a", ["good to know"], NOTE)
    notices.say("b", ["doubtful"])
    notices.say("c", ["nothing came of it"], ERROR)
    notices.say("d", ["doubtful"], NOTE)
    assert notices.kinds == {"nothing came of it": ERROR, "doubtful": WARNING, "good to know": NOTE}
    labels = notices.findChildren(QLabel)
    assert {label.text() for label in labels} >= {"Error: nothing came of it", "Warning: doubtful"}
    assert len({label.styleSheet() for label in labels if label.text().startswith(("Error", "Warning", "Note"))}) == 3


def test_more_than_two_fold_to_a_count(notices: Notices, qtbot: QtBot) -> None:
    notices.show()
    notices.say("a", ["one", "two"], NOTE)
    assert shown(notices) == ["Note: one", "Note: two"]
    assert not notices.more_button.isVisible()
    notices.say("b", ["three"], WARNING)
    notices.say("c", ["four"], ERROR)
    assert shown(notices) == ["Error: four", "Warning: three"]
    assert notices.more_button.text() == "2 more: 2 notes"
    click(qtbot, notices.more_button)
    assert shown(notices) == ["Error: four", "Warning: three", "Note: one", "Note: two"]
    click(qtbot, notices.more_button)
    assert len(shown(notices)) == 2
    notices.say("a")
    assert shown(notices) == ["Error: four", "Warning: three"]
    assert not notices.more_button.isVisible()


def test_one_of_a_list_is_neither_error_nor_warning(qtbot: QtBot) -> None:
    notices = Notices(kind=PLAIN, shown=1)
    qtbot.addWidget(notices)
    notices.show()
    notices.say("report", ["DNA brightens.", "GFP stays."])
    assert shown(notices) == ["• DNA brightens."]
    assert notices.more_button.text() == "1 more"
