"""*Can you tell?* as a person uses it: by clicks and keys, to the last crop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_phenotrans.checkpoints.told_apart import told_apart
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.evaluation.blind import BlindCrop
from napari_phenotrans.widgets.evaluate import can_you_tell as module
from napari_phenotrans.widgets.evaluate.can_you_tell import CanYouTell
from napari_phenotrans.widgets.evaluate.jobs import CropsDrawn

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

WAY = "untreated → drug"


@pytest.fixture
def window(checkpoint: Path, qtbot: QtBot) -> CanYouTell:
    """Six crops: the second, fourth and sixth are translated."""
    crops = tuple(
        BlindCrop(np.full((2, 32, 32), number / 6, np.float32), bool(number % 2), 0, 0, 0) for number in range(6)
    )
    made = CanYouTell(CropsDrawn(crops, ("DNA", "GFP"), str(checkpoint), WAY, {}))
    qtbot.addWidget(made)
    made.show()
    return made


def gray(window: CanYouTell, channel: int = 0) -> int:
    return window.pictures[channel].pixmap().toImage().pixelColor(5, 5).red()


def test_a_crop_is_shown_at_full_size_channel_by_channel(window: CanYouTell) -> None:
    assert [picture.accessibleName() for picture in window.pictures] == ["DNA", "GFP"]
    assert gray(window) == 0
    assert window.pictures[1].pixmap().width() == 288  # nine times its 32 pixels
    assert "Crop 1 of 6" in window.status.text()
    assert not window.back_button.isEnabled()


def test_clicks_and_keys_answer_and_the_share_is_kept_beside_the_checkpoint(
    window: CanYouTell, checkpoint: Path, qtbot: QtBot
) -> None:
    qtbot.mouseClick(window.real_button, Qt.MouseButton.LeftButton)  # right
    assert gray(window) == round(255 / 6)
    qtbot.keyClick(window, Qt.Key.Key_T)  # right
    qtbot.keyClick(window, Qt.Key.Key_T)  # wrong, taken back
    qtbot.keyClick(window, Qt.Key.Key_Backspace)
    assert "Crop 3 of 6" in window.status.text()
    qtbot.keyClick(window, Qt.Key.Key_R)  # right
    qtbot.mouseClick(window.translated_button, Qt.MouseButton.LeftButton)  # right
    qtbot.keyClick(window, Qt.Key.Key_R)  # right
    assert told_apart(checkpoint) == []
    with qtbot.waitSignal(window.told):
        qtbot.keyClick(window, Qt.Key.Key_R)  # wrong: it was translated
    (kept,) = told_apart(checkpoint)
    assert (kept.right, kept.count, kept.direction) == (5, 6, WAY)
    assert "told 5 of 6 crops apart" in window.question.text()
    assert "You took 1 of 3 translated crops for real." in window.question.text()
    assert str(checkpoint.with_name("shift.told.json")) in window.status.text()
    assert not window.real_button.isEnabled()
    qtbot.keyClick(window, Qt.Key.Key_R)
    assert len(told_apart(checkpoint)) == 1


def test_a_trial_that_is_left_is_not_kept(window: CanYouTell, checkpoint: Path, qtbot: QtBot) -> None:
    for _ in range(5):
        qtbot.keyClick(window, Qt.Key.Key_R)
    window.close()
    assert told_apart(checkpoint) == []


def test_what_cannot_be_kept_is_said(window: CanYouTell, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> None:
    def refuse(*_: object) -> None:
        raise InputError("the disk is full")

    monkeypatch.setattr(module, "keep_told", refuse)
    for _ in range(6):
        qtbot.keyClick(window, Qt.Key.Key_T)
    assert window.status.text() == "Not kept: the disk is full"
    assert "You told 3 of 6 right." in window.question.text()
