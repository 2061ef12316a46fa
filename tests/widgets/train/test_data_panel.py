from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.dataset.held_out_choice import HeldOutChoice
from napari_phenotrans.widgets.common.dataset_folder import FolderContents
from napari_phenotrans.widgets.train.data_panel import TrainingDataPanel
from napari_phenotrans.widgets.train.held_out_chooser import HeldOutChooser

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer
    from pytestqt.qtbot import QtBot


@pytest.fixture
def panel(make_napari_viewer: Callable[[], Viewer], qtbot: QtBot, tmp_path: Path) -> TrainingDataPanel:
    made = TrainingDataPanel(make_napari_viewer())
    qtbot.addWidget(made)
    channels = {"DNA": True, "GFP": True, "brightfield": False}
    made.show_contents(
        FolderContents(tmp_path / "plate", {"drug": 3, "mock": 4, "untreated": 5}, channels, ("A1", "A2"))
    )
    return made


def tick(qtbot: QtBot, panel: TrainingDataPanel, name: str) -> None:
    qtbot.keyClick({**panel.conditions.boxes, **panel.channels.boxes}[name], Qt.Key.Key_Space)


def test_conditions_and_channels_are_ticked_by_name(panel: TrainingDataPanel, qtbot: QtBot) -> None:
    assert panel.dataset.about.text() == "plate: 12 fields"
    assert panel.conditions.boxes["mock"].text() == "mock (4)"
    # a channel that not all conditions have is offered, not taken
    assert panel.channels.ticked == ("DNA", "GFP")
    with qtbot.waitSignal(panel.changed):
        tick(qtbot, panel, "DNA")
    assert panel.channels.ticked == ("GFP",)


def test_of_three_conditions_one_is_the_control(panel: TrainingDataPanel, qtbot: QtBot) -> None:
    panel.show()
    assert panel.control_box.isVisible()
    assert panel.chosen_conditions == ("drug", "mock", "untreated")
    panel.control_box.setCurrentIndex(2)
    panel.control_box.activated.emit(2)
    assert panel.chosen_conditions == ("untreated", "drug", "mock")
    tick(qtbot, panel, "mock")
    assert not panel.control_box.isVisible()
    assert panel.chosen_conditions == ("drug", "untreated")
    panel.choose(["mock", "drug", "untreated"], None)
    assert panel.chosen_conditions == ("mock", "drug", "untreated")


def test_ways_to_hold_out(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chooser = HeldOutChooser()
    qtbot.addWidget(chooser)
    chooser.show()
    assert chooser.value == HeldOutChoice(0.2)
    chooser.share_box.setValue(35)
    assert chooser.value == HeldOutChoice(0.35)

    def use(way: int) -> None:
        chooser.box.setCurrentIndex(way)
        chooser.box.activated.emit(way)

    use(1)
    assert not chooser.share_box.isVisible()
    with pytest.raises(InputError, match="No group is named"):
        _ = chooser.value
    qtbot.keyClicks(chooser.groups_edit, "A1, B2 ,")
    assert chooser.value == HeldOutChoice(groups=("A1", "B2"))
    use(2)
    with pytest.raises(InputError, match="No held-out folder"):
        _ = chooser.value
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    qtbot.mouseClick(chooser.folder_button, Qt.MouseButton.LeftButton)
    assert chooser.value == HeldOutChoice(folder=tmp_path)
    use(3)
    assert chooser.share_box.isVisible() and chooser.by_edit.isVisible()
    chooser.by_edit.setText(" ")
    with pytest.raises(InputError, match="No column is named"):
        _ = chooser.value
    chooser.choose(HeldOutChoice(0.4, by="day"))
    assert chooser.value == HeldOutChoice(0.4, by="day")
    chooser.choose(HeldOutChoice(0.0, ("A1",)))
    assert chooser.box.currentText() == "Groups by name"
    assert chooser.value.groups == ("A1",)
