"""The training dock, used as its user does: from clicks on real files to a translation."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QAbstractSpinBox, QCheckBox, QFileDialog
from scipy.ndimage import gaussian_filter

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.io import read, write
from napari_phenotrans.runs import launch as starting
from napari_phenotrans.runs.record import fields_to
from napari_phenotrans.widgets.train.dock import TrainingDock
from napari_phenotrans.widgets.train.estimate_controller import cost_text
from napari_phenotrans.widgets.translate.dock import TranslateDock
from napari_phenotrans.widgets.viewer.layers import KEY
from tests.widgets.gestures import click, drop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer
    from pytestqt.qtbot import QtBot

    Open = Callable[[], TrainingDock]

WAIT_MS = 240_000
CHANNELS = ("DNA", "GFP")


def make_plate(folder: Path, fields: int = 5, size: int = 80) -> Path:
    """Write a data set: bright spots in both channels, brighter in GFP where the drug is."""
    rng = np.random.default_rng(0)
    rows = ["file,group,day"]
    for condition, gain in (("untreated", 1), ("drug", 2)):
        for number in range(fields):
            spots = rng.random((2, size, size)) < 0.02
            plane = rng.poisson(20 + 100 * spots * np.array([1, gain])[:, None, None]).astype(np.uint8)
            well = f"{condition[0].upper()}{number}"
            image = Image(plane, "CYX", CHANNELS, pixel_size_um=0.5, unit="µm")
            write(image, folder / condition / f"{well}.ome.tif")
            rows.append(f"{condition}/{well}.ome.tif,{well},{'Monday' if gain == 1 else 'Tuesday'}")
    (folder / "fields.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    return make_plate(tmp_path / "plate")


@pytest.fixture
def open_training(make_napari_viewer: Callable[[], Viewer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Return a function that opens a viewer and the dock as napari does; remembered runs are the test's own."""
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data")

    def open_it() -> TrainingDock:
        viewer = make_napari_viewer()
        dock = TrainingDock(viewer)
        viewer.window.add_dock_widget(dock, name="Train (Phenotype translation)")
        return dock

    return open_it


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Return a function that says what the next file dialogs are answered with."""

    def say(path: Path) -> None:
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(path))
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))

    return say


def wait_for(qtbot: QtBot, dock: TrainingDock, text: str) -> None:
    qtbot.waitUntil(lambda: text in dock.status.text(), timeout=WAIT_MS)


def type_into(qtbot: QtBot, dock: TrainingDock, **values: Any) -> None:
    """Type values into fields under More."""
    for name, value in values.items():
        field = dock.settings.form.fields[name]
        assert isinstance(field, QAbstractSpinBox)
        field.selectAll()
        qtbot.keyClicks(field, str(value))
        qtbot.keyClick(field, Qt.Key.Key_Return)


@pytest.mark.slow
def test_from_clicks_to_a_translation(
    open_training: Open, plate: Path, answer: Callable[[Path], None], qtbot: QtBot
) -> None:
    # The data, checked at once.
    dock = open_training()
    answer(plate)
    click(qtbot, dock.data.dataset.button)
    wait_for(qtbot, dock, "ready to train")
    assert dock.data.chosen_conditions == ("drug", "untreated")
    assert dock.data.channels.ticked == CHANNELS
    assert "The column day of fields.csv tells the conditions apart: drug from untreated" in dock.report.problems[-1]
    assert dock.examples.sheet.rows == ["drug", "untreated"]

    # Settings: a preset, made tiny.
    click(qtbot, dock.settings.section.button)
    type_into(qtbot, dock, steps=6, width=8, crop=32, levels=3, save_every=3, score_every=3)
    searched = dock.settings.form.fields["search_depth"]
    assert isinstance(searched, QCheckBox)
    searched.setChecked(False)  # takes longer than the training
    assert dock.settings.summary.text() == "steps 6, crop 32, width 8, batch 4"
    click(qtbot, dock.start_button)
    folder = plate.parent / "plate-flow-1"
    assert dock.runs.list.selected == [folder]
    assert dock.run_folder.path.name == "plate-flow-2"

    # napari is closed while it starts, and opened again: the run has gone on, and is found.
    dock.viewer.close()
    dock = open_training()
    qtbot.waitUntil(lambda: folder in dock.runs.list.folders, timeout=WAIT_MS)
    row = dock.runs.list.tree.topLevelItem(0)
    assert row is not None
    qtbot.waitUntil(lambda: "finished" in row.text(1), timeout=WAIT_MS)
    place = dock.runs.list.tree.visualItemRect(row).center()
    qtbot.mouseClick(dock.runs.list.tree.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.waitUntil(lambda: dock.runs.view is not None and dock.runs.view.translate_button.isEnabled(), timeout=WAIT_MS)
    told = [json.loads(line)["event"] for line in (folder / "events.jsonl").read_text().splitlines()]
    assert told.count("Started") == 1
    assert told.count("Losses") == 6
    assert told[-1] == "Finished"

    # What came of it translates.
    assert dock.runs.view is not None
    click(qtbot, dock.runs.view.translate_button)
    (translating,) = [w for w in dock.viewer.window.dock_widgets.values() if isinstance(w, TranslateDock)]
    assert str(translating.checkpoints.name).startswith(str(folder))
    image = plate / "untreated" / "U0.ome.tif"
    translating.open_files([image], translate=True)
    qtbot.waitUntil(lambda: "translated in" in translating.status.text(), timeout=WAIT_MS)
    made = dock.viewer.layers["GFP – translated to drug"]
    assert made.metadata[KEY]["provenance"]["checkpoint file"].startswith(str(folder))
    assert made.data.shape == read(image).plane()[0].shape
    assert made.data.any()
    for process in starting._started:
        process.wait()


def test_what_cannot_be_trained_on_is_not_started(open_training: Open, tmp_path: Path, qtbot: QtBot) -> None:
    dock = open_training()
    click(qtbot, dock.start_button)
    assert dock.notices.texts == ["Choose a data set, or make one: a folder of images per condition."]
    few = make_plate(tmp_path / "few", fields=1)
    dock.open_dataset(few)
    wait_for(qtbot, dock, "not fit to train on")
    assert dock.report.problems[0].startswith("Error: drug has a single group")
    assert not dock.examples.isVisible()
    click(qtbot, dock.start_button)
    assert "single group" in dock.notices.texts[-1]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("few-")]
    qtbot.keyClick(dock.data.conditions.boxes["drug"], Qt.Key.Key_Space)
    click(qtbot, dock.start_button)
    assert dock.notices.texts == ["Choose two conditions or more."]


def test_what_was_checked_and_what_is_chosen(open_training: Open, plate: Path, qtbot: QtBot) -> None:
    dock = open_training()
    dock.settings.choose("cyclegan", "look")
    dock.open_dataset(plate)
    wait_for(qtbot, dock, "ready to train")
    stale = dock.report.stale
    assert stale.isHidden()
    type_into(qtbot, dock, steps=7)
    assert stale.isHidden()
    type_into(qtbot, dock, crop=32)
    assert not stale.isHidden()
    click(qtbot, dock.check_button)
    wait_for(qtbot, dock, "ready to train")
    assert stale.isHidden()
    assert "32 × 32 working pixels (16 µm)" in dock.examples.caption.text()

    # Other crops, until those that were drawn are used up.
    def shown() -> Any:
        return dock.examples.sheet.grab().toImage()

    first = shown()
    click(qtbot, dock.examples.others_button)
    assert shown() != first
    click(qtbot, dock.examples.others_button)
    last = shown()
    click(qtbot, dock.examples.others_button)
    qtbot.waitUntil(lambda: shown() not in (first, last), timeout=WAIT_MS)
    wait_for(qtbot, dock, "ready to train")

    # One channel, augmented as discriminators see it.
    dock.examples.channel_box.setCurrentIndex(2)
    dock.examples.channel_box.activated.emit(2)
    dock.settings.form.set_values({"augment": "fluorescence"})
    dock.check()
    wait_for(qtbot, dock, "ready to train")
    assert dock.examples.sheet.rows == ["drug", "drug, augmented", "untreated", "untreated, augmented"]
    assert dock.examples.channel_box.currentText() == "GFP"


def test_a_data_set_of_layers_and_rectangles(
    open_training: Open, answer: Callable[[Path], None], tmp_path: Path, qtbot: QtBot
) -> None:
    dock = open_training()
    viewer, collect = dock.viewer, dock.data.collect
    pixels = np.random.default_rng(0).integers(0, 200, (2, 2, 64, 80)).astype(np.uint8)
    # two channels of one image, and behind them another image
    other = viewer.add_image(pixels[1, 0][:60], name="scan")
    layers = [viewer.add_image(pixels[0, i], name=name) for i, name in enumerate(CHANNELS)]
    click(qtbot, dock.data.section.button)

    def name(condition: str) -> None:
        collect.condition_box.setFocus()
        collect.condition_box.lineEdit().selectAll()
        qtbot.keyClicks(collect.condition_box.lineEdit(), condition)

    viewer.layers.selection = set(layers)
    click(qtbot, collect.layers_button)
    assert "The condition '' cannot name a folder" in dock.notices.texts[-1]
    name("untreated")
    click(qtbot, collect.layers_button)
    shapes = viewer.add_shapes(
        [np.array([[4, 5], [4, 45], [40, 45], [40, 5]]), np.array([[9, 9], [9, 49], [49, 49], [49, 9]])]
    )
    name("drug")
    viewer.layers.selection = {shapes}
    click(qtbot, collect.rectangles_button)
    assert collect.conditions == ["untreated", "drug"]
    assert [collect.table.item(row, 2).text() for row in range(2)] == ["1", "2"]
    # of the topmost image that is visible
    for layer in layers:
        layer.visible = False
    shapes.selected_data = {0}
    click(qtbot, collect.rectangles_button)
    assert collect.pieces[-1].image.channels == ("channel 1",)
    collect.table.selectRow(2)
    click(qtbot, collect.remove_button)
    viewer.layers.selection = {other}
    other.visible = False
    viewer.layers.selection = {shapes}
    click(qtbot, collect.rectangles_button)
    assert "No image is visible below the rectangles" in dock.notices.texts[-1]

    made = tmp_path / "made"
    answer(made)
    click(qtbot, collect.write_button)
    qtbot.waitUntil(lambda: dock.data.folder == made, timeout=WAIT_MS)
    assert not collect.pieces
    opened = DataSet.open(made)
    assert opened.count() == {"drug": 2, "untreated": 1}
    # all of one image stays together
    assert opened.groups("drug") == opened.groups("untreated")
    (whole,) = (one for one in opened.fields if one.condition == "untreated")
    cut = next(one for one in opened.fields if one.condition == "drug")
    assert read(whole.path).channels == CHANNELS
    assert np.array_equal(read(whole.path).plane(), pixels[0])
    assert np.array_equal(read(cut.path).plane(), pixels[0][:, 4:41, 5:46])
    qtbot.waitUntil(lambda: not dock.checking.busy, timeout=WAIT_MS)


def test_settings_come_from_any_run(
    open_training: Open, plate: Path, answer: Callable[[Path], None], tmp_path: Path, qtbot: QtBot
) -> None:
    training, held_out = DataSet.open(plate).split(["D1", "U4"])
    decided = {
        "engine": "scgan",
        "settings": {"steps": 77, "crop": 32, "batch": 3, "channels": ["GFP"]},
        "conditions": ["drug", "untreated"],
        "training": fields_to(training),
        "held-out": fields_to(held_out),
    }
    run = tmp_path / "elsewhere" / "run.json"
    run.parent.mkdir()
    run.write_text(json.dumps(decided), encoding="utf-8")
    dock = open_training()
    answer(run)
    click(qtbot, dock.settings.load_button)
    wait_for(qtbot, dock, "ready to train")
    assert dock.settings.engine == "scgan"
    assert dock.settings.preset_box.currentText() == "own settings"
    assert dock.settings.form.values["steps"] == 77
    assert dock.data.channels.ticked == ("GFP",)
    assert dock.data.held_out.value.groups == ("D1", "U4")
    assert "1 in 1" in [dock.report.table.item(2, column).text() for column in range(2)]

    # The command says what differs, and what it stands on.
    type_into(qtbot, dock, steps=78)
    click(qtbot, dock.copy_button)
    words = shlex.split(QGuiApplication.clipboard().text())
    assert words[:3] == ["phenotrans", "train", str(plate)]
    said = dict(zip(words[3::2], words[4::2], strict=True))
    assert said == {
        "--engine": "scgan",
        "--from": str(run),
        "--out": str(tmp_path / "plate-scgan-1"),
        "--held-out-groups": "D1,U4",
        "--steps": "78",
        "--conditions": "drug,untreated",
    }
    # a preset takes the run's place
    dock.settings.preset_box.setCurrentIndex(0)
    dock.settings.preset_box.activated.emit(0)
    click(qtbot, dock.copy_button)
    words = shlex.split(QGuiApplication.clipboard().text())
    assert "--from" not in words
    assert words[words.index("--preset") + 1] == "look"
    assert "--steps" not in words


def test_what_may_be_dropped(open_training: Open, plate: Path, tmp_path: Path, qtbot: QtBot) -> None:
    dock = open_training()
    # two of three folders side by side are the conditions
    write(Image(np.zeros((9, 9), np.uint8), "YX", ("DNA",)), plate / "washed" / "W1.ome.tif")
    drop(dock, plate / "untreated", plate / "drug")
    wait_for(qtbot, dock, "ready to train")
    assert dock.data.chosen_conditions == ("drug", "untreated")
    assert "washed" in dock.data.conditions.boxes
    # a single one is no data set, but images that may become one
    drop(dock, plate / "untreated")
    wait_for(qtbot, dock, "no data set")
    assert dock.data.collect.conditions == ["untreated"]
    assert dock.data.section.opened
    assert "holds images of one condition" in dock.notices.texts[0]
    # folders that lie apart, and images
    apart = make_plate(tmp_path / "other", fields=2)
    drop(dock, plate / "untreated", apart / "drug")
    drop(dock, *(plate / "drug").iterdir())
    assert dock.data.collect.conditions == ["untreated", "drug"]
    assert [len(pieces) for pieces in (dock.data.collect.pieces,)] == [5 + 5 + 2 + 5]
    assert {piece.group for piece in dock.data.collect.pieces if piece.condition == "drug"} >= {"D0", "D4"}
    (tmp_path / "notes.txt").write_text("no image")
    drop(dock, tmp_path / "notes.txt")
    assert "None of what was dropped" in dock.notices.texts[-1]


class FakeTrial:
    """What `estimate` returns, at the test's pace."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        self.arguments, self.folder, self.cancelled = arguments, folder, False
        self.written: Any = None

    def last_message(self) -> str:
        return "loading torch"

    def report(self) -> Any:
        if isinstance(self.written, InputError):
            raise self.written
        return self.written

    def cancel(self) -> None:
        self.cancelled = True


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[FakeTrial]:
    """The trials that were asked for."""
    made: list[FakeTrial] = []

    def estimate(arguments: list[str], folder: Path) -> FakeTrial:
        made.append(FakeTrial(arguments, folder))
        return made[-1]

    monkeypatch.setattr("napari_phenotrans.widgets.train.estimate_controller.estimate", estimate)
    return made


def test_the_cost_is_estimated(open_training: Open, plate: Path, qtbot: QtBot, trials: list[FakeTrial]) -> None:
    dock = open_training()
    dock.open_dataset(plate)
    wait_for(qtbot, dock, "ready to train")
    click(qtbot, dock.settings.estimate_button)
    assert trials[0].arguments[:2] == ["train", str(plate)]
    assert "--out" not in trials[0].arguments
    wait_for(qtbot, dock, "estimating: loading torch…")
    trials[0].written = {
        "trial": {"device": "cpu (2 threads)", "seconds_per_step": 1.5, "memory": 2**31, "steps": 1000}
    }
    wait_for(qtbot, dock, "estimated")
    assert dock.settings.cost.text() == (
        "About 25 min for 1000 steps (1.5 s each, without scoring) and 2.0 GB of memory, on cpu (2 threads)."
    )
    assert not trials[0].folder.exists()
    # it holds for these settings only
    type_into(qtbot, dock, width=24)
    assert dock.settings.cost.isHidden()

    click(qtbot, dock.settings.estimate_button)
    trials[1].written = InputError("There is no data set folder.")
    wait_for(qtbot, dock, "stopped")
    assert dock.notices.texts == ["There is no data set folder."]

    click(qtbot, dock.settings.estimate_button)
    click(qtbot, dock.cancel_button)
    assert trials[2].cancelled
    assert dock.status.text() == "the estimate was cancelled"
    assert not dock.cancel_button.isEnabled()


@pytest.mark.parametrize("what", ["dock", "viewer"])
def test_closing_ends_an_estimate(
    what: str, open_training: Open, plate: Path, qtbot: QtBot, trials: list[FakeTrial]
) -> None:
    dock = open_training()
    dock.open_dataset(plate)
    wait_for(qtbot, dock, "ready to train")
    click(qtbot, dock.settings.estimate_button)
    assert trials[0].folder.exists()
    if what == "dock":
        dock.viewer.window.remove_dock_widget(dock)
    else:
        dock.viewer.close()
    assert trials[0].cancelled
    assert not trials[0].folder.exists()


def test_the_last_choices_are_restored(
    open_training: Open, plate: Path, answer: Callable[[Path], None], tmp_path: Path, qtbot: QtBot
) -> None:
    dock = open_training()
    dock.settings.engine_box.setCurrentIndex(2)
    dock.settings.engine_box.activated.emit(2)
    dock.settings.preset_box.setCurrentIndex(1)
    dock.settings.preset_box.activated.emit(1)
    answer(tmp_path / "runs")
    click(qtbot, dock.run_folder.parent_button)
    engine = dock.settings.engine
    dock.viewer.close()
    again = open_training()
    assert again.settings.engine == engine
    assert again.settings.preset == "overnight"
    again.data.folder = plate
    again.run_folder.propose(plate, engine)
    assert again.run_folder.path == tmp_path / "runs" / f"plate-{engine}-1"


@pytest.mark.parametrize(("engine", "field"), [("flow", "times"), ("flow", "start_from"), ("scgan", "augment")])
def test_every_setting_of_the_command_line_is_there(open_training: Open, engine: str, field: str) -> None:
    dock = open_training()
    dock.settings.choose(engine, None)
    assert field in dock.settings.form.fields
    assert not {"channels", "conditions"} & set(dock.settings.form.fields)
    assert not dock.settings.section.opened


def make_stained_plate(folder: Path) -> Path:
    """Write a data set whose DNA does not differ, and whose GFP is of another texture where the drug is."""
    rng = np.random.default_rng(0)
    for condition, fineness in (("untreated", 1.5), ("drug", 4.0)):
        for number in range(6):
            blobs = [gaussian_filter(rng.normal(size=(128, 128)), each) for each in (2.5, fineness)]
            plane = rng.poisson([200 * np.clip(blob / blob.std(), 0, None) + 20 for blob in blobs]).astype(np.uint16)
            image = Image(plane, "CYX", CHANNELS, pixel_size_um=0.5, unit="µm")
            write(image, folder / condition / f"{condition}{number}.ome.tif")
    return folder


def command_of(dock: TrainingDock, qtbot: QtBot) -> list[str]:
    click(qtbot, dock.copy_button)
    return shlex.split(QGuiApplication.clipboard().text())


def test_a_flow_keeps_what_the_check_proposes_until_the_user_ticks(
    open_training: Open, tmp_path: Path, qtbot: QtBot
) -> None:
    dock = open_training()
    kept = dock.settings.kept
    assert (dock.settings.engine, dock.settings.preset) == ("flow", "look")
    assert "The one to begin with: on BBBC013" in dock.settings.when.text()
    assert dock.settings.look.text().startswith("A look takes about ten minutes on two cores")
    assert kept.value is None and "measured when the images are checked" in kept.note.text()

    # what is measured is shown, and ticked
    plate = make_stained_plate(tmp_path / "stained")
    dock.open_dataset(plate)
    wait_for(qtbot, dock, "ready to train")
    assert "GFP tells drug and untreated apart (AUC " in dock.report.differences.text()
    assert kept.value == ("DNA",)
    assert "DNA is kept, the others move" in kept.note.text()
    words = command_of(dock, qtbot)
    assert words[words.index("--kept") + 1] == "DNA"
    assert dock.report.stale.isHidden()

    # the user's own ticks stay, whatever is checked again, and what they mean is said
    for name in CHANNELS:
        qtbot.keyClick(kept.ticks.boxes[name], Qt.Key.Key_Space)
    assert kept.value == ("GFP",)
    assert "Effects that pass through GFP will not show." in kept.note.text()
    click(qtbot, dock.check_button)
    wait_for(qtbot, dock, "ready to train")
    assert kept.value == ("GFP",)
    qtbot.keyClick(kept.ticks.boxes["GFP"], Qt.Key.Key_Space)
    assert "No channel is kept, all move" in kept.note.text()
    words = command_of(dock, qtbot)
    assert words[words.index("--kept") + 1] == "none"

    # a look that was changed is none; of another engine the user says what it keeps
    type_into(qtbot, dock, steps=2000)
    assert dock.settings.look.isHidden()
    dock.settings.choose("cyclegan", "look")
    assert kept.value == ()
    kept.choose(None)
    assert kept.value is None and kept.ticks.ticked == ()
    assert "--kept" not in command_of(dock, qtbot)
    dock.settings.choose("shift", "look")
    assert kept.isHidden()

    # another data set is another question
    dock.settings.choose("flow", "look")
    dock.open_dataset(plate)
    wait_for(qtbot, dock, "ready to train")
    assert kept.value == ("DNA",)


def test_not_every_channel_can_be_kept(open_training: Open, tmp_path: Path, qtbot: QtBot) -> None:
    dock = open_training()
    dock.open_dataset(make_stained_plate(tmp_path / "stained"))
    wait_for(qtbot, dock, "ready to train")
    qtbot.keyClick(dock.settings.kept.ticks.boxes["GFP"], Qt.Key.Key_Space)
    click(qtbot, dock.start_button)
    assert dock.notices.texts == ["Every channel is to be kept, so that nothing is left to translate: let one move."]
    # of the channels that are used
    qtbot.keyClick(dock.data.channels.boxes["GFP"], Qt.Key.Key_Space)
    assert tuple(dock.settings.kept.ticks.boxes) == ("DNA",)

    # what the check proposes leaves one to move
    dock.settings.kept.choose(None)
    assert dock.settings.kept.value == ()


def test_kept_channels_come_from_a_run(open_training: Open, tmp_path: Path, qtbot: QtBot) -> None:
    plate = make_stained_plate(tmp_path / "stained")
    training, held_out = DataSet.open(plate).split(0.2)
    decided = {
        "engine": "flow",
        "settings": {"steps": 5, "crop": 32, "kept": []},
        "conditions": ["drug", "untreated"],
        "training": fields_to(training),
        "held-out": fields_to(held_out),
    }
    (tmp_path / "run.json").write_text(json.dumps(decided), encoding="utf-8")
    dock = open_training()
    dock.load_settings(tmp_path)
    wait_for(qtbot, dock, "ready to train")
    assert dock.settings.kept.value == ()
    assert "--from" in command_of(dock, qtbot)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str | bool]]:
    """The options of each training that was to be started; no process is."""
    trainings = []

    def start(arguments: list[str], folder: Path) -> None:
        folder.mkdir()
        options: dict[str, str | bool] = {"dataset": arguments[1]}
        for name, value in zip(arguments, [*arguments[1:], "--"], strict=True):
            if name.startswith("--"):
                options[name] = value if not value.startswith("--") else True
        trainings.append(options)

    monkeypatch.setattr("napari_phenotrans.widgets.train.dock.start_training", start)
    return trainings


def test_a_family_and_a_control_are_started(
    open_training: Open, plate: Path, started: list[dict[str, str | bool]], qtbot: QtBot
) -> None:
    dock = open_training()
    assert not dock.repeats.control_button.isEnabled()
    dock.open_dataset(plate)
    wait_for(qtbot, dock, "ready to train")
    dock.settings.show_cost("About 1 min for 6 steps.")
    dock.repeats.count_box.setValue(3)
    assert not dock.settings.cost.isVisible()
    click(qtbot, dock.start_button)
    family = plate.parent / "plate-flow-1"
    assert started[0]["--repeats"] == "3"
    assert started[0]["--conditions"] == "drug,untreated"
    assert started[0]["--out"] == str(family)
    assert "--null" not in started[0]

    # One click more, and the same settings are trained where nothing differs: once, whatever was held out.
    dock.data.held_out.box.setCurrentIndex(dock.data.held_out.box.findData("groups"))
    dock.data.held_out.groups_edit.setText("U0, D0")
    dock.repeats.control_box.setCurrentIndex(dock.repeats.control_box.findData("untreated"))
    click(qtbot, dock.repeats.control_button)
    assert started[1]["--null"] == "untreated"
    assert not {"--conditions", "--repeats", "--held-out-groups"} & started[1].keys()
    assert started[1]["--preset"] == started[0]["--preset"]
    assert started[1]["--out"] == str(plate.parent / "plate-flow-2-control")
    assert dock.status.text().startswith("started plate-flow-2-control")
    click(qtbot, dock.repeats.control_button)
    assert started[2]["--out"] == str(plate.parent / "plate-flow-2-control-2")


def test_several_trainings_cost_as_many_times_as_much() -> None:
    trial = {"seconds_per_step": 2.0, "steps": 90, "memory": 2**30, "device": "cpu"}
    assert cost_text(trial).startswith("About 3 min for 90 steps (2 s each")
    assert cost_text(trial, 3).startswith("About 9 min for 3 trainings of 90 steps, 3 min each (2 s a step")
