"""Fixtures for tests with a napari viewer; they need a display, such as Xvfb's."""

from __future__ import annotations

import gc
import threading
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
import pytest
import tifffile
import torch
from npe2 import PluginManifest
from qtpy.QtCore import QEvent

from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
from napari_phenotrans.widgets.common import worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari import Viewer
    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QApplication

    from napari_phenotrans.widgets.translate.dock import TranslateDock

WAIT_MS = 60_000
SEARCH_ALL_EVERY = 20  # tests

# napari collects garbage whenever its scene is rebuilt and a viewer closes: what these libraries hold, which is never
# garbage, need not be searched each time.
_ = napari.Viewer, torch.Tensor
gc.collect()
gc.freeze()
_tests = count()

# A thread that steps back would wait for minutes while other tests run beside these.
worker.NICENESS = 0


@pytest.fixture(scope="session", autouse=True)
def _manifests_are_parsed_once() -> Iterator[None]:
    """Every viewer has npe2 read all plugins' manifests anew, twice: a fifth of the time of a test here."""
    parse, parsed = PluginManifest.from_file, {}

    def from_file(path: Path | str) -> PluginManifest:
        key = path, Path(path).stat().st_mtime_ns
        if key not in parsed:
            parsed[key] = parse(path)
        return parsed[key].model_copy(deep=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginManifest, "from_file", from_file)
        yield


@pytest.fixture(autouse=True)
def _quiet_others() -> Iterator[None]:
    """napari, its plugin engine and Qt warn of themselves; that is not tested here."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(napari|npe2|vispy|superqt|qtpy|pydantic|app_model|magicgui)\b.*")
        # PySide6 from 6.12 on; PyQt6 knows no other way to make one
        warnings.filterwarnings("ignore", message=r"Function: 'QDragEnterEvent\.")
        yield


@pytest.fixture(autouse=True)
def _nothing_of_another_test(qapp: QApplication) -> None:
    """A viewer that a test left as garbage is deleted here, not by a thread of this test that happens to find it.

    What is left then, modules that were imported meanwhile above all, is searched no more: napari collects garbage for
    each layer that is removed. Now and then all of it is.
    """
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    if next(_tests) % SEARCH_ALL_EVERY == 0:
        gc.unfreeze()
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let plugins' preferences, and what the docks remember, be files of the test's own."""
    from napari import settings

    settings._clear_plugin_settings_cache()
    monkeypatch.setattr(settings, "_CFG_PATH", str(tmp_path / "config" / "settings.yaml"))
    # of processes that a test starts, too
    monkeypatch.setenv("NAPARI_CONFIG", str(tmp_path / "config" / "settings.yaml"))
    yield tmp_path / "config"
    settings._clear_plugin_settings_cache()


@pytest.fixture
def save_checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that saves a mean-shift checkpoint: it adds 20 % of the range on the way there, less in the
    last channel, and takes them away on the way back."""
    from napari_phenotrans.engines import engine_entry

    def save(name: str, *, channels: tuple[str, ...], conditions: tuple[str, ...], **more: Any) -> Path:
        entry = engine_entry("shift")
        engine = entry.load()(entry.settings.make(), len(channels), conditions)
        with torch.no_grad():
            engine.networks_to(conditions[1]).mean += torch.linspace(0.403, 0.202, len(channels))
        card = Card(
            engine="shift",
            settings=entry.settings.make().model_dump(mode="json"),
            conditions=conditions,
            channels=channels,
            low=(0.0,) * len(channels),
            high=(200.0,) * len(channels),
            crop=64,
            **more,
        )
        return Checkpoint.of(engine, card).save(tmp_path / f"{name}.safetensors")

    return save


@pytest.fixture
def checkpoint(save_checkpoint: Callable[..., Path]) -> Path:
    """A checkpoint of the channels DNA and GFP and the conditions untreated and drug."""
    return save_checkpoint("shift", channels=("DNA", "GFP"), conditions=("untreated", "drug"))


@pytest.fixture
def well(tmp_path: Path) -> Path:
    """An OME-TIFF of two planes along Z and the channels DNA and GFP, in a folder named after its condition."""
    path = tmp_path / "untreated" / "well.ome.tif"
    path.parent.mkdir()
    pixels = np.random.default_rng(0).integers(0, 150, (2, 2, 96, 128), np.uint8)
    metadata = {
        "axes": "ZCYX",
        "Channel": {"Name": ["DNA", "GFP"]},
        "PhysicalSizeX": 0.5,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 0.5,
        "PhysicalSizeYUnit": "µm",
        "PhysicalSizeZ": 2.0,
        "PhysicalSizeZUnit": "µm",
    }
    tifffile.imwrite(path, pixels, metadata=metadata, photometric="minisblack")
    return path


@pytest.fixture
def open_dock(make_napari_viewer: Callable[..., Viewer], qtbot: QtBot) -> Callable[..., TranslateDock]:
    """Return a function that opens a viewer and the dock as napari does, and waits for torch."""

    def open_it(checkpoint: Path | None = None, *, wait: bool = True) -> TranslateDock:
        from napari_phenotrans.widgets.translate.dock import TranslateDock

        viewer = make_napari_viewer()
        dock = TranslateDock(viewer)
        viewer.window.add_dock_widget(dock, name="Translate (Phenotype translation)")
        if checkpoint:
            dock.checkpoints.choose(checkpoint)
        if wait:
            qtbot.waitUntil(lambda: dock.devices.loaded, timeout=WAIT_MS)
        return dock

    return open_it


class Gate:
    """Lets network evaluations through one by one, so that a test knows where a translation stands."""

    def __init__(self) -> None:
        self.reached = threading.Semaphore(0)
        self.passes = threading.Semaphore(0)
        self.evaluations = 0

    def wait(self) -> None:
        self.evaluations += 1
        self.reached.release()
        assert self.passes.acquire(timeout=WAIT_MS / 1000), "the test let no further evaluation through"

    def open(self) -> None:
        self.passes.release(1000)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Hold every network evaluation of the mean shift until the test lets it pass."""
    from napari_phenotrans.engines.base import NetworkCall
    from napari_phenotrans.engines.shift import Shift
    from napari_phenotrans.translation.translator import Translator

    made = Gate()
    before = Shift.translation
    # what is tried before the translation would have to pass, too
    monkeypatch.setattr(Translator, "try_out", lambda *_: None)

    def held(self: Shift, *args: Any, **more: Any) -> Any:
        steps = before(self, *args, **more)
        evaluation = next(steps)

        def network(crop: Any) -> Any:
            made.wait()
            return evaluation.network(crop)

        blended = yield NetworkCall(network, evaluation.x, evaluation.final)
        try:
            steps.send(blended)
        except StopIteration as finished:
            return finished.value

    monkeypatch.setattr(Shift, "translation", held)
    yield made
    made.open()
