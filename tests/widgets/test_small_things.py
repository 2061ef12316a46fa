"""Docks beside each other, where things are written, and how checkpoints are listed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtWidgets import QDockWidget, QFileDialog

import napari_phenotrans
from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.widgets.common.checkpoint_chooser import OTHER_CHANNELS, CheckpointChooser, listed_as
from napari_phenotrans.widgets.common.preferences import folder_to_write_to
from napari_phenotrans.widgets.evaluate.dock import EvaluateDock
from napari_phenotrans.widgets.train.dock import TrainingDock
from napari_phenotrans.widgets.translate.dock import TranslateDock

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from pytestqt.qtbot import QtBot

WAIT_MS = 60_000


@pytest.fixture(autouse=True)
def _own_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data")


def test_docks_share_a_place_and_the_last_is_in_front(make_napari_viewer: Callable[[], Viewer], qtbot: QtBot) -> None:
    viewer = make_napari_viewer()
    viewer.show()
    frames: list[QDockWidget] = []
    for kind in (TranslateDock, TrainingDock, EvaluateDock):
        dock = kind(viewer)
        frames.append(viewer.window.add_dock_widget(dock, name=kind.__name__))
        qtbot.waitUntil(lambda dock=dock: dock.isVisible() and not dock.visibleRegion().isEmpty(), timeout=WAIT_MS)
        qtbot.wait(20)
    window = viewer.window._qt_window
    assert len(window.tabifiedDockWidgets(frames[0])) == 2
    assert frames[2].widget().visibleRegion().boundingRect().height() > window.height() // 2


def test_a_data_set_is_written_to_a_new_folder(
    make_napari_viewer: Callable[[], Viewer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    viewer = make_napari_viewer()
    dock = TrainingDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    dock.data.section.set_open(True)
    collect = dock.data.collect
    for condition in ("control", "knockdown"):
        layer = viewer.add_image(np.random.default_rng(0).integers(0, 99, (96, 96), dtype=np.uint8), name=condition)
        viewer.layers.selection = {layer}
        collect.condition_box.setEditText(condition)
        collect.layers_button.click()
    collect.name_edit.setText("my plate")
    collect.write_button.click()
    qtbot.waitUntil(lambda: dock.data.folder == tmp_path / "my plate", timeout=WAIT_MS)
    assert {path.name for path in (tmp_path / "my plate").iterdir() if path.is_dir()} == {"control", "knockdown"}
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.busy, timeout=WAIT_MS)


def test_nothing_is_written_into_the_package_or_where_nobody_may_write(tmp_path: Path) -> None:
    assert folder_to_write_to(tmp_path) == tmp_path
    assert folder_to_write_to(tmp_path / "not" / "there") == tmp_path / "not" / "there"
    package = Path(napari_phenotrans.__file__).parent
    assert folder_to_write_to(package / "data" / "samples") == Path.home() / "phenotrans"
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if not os.access(locked, os.W_OK):  # the administrator may write anywhere
        assert folder_to_write_to(locked / "runs") == Path.home() / "phenotrans"


def test_checkpoints_are_listed_by_run_purpose_and_fit(
    save_checkpoint: Callable[..., Path], tmp_path: Path, qtbot: QtBot
) -> None:
    def saved(run: str, **more: Any) -> Path:
        (tmp_path / run).mkdir()
        made = save_checkpoint(run, conditions=("untreated", "drug"), **more)
        return made.rename(tmp_path / run / "best.safetensors")

    chooser = CheckpointChooser()
    qtbot.addWidget(chooser)
    fits = saved("plate-flow-1", channels=("DNA", "GFP"), about="Nuclear import")
    other = saved("organoids-2", channels=("PH3",))
    for path in (fits, other):
        chooser.choose(path)
    texts = [chooser.box.itemText(chooser.box.findData(str(path))) for path in (fits, other)]
    assert texts == ["plate-flow-1: best", "organoids-2: best"]
    assert listed_as("bbbc013-flow", Checkpoint.read_card(str(fits))) == "bbbc013-flow"

    def tooltip(path: Path) -> str:
        return chooser.box.model().item(chooser.box.findData(str(path))).toolTip()

    assert "Nuclear import" in tooltip(fits) and "DNA, GFP: untreated ↔ drug" in tooltip(fits)
    chooser.show_fit(["Hoechst", "GFP"])
    assert OTHER_CHANNELS not in tooltip(fits)
    assert OTHER_CHANNELS in tooltip(other)


def test_a_running_training_is_what_the_dock_opens_at(make_napari_viewer: Callable[[], Viewer], qtbot: QtBot) -> None:
    viewer = make_napari_viewer()
    dock = TrainingDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train")
    viewer.show()
    dock.sections["Runs"].set_open(False)
    assert dock.area.verticalScrollBar().value() == 0
    dock.runs.living_found.emit()
    assert dock.sections["Runs"].opened
    qtbot.waitUntil(lambda: not dock.runs.visibleRegion().isEmpty(), timeout=WAIT_MS)
