"""Watching runs in the dock, as a user does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import qtpy
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QAbstractButton, QComboBox, QSlider, QSpinBox

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.checkpoints.describe import picture_words
from napari_phenotrans.core.image import Image
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.io import write
from napari_phenotrans.runs.family import Family
from napari_phenotrans.runs.lock import Owner
from napari_phenotrans.runs.recent import RememberedRuns
from napari_phenotrans.training.previews import read_preview
from napari_phenotrans.training.run import Run
from napari_phenotrans.widgets.common.curves import COPY_SOURCE, FLOOR
from napari_phenotrans.widgets.common.plot import load_pyqtgraph
from napari_phenotrans.widgets.runs.preview_layers import PREVIEW
from napari_phenotrans.widgets.runs.runs_panel import RunsPanel
from napari_phenotrans.widgets.viewer.layers import role
from tests.widgets.gestures import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari import Viewer
    from pytestqt.qtbot import QtBot

    Open = Callable[..., RunsPanel]

WAIT_MS = 60_000
# a process of its own begins by loading torch, with less of the processor than others
CHILD_MS = 300_000
STEPS = 8
WAY = "untreated → treated"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 8 steps, saved and scored at every second."""
    images, folder = tmp_path_factory.mktemp("images"), tmp_path_factory.mktemp("runs") / "first"
    rng = np.random.default_rng(0)
    for condition, level in (("untreated", 50), ("treated", 150)):
        for well in range(4):
            pixels = rng.poisson(level, (2, 72, 72)).astype(np.uint8)
            write(Image(pixels, "CYX", ("DNA", "GFP")), images / condition / f"{condition}{well}.ome.tif")
    training, held_out = DataSet.open(images, ("untreated", "treated")).split(
        ["untreated0", "untreated1", "treated0", "treated1"]
    )
    settings = ENGINES["shift"].settings.make(steps=STEPS, crop=32, batch=2, save_every=2, score_every=2, keep=9)
    list(Run(folder, training, "shift", settings, held_out).events())
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """The same run in a folder of the test's own."""
    return shutil.copytree(finished, tmp_path / "runs" / "first")


@pytest.fixture
def open_panel(make_napari_viewer: Callable[..., Viewer], qtbot: QtBot, tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens a viewer with the panel in it; what it remembers is the test's own."""
    panels = []

    def open_it(*, show: bool = False) -> RunsPanel:
        viewer = make_napari_viewer(show=show)
        panel = RunsPanel(viewer, remembered=RememberedRuns(tmp_path / "runs.json"))
        viewer.window.add_dock_widget(panel, name="Runs")
        panels.append(panel)
        return panel

    yield open_it
    for panel in panels:
        panel.close_viewer()


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def write_events(folder: Path, some: list[dict[str, Any]]) -> None:
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in some))


def unfinished(folder: Path) -> None:
    """Let a run look as if this process were still at work in it."""
    write_events(folder, [event for event in events(folder) if event["event"] != "Finished"])


def wait_for(qtbot: QtBot, panel: RunsPanel, text: str, patience: int = WAIT_MS) -> None:
    """Wait until the chosen run's heading says this."""
    qtbot.waitUntil(lambda: panel.view is not None and text in panel.view.heading.text(), timeout=patience)


def cells(panel: RunsPanel, row: int = 0) -> list[str]:
    item = panel.list.tree.topLevelItem(row)
    assert item is not None
    return [item.text(column) for column in range(4)]


def test_opening_the_plugin_waits_for_no_plots() -> None:
    code = """
import sys
from napari_phenotrans.widgets.runs.runs_panel import RunsPanel
print(*sorted({"pyqtgraph", "torch", "matplotlib"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_plots_are_drawn_by_the_qt_that_napari_uses() -> None:
    assert load_pyqtgraph().Qt.QT_LIB == qtpy.API_NAME


def test_a_finished_run_tells_all_it_has(open_panel: Open, run: Path, qtbot: QtBot) -> None:
    panel = open_panel()
    panel.open_run(run)
    wait_for(qtbot, panel, "Finished after 8 steps")
    view = panel.view
    assert view is not None
    scored = [event for event in events(run) if event["event"] == "Scored"]
    kids = {way: [event["scores"][f"kid {way}"] for event in scored] for way in (WAY, "treated → untreated")}
    best = np.mean(list(kids.values()), axis=0).min()
    assert cells(panel) == ["first", "✔ finished", "8", f"{best:.3g}"]

    # Curves, as they were written down.
    losses = [event for event in events(run) if event["event"] == "Losses"]
    for name in losses[0]["losses"]:
        steps, values = view.losses.plot.shown[name, "raw"]
        assert list(steps) == list(range(1, STEPS + 1))
        assert np.allclose(values, [event["losses"][name] for event in losses])
    assert view.score_box.currentText() == "KID"
    steps, values = view.scores.plot.shown[f"kid {WAY}", "raw"]
    assert list(steps) == [2, 4, 6, 8]
    assert np.allclose(values, kids[WAY])

    # What no engine can beat, and what doing nothing scores.
    for kind, values in ((FLOOR, scored[0]["floors"]), (COPY_SOURCE, scored[0]["copy_source"])):
        assert view.scores.plot.shown_levels[f"kid {WAY}", kind] == pytest.approx(values[f"kid {WAY}"])
    view.score_box.setCurrentIndex(view.score_box.findText("gap closed"))
    view.score_box.activated.emit(view.score_box.currentIndex())
    assert (f"gap closed {WAY}: GFP", "raw") in view.scores.plot.shown
    assert (f"gap closed {WAY}: GFP", COPY_SOURCE) in view.scores.plot.shown_levels

    # Only what can be done.
    assert not view.stop_button.isEnabled()
    assert not view.resume_button.isEnabled()
    assert view.more_button.isEnabled()
    assert view.bar.isHidden()
    with qtbot.waitSignal(panel.settings_requested) as said:
        click(qtbot, view.settings_button)
    assert said.args == [run]

    # What does not succeed is said.
    (run / "resume.pt").unlink()
    click(qtbot, view.more_button)
    qtbot.waitUntil(lambda: any("cannot be resumed" in text for text in view.notices.texts), timeout=WAIT_MS)


def test_curves_can_be_hidden_smoothed_and_logarithmic(open_panel: Open, run: Path, qtbot: QtBot) -> None:
    long = events(run)[:1]
    name = next(event for event in events(run) if event["event"] == "Losses")["losses"].popitem()[0]
    long += [{"event": "Losses", "step": s, "losses": {name: (s - 1) % 3}, "time": 1.0} for s in range(1, 201)]
    write_events(run, long)
    panel = open_panel()
    panel.open_run(run)
    wait_for(qtbot, panel, "step 200")
    assert panel.view is not None
    losses = panel.view.losses
    assert losses.log_box.isChecked()
    assert np.isnan(losses.plot.shown[name, "raw"][1][::3]).all()
    assert np.allclose(losses.plot.shown[name, "smoothed"][1][-1], 1, atol=0.2)
    losses.log_box.click()
    assert np.array_equal(losses.plot.shown[name, "raw"][1], np.arange(200) % 3)
    losses.raw_box.click()
    assert list(losses.plot.shown) == [(name, "smoothed")]
    (box,) = losses.boxes.values()
    box.click()
    assert losses.plot.shown == {}
    # what was hidden stays so when the run goes on
    write_events(run, [*long, {"event": "Losses", "step": 201, "losses": {name: 1.0}, "time": 2.0}])
    wait_for(qtbot, panel, "step 201")
    assert losses.plot.shown == {}


def test_a_run_is_followed_while_it_goes_on(open_panel: Open, run: Path, qtbot: QtBot) -> None:
    unfinished(run)
    panel = open_panel()
    panel.open_run(run)
    wait_for(qtbot, panel, "Training: step 8 of 8")
    view = panel.view
    assert view is not None
    assert cells(panel)[1] == "▶ running"
    assert view.stop_button.isEnabled()
    assert not view.more_button.isEnabled()
    assert not view.bar.isHidden()

    # Stopping is asked of the run, which sees it after its step.
    click(qtbot, view.stop_button)
    wait_for(qtbot, panel, "Stopping after this step")
    assert (run / "stop").exists()

    # A line comes in two halves; the first says nothing yet.
    line = json.dumps({"event": "Failed", "step": 8, "error": "InputError: a loss is not a number", "time": 1e12})
    with (run / "events.jsonl").open("a") as file:
        file.write(line[:30])
        file.flush()
        qtbot.wait(1500)
        assert cells(panel)[1] == "▶ running"
        file.write(line[30:] + "\n")
    wait_for(qtbot, panel, "Failed at step 8")
    assert cells(panel)[1] == "✖ failed"
    assert any("a loss is not a number" in text for text in view.notices.texts)
    assert view.more_button.isEnabled()


@pytest.mark.slow
def test_more_steps_are_made_by_a_process_of_their_own(open_panel: Open, run: Path, qtbot: QtBot) -> None:
    decided = json.loads((run / "run.json").read_text())
    # as if another process than this one had made it, which has ended since
    (run / "run.json").write_text(json.dumps(decided | {"pid": 2**22 - 1}))
    panel = open_panel()
    panel.open_run(run)
    wait_for(qtbot, panel, "Finished")
    view = panel.view
    assert view is not None
    view.more_box.setValue(4)
    click(qtbot, view.more_button)
    wait_for(qtbot, panel, "Starting")
    assert cells(panel)[1] == "◔ starting"
    wait_for(qtbot, panel, "Finished after 12 steps", CHILD_MS)
    # the same curves go on, and the slider and the checkpoints with them
    assert list(view.scores.plot.shown[f"kid {WAY}", "raw"][0]) == [2, 4, 6, 8, 10, 12]
    assert view.previews.step_label.text() == "step 12"
    assert "last, step 12" in [view.checkpoint_box.itemText(i) for i in range(view.checkpoint_box.count())]


def test_a_removed_folder_is_gone_and_comes_back(open_panel: Open, run: Path, qtbot: QtBot) -> None:
    panel = open_panel()
    panel.open_run(run)
    wait_for(qtbot, panel, "Finished")
    elsewhere = run.rename(run.with_name("elsewhere"))
    panel.watcher.look_at([run])
    wait_for(qtbot, panel, "is not there")
    assert cells(panel)[1] == "∅ gone"
    assert panel.view is not None
    # what was read of it stays
    assert panel.view.losses.plot.shown
    elsewhere.rename(run)
    panel.watcher.look_at([run])
    wait_for(qtbot, panel, "Finished")


def test_a_point_of_the_score_curve_goes_to_the_translate_dock(open_panel: Open, run: Path, qtbot: QtBot) -> None:
    panel = open_panel(show=True)
    panel.open_run(run)
    wait_for(qtbot, panel, "Finished")
    view = panel.view
    assert view is not None
    words = [view.checkpoint_box.itemText(index) for index in range(view.checkpoint_box.count())]
    assert words[0].startswith("best, step")
    assert words[1:] == ["last, step 8", "step 8", "step 6", "step 4", "step 2"]

    # A click near the point of step 4.
    plot = view.scores.plot
    qtbot.waitUntil(lambda: plot.graphics.isVisible(), timeout=WAIT_MS)
    qtbot.wait(100)
    kid = float(plot.shown[f"kid {WAY}", "raw"][1][1])
    point = plot.plot.getViewBox().mapViewToScene(load_pyqtgraph().Point(4, kid))
    at = plot.graphics.mapFromScene(point)
    qtbot.mouseMove(plot.graphics.viewport(), at)
    qtbot.mouseClick(plot.graphics.viewport(), Qt.MouseButton.LeftButton, pos=at + QPoint(3, 0))
    assert view.checkpoint_box.currentText() == "step 4"
    # what its pictures are like, in the gate's words
    card = Checkpoint.read_card(run / "checkpoints" / "step-00004.safetensors")
    assert card.pictures
    assert view.picture_notices.texts[-len(picture_words(card)) :] == picture_words(card)

    with qtbot.waitSignal(panel.translate_with) as said:
        click(qtbot, view.translate_button)
    assert said.args == [run / "checkpoints" / "step-00004.safetensors"]
    from napari_phenotrans.widgets.translate.layers_menu import raise_dock

    dock = raise_dock(panel.viewer)
    assert dock.checkpoints.name == str(said.args[0])
    qtbot.waitUntil(lambda: dock.devices.loaded, timeout=WAIT_MS)


def test_previews_are_updated_in_place_and_leave_no_trace(open_panel: Open, run: Path, qtbot: QtBot) -> None:
    panel = open_panel()
    viewer = panel.viewer
    mine = viewer.add_image(np.zeros((9, 9)), name="mine")
    viewer.scene.camera.zoom = 3.0
    panel.open_run(run)
    wait_for(qtbot, panel, "Finished")
    view = panel.view
    assert view is not None
    previews = view.previews
    click(qtbot, previews.show_button)
    qtbot.waitUntil(lambda: previews.layers.complete, timeout=WAIT_MS)

    def pixels(step: int) -> np.ndarray:
        return read_preview(run / "previews" / f"step-{step:05d}.tif").crops

    names = [layer.name for layer in viewer.layers if role(layer) == PREVIEW]
    assert names[:3] == ["DNA – preview, real", "GFP – preview, real", "DNA – preview, translated"]
    assert not mine.visible
    real, translated = (viewer.layers[f"GFP – preview, {kind}"] for kind in ("real", "translated"))
    # as these stains are shown everywhere
    colors = [viewer.layers[f"{name} – preview, real"].colormap.map(1.0) for name in ("DNA", "GFP")]
    np.testing.assert_allclose(np.squeeze(colors)[:, :3], [(0x44 / 255, 0x88 / 255, 1), (0, 1, 0x66 / 255)], atol=0.01)

    def crop(layer: Any, direction: int = 0) -> np.ndarray:
        """Cut the first crop of a direction out of where a layer shows it."""
        left = direction * (32 + 2)
        return layer.data[:32, left : left + 32]

    assert np.array_equal(crop(real), pixels(8)[0, 0, 0, 1])
    assert np.array_equal(crop(translated), pixels(8)[0, 1, 0, 1])
    assert np.array_equal(crop(translated, 1), pixels(8)[1, 1, 0, 1])
    # three cells, both channels in each
    grid, order = viewer.canvas.grid, list(viewer.layers)
    assert [grid.position(order.index(layer), viewer.layers)[1] for layer in (real, translated)] == [0, 1]
    assert grid.position(order.index(viewer.layers["DNA – preview, translated"]), viewer.layers) == (0, 1)
    said = [overlay.text for key, overlay in viewer.canvas.overlays.items() if key.startswith("phenotrans_preview")]
    assert any("(not measured)" in " ".join(text.split()) for text in said)
    real.contrast_limits = (3, 33)
    assert list(translated.contrast_limits) == [3, 33]

    # The slider goes back; the layers stay the same.
    previews.slider.setFocus()
    qtbot.keyClick(previews.slider, Qt.Key.Key_Home)
    assert previews.step_label.text() == "step 2"
    qtbot.waitUntil(lambda: np.array_equal(crop(translated), pixels(2)[0, 1, 0, 1]), timeout=WAIT_MS)
    assert viewer.layers["GFP – preview, translated"] is translated
    assert list(translated.contrast_limits) == [3, 33]

    # A layer that the user removed comes back; then everything is as it was.
    viewer.layers.remove(translated)
    qtbot.keyClick(previews.slider, Qt.Key.Key_End)
    qtbot.waitUntil(lambda: "GFP – preview, round trip" in viewer.layers and previews.layers.complete, timeout=WAIT_MS)
    click(qtbot, previews.show_button)
    assert list(viewer.layers) == [mine]
    assert mine.visible
    assert not viewer.canvas.grid.enabled
    assert not [key for key in viewer.canvas.overlays if key.startswith("phenotrans")]
    assert viewer.scene.camera.zoom == pytest.approx(3.0)


def test_runs_are_compared(open_panel: Open, run: Path, qtbot: QtBot) -> None:
    other = shutil.copytree(run, run.with_name("second"))
    decided = json.loads((other / "run.json").read_text())
    decided["settings"]["seed"] = 5
    (other / "run.json").write_text(json.dumps(decided))
    panel = open_panel(show=True)
    for folder in (run, other):
        panel.open_run(folder)
    wait_for(qtbot, panel, "second")
    panel.list.tree.selectAll()
    qtbot.waitUntil(lambda: panel.compare is not None and panel.compare.isVisible(), timeout=WAIT_MS)
    compare = panel.compare
    assert compare is not None
    assert panel.view is not None
    assert not panel.view.isVisible()
    assert compare.curve_box.currentText() == f"kid {WAY}"
    assert set(compare.curves.plot.shown) == {("first", "raw"), ("second", "raw")}
    rows = [compare.table.verticalHeaderItem(row).text() for row in range(compare.table.rowCount())]
    assert rows == ["seed"]
    assert compare.table.item(0, 1).text() == "5"


def test_runs_are_found_again_and_can_be_taken_out(open_panel: Open, run: Path, qtbot: QtBot) -> None:
    beside = shutil.copytree(run, run.with_name("beside"))
    first = open_panel()
    first.open_run(run)
    wait_for(qtbot, first, "Finished")
    first.close_viewer()

    # One that goes on is shown at once.
    unfinished(run)
    second = open_panel()
    wait_for(qtbot, second, "Training")
    assert set(second.list.folders) == {run, beside}
    assert second.list.selected == [run]
    click(qtbot, second.list.remove_button)
    assert second.list.folders == (beside,)
    assert run.is_dir()
    remembered = RememberedRuns(run.parents[1] / "runs.json")
    qtbot.waitUntil(lambda: remembered.folders() == [], timeout=WAIT_MS)


def test_it_fits_a_narrow_dock_both_themes_and_those_who_do_not_see_it(
    open_panel: Open, run: Path, qtbot: QtBot
) -> None:
    panel = open_panel(show=True)
    panel.open_run(run)
    wait_for(qtbot, panel, "Finished")
    view = panel.view
    assert view is not None
    assert panel.minimumSizeHint().width() <= 320 - 30
    kinds = QAbstractButton, QComboBox, QSlider, QSpinBox
    shown = 0
    for widget in (each for kind in kinds for each in panel.findChildren(kind)):
        if widget.objectName().startswith("qt_") or not widget.isVisible():
            continue
        assert widget.toolTip(), widget
        named = getattr(widget, "text", str)() or widget.accessibleName() or isinstance(widget, QComboBox)
        assert named, widget
        shown += 1
    assert shown > 15
    pens = []
    for theme in ("dark", "light"):
        panel.viewer.theme = theme
        pens.append(view.losses.plot.plot.getAxis("left").textPen().color().name())
    assert pens[0] != pens[1]


def test_trainings_of_a_family_stand_in_its_place(open_panel: Open, run: Path, qtbot: QtBot) -> None:
    folder = run.parent / "three"
    folder.mkdir()
    # a process trains it, which has not said yet what it is to be
    (folder / "starting.json").write_text(json.dumps(Owner.of(os.getpid()).as_json()))
    panel = open_panel()
    panel.open_run(folder)
    rows = panel.list.tree

    def states() -> list[tuple[str, str]]:
        items = [rows.topLevelItem(place) for place in range(rows.topLevelItemCount())]
        return [(item.text(0), item.text(1)) for item in items]

    qtbot.waitUntil(lambda: states() == [("three", "◔ starting")], timeout=WAIT_MS)
    family = Family(folder, (7, 8))
    family.write()
    run.rename(family.members[7])
    qtbot.waitUntil(
        lambda: states() == [("three/seed-7", "✔ finished"), ("three/seed-8", "… waiting")], timeout=WAIT_MS
    )
    assert panel.list.selected == [family.members[7]]
    qtbot.waitUntil(lambda: panel.view is not None and not panel.view.family.isHidden(), timeout=WAIT_MS)
    view = panel.view
    assert view is not None
    assert view.family.text() == "three: 1 training of 2 begun; not yet seed 8."
    panel.list.choose([family.members[8]])
    qtbot.waitUntil(lambda: "Waiting: training 2 of 2" in view.heading.text(), timeout=WAIT_MS)
    assert not view.stop_button.isEnabled()

    # What is said of the family follows the others, and two of them translate together.
    panel.list.choose([family.members[7]])
    os.symlink(family.members[7], family.members[8])
    qtbot.waitUntil(lambda: "2 trainings of 2 begun; gap closed" in view.family.text(), timeout=WAIT_MS)
    asked = []
    view.translate_requested.disconnect()
    view.translate_requested.connect(asked.append)
    click(qtbot, view.family_button)
    assert asked == [folder]
