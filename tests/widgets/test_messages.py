"""Every message of the docks comes with its cause and goes with it, and is said in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.widgets.evaluate.dock import EvaluateDock
from napari_phenotrans.widgets.train.dock import TrainingDock
from tests.widgets.gestures import click, drop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_phenotrans.widgets.common.dock import Dock
    from napari_phenotrans.widgets.translate.dock import TranslateDock

WAIT_MS = 60_000


@pytest.fixture(autouse=True)
def toasts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What napari's corner says."""
    said: list[str] = []
    for module in ("common.dock", "translate.dock"):
        monkeypatch.setattr(f"napari_phenotrans.widgets.{module}.show_error", said.append)
    return said


def says(dock: Dock, text: str) -> bool:
    return any(text in sentence for sentence in dock.notices.texts)


def once(dock: Dock, text: str, toasts: list[str]) -> bool:
    """Whether a sentence stands among the notices and nowhere else."""
    return says(dock, text) and text not in dock.status.text() and not toasts


@pytest.fixture
def translating(open_dock: Callable[..., TranslateDock], checkpoint: Path) -> TranslateDock:
    dock = open_dock(checkpoint)
    dock.viewer.show()
    return dock


def test_what_is_missing_is_said_until_it_is_chosen(
    translating: TranslateDock, well: Path, qtbot: QtBot, toasts: list[str]
) -> None:
    dock = translating
    assert dock.status.text() == "Open an image, or drop one here."
    click(qtbot, dock.start_button)
    assert once(dock, "Open an image", toasts)
    dock.open_files([well])
    qtbot.waitUntil(lambda: dock.status.text() == "ready", timeout=WAIT_MS)
    assert dock.notices.kinds.get("Open an image, or drop one here.") is None
    dock.conditions.choose(None)
    click(qtbot, dock.start_button)
    assert once(dock, "Choose the source condition", toasts)
    dock.conditions.choose("untreated")
    assert not says(dock, "Choose the source condition")


def test_a_file_that_cannot_be_read_is_forgotten_with_the_next(
    translating: TranslateDock, well: Path, tmp_path: Path, qtbot: QtBot, toasts: list[str]
) -> None:
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"no image")
    drop(translating, broken)
    qtbot.waitUntil(lambda: says(translating, "broken.tif"), timeout=WAIT_MS)
    assert once(translating, "broken.tif", toasts)
    drop(translating, well)
    qtbot.waitUntil(lambda: "translated in" in translating.status.text(), timeout=WAIT_MS)
    assert not says(translating, "broken.tif")


def test_what_was_noticed_of_a_result_goes_with_it_and_comes_back(
    translating: TranslateDock, well: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    dock = translating
    bright = tmp_path / "untreated" / "bright.ome.tif"
    pixels = np.full((2, 64, 64), 240, np.uint8)
    tifffile.imwrite(bright, pixels, metadata={"axes": "CYX", "Channel": {"Name": ["DNA", "GFP"]}})
    drop(dock, bright)
    qtbot.waitUntil(lambda: "translated in" in dock.status.text(), timeout=WAIT_MS)
    assert says(dock, "Brighter or darker than uint8 can hold")
    before = dock.channels.image_box.currentIndex()
    dock.open_files([well])
    qtbot.waitUntil(lambda: dock.channels.image_box.currentText() == "well.ome.tif", timeout=WAIT_MS)
    assert not says(dock, "Brighter or darker")
    dock.channels.choose(dock.channels.image_box.itemData(before))
    assert says(dock, "Brighter or darker")


def test_a_checkpoint_that_does_nothing_is_said_to(
    open_dock: Callable[..., TranslateDock], checkpoint: Path, well: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    loaded = Checkpoint.load(checkpoint)
    tensors = {name: np.zeros_like(values) for name, values in loaded.tensors.items()}
    idle = Checkpoint(loaded.card, tensors).save(tmp_path / "idle.safetensors")
    dock = open_dock(idle)
    dock.viewer.show()
    drop(dock, well)
    qtbot.waitUntil(lambda: "translated in" in dock.status.text(), timeout=WAIT_MS)
    assert says(dock, "changes next to nothing")
    dock.checkpoints.choose(checkpoint)
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: "translated in" in dock.status.text() and not dock.busy, timeout=WAIT_MS)
    assert not says(dock, "changes next to nothing")


def test_buttons_stay_under_the_mouse_whatever_is_said(translating: TranslateDock, qtbot: QtBot) -> None:
    dock = translating
    places = []
    for number in range(4):
        qtbot.wait(20)
        places.append(dock.start_button.mapTo(dock, dock.start_button.rect().center()))
        dock.notices.add("a test", f"The {number}th sentence, which is longer than a line of the dock is wide.")
        dock.status.setText("a status " * 5 * number)
    dock.show_busy(True)
    qtbot.wait(20)
    places.append(dock.start_button.mapTo(dock, dock.start_button.rect().center()))
    assert len({(place.x(), place.y()) for place in places}) == 1


def test_a_training_is_refused_until_there_are_data(
    make_napari_viewer: Callable[[], Viewer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
    toasts: list[str],
) -> None:
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data")
    viewer = make_napari_viewer()
    dock = TrainingDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train")
    viewer.show()
    click(qtbot, dock.start_button)
    assert once(dock, "Choose a data set", toasts)
    folders = [tmp_path / place / name for place, name in (("here", "untreated"), ("there", "drug"))]
    for folder in folders:
        folder.mkdir(parents=True)
        tifffile.imwrite(folder / "A01.tif", np.zeros((64, 64), np.uint8))
    drop(dock, *folders)
    assert not says(dock, "Choose a data set")
    assert dock.notices.kinds == {"These folders lie apart: write them to a data set folder.": "note"}
    dock.data.collect.table.selectAll()
    click(qtbot, dock.data.collect.remove_button)
    assert dock.notices.texts == []


def test_a_report_is_refused_until_there_are_data(
    make_napari_viewer: Callable[[], Viewer], checkpoint: Path, tmp_path: Path, qtbot: QtBot, toasts: list[str]
) -> None:
    viewer = make_napari_viewer()
    dock = EvaluateDock(viewer)
    viewer.window.add_dock_widget(dock, name="Evaluate")
    viewer.show()
    click(qtbot, dock.start_button)
    assert once(dock, "Choose a data set", toasts)
    for condition in ("untreated", "drug"):
        (tmp_path / "plate" / condition).mkdir(parents=True)
        tifffile.imwrite(tmp_path / "plate" / condition / "A01.tif", np.zeros((64, 64), np.uint8))
    drop(dock, checkpoint, tmp_path / "plate")
    qtbot.waitUntil(lambda: dock.data.contents is not None, timeout=WAIT_MS)
    assert not says(dock, "Choose a data set")
