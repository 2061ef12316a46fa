"""The dock's panels doing their work on a real translation: scope, strength, checking, keeping, unloading."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import torch
from click.testing import CliRunner
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.cli.translate import translate
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region
from napari_phenotrans.engines.base import NetworkCall
from napari_phenotrans.engines.shift import Shift
from napari_phenotrans.io import read, write
from napari_phenotrans.widgets.common.worker import background
from napari_phenotrans.widgets.viewer.layer_info import path_of
from napari_phenotrans.widgets.viewer.layers import ABOVE_ERROR, KEY, ROUND_TRIP, info, role

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_phenotrans.widgets.translate.dock import TranslateDock

    Open = Callable[..., TranslateDock]

WAIT_MS = 60_000


@pytest.fixture
def denoiser(make_checkpoint: Callable[..., Checkpoint], tmp_path: Path) -> Path:
    """A tiny PhenDiff of the channels DNA and GFP, from untreated to treated."""
    made = make_checkpoint("phendiff", translation={"evaluations": 4, "strength": 0.5})
    card = made.card.model_copy(update={"channels": ("DNA", "GFP"), "conditions": ("untreated", "treated")})
    card = card.model_copy(update={"targets": card.conditions})
    return Checkpoint(card, made.tensors).save(tmp_path / "denoiser.safetensors")


def translated(qtbot: QtBot, dock: TranslateDock, well: Path) -> None:
    """Open a well and translate its shown plane, as its user does."""
    dock.open_files([well])
    qtbot.waitUntil(lambda: dock.status.text() == "ready", timeout=WAIT_MS)
    qtbot.mouseClick(dock.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "translated in" in dock.status.text(), timeout=WAIT_MS)


def test_a_drawn_rectangle_is_all_that_is_translated(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot
) -> None:
    dock = open_dock(checkpoint)
    dock.open_files([well])
    qtbot.waitUntil(lambda: dock.status.text() == "ready", timeout=WAIT_MS)
    dock.scope.choose("selection")
    dock.translate()
    assert any("No rectangle" in text for text in dock.notices.texts)
    # micrometers: rows 20 to 60, columns 40 to 100
    dock.viewer.add_shapes([np.array([[9.75, 19.75], [29.75, 49.75]])], scale=(1, 1), units=("um", "um"))
    dock.translate()
    qtbot.waitUntil(lambda: "translated in" in dock.status.text(), timeout=WAIT_MS)
    z = dock.viewer.dims.current_step[0]
    difference = dock.viewer.layers["DNA – difference"].data
    changed = np.zeros(difference.shape, bool)
    changed[z, 20:60, 40:100] = True
    assert np.array_equal(difference != 0, changed)
    assert info(dock.viewer.layers["DNA – difference"])["provenance"]["regions"] == [(0, z, 20, 40, 40, 60)]


def test_a_key_on_the_slider_shows_a_quick_look_and_then_what_the_plane_will_show(
    open_dock: Open, denoiser: Path, well: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock = open_dock(denoiser)
    dock.open_files([well])
    qtbot.waitUntil(lambda: dock.status.text().startswith("ready"), timeout=WAIT_MS)
    jobs: list[Any] = []
    start = dock.translating.start
    monkeypatch.setattr(dock.translating, "start", lambda job, folder=None: (jobs.append(job), start(job, folder)))
    monkeypatch.setattr("napari_phenotrans.widgets.translate.selection.QUICK_EVALUATIONS", 2)
    threads: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    slider = dock.engine.slider
    slider.setValue(slider.value() - 1)
    qtbot.waitUntil(lambda: "as it will be; press" in dock.status.text(), timeout=WAIT_MS)
    # a small crop is sooner there on one of them
    assert set(threads) == {1, 5} and threads[-1] == 5
    assert [(job.quick, job.recipe.how["evaluations"]) for job in jobs] == [(True, 2), (False, 4)]
    assert len({job.region for job in jobs}) == 1
    # what is canceled does not go on with the exact one
    slider.setValue(slider.value() - 1)
    qtbot.waitUntil(lambda: len(jobs) == 3, timeout=WAIT_MS)
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=WAIT_MS)
    qtbot.wait(50)
    assert [job.quick for job in jobs[2:]] == [True]


def test_dragging_the_strength_shows_a_crop_and_letting_go_what_the_plane_will_show_there(
    open_dock: Open, denoiser: Path, well: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_phenotrans.widgets.translate.selection.QUICK_EVALUATIONS", 2)
    dock = open_dock(denoiser)
    translated(qtbot, dock, well)
    layer = dock.viewer.layers["GFP – difference"]
    before, about = np.array(layer.data), info(layer)
    jobs: list[Any] = []
    start = dock.translating.start
    monkeypatch.setattr(dock.translating, "start", lambda job, folder=None: (jobs.append(job), start(job, folder)))
    dock.viewer.scene.camera.zoom = 40
    slider = dock.engine.slider
    slider.setSliderDown(True)
    for step in (30, 35, 40):
        slider.setSliderPosition(step)
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=WAIT_MS)
    # the first at once, then only the latest of those that came meanwhile, all with fewer evaluations
    assert [(job.recipe.how["strength"], job.recipe.how["evaluations"]) for job in jobs] == [(0.6, 2), (0.8, 2)]
    slider.setSliderDown(False)
    qtbot.waitUntil(lambda: len(jobs) == 3 and not dock.runner.busy, timeout=WAIT_MS)
    assert (jobs[-1].recipe.how["strength"], jobs[-1].recipe.how["evaluations"]) == (0.8, 4)
    assert all(job.preview and job.region is not None for job in jobs)
    qtbot.waitUntil(lambda: "press Translate for the rest: about" in dock.status.text(), timeout=WAIT_MS)

    # a look covers the finished result, which is there all the same
    region, z = jobs[-1].region, jobs[-1].positions[0][1]
    outside = np.ones(before.shape[1:], bool)
    outside[region.slices] = False
    assert np.array_equal(layer.data[z][outside], before[z][outside])
    looked = np.array(layer.data[z][region.slices])
    assert not np.allclose(looked, before[z][region.slices])
    assert info(layer) == about
    qtbot.mousePress(dock.view_bar.hold_button, Qt.MouseButton.LeftButton)
    assert np.array_equal(layer.data, before)
    qtbot.mouseRelease(dock.view_bar.hold_button, Qt.MouseButton.LeftButton)

    # the whole plane starts when it is asked for, and shows there what the look showed
    qtbot.mouseClick(dock.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "translated in" in dock.status.text(), timeout=WAIT_MS)
    assert not jobs[-1].preview
    assert (layer.data[z] != 0).mean() > 0.9
    np.testing.assert_allclose(layer.data[z][region.slices], looked, atol=1.01)
    assert info(layer)["provenance"]["strength"] == 0.8


def test_what_comes_first_follows_the_view(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot, gate: Any
) -> None:
    dock = open_dock(checkpoint)
    dock.scope.choose("stack")
    dock.open_files([well])
    qtbot.waitUntil(lambda: dock.status.text() == "ready", timeout=WAIT_MS)
    dock.translate()
    qtbot.waitUntil(lambda: gate.evaluations == 1, timeout=WAIT_MS)
    job = dock.translating.job
    assert job is not None
    dock.viewer.scene.camera.zoom = 40
    dock.viewer.scene.camera.center = (0, 10, 50)
    dock.viewer.dims.set_current_step(0, 1)
    view = job.shared_view.view
    assert (view.z, view.region.height < 96, view.region.meets(Region(20, 100, 1, 1))) == (1, True, True)
    gate.open()
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=WAIT_MS)


def test_a_check_shows_errors_and_a_table(open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot) -> None:
    dock = open_dock(checkpoint)
    dock.sections["Trust"].set_open(True)
    qtbot.mouseClick(dock.trust_panel.check_button, Qt.MouseButton.LeftButton)
    assert any("no translation to check" in text for text in dock.notices.texts)
    translated(qtbot, dock, well)
    assert not dock.view_bar.units.isEnabled()
    qtbot.mouseClick(dock.trust_panel.check_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.status.text().startswith("checked"), timeout=WAIT_MS)
    roles = [role(layer) for layer in dock.viewer.layers]
    assert roles.count(ROUND_TRIP) == roles.count(ABOVE_ERROR) == 2
    believed = dock.viewer.layers[f"DNA – {ABOVE_ERROR}"]
    z = dock.viewer.dims.current_step[0]
    assert np.asarray(believed.data[z]).any()
    assert "DNA" in dock.trust_panel.summary.text()
    # what lies above the error, then multiples of it
    assert dock.view_bar.units.isEnabled()
    assert believed.visible
    assert not dock.viewer.layers["DNA – difference"].visible
    dock.view_bar.units.setCurrentIndex(1)
    assert dock.views.comparison.relative
    assert not believed.visible
    # what is translated anew is not what was checked
    dock.conditions.swap()
    dock.translate()
    qtbot.waitUntil(lambda: "translated in" in dock.status.text(), timeout=WAIT_MS)
    assert not dock.views.comparison.relative
    assert not {ROUND_TRIP, ABOVE_ERROR} & {role(layer) for layer in dock.viewer.layers}
    assert "Not checked" in dock.trust_panel.summary.text()


@pytest.mark.slow
def test_a_check_says_whether_neighboring_planes_agree(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot
) -> None:
    dock = open_dock(checkpoint)
    translated(qtbot, dock, well)
    here = dock.trust_panel.here

    def check() -> list[str]:
        dock.trust_panel.clear()
        dock.trust_panel.check_button.click()
        qtbot.waitUntil(lambda: any("lanes" in text for text in here.texts), timeout=WAIT_MS)
        return [text for text in here.texts if "lanes" in text]

    assert check()[0].startswith("Whether planes agree with their neighbors is not known")
    dock.scope.choose("stack")
    dock.translate()
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=WAIT_MS)
    (calm,) = check()
    assert calm.startswith("Flicker along Z (1 pair of planes): DNA ")
    # one plane is changed otherwise
    dock.viewer.layers["GFP – difference"].data[0] += 120
    said = check()
    assert len(said) == 2 and "GFP" in said[1] and "do not agree along Z" in said[1]


@pytest.mark.slow
def test_a_flat_image_says_nothing_of_planes(open_dock: Open, checkpoint: Path, tmp_path: Path, qtbot: QtBot) -> None:
    dock = open_dock(checkpoint)
    flat = tmp_path / "untreated" / "flat.ome.tif"
    pixels = np.random.default_rng(0).integers(0, 150, (2, 96, 128), np.uint8)
    write(Image(pixels, "CYX", ("DNA", "GFP"), pixel_size_um=0.5, unit="µm"), flat)
    translated(qtbot, dock, flat)
    dock.trust_panel.check_button.click()
    qtbot.waitUntil(lambda: dock.status.text().startswith("checked"), timeout=WAIT_MS)
    assert not any("lanes" in text for text in dock.trust_panel.here.texts)


@pytest.mark.slow
def test_a_check_judges_the_picture_by_an_open_image_of_the_target(
    open_dock: Open, checkpoint: Path, well: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    dock = open_dock(checkpoint)
    assert any("not judged on held-out fields" in text for text in dock.trust_panel.known.texts)
    real = tmp_path / "drug" / "other.ome.tif"
    real.parent.mkdir()
    shutil.copy(well, real)
    dock.open_files([real])
    qtbot.waitUntil(lambda: dock.status.text() == "ready", timeout=WAIT_MS)
    translated(qtbot, dock, well)
    dock.trust_panel.check_button.click()
    qtbot.waitUntil(lambda: dock.status.text().startswith("checked"), timeout=WAIT_MS)
    heading, *said = dock.trust_panel.here.texts
    assert heading == "This picture, beside 1 real image of the target:"
    assert said
    # without one, it says what to open
    for layer in [layer for layer in dock.viewer.layers if path_of(layer) == real]:
        dock.viewer.layers.remove(layer)
    dock.trust_panel.check_button.click()
    qtbot.waitUntil(lambda: any("Open a real image" in text for text in dock.trust_panel.here.texts), timeout=WAIT_MS)


def test_the_copied_command_makes_the_same_pixels(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot, tmp_path: Path
) -> None:
    dock = open_dock(checkpoint)
    dock.sections["Keep"].set_open(True)
    assert not dock.save_panel.copy_button.isEnabled()
    translated(qtbot, dock, well)
    qtbot.mouseClick(dock.save_panel.copy_button, Qt.MouseButton.LeftButton)
    words = shlex.split(QApplication.clipboard().text())
    assert words[:2] == ["phenotrans", "translate"]
    words[words.index("--out") + 1] = str(tmp_path / "again")
    done = CliRunner().invoke(translate, words[2:])
    assert done.exit_code == 0, done.output
    z = dock.viewer.dims.current_step[0]
    again = read(tmp_path / "again" / "well_translated.ome.tif").plane(z=0)
    for channel, pixels in zip(("DNA", "GFP"), again, strict=True):
        assert np.array_equal(dock.viewer.layers[f"{channel} – translated to drug"].data[z], pixels)


@pytest.mark.slow
def test_the_copied_command_names_the_tile_that_memory_allowed(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Shift.translation

    def narrow(self: Shift, *args: Any, **more: Any) -> Any:
        steps = before(self, *args, **more)
        evaluation = next(steps)

        def network(crop: torch.Tensor) -> torch.Tensor:
            if crop.shape[-1] > 64:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return evaluation.network(crop)

        blended = yield NetworkCall(network, evaluation.x, evaluation.final)
        try:
            steps.send(blended)
        except StopIteration as finished:
            return finished.value

    monkeypatch.setattr(Shift, "translation", narrow)
    dock = open_dock(checkpoint)
    dock.sections["Keep"].set_open(True)
    translated(qtbot, dock, well)
    assert any("Memory ran out: tiles of 64" in text for text in dock.notices.texts)
    qtbot.mouseClick(dock.save_panel.copy_button, Qt.MouseButton.LeftButton)
    words = shlex.split(QApplication.clipboard().text())
    assert words[words.index("--tile") + 1] == "64"


def test_layers_are_saved_where_the_user_says(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock = open_dock(checkpoint)
    dock.sections["Keep"].set_open(True)
    translated(qtbot, dock, well)
    folder = tmp_path / "kept"
    folder.mkdir()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    qtbot.mouseClick(dock.save_panel.save_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.save_panel.status.text().startswith("saved"), timeout=WAIT_MS)
    assert [path.name for path in folder.iterdir()] == ["well_to_drug.phenotrans"]
    kept_folder = folder / "well_to_drug.phenotrans"
    assert sorted(path.name for path in kept_folder.iterdir()) == [
        "comparison.json", "well_difference.ome.tif", "well_real.ome.tif", "well_translated.ome.tif",
    ]  # fmt: skip
    z = dock.viewer.dims.current_step[0]
    kept = read(kept_folder / "well_translated.ome.tif").plane(z=z)
    assert np.array_equal(kept[1], dock.viewer.layers["GFP – translated to drug"].data[z])


def test_a_folder_is_translated_and_a_result_opened(
    open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    (well.parent / "notes.txt").write_text("not an image")
    dock = open_dock(checkpoint)
    dock.sections["Keep"].set_open(True)
    dock.conditions.choose("untreated", "drug")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(well.parent))
    folder = dock.save_panel.folder
    dock.saving.update("", completes=False)
    qtbot.mouseClick(folder.choose_button, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(folder.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "1 done" in folder.status.text(), timeout=WAIT_MS)
    assert (well.parent / "translated" / "well_translated.ome.tif").is_file()
    assert not dock.viewer.layers
    folder.table.cellDoubleClicked.emit(0, 0)
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 6, timeout=WAIT_MS)
    assert dock.views.comparison.active


def test_a_folder_of_one_channel_per_file_is_translated(
    open_dock: Open, checkpoint: Path, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plate = tmp_path / "untreated"
    plate.mkdir()
    planes = {}
    for field in ("A01", "A02"):
        for channel in ("DNA", "GFP"):
            planes[field, channel] = np.random.default_rng(len(planes)).integers(0, 150, (48, 64), np.uint8)
            tifffile.imwrite(plate / f"{field}_{channel}.tif", planes[field, channel])
    dock = open_dock(checkpoint)
    dock.sections["Keep"].set_open(True)
    dock.conditions.choose("untreated", "drug")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(plate))
    folder = dock.save_panel.folder
    dock.saving.update("", completes=False)
    qtbot.mouseClick(folder.choose_button, Qt.MouseButton.LeftButton)
    assert folder.table.rowCount() == 4
    # beside its words a check box takes no clicks
    qtbot.mouseClick(folder.join_box, Qt.MouseButton.LeftButton, pos=QPoint(8, folder.join_box.height() // 2))
    assert folder.table.rowCount() == 2, folder.status.text()
    qtbot.mouseClick(folder.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "2 done" in folder.status.text(), timeout=WAIT_MS)
    folder.table.cellDoubleClicked.emit(1, 0)
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 6, timeout=WAIT_MS)
    for channel in ("DNA", "GFP"):
        real = dock.viewer.layers[channel].data
        assert np.array_equal(np.squeeze(real), planes["A02", channel])
        translated = np.asarray(dock.viewer.layers[f"{channel} – translated to drug"].data)
        difference = np.asarray(dock.viewer.layers[f"{channel} – difference"].data)
        assert difference.mean() > 5 and np.array_equal(np.rint(real + difference), translated)


def test_unloading_gives_the_engine_back(open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot) -> None:
    import gc
    import weakref

    dock = open_dock(checkpoint)
    translated(qtbot, dock, well)
    translator = background().submit(dock.runner._engines.get, str(checkpoint), "auto").result()
    kept = weakref.ref(translator.engine)
    del translator
    gc.disable()
    try:
        dock.devices.unload_requested.emit()
        background().submit(int).result()
        assert kept() is None
    finally:
        gc.enable()
    dock.translate()
    qtbot.waitUntil(lambda: "translated in" in dock.status.text(), timeout=WAIT_MS)


def test_channels_of_other_names_are_told_to_the_command(
    open_dock: Open, save_checkpoint: Callable[..., Path], well: Path, qtbot: QtBot
) -> None:
    dock = open_dock(save_checkpoint("other", channels=("blue", "green"), conditions=("untreated", "drug")))
    dock.open_files([well])
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 2, timeout=WAIT_MS)
    assert any("matched by position" in text for text in dock.notices.texts)
    assert any("held-out" in text for text in dock.notices.texts)
    dock.translate()
    qtbot.waitUntil(lambda: "translated in" in dock.status.text(), timeout=WAIT_MS)
    provenance = dock.viewer.layers["DNA – difference"].metadata[KEY]["provenance"]
    assert provenance["channels"] == {"blue": "DNA", "green": "GFP"}


@pytest.mark.slow
def test_two_viewers_do_not_disturb_each_other(open_dock: Open, checkpoint: Path, well: Path, qtbot: QtBot) -> None:
    one, other = open_dock(checkpoint), open_dock(checkpoint)
    for dock in (one, other):
        dock.open_files([well])
    qtbot.waitUntil(lambda: len(one.viewer.layers) == len(other.viewer.layers) == 2, timeout=WAIT_MS)
    one.translate()
    other.translate()
    qtbot.waitUntil(
        lambda: "translated in" in one.status.text() and "translated in" in other.status.text(), timeout=WAIT_MS
    )
    other.viewer.window.remove_dock_widget(other)
    assert one.views.comparison.active
    assert [layer.visible for layer in one.viewer.layers] == [True] * 6


def test_closing_napari_midway_ends_cleanly(checkpoint: Path, well: Path) -> None:
    """As its user does, in a process of its own: no abort, nothing that waits for ever."""
    program = f"""
        import sys
        import napari
        from pathlib import Path
        from qtpy.QtCore import QTimer
        from napari_phenotrans.widgets.translate.dock import TranslateDock

        viewer = napari.Viewer()
        dock = TranslateDock(viewer)
        viewer.window.add_dock_widget(dock, name="Translate")
        dock.checkpoints.choose({str(checkpoint)!r})
        dock.scope.choose("stack")
        dock.open_files([Path({str(well)!r})], translate=True)

        def close():
            if dock.runner.busy:
                print("closing while it runs")
                viewer.close()
            else:
                QTimer.singleShot(1, close)

        QTimer.singleShot(1, close)
        napari.run()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "closing while it runs" in done.stdout
    assert "abort" not in done.stderr.casefold()
    assert "Traceback" not in done.stderr
