"""Where no checkpoint fits: why, and the way on to training, through the docks alone."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.core.image import Image
from napari_phenotrans.io import write
from napari_phenotrans.widgets.train.dock import TrainingDock
from tests.widgets.gestures import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_phenotrans.widgets.translate.dock import TranslateDock

    Open = Callable[..., TranslateDock]

WAIT_MS = 60_000


@pytest.fixture(autouse=True)
def _own_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data")


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    """Two conditions of a channel pair that no checkpoint knows."""
    rng = np.random.default_rng(0)
    for condition in ("control", "knockdown"):
        for number in range(2):
            pixels = rng.integers(0, 200, (2, 96, 96), dtype=np.uint8)
            path = tmp_path / "plate" / condition / f"A0{number}.ome.tif"
            write(Image(pixels, "CYX", ("vimentin", "lamin"), pixel_size_um=0.5), path)
    return tmp_path / "plate"


def open_image(dock: TranslateDock, path: Path, qtbot: QtBot) -> None:
    dock.viewer.show()
    dock.open_files([path])
    qtbot.waitUntil(lambda: dock.channels.image_box.currentText() == path.name, timeout=WAIT_MS)


def training(dock: TranslateDock) -> TrainingDock:
    (found,) = [w for w in dock.viewer.window.dock_widgets.values() if isinstance(w, TrainingDock)]
    return found


def test_one_sentence_says_why_and_a_button_leads_to_the_data(
    open_dock: Open, plate: Path, well: Path, checkpoint: Path, qtbot: QtBot
) -> None:
    dock = open_dock(checkpoint)
    open_image(dock, plate / "control" / "A00.ome.tif", qtbot)
    why = [text for text in dock.notices.texts if "checkpoints fits this image" in text]
    assert len(why) == 1
    assert "vimentin, lamin" in why[0] and "DNA, GFP" in why[0]
    # what is matched by its order alone is no fit, until the user says that it is right
    assert any("matched by position" in text for text in dock.notices.texts)
    click(qtbot, dock.train_button)
    qtbot.waitUntil(lambda: training(dock).data.folder == plate, timeout=WAIT_MS)
    assert training(dock).data.chosen_conditions == ("control", "knockdown")
    training(dock).cancel()

    # an image that one fits needs none of it
    open_image(dock, well, qtbot)
    assert not [text for text in dock.notices.texts if "fits this image" in text]
    assert not dock.train_button.isVisible()


def test_an_image_that_stands_alone_is_put_where_a_data_set_is_made(
    open_dock: Open, plate: Path, checkpoint: Path, qtbot: QtBot
) -> None:
    shutil.rmtree(plate / "knockdown")
    dock = open_dock(checkpoint)
    open_image(dock, plate / "control" / "A00.ome.tif", qtbot)
    click(qtbot, dock.train_button)
    made = training(dock)
    assert made.data.collect.conditions == ["control"]
    assert made.data.section.opened
    assert any("shows one condition" in text for text in made.notices.texts)


def test_layers_that_come_from_no_file_are_selected_to_be_added(
    open_dock: Open, checkpoint: Path, qtbot: QtBot
) -> None:
    dock = open_dock(checkpoint)
    dock.viewer.show()
    layers = [dock.viewer.add_image(np.zeros((64, 64), np.uint8), name=name) for name in ("a", "b", "c")]
    click(qtbot, dock.train_button)
    assert set(dock.viewer.layers.selection) == set(layers)
    assert any("Add layers" in text for text in training(dock).notices.texts)


def test_training_starts_from_a_checkpoint_that_fits(
    open_dock: Open, save_checkpoint: Callable[..., Path], plate: Path, qtbot: QtBot
) -> None:
    other = save_checkpoint("other", channels=("lamin", "vimentin"), conditions=("knockdown", "control"))
    dock = open_dock(other)
    _, made = dock.viewer.window.add_plugin_dock_widget("napari-phenotrans", "Train")
    made.open_dataset(plate)
    qtbot.waitUntil(lambda: made.status.text().startswith("checked"), timeout=WAIT_MS)
    box = made.settings.start_from.box
    assert made.settings.start_from.isHidden()
    made.settings.choose("shift", None)
    assert not made.settings.start_from.isHidden()
    assert [box.itemData(place) for place in range(box.count())] == [None, str(other)]
    box.setCurrentIndex(1)
    box.activated.emit(1)
    arguments = made._arguments(plate.parent / "run")
    assert arguments[arguments.index("--start-from") + 1] == str(other)
    # networks know conditions and channels by their places
    assert arguments[arguments.index("--conditions") + 1] == "knockdown,control"
    assert arguments[arguments.index("--channels") + 1] == "lamin,vimentin"
    made.data.channels.boxes["lamin"].click()
    assert made.settings.start_from.isHidden()
    assert "--start-from" not in made._arguments(plate.parent / "run")
