from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QLabel

from napari_phenotrans.checkpoints.checkpoint import Card
from napari_phenotrans.widgets.common.condition_chooser import ConditionChooser

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

DOSES = ("untreated", "low", "high")


def card(*conditions: str, targets: tuple[str, ...] = ()) -> Card:
    return Card(
        engine="shift",
        settings={},
        conditions=conditions,
        channels=("DNA",),
        targets=targets,
        low=(0.0,),
        high=(1.0,),
        crop=64,
    )


@pytest.fixture
def chooser(qtbot: QtBot) -> ConditionChooser:
    made = ConditionChooser()
    qtbot.addWidget(made)
    made.set_card(card(*DOSES))
    made.show()
    return made


def offered(box: QComboBox) -> list[str | None]:
    return [box.itemData(index) for index in range(box.count())]


def pick(qtbot: QtBot, box: QComboBox, condition: str) -> None:
    """Choose from an open box by keys, as a user does."""
    box.showPopup()
    box.view().setCurrentIndex(box.model().index(box.findData(condition), 0))
    qtbot.keyClick(box.view(), Qt.Key.Key_Return)


def test_targets_are_the_other_conditions_and_last_the_control(chooser: ConditionChooser, qtbot: QtBot) -> None:
    pick(qtbot, chooser.source_box, "low")
    assert (chooser.source, chooser.target) == ("low", "untreated")
    assert offered(chooser.target_box) == ["untreated", "high", "low"]
    assert chooser.target_box.itemText(2) == "low (identity control)"
    assert not chooser.about.isVisible()
    with qtbot.waitSignal(chooser.changed):
        pick(qtbot, chooser.target_box, "low")
    assert (chooser.source, chooser.target) == ("low", "low")
    assert "nothing should change" in chooser.about.text()
    assert chooser.about.isVisible()


def test_another_source_keeps_the_target(chooser: ConditionChooser, qtbot: QtBot) -> None:
    chooser.choose("untreated", "high")
    pick(qtbot, chooser.source_box, "low")
    assert (chooser.source, chooser.target) == ("low", "high")


def test_the_targets_condition_as_source_means_the_other_way_round(chooser: ConditionChooser, qtbot: QtBot) -> None:
    chooser.choose("high", "low")
    pick(qtbot, chooser.source_box, "low")
    assert (chooser.source, chooser.target) == ("low", "high")


def test_swap_exchanges_the_two(chooser: ConditionChooser, qtbot: QtBot) -> None:
    chooser.choose("high", "low")
    with qtbot.waitSignal(chooser.changed):
        qtbot.mouseClick(chooser.swap_button, Qt.MouseButton.LeftButton)
    assert (chooser.source, chooser.target) == ("low", "high")
    chooser.choose("high", "high")
    qtbot.mouseClick(chooser.swap_button, Qt.MouseButton.LeftButton)
    assert (chooser.source, chooser.target) == ("high", "high")


def test_an_unknown_source_is_asked_for(chooser: ConditionChooser, qtbot: QtBot) -> None:
    assert chooser.source is None
    assert offered(chooser.target_box) == list(DOSES)
    chooser.choose(None, "high")
    qtbot.mouseClick(chooser.swap_button, Qt.MouseButton.LeftButton)
    assert (chooser.source, chooser.target) == ("high", "untreated")


def test_an_import_of_one_direction_offers_that_one(chooser: ConditionChooser, qtbot: QtBot) -> None:
    chooser.set_card(card("healthy", "ill", targets=("ill",)))
    chooser.choose("healthy")
    assert offered(chooser.source_box) == [None, "healthy", "ill"]
    assert offered(chooser.target_box) == ["ill"]
    assert not chooser.swap_button.isEnabled()
    assert "does not translate to healthy" in chooser.swap_button.toolTip()
    pick(qtbot, chooser.source_box, "ill")
    assert (chooser.source, chooser.target) == ("ill", "ill")
    assert chooser.about.isVisible()


def test_another_checkpoint_keeps_what_it_knows(chooser: ConditionChooser) -> None:
    chooser.choose("low", "high")
    chooser.set_card(card("low", "high", "other"))
    assert (chooser.source, chooser.target) == ("low", "high")
    chooser.set_card(card("a", "b"))
    assert (chooser.source, chooser.target) == (None, "a")
    chooser.set_card(None)
    assert (chooser.source, chooser.target) == (None, None)


def test_every_label_has_its_box(chooser: ConditionChooser) -> None:
    buddies = {label.text(): label.buddy() for label in chooser.findChildren(QLabel) if label.buddy() is not None}
    assert buddies == {"Source": chooser.source_box, "Target": chooser.target_box}
