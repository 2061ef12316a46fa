from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from napari_phenotrans.widgets.translate.view_bar import ABOVE, RELATIVE, WHOLE, ViewBar
from napari_phenotrans.widgets.viewer.channel_row import Row
from napari_phenotrans.widgets.viewer.comparison import VIEWS, Comparison
from napari_phenotrans.widgets.viewer.layers import difference_data, translated_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot


@pytest.fixture
def bar(qtbot: QtBot) -> ViewBar:
    made = ViewBar()
    qtbot.addWidget(made)
    made.resize(320, 80)
    made.show()
    return made


@pytest.fixture
def comparison(bar: ViewBar) -> Iterator[Comparison]:
    """A comparison of one row that shows what the bar asks for."""
    viewer = ViewerModel()
    real = viewer.add_image(np.zeros((8, 8), np.uint8), name="DNA", contrast_limits=(0, 99))
    translated = viewer.add_layer(Layer.create(*translated_data(real, np.zeros((8, 8), np.uint8), "drug")))
    difference = viewer.add_layer(Layer.create(*difference_data(real, np.zeros((8, 8), np.float32), 9)))
    made = Comparison(viewer)
    rows = [Row(real, translated, difference)]
    bar.follow(made)
    bar.view_chosen.connect(lambda view: made.show(rows, view) if view else made.leave())
    yield made
    bar.unfollow()
    made.close()


def checked(bar: ViewBar) -> list[str]:
    return [view for view, button in bar.buttons.items() if button.isChecked()]


def test_a_click_says_what_is_wanted_and_another_on_the_same_that_nothing_is(bar: ViewBar, qtbot: QtBot) -> None:
    said: list[str] = []
    bar.view_chosen.connect(said.append)
    for view in (*VIEWS, VIEWS[-1]):
        qtbot.mouseClick(bar.buttons[view], Qt.MouseButton.LeftButton)
    assert said == [*VIEWS, ""]
    assert checked(bar) == []
    bar.set_view("blink")
    assert checked(bar) == ["blink"] == [bar.view]
    assert said == [*VIEWS, ""]


def test_one_button_is_down_whoever_changed_the_view(bar: ViewBar, comparison: Comparison, qtbot: QtBot) -> None:
    qtbot.mouseClick(bar.buttons["matrix"], Qt.MouseButton.LeftButton)
    qtbot.mouseClick(bar.buttons["blink"], Qt.MouseButton.LeftButton)
    assert (comparison.view, checked(bar)) == ("blink", ["blink"])
    comparison.show(comparison.rows, "composites")
    assert checked(bar) == ["composites"]
    comparison.leave()
    assert checked(bar) == []


def test_a_view_that_is_refused_is_not_shown_as_chosen(bar: ViewBar, comparison: Comparison, qtbot: QtBot) -> None:
    # nobody listens, as if the viewer showed 3D
    bar.view_chosen.disconnect()
    qtbot.mouseClick(bar.buttons["curtain"], Qt.MouseButton.LeftButton)
    assert checked(bar) == []


def test_keys_reach_everything(bar: ViewBar, comparison: Comparison, qtbot: QtBot) -> None:
    bar.buttons["matrix"].setFocus()
    for _ in range(2):
        qtbot.keyClick(bar.focusWidget(), Qt.Key.Key_Tab)
    assert bar.focusWidget() is bar.buttons["blink"]
    qtbot.keyClick(bar.focusWidget(), Qt.Key.Key_Space)
    assert comparison.view == "blink"
    for _ in range(3):
        qtbot.keyClick(bar.focusWidget(), Qt.Key.Key_Tab)
    assert bar.focusWidget() is bar.step_button


def test_the_blink_is_paused_stepped_and_sped_up(bar: ViewBar, comparison: Comparison, qtbot: QtBot) -> None:
    qtbot.mouseClick(bar.buttons["blink"], Qt.MouseButton.LeftButton)
    assert bar.run_button.text() == "Pause"
    qtbot.mouseClick(bar.step_button, Qt.MouseButton.LeftButton)
    assert comparison.blink.translated
    assert bar.run_button.text() == "Go on"
    qtbot.mouseClick(bar.run_button, Qt.MouseButton.LeftButton)
    assert comparison.blink.running
    qtbot.keyClick(bar.rate, Qt.Key.Key_End)
    assert comparison.blink.rate == 3


def test_the_slider_and_the_line_move_together(bar: ViewBar, comparison: Comparison, qtbot: QtBot) -> None:
    qtbot.mouseClick(bar.buttons["curtain"], Qt.MouseButton.LeftButton)
    assert bar.line.isVisible()
    qtbot.keyClick(bar.line, Qt.Key.Key_Right)
    assert comparison.curtain.share == pytest.approx(0.52)
    comparison.curtain.share = 0.3
    assert bar.line.value() == 300


def test_the_engines_error_is_a_unit_only_where_it_is_known(bar: ViewBar, qtbot: QtBot) -> None:
    said: list[str] = []
    bar.difference_chosen.connect(said.append)
    bar.set_view("matrix")
    assert not bar.units.isEnabled()
    assert "Check" in bar.units.toolTip()
    bar.set_difference(WHOLE, possible=True, unit="intensity units")
    assert bar.units.currentText() == "intensity units"
    qtbot.keyClick(bar.units, Qt.Key.Key_Down)
    qtbot.keyClick(bar.units, Qt.Key.Key_Down)
    assert said == [RELATIVE, ABOVE]
    bar.set_difference(WHOLE, possible=True)
    assert said == [RELATIVE, ABOVE]


def test_it_says_why_there_is_nothing_to_compare(bar: ViewBar) -> None:
    bar.set_enabled(False, "Translate first.")
    assert all(button.toolTip() == "Translate first." and not button.isEnabled() for button in bar.buttons.values())
    bar.set_enabled(True)
    assert len({button.toolTip() for button in bar.buttons.values()}) == 4


def test_it_fits_a_narrow_dock_and_every_part_says_what_it_is_for(bar: ViewBar) -> None:
    for view in VIEWS:
        bar.set_view(view)
        assert bar.minimumSizeHint().width() <= 300
    parts = [*bar.buttons.values(), bar.units, bar.run_button, bar.step_button, bar.rate, bar.line]
    assert all(isinstance(part, QWidget) and part.toolTip() for part in parts)
