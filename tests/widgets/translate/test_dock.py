from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import napari.utils
import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.core.effect import Effect
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import read
from napari_phenotrans.io.samples import SAMPLES
from napari_phenotrans.translation.effort import Effort
from napari_phenotrans.translation.limits import Limits
from napari_phenotrans.translation.translate import translate_image
from napari_phenotrans.translation.translator import Translator
from napari_phenotrans.widgets.common.preferences import remember
from napari_phenotrans.widgets.viewer.layers import KEY, layer_data, role
from napari_phenotrans.widgets.viewer.visible_region import visible_region
from tests.widgets.gestures import drop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_phenotrans.widgets.translate.dock import TranslateDock

    Open = Callable[..., TranslateDock]


WAIT_MS = 60_000


def wait_for(qtbot: QtBot, dock: TranslateDock, text: str) -> None:
    qtbot.waitUntil(lambda: text in dock.status.text(), timeout=WAIT_MS)


def names(dock: TranslateDock) -> list[str]:
    return [layer.name for layer in dock.viewer.layers]


def layer(dock: TranslateDock, name: str):
    return dock.viewer.layers[name]


def test_a_dropped_file_is_opened_and_translated(open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot) -> None:
    dock = open_dock(checkpoint)
    foreign = dock.viewer.add_image(np.zeros((9, 9)), name="foreign")
    drop(dock, well)
    wait_for(qtbot, dock, "translated in")

    # The layers, in the order of the grid.
    assert [n for n in names(dock) if n != "foreign"] == [
        "DNA", "DNA – translated to drug", "DNA – difference",
        "GFP", "GFP – translated to drug", "GFP – difference",
    ]  # fmt: skip
    grid = dock.viewer.canvas.grid
    assert grid.enabled
    assert grid.actual_shape(dock.viewer.layers) == (2, 3)
    places = {n: grid.position(names(dock).index(n), dock.viewer.layers) for n in names(dock)}
    assert places["GFP – translated to drug"] == (1, 1)
    assert places["DNA – difference"] == (0, 2)
    assert not foreign.visible

    # Their pixels: what `translate_image` makes of the shown plane, and nothing elsewhere.
    z = dock.viewer.dims.current_step[0]
    expected = translate_image(
        read(well), checkpoint, source="untreated", target="drug", device="cpu", positions=[(0, z)]
    )
    for c, channel in enumerate(("DNA", "GFP")):
        translated, difference = layer(dock, f"{channel} – translated to drug"), layer(dock, f"{channel} – difference")
        assert np.array_equal(translated.data[z], expected.translated.pixels[0, c])
        assert np.allclose(difference.data[z], expected.difference.pixels[0, c])
        assert np.abs(difference.data[z]).max() > 1
        assert not translated.data[1 - z].any()
        assert translated.data.dtype == np.uint8
        assert difference.data.dtype == np.float32
        low, high = difference.contrast_limits
        assert low == -high

    # Scale, colors and links.
    real, translated = layer(dock, "DNA"), layer(dock, "DNA – translated to drug")
    for made in (real, translated, layer(dock, "DNA – difference")):
        assert tuple(made.scale) == (2.0, 0.5, 0.5)
        assert [str(unit) for unit in made.units] == ["micrometer"] * 3
        assert made.axis_labels == ("z", "y", "x")
    assert translated.colormap == real.colormap
    real.contrast_limits = (3, 33)
    assert list(translated.contrast_limits) == [3, 33]

    # Provenance.
    about = translated.metadata[KEY]
    assert about["role"] == "translated"
    assert about["provenance"]["source"] == "untreated"
    assert about["provenance"]["checkpoint"] == "shift"
    assert about["provenance"]["real"] == str(well)
    assert about["provenance"]["planes"] == [(0, z)]


def test_the_source_condition_is_asked_where_it_is_unknown(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot, tmp_path: Path
) -> None:
    dock = open_dock(checkpoint)
    unknown = well.rename(tmp_path / "A01.ome.tif")
    drop(dock, unknown)
    qtbot.waitUntil(lambda: not dock.question.isHidden(), timeout=WAIT_MS)
    assert "A01.ome.tif" in dock.question.text
    assert names(dock) == ["DNA", "GFP"]
    qtbot.mouseClick(dock.question.buttons["drug"], Qt.MouseButton.LeftButton)
    wait_for(qtbot, dock, "translated in")
    assert (dock.conditions.source, dock.conditions.target) == ("drug", "untreated")
    assert "DNA – translated to untreated" in names(dock)


def test_running_again_replaces_ones_own_layers(open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot) -> None:
    dock = open_dock(checkpoint)
    drop(dock, well)
    wait_for(qtbot, dock, "translated in")
    before = list(dock.viewer.layers)
    shown = dock.viewer.dims.current_step[0]

    # Another plane in the same way is added to what is there.
    dock.viewer.dims.set_current_step(0, 1 - shown)
    dock.translate()
    assert dock.runner.busy
    wait_for(qtbot, dock, "translated in")
    assert list(dock.viewer.layers) == before
    translated = layer(dock, "DNA – translated to drug")
    assert translated.data[0].any()
    assert translated.data[1].any()
    assert len(translated.metadata[KEY]["provenance"]["planes"]) == 2

    # Another target takes its place: the identity control changes nothing.
    dock.conditions.choose("untreated", "untreated")
    assert "Identity control" in dock.conditions.about.text()
    dock.translate()
    wait_for(qtbot, dock, "translated in")
    assert list(dock.viewer.layers) == before
    assert translated.name == "DNA – translated to untreated"
    assert np.array_equal(translated.data[1 - shown], layer(dock, "DNA").data[1 - shown])
    assert not translated.data[shown].any()


def test_a_whole_stack(open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot) -> None:
    dock = open_dock(checkpoint)
    dock.open_files([well])
    wait_for(qtbot, dock, "ready")
    dock.scope.choose("stack")
    qtbot.mouseClick(dock.start_button, Qt.MouseButton.LeftButton)
    wait_for(qtbot, dock, "translated in")
    expected = translate_image(read(well), checkpoint, source="untreated", target="drug", device="cpu")
    assert np.array_equal(layer(dock, "GFP – translated to drug").data, expected.translated.pixels[:, 1])
    assert layer(dock, "GFP – difference").metadata[KEY]["provenance"]["planes"] == [(0, 0), (0, 1)]


def test_what_the_dtype_cannot_hold_is_said(open_dock: Open, checkpoint: Path, qtbot: QtBot) -> None:
    dock = open_dock(checkpoint)
    pixels = np.zeros((40, 50), np.uint8)
    pixels[:3, :5] = 250
    for name, plane in (("DNA", pixels), ("GFP", np.zeros_like(pixels))):
        dock.viewer.add_image(plane, name=name)
    dock.conditions.choose("untreated")
    dock.translate()
    wait_for(qtbot, dock, "translated in")
    said = [text for text in dock.notices.texts if "15 pixels of DNA." in text]
    assert len(said) == 1
    made = layer(dock, "DNA – translated to drug")
    assert made.data.max() == 255
    assert made.metadata[KEY]["provenance"]["notices"][-1] == said[0]
    assert layer(dock, "DNA – difference").data.max() > 40


def test_synthetic_images_are_called_so(open_dock: Open, qtbot: QtBot) -> None:
    dock = open_dock()
    dock.open_files([SAMPLES["synthetic-organoid-healthy"].path])
    qtbot.waitUntil(lambda: any("is synthetic" in text for text in dock.notices.texts), timeout=WAIT_MS)
    dock.open_files([SAMPLES["bbbc013-untreated"].path])
    qtbot.waitUntil(lambda: len(names(dock)) == 5, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: not any("is synthetic" in text for text in dock.notices.texts), timeout=WAIT_MS)
    assert dock.checkpoints.name == "bbbc013-cyclegan"


def test_cancel_stops_before_the_next_evaluation(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot, gate: Any
) -> None:
    dock = open_dock(checkpoint)
    dock.scope.choose("stack")
    drop(dock, well)
    gate.passes.release()
    qtbot.waitUntil(lambda: gate.evaluations == 2, timeout=WAIT_MS)  # the second plane's only tile waits
    assert dock.cancel_button.isEnabled()
    activity = napari.utils.progress._all_instances
    qtbot.waitUntil(lambda: [(bar.n, bar.total) for bar in activity] == [(50, 100)], timeout=WAIT_MS)
    wait_for(qtbot, dock, "plane 2 of 2")
    qtbot.mouseClick(dock.cancel_button, Qt.MouseButton.LeftButton)
    gate.open()
    wait_for(qtbot, dock, "cancelled")
    assert gate.evaluations == 2
    assert not dock.runner.busy
    assert not dock.cancel_button.isEnabled()
    assert layer(dock, "DNA – translated to drug").data[0].any()
    dock.translate()
    wait_for(qtbot, dock, "translated in")


def test_the_latest_request_wins(open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot, gate: Any) -> None:
    dock = open_dock(checkpoint)
    dock.scope.choose("stack")
    drop(dock, well)
    qtbot.waitUntil(lambda: gate.evaluations == 1, timeout=WAIT_MS)
    dock.conditions.choose("drug", "untreated")
    dock.translate()
    dock.conditions.choose("drug", "drug")
    dock.translate()
    gate.open()
    wait_for(qtbot, dock, "translated in")
    assert {n for n in names(dock) if "translated" in n} == {"DNA – translated to drug", "GFP – translated to drug"}
    assert layer(dock, "DNA – translated to drug").metadata[KEY]["provenance"]["source"] == "drug"
    assert gate.evaluations == 3  # the one that was running, and the last one's two planes


def test_cancel_does_not_wait_for_statistics(
    open_dock: Open, save_checkpoint: Callable[..., Path], qtbot: QtBot, gate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # an imported network averages its statistics over tiles of a large plane before the first tile comes
    path = save_checkpoint("own", channels=("DNA",), conditions=("untreated", "drug"), statistics="plane")
    monkeypatch.setitem(Translator.__init__.__kwdefaults__, "limits", Limits(whole_plane=100))
    monkeypatch.setattr(
        "napari_phenotrans.engines.shift.Shift.fix_statistics", lambda self, target, crops: [gate.wait() for _ in crops]
    )
    dock = open_dock(path)
    dock.viewer.add_image(np.zeros((600, 600), np.uint8), name="DNA", contrast_limits=(0, 9))
    dock.conditions.choose("untreated")
    dock.translate()
    qtbot.waitUntil(lambda: gate.evaluations == 1, timeout=WAIT_MS)
    dock.runner.cancel()
    gate.open()
    wait_for(qtbot, dock, "cancelled")
    assert gate.evaluations == 1


def test_foreign_layers_come_back(open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot) -> None:
    dock = open_dock(checkpoint)
    shown = dock.viewer.add_points(np.zeros((1, 2)))
    hidden = dock.viewer.add_points(np.zeros((1, 2)), visible=False)
    drop(dock, well)
    wait_for(qtbot, dock, "translated in")
    assert not shown.visible
    qtbot.mouseClick(dock.view_bar.buttons["matrix"], Qt.MouseButton.LeftButton)
    assert (shown.visible, hidden.visible) == (True, False)
    assert not dock.viewer.canvas.grid.enabled
    qtbot.mouseClick(dock.view_bar.buttons["matrix"], Qt.MouseButton.LeftButton)
    assert dock.viewer.canvas.grid.enabled
    assert not shown.visible
    dock.viewer.window.remove_dock_widget(dock)
    assert shown.visible
    assert not dock.viewer.canvas.grid.enabled


def test_what_is_opened_is_in_sight_and_what_was_there_is_hidden(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot
) -> None:
    dock = open_dock(checkpoint)
    before = dock.viewer.add_image(np.zeros((2, 900, 900)))
    dock.viewer.scene.camera.center, dock.viewer.scene.camera.zoom = (0, 800, 800), 30
    dock.open_files([well])
    wait_for(qtbot, dock, "ready")
    opened = layer(dock, "GFP")
    assert opened.visible and not before.visible
    shown = visible_region(dock.viewer, opened)
    assert shown is not None and (shown.height, shown.width) == opened.data.shape[-2:]


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What napari was asked to show as an error."""
    said: list[str] = []
    for module in ("common", "translate"):
        monkeypatch.setattr(f"napari_phenotrans.widgets.{module}.dock.show_error", said.append)
    return said


def test_an_image_of_other_channels_is_opened_and_not_translated(
    open_dock: Open, checkpoint: Path, tmp_path: Path, qtbot: QtBot, messages: list[str]
) -> None:
    dock = open_dock(checkpoint)
    path = tmp_path / "untreated.tif"
    tifffile.imwrite(path, np.zeros((40, 50), np.uint8))
    drop(dock, path)
    qtbot.waitUntil(lambda: bool(messages), timeout=WAIT_MS)
    assert "choose the layer for DNA, GFP" in messages[0]
    # it is what the dock needs, and said once
    assert dock.status.text() == messages[0]
    assert messages[0] not in dock.notices.texts
    assert len(names(dock)) == 1
    assert not dock.runner.busy


@pytest.mark.parametrize("content", [b"", b"no image", "half"])
def test_a_broken_file_gives_a_message_and_no_layer(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot, messages: list[str], content: bytes | str
) -> None:
    dock = open_dock(checkpoint)
    well.write_bytes(well.read_bytes()[:500] if content == "half" else content)
    drop(dock, well)
    qtbot.waitUntil(lambda: bool(messages), timeout=WAIT_MS)
    assert "well.ome.tif" in messages[0]
    assert messages[0] in dock.notices.texts
    assert names(dock) == []


def test_values_that_are_not_finite_are_refused_in_words(
    open_dock: Open, checkpoint: Path, qtbot: QtBot, messages: list[str]
) -> None:
    dock = open_dock(checkpoint)
    for name in ("DNA", "GFP"):
        dock.viewer.add_image(np.full((40, 50), np.nan, np.float32), name=name, contrast_limits=(0, 1))
    dock.conditions.choose("untreated")
    dock.translate()
    qtbot.waitUntil(lambda: bool(messages), timeout=WAIT_MS)
    assert "not finite" in messages[0]
    assert names(dock) == ["DNA", "GFP"]
    assert "not translated" in dock.status.text()


def test_what_a_mistake_in_torch_says_reaches_the_user(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot, messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dock = open_dock(checkpoint)

    def no_memory(*_, **__):
        raise RuntimeError("out of memory\nand a long story")
        yield

    monkeypatch.setattr("napari_phenotrans.engines.shift.Shift.translation", no_memory)
    drop(dock, well)
    qtbot.waitUntil(lambda: bool(messages), timeout=WAIT_MS)
    assert "out of memory" in messages[0]
    assert "story" not in messages[0]
    assert not dock.runner.busy


def test_a_removed_layer_stops_its_translation(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot, gate: Any
) -> None:
    dock = open_dock(checkpoint)
    drop(dock, well)
    qtbot.waitUntil(lambda: gate.evaluations == 1, timeout=WAIT_MS)
    dock.viewer.layers.remove("DNA")
    gate.open()
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=WAIT_MS)
    assert names(dock) == ["GFP"]
    assert any("removed" in text for text in dock.notices.texts)


def test_closing_the_dock_midway_stops_it(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot, gate: Any
) -> None:
    dock = open_dock(checkpoint)
    dock.scope.choose("stack")
    drop(dock, well)
    qtbot.waitUntil(lambda: gate.evaluations == 1, timeout=WAIT_MS)
    dock.viewer.window.remove_dock_widget(dock)
    gate.open()
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=WAIT_MS)
    assert gate.evaluations == 1
    assert names(dock) == ["DNA", "GFP"]


def test_closing_the_viewer_midway_stops_it(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot, gate: Any
) -> None:
    dock = open_dock(checkpoint)
    dock.scope.choose("stack")
    drop(dock, well)
    qtbot.waitUntil(lambda: gate.evaluations == 1, timeout=WAIT_MS)
    dock.viewer.close()
    gate.open()
    from napari._qt.qthreading import wait_for_workers_to_quit

    wait_for_workers_to_quit(WAIT_MS)
    assert gate.evaluations == 1


def test_layers_are_chosen_by_object(open_dock: Open, checkpoint: Path, qtbot: QtBot) -> None:
    dock = open_dock(checkpoint)
    pixels = np.random.default_rng(0).integers(0, 99, (2, 40, 50), np.uint8)
    green, blue = dock.viewer.add_image(pixels[0], name="gfp"), dock.viewer.add_image(pixels[1], name="dna")
    assert dock.channels.layers == [blue, green]
    green.name = "whatever"
    assert dock.channels.layers == [blue, green]
    assert [box.currentText() for box in dock.channels.boxes] == ["dna", "whatever"]
    dock.viewer.layers.remove(green)
    assert dock.channels.layers == [blue, None]
    assert "choose the layer for GFP" in dock.status.text()


def test_matching_by_position_warns(open_dock: Open, checkpoint: Path) -> None:
    dock = open_dock(checkpoint)
    first, second = (dock.viewer.add_image(np.zeros((40, 50), np.uint8), name=name) for name in ("a", "b"))
    dock.channels.choose(dock.channels.image)
    assert dock.channels.layers == [first, second]
    assert any("matched by position" in text for text in dock.notices.texts)


def test_guessed_axes_are_shown_and_can_be_said(
    open_dock: Open, checkpoint: Path, tmp_path: Path, qtbot: QtBot, messages: list[str]
) -> None:
    dock = open_dock(checkpoint)
    path = tmp_path / "untreated" / "pages.tif"
    path.parent.mkdir()
    pixels = np.random.default_rng(0).integers(0, 99, (2, 40, 50), np.uint8)
    tifffile.imwrite(path, pixels, metadata=None)
    dock.files.open([path], axes="ZYX")
    qtbot.waitUntil(lambda: len(names(dock)) == 1, timeout=WAIT_MS)
    assert dock.axes_edit.text() == "ZYX"
    dock.axes_edit.setText("cy")
    qtbot.mouseClick(dock.axes_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: any("'CY'" in text for text in dock.notices.texts), timeout=WAIT_MS)
    assert len(names(dock)) == 1  # what cannot be read so is not lost
    dock.axes_edit.setText("cyx")
    qtbot.mouseClick(dock.axes_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(names(dock)) == 2, timeout=WAIT_MS)
    assert dock.axes_edit.text() == "CYX"
    assert dock.conditions.source == "untreated"
    assert None not in dock.channels.layers


def test_what_reading_guessed_is_said_whoever_opened_the_file(
    open_dock: Open, checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "untreated" / "pages.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 99, (2, 40, 50), np.uint8), metadata=None)
    dock = open_dock(checkpoint)
    for data, options, kind in layer_data(read(path)):
        dock.viewer._add_layer_from_data(data, options, kind)
    assert any(text.startswith("pages.tif: ") and "2 pages were taken as C" in text for text in dock.notices.texts)


@pytest.mark.parametrize(
    "scale", [*(pytest.param(one, marks=pytest.mark.slow) for one in ((-0.5, 0.5), (0.5, -0.5))), (-0.5, -0.5)]
)
def test_a_mirrored_layer_is_translated_as_it_is_stored(
    open_dock: Open, checkpoint: Path, qtbot: QtBot, scale: tuple[float, float]
) -> None:
    dock = open_dock(checkpoint)
    pixels = np.random.default_rng(0).integers(0, 150, (2, 96, 128), np.uint8)
    for name, plane in zip(("DNA", "GFP"), pixels, strict=True):
        dock.viewer.add_image(plane, name=name, scale=scale, units=("um", "um"), axis_labels=("y", "x"))
    dock.conditions.choose("untreated", "drug")
    assert any("negative scale" in text for text in dock.notices.texts)
    dock.translate()
    wait_for(qtbot, dock, "translated in")
    image = Image(pixels, "CYX", ("DNA", "GFP"), pixel_size_um=0.5)
    expected = translate_image(image, checkpoint, source="untreated", target="drug", device="cpu")
    for channel, name in enumerate(("DNA", "GFP")):
        np.testing.assert_array_equal(
            layer(dock, f"{name} – translated to drug").data, expected.translated.pixels[channel]
        )


def test_axes_of_other_peoples_layers_can_be_said(open_dock: Open, checkpoint: Path, messages: list[str]) -> None:
    dock = open_dock(checkpoint)
    pixels = np.random.default_rng(0).integers(0, 99, (2, 40, 50), np.uint8)
    mine = dock.viewer.add_image(pixels, name="mine")
    assert any("is a guess" in text for text in dock.notices.texts)
    dock.axes_edit.setText("YX")
    dock.axes_button.click()
    assert "name 2 axes" in messages[-1]
    dock.axes_edit.setText("TYX")
    dock.axes_button.click()
    assert mine.axis_labels == ("t", "y", "x")
    dock.axes_edit.setText("CYX")
    dock.axes_button.click()
    assert not mine.visible
    assert [np.array_equal(chosen.data, plane) for chosen, plane in zip(dock.channels.layers, pixels, strict=True)] == [
        True,
        True,
    ]


def test_the_checkpoint_that_knows_the_channels_is_taken(
    open_dock: Open, save_checkpoint: Callable[..., Path], checkpoint: Path, well: Path, qtbot: QtBot
) -> None:
    dock = open_dock(checkpoint)
    other = save_checkpoint("other", channels=("DAPI",), conditions=("healthy", "diseased"))
    dock.checkpoints.choose(other)
    drop(dock, well)
    wait_for(qtbot, dock, "translated in")
    assert dock.checkpoints.name == str(checkpoint)


def test_the_card_is_told(open_dock: Open, save_checkpoint: Callable[..., Path]) -> None:
    path = save_checkpoint(
        "made_up",
        channels=("DAPI", "PH3"),
        conditions=("healthy", "diseased"),
        synthetic=True,
        pixel_size=0.5,
        pixel_unit="um",
        scores=[
            {"metric": "gap closed", "direction": "healthy → diseased", "value": 0.8, "low": 0.7, "high": 0.9,
             "groups": 6, "what": "nuclear area"}
        ],
    )  # fmt: skip
    dock = open_dock(path)
    text = dock.checkpoints.about.text()
    for part in ("shift", "healthy, diseased", "DAPI, PH3", "0.5 µm", "means nothing", "0.8 [0.7, 0.9] (6 groups)"):
        assert part in text
    assert dock.notices.texts == []


def test_a_file_that_is_no_checkpoint_is_refused(
    open_dock: Open, checkpoint: Path, tmp_path: Path, messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dock = open_dock(checkpoint)
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"nothing")
    monkeypatch.setattr("qtpy.QtWidgets.QFileDialog.getOpenFileName", lambda *_: (str(path), ""))
    dock.checkpoints.box.setCurrentIndex(dock.checkpoints.box.count() - 1)
    dock.checkpoints.box.activated.emit(dock.checkpoints.box.count() - 1)
    assert "is no checkpoint" in messages[0]
    assert dock.checkpoints.name == str(checkpoint)
    assert dock.checkpoints.box.currentData() == str(checkpoint)


def test_the_device_that_runs_is_named(open_dock: Open, checkpoint: Path) -> None:
    dock = open_dock(checkpoint)
    assert dock.devices.line.text().startswith("runs on ")
    dock.devices.box.setCurrentIndex(dock.devices.box.findData("cpu"))
    assert "cpu" in dock.devices.line.text()


def test_the_dock_is_usable_when_it_is_small(open_dock: Open, checkpoint: Path) -> None:
    dock = open_dock(checkpoint)
    assert dock.minimumSizeHint().width() <= 320
    assert dock.minimumSizeHint().height() <= 600


def test_napari_opens_the_dock_from_the_manifest(make_napari_viewer, qtbot: QtBot) -> None:
    viewer = make_napari_viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-phenotrans", "Translate")
    qtbot.waitUntil(lambda: dock.devices.loaded, timeout=WAIT_MS)
    viewer.open_sample("napari-phenotrans", "bbbc013-untreated")
    assert dock.axes_edit.text() == "CYX"
    assert {role(layer) for layer in viewer.layers} == {"real"}
    assert viewer.layers[0].metadata["attribution"] == SAMPLES["bbbc013-untreated"].attribution


def test_torch_is_loaded_off_the_gui_thread() -> None:
    code = """
import sys, threading, time
threads = []
class Spy:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            threads.append(threading.current_thread())
sys.meta_path.insert(0, Spy())
import napari
from qtpy.QtWidgets import QApplication
from napari_phenotrans.widgets.translate.dock import TranslateDock
viewer = napari.Viewer(show=False)
dock = TranslateDock(viewer)
viewer.window.add_dock_widget(dock)
while not dock.devices.loaded:
    QApplication.processEvents()
    time.sleep(0.02)
line = dock.devices.line.text()
viewer.close()
assert threads and threading.main_thread() not in threads, threads
print("off the GUI thread", line)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "off the GUI thread runs on" in done.stdout


@pytest.mark.slow
def test_an_engine_of_many_evaluations_translates_in_the_dock(
    open_dock: Open, make_checkpoint: Callable[..., Checkpoint], well: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    """In napari's own process, whose OpenGL does not bear Triton: nothing that a denoiser needs loads it."""
    made = make_checkpoint("phendiff", translation={"evaluations": 4, "strength": 0.5})
    card = made.card.model_copy(update={"channels": ("DNA", "GFP")})
    saved = Checkpoint(card, made.tensors).save(tmp_path / "denoiser.safetensors")
    dock = open_dock(saved)
    drop(dock, well)
    wait_for(qtbot, dock, "translated in")
    assert "GFP – translated to treated" in names(dock)
    assert np.abs(layer(dock, "GFP – difference").data[0]).max() > 0


def test_a_depth_that_an_earlier_version_remembered_is_read_as_it_was_meant(
    open_dock: Open, make_checkpoint: Callable[..., Checkpoint], tmp_path: Path
) -> None:
    """In levels of noise, although the card now says what each of them changes."""
    effect = Effect(sigmas=(0.005, 0.8, 80.0), shares=(0.0, 0.4, 1.0), sds=(0.2, 0.2))
    made = make_checkpoint("phendiff", effect=effect, translation={"strength": 0.4})
    saved = made.save(tmp_path / "denoiser.safetensors")
    remember(how={str(saved): {"strength": 0.36, "guidance": 2.0}})
    dock = open_dock(saved)
    how = dock.engine.how
    assert (how["strength"], how["scale"], how["guidance"]) == (0.36, "noise", 2.0)
    dock.engine.reset_button.click()
    assert (dock.engine.how["strength"], dock.engine.how["scale"]) == (0.4, "effect")


def build_no_layer_after_the_first(dock: TranslateDock) -> None:
    dock.translating.build_after_ms = dock.translating.build_step_ms = 100_000


def test_the_first_tile_is_shown_before_all_layers_are_there(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot, gate: Any
) -> None:
    dock = open_dock(checkpoint)
    build_no_layer_after_the_first(dock)
    drop(dock, well)
    qtbot.waitUntil(lambda: gate.evaluations == 1, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 3, timeout=WAIT_MS)
    first = layer(dock, "DNA – translated to drug")
    shown = [each for each in dock.viewer.layers if each.visible]
    assert shown == [layer(dock, "DNA"), first]
    drawn: list[object] = []
    first.events.set_data.connect(drawn.append)
    dock.translating.build_step_ms = 0
    gate.open()
    wait_for(qtbot, dock, "translated in")
    assert drawn
    assert [n for n in names(dock) if "difference" in n] == ["DNA – difference", "GFP – difference"]
    assert [each.visible for each in dock.viewer.layers] == [True] * 6
    grid = dock.viewer.canvas.grid
    assert grid.position(names(dock).index("GFP – difference"), dock.viewer.layers) == (1, 2)
    z = dock.viewer.dims.current_step[0]
    assert layer(dock, "GFP – difference").data[z].any()


@pytest.mark.parametrize(
    "then",
    [
        "another translation",
        *(pytest.param(then, marks=pytest.mark.slow) for then in ("another view", "no view")),
        "closing the dock",
    ],
)
def test_what_the_user_does_before_all_layers_are_there(
    then: str,
    open_dock: Open,
    checkpoint: Path,
    well: Path,
    qtbot: QtBot,
) -> None:
    dock = open_dock(checkpoint)
    build_no_layer_after_the_first(dock)
    drop(dock, well)
    qtbot.waitUntil(lambda: bool(dock.translating.building) and not dock.runner.busy, timeout=WAIT_MS)
    dock.translating.build_step_ms = 0
    if then == "closing the dock":
        dock.viewer.window.remove_dock_widget(dock)
        assert names(dock) == ["DNA", "GFP"]
        assert all(each.visible for each in dock.viewer.layers)
        return
    if then == "another translation":
        dock.conditions.choose("drug", "untreated")
        qtbot.mouseClick(dock.start_button, Qt.MouseButton.LeftButton)
    else:
        view = "blink" if then == "another view" else dock.view_bar.view
        qtbot.mouseClick(dock.view_bar.buttons[view], Qt.MouseButton.LeftButton)
        dock.translating._builder.start(0)
    wait_for(qtbot, dock, "translated in")
    assert len(set(names(dock))) == len(names(dock)) == 6
    # without a view what was made does not add up with the image
    assert dock.views.comparison.view == {"another view": "blink", "no view": ""}.get(then, "matrix")
    visible = [each.name for each in dock.viewer.layers if each.visible]
    if then == "another translation":
        assert len(visible) == 6 and "DNA – translated to untreated" in visible
    elif then == "no view" or not dock.views.comparison.blink.translated:
        assert visible == ["DNA", "GFP"]


def test_the_engine_is_read_before_it_is_asked_for(
    open_dock: Open, checkpoint: Path, save_checkpoint: Callable[..., Path], qtbot: QtBot
) -> None:
    dock = open_dock(checkpoint)

    def ready() -> str | None:
        last = dock.runner._engines._last
        return last[1].checkpoint.name if last else None

    qtbot.waitUntil(lambda: ready() == "shift", timeout=WAIT_MS)
    other = save_checkpoint("other", channels=("DNA", "GFP"), conditions=("untreated", "drug"))
    dock.checkpoints.choose(other)
    qtbot.waitUntil(lambda: ready() == "other", timeout=WAIT_MS)
    dock.devices.unload_requested.emit()
    qtbot.waitUntil(lambda: ready() is None, timeout=WAIT_MS)


def test_memory_is_given_back_after_each_translation(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    released: list[str] = []
    monkeypatch.setattr("napari_phenotrans.engines.device.release_memory", lambda device: released.append(device.type))
    dock = open_dock(checkpoint)
    drop(dock, well)
    wait_for(qtbot, dock, "translated in")
    qtbot.waitUntil(lambda: released == ["cpu"], timeout=WAIT_MS)
    qtbot.waitUntil(lambda: "free" in dock.devices.line.text(), timeout=WAIT_MS)


def test_how_long_it_will_take_is_said_before_anything_is_translated(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 96 × 128 pixels in tiles of 64, 16 of which neighbors share
    tried = Effort(64, 10, 3.0, 0, (64, 16))
    monkeypatch.setattr("napari_phenotrans.translation.translator.Translator.try_out", lambda *_: tried)
    dock = open_dock(checkpoint)
    dock.open_files([well])
    wait_for(qtbot, dock, "ready")
    qtbot.waitUntil(lambda: dock.status.text() == "ready: about 3 min for this plane", timeout=WAIT_MS)
    dock.scope.choose("stack")
    dock.scope.changed.emit()
    assert dock.status.text() == "ready: about 6 min for the stack"


def test_what_is_over_soon_gets_no_bar_in_the_activity_dock(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot, gate: Any
) -> None:
    made: list[object] = []
    activity = napari.utils.progress._all_instances
    activity.events.changed.connect(made.append)
    dock = open_dock(checkpoint)
    dock.runner.show_after_s = 1000
    gate.passes.release(1)
    drop(dock, well)
    wait_for(qtbot, dock, "translated in")
    assert not made
    dock.runner.show_after_s = 0
    dock.translate()
    # the engine is held until the bar is there
    qtbot.waitUntil(lambda: bool(made), timeout=WAIT_MS)
    gate.open()
    wait_for(qtbot, dock, "translated in")
    qtbot.waitUntil(lambda: not activity, timeout=WAIT_MS)
    activity.events.changed.disconnect(made.append)


def test_a_pixel_size_that_an_image_does_not_say_can_be_said(
    open_dock: Open, save_checkpoint: Callable[..., Path], well: Path, qtbot: QtBot
) -> None:
    sized = save_checkpoint(
        "sized", channels=("DNA", "GFP"), conditions=("untreated", "drug"), pixel_size=0.65, pixel_unit="um"
    )
    dock = open_dock(sized)
    dock.viewer.show()
    dock.open_files([well])
    wait_for(qtbot, dock, "ready")
    assert not dock.size_box.isVisible()

    pixels = np.random.default_rng(0).integers(0, 150, (2, 40, 50), np.uint8)
    dock.viewer.add_image(pixels[0], name="DNA 2")
    dock.viewer.add_image(pixels[1], name="GFP 2")
    dock.channels.choose("loose layers")
    for box, name in zip(dock.channels.boxes, ("DNA 2", "GFP 2"), strict=True):
        box.setCurrentIndex(box.findText(name))
        box.activated.emit(box.currentIndex())
    assert dock.size_box.isVisible()
    assert dock.size_box.text() == "unknown"
    assert any("pixel size is unknown" in text for text in dock.notices.texts)
    dock.size_box.lineEdit().selectAll()
    qtbot.keyClicks(dock.size_box, "1.3")
    qtbot.keyClick(dock.size_box, Qt.Key.Key_Return)
    for name in ("DNA 2", "GFP 2"):
        assert tuple(layer(dock, name).scale) == (1.3, 1.3)
        assert [str(unit) for unit in layer(dock, name).units] == ["micrometer"] * 2
    assert not any("pixel size is unknown" in text for text in dock.notices.texts)
    image, _ = dock.selection.image(dock.checkpoints.card)
    assert image.pixel_size_um == pytest.approx(1.3)
    # a slip can be mended
    assert dock.size_box.isVisible()
