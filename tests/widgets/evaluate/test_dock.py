"""The evaluate dock, used as its user does: from a dropped folder to a nucleus behind a number."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_phenotrans.core.image import Image
from napari_phenotrans.io import write
from napari_phenotrans.phenotype.objects.catalog import Measurement
from napari_phenotrans.phenotype.objects.measure import Scale
from napari_phenotrans.phenotype.objects.pairs import Pairs
from napari_phenotrans.phenotype.objects.tables import Place, Table
from napari_phenotrans.phenotype.result import PhenotypeReport, Repeat
from napari_phenotrans.phenotype.selection import Subject
from napari_phenotrans.phenotype.statistics.verdicts import judge
from napari_phenotrans.runs.record import fields_to
from napari_phenotrans.widgets.common.plot import load_pyqtgraph
from napari_phenotrans.widgets.evaluate.dock import EvaluateDock
from napari_phenotrans.widgets.evaluate.labels_as_objects import LabelsAsObjects
from napari_phenotrans.widgets.viewer.layer_info import path_of
from tests.widgets.gestures import click, drop

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_phenotrans.widgets.evaluate.point_plot import PointPlot

    Open = Callable[[], EvaluateDock]

WAIT_MS = 240_000
CHANNELS = ("DNA", "GFP")
CONDITIONS = ("untreated", "drug")
SIZE, GROUPS = (64, 92), 5
CENTERS = [(y, x) for y in (18, 46) for x in (18, 46, 74)]


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six nuclei per field, of any brightness; GFP is about twice as bright in them where the drug is."""
    folder = tmp_path_factory.mktemp("evaluate") / "plate"
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    for condition, gain in zip(CONDITIONS, (1, 2), strict=True):
        for number in range(GROUPS):
            planes = np.full((2, *SIZE), 10.0)
            for top, left in CENTERS:
                jitter = rng.uniform(-3, 3, 2)
                inside = (y - top - jitter[0]) ** 2 + (x - left - jitter[1]) ** 2 < rng.uniform(5, 7) ** 2
                planes[:, inside] = [[rng.uniform(60, 90)], [gain * rng.uniform(20, 40)]]
            pixels = rng.poisson(planes).clip(0, 255).astype(np.uint8)
            image = Image(pixels, "CYX", CHANNELS, pixel_size_um=0.5, unit="µm")
            write(image, folder / condition / f"{condition[0].upper()}{number}.ome.tif")
    return folder


@pytest.fixture(autouse=True)
def _keep_measurements(plate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test has measured, the next one need not."""
    monkeypatch.setattr("napari_phenotrans.features.cache.default_folder", lambda: plate.parent / "cache")


@pytest.fixture
def open_evaluate(make_napari_viewer: Callable[[], Viewer], qtbot: QtBot) -> Open:
    """Return a function that opens a viewer and the dock as napari does, and waits for torch."""

    def open_it() -> EvaluateDock:
        viewer = make_napari_viewer()
        dock = EvaluateDock(viewer)
        viewer.window.add_dock_widget(dock, name="Evaluate (Phenotype translation)")
        qtbot.waitUntil(lambda: dock.devices.loaded, timeout=WAIT_MS)
        return dock

    return open_it


@pytest.fixture
def small(plate: Path, tmp_path: Path) -> Path:
    """Two fields of each condition: too few groups to judge, and soon done."""
    for condition in CONDITIONS:
        (tmp_path / "small" / condition).mkdir(parents=True)
        for number in (0, 1):
            name = f"{condition[0].upper()}{number}.ome.tif"
            shutil.copy(plate / condition / name, tmp_path / "small" / condition / name)
    return tmp_path / "small"


@pytest.fixture
def dock(open_evaluate: Open, small: Path, checkpoint: Path, qtbot: QtBot) -> EvaluateDock:
    """The dock with a small data set and the checkpoint dropped on it."""
    dock = open_evaluate()
    drop(dock, small, checkpoint)
    qtbot.waitUntil(lambda: dock.status.text().startswith("ready"), timeout=WAIT_MS)
    return dock


@pytest.fixture
def judged(plate: Path) -> PhenotypeReport:
    """A report of three made-up measurements, of which the engine follows one, misses one, and invents one."""
    rng = np.random.default_rng(1)
    names = [Measurement(f"m{i}", words, "intensity") for i, words in enumerate(("followed", "missed", "invented"))]
    count, objects = 6, 8
    drawn = rng.normal(0, 1, (count * objects, 3))
    shifts = {"source": (0, 0, 0), "target": (5, 5, 0), "translated": (5, 0, 5), "source again": (0, 0, 0)}

    def table(shift: tuple[int, ...], group: str) -> Table:
        plane = np.repeat(np.arange(count), objects)
        values = drawn + shift
        return Table(
            places=tuple(Place(f"untreated/{group}{index}.ome.tif", f"{group}{index}") for index in range(count)),
            plane=plane,
            labels=np.tile(np.arange(1, objects + 1), count),
            centers=rng.uniform(10, 50, (len(plane), 2)),
            columns=tuple(names),
            values=values,
            plane_columns=(Measurement("f", "of the field", "field", per_field=True),),
            plane_values=np.arange(float(count))[:, None],
        )

    tables = {role: table(shift, "D" if role == "target" else "U") for role, shift in shifts.items()}
    rows = np.arange(count * objects)
    nothing = np.zeros(0, int)
    return PhenotypeReport(
        source="untreated",
        target="drug",
        channels=CHANNELS,
        objects="nuclei",
        subject=Subject({"source": [], "target": []}, {}, frozenset(), "why"),
        scale=Scale((0.0, 0.0), (200.0, 200.0), 12.0, 0.5),
        tables=tables,  # type: ignore[arg-type]
        pairs=Pairs(rows, rows, np.ones(len(rows)), nothing, nothing),
        thresholds={},
        effects=judge(tables),  # type: ignore[arg-type]
        control=None,
        truth=None,
        confounders=(),
        notices=(),
        gallery=(),
    )


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What the browser was asked to open."""
    urls: list[Path] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: urls.append(Path(url.toLocalFile())))
    return urls


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Return a function that says what the next folder dialog is answered with."""
    return lambda path: monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(path))


def make_report(dock: EvaluateDock, qtbot: QtBot) -> None:
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: "the report is made" in dock.status.text(), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: dock.effects is not None and dock.effects.effect is not None, timeout=WAIT_MS)


def settle(dock: EvaluateDock, plot: PointPlot) -> None:
    """Let a plot be where it will stay, and its axes reach as far as they will."""
    dock.area.ensureWidgetVisible(plot)
    QApplication.processEvents()
    plot.plot.getViewBox().updateAutoRange()
    QApplication.processEvents()


def click_point(qtbot: QtBot, dock: EvaluateDock, plot: PointPlot, number: int) -> None:
    """Click on a point of a plot, two pixels beside its middle."""
    settle(dock, plot)
    where = plot.where(number)
    assert where is not None
    scene = plot.plot.getViewBox().mapViewToScene(QPointF(*where))
    at = plot.graphics.mapFromScene(scene) + QPoint(2, 0)
    qtbot.mouseMove(plot.graphics.viewport(), at)
    qtbot.mouseClick(plot.graphics.viewport(), Qt.MouseButton.LeftButton, pos=at)


def lonely(plot: PointPlot) -> np.ndarray:
    """Return the numbers of the points that no other is near on the screen, so that a click means them."""
    (numbers,) = plot.points.values()
    wide, high = plot.plot.getViewBox().viewPixelSize()
    places = np.array([plot.where(int(number)) for number in numbers]) / (wide, high)
    away = np.linalg.norm(places[:, None] - places[None], axis=2) + np.eye(len(places)) * 1e9
    return numbers[away.min(axis=1) > 6]


def test_from_a_dropped_folder_to_a_nucleus(dock: EvaluateDock, qtbot: QtBot, opened: list[Path]) -> None:
    assert dock.data.dataset.about.text() == "small: drug 2, untreated 2 fields"
    assert (dock.data.conditions.source, dock.data.conditions.target) == CONDITIONS
    assert dock.sections["Report"].isHidden()
    make_report(dock, qtbot)
    assert not dock.sections["Report"].isHidden()
    dock.viewer.window.show()
    effects, report = dock.effects, dock.result
    assert effects is not None and report is not None
    shown = list(dock.viewer.layers)

    # What it says: the effects, what to read first, and what cannot be told.
    assert any("No control engine was given" in text for text in dock.read_first.texts)
    assert any("gives effect sizes only" in text for text in dock.read_first.texts)
    assert any("never measured" in text for text in dock.limits.texts)
    (numbers,) = effects.plot.points.values()
    assert len(numbers) == sum(not row.measurement.per_field for row in report.effects.rows)

    # A measurement is chosen by its point, and its floors stand beside its numbers.
    settle(dock, effects.plot)
    number = int(lonely(effects.plot)[-1])
    click_point(qtbot, dock, effects.plot, number)
    assert effects.effect is report.effects.rows[number]
    said = effects.summary.text()
    assert report.effects.rows[number].measurement.words in said
    assert "random halves of one condition differ by" in said
    assert "its own error is" in said
    effects.box.setEditText("GFP, nucleus: mean intensity")
    qtbot.keyClick(effects.box.lineEdit(), Qt.Key.Key_Return)
    assert "GFP, nucleus: mean intensity: too few groups" in effects.summary.text()

    # Two objects of different fields, by clicks on their points: each is ringed, and is the one that was measured.
    paired = effects.paired
    assert paired is not None and len(paired.rows) == 2 * len(CENTERS)
    settle(dock, effects.objects)
    fields: dict[str, int] = {}
    for one in lonely(effects.objects):
        fields.setdefault(paired.location(int(one)).field, int(one))
    assert len(fields) > 1
    marks: tuple[Any, ...] = ()
    for one in list(fields.values())[:2]:
        dock.status.setText("")
        click_point(qtbot, dock, effects.objects, one)
        qtbot.waitUntil(lambda: "real on the left" in dock.status.text(), timeout=WAIT_MS)
        spot = paired.location(one)
        rows = dock.object_view.comparison.rows
        assert [path_of(row.real) for row in rows] == [spot.path, spot.path]
        assert dock.object_view.comparison.view == "composites"
        y, x = dock.object_view.marks[0].data[0]
        for mark in dock.object_view.marks:
            np.testing.assert_allclose(mark.data, [[y, x]])
            assert mark.visible and tuple(mark.scale) == (0.5, 0.5)
        # the GFP around the ring's middle, before and after, is what the point says (in the unit of the limits)
        inner = np.s_[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3]
        before, after = (float(layer.data[inner].mean()) / 200 for layer in (rows[1].real, rows[1].translated))
        assert before == pytest.approx(paired.before[one], abs=0.02)
        assert after == pytest.approx(paired.after[one], abs=0.02)
        assert spot.field in effects.object_label.text()
        np.testing.assert_allclose(dock.viewer.scene.camera.center[-2:], [0.5 * y, 0.5 * x])
        # used again, in a cell each
        assert not marks or dock.object_view.marks == marks
        marks = dock.object_view.marks
        places = [dock.viewer.layers.index(mark) for mark in marks]
        assert [place // len(rows) % 2 for place in places] == [0, 1]

    # The next one by a button, and away again.
    dock.status.setText("")
    click(qtbot, effects.next_button)
    qtbot.waitUntil(lambda: "real on the left" in dock.status.text(), timeout=WAIT_MS)
    assert dock.object_view.marks == marks
    click(qtbot, dock.leave_button)
    assert not dock.object_view.marks
    assert not dock.viewer.canvas.grid.enabled
    assert not [
        layer.name for layer in dock.viewer.layers if layer not in shown and layer.visible and "–" in layer.name
    ]

    # The page, written when it is wanted.
    click(qtbot, dock.open_button)
    qtbot.waitUntil(lambda: bool(opened), timeout=WAIT_MS)
    assert "Phenotype report: untreated" in opened[0].read_text(encoding="utf-8")


def test_a_first_look_is_shown_while_the_rest_is_measured(
    open_evaluate: Open, plate: Path, checkpoint: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_phenotrans.widgets.evaluate.report_pace.LEAST_S", 0.0)
    dock = open_evaluate()
    drop(dock, plate, checkpoint)
    qtbot.waitUntil(lambda: dock.status.text().startswith("ready"), timeout=WAIT_MS)
    assert dock.status.text() == "ready: 10 fields; a first look comes after 4 of them"
    said: list[str] = []
    answers: list[str] = []
    show_progress, show_report = dock.show_progress, dock._show_report
    monkeypatch.setattr(dock, "show_progress", lambda share, text: (said.append(text), show_progress(share, text)))
    monkeypatch.setattr(dock, "_show_report", lambda *a: (show_report(*a), answers.append(dock.answer.text())))
    make_report(dock, qtbot)
    # a count never goes beyond all there are
    counts = [re.search(r"(\d+) of (\d+)", text) for text in said]
    assert {(int(found[1]), int(found[2])) for found in counts if found} == {(done, 10) for done in range(11)}
    assert len(answers) == 2
    assert answers[0].startswith("A first look at 4 of 10 fields")
    assert "first look" not in answers[1] and dock.result is not None and dock.result.first_look is None
    # what was chosen in the first look stays so when the whole report takes its place
    whole, files, made_with = dock.result, dock.files, dock._made_with
    assert made_with is not None and dock.effects is not None
    show_report(replace(whole, first_look=(4, 10)), files, made_with[0])
    qtbot.waitUntil(lambda: dock.effects.table.rowCount() > 0 and dock.effects.effect is not None, timeout=WAIT_MS)
    dock.effects.choose(7)
    scrolled: list[str] = []
    monkeypatch.setattr(dock, "_scroll_to", scrolled.append)
    show_report(whole, files, made_with[0])
    for _ in dock._filling:
        pass
    assert dock.effects.effect is whole.effects.rows[7]
    assert scrolled == []

    # what other trainings say stands beside the answer, and is not folded away with the rest
    assert not dock.believed.texts
    again = Repeat.of("again", whole.effects, whole.effects)
    show_report(replace(whole, repeats=(again, again)), files, made_with[0])
    (sentence,) = dock.believed.texts
    assert "come out again in 3 of 3 trainings" in sentence or "nothing could come out 3 times" in sentence
    assert sentence not in dock.in_short.texts

    # and the next report is known to take its time
    dock.data.conditions.choose(*CONDITIONS)
    assert re.fullmatch(r"ready: 10 fields, about .* s; a first look comes after 4 of them", dock.status.text())


def test_every_measurement_is_drawn_as_it_was_judged(judged: PhenotypeReport, qtbot: QtBot) -> None:
    load_pyqtgraph()
    from napari_phenotrans.widgets.evaluate.effects_panel import EffectsPanel

    panel = EffectsPanel()
    qtbot.addWidget(panel)
    panel.show_report(judged)
    panel.show()
    names = {
        verdict: [judged.effects.rows[number].measurement.words for number in numbers]
        for verdict, numbers in panel.plot.points.items()
    }
    assert names == {"reproduced": ["followed"], "missed": ["missed"], "suspected invention": ["invented"]}
    assert panel.boxes["suspected invention"].text() == "suspected invention (1)"
    place = panel.plot.where(int(panel.plot.points["suspected invention"][0]))
    assert place is not None
    assert abs(place[0]) < 0.5 < 2 < place[1]
    panel.boxes["missed"].click()
    assert "missed" not in panel.plot.points

    # Whole fields have a scale of their own.
    panel.fields_box.click()
    assert [len(numbers) for numbers in panel.plot.points.values()] == [1]
    panel.fields_box.click()
    assert "missed" in panel.plot.points

    # The table says the same, and a click on a row chooses.
    rows = [panel.table.item(2 * row, 0).text() for row in range(panel.table.rowCount() // 2)]
    assert any(row.startswith("invented") and row.endswith("suspected invention") for row in rows)
    place_of = next(row for row, text in enumerate(rows) if text.startswith("invented"))
    rect = panel.table.visualItemRect(panel.table.item(2 * place_of + 1, 1))
    qtbot.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())
    assert panel.effect is not None and panel.effect.measurement.words == "invented"
    for theme in ("light", "dark"):
        panel.set_theme(theme)


def test_whole_crops_and_a_report_that_is_kept(
    dock: EvaluateDock, tmp_path: Path, qtbot: QtBot, answer: Callable[[Path], None], opened: list[Path]
) -> None:
    dock.data.objects_box.setCurrentIndex(dock.data.objects_box.findData("none"))
    answer(tmp_path / "kept")
    click(qtbot, dock.data.out.button)
    make_report(dock, qtbot)
    assert str(tmp_path / "kept") in dock.status.text()
    click(qtbot, dock.open_button)
    assert opened == [tmp_path / "kept" / "report.html"]

    # A whole field is shown without a ring.
    assert dock.effects is not None and dock.result is not None
    number = next(i for i, row in enumerate(dock.result.effects.rows) if row.measurement.per_field)
    dock.effects.box.activated.emit(number)
    assert "2 fields" in dock.effects.object_label.text()
    click(qtbot, dock.effects.next_button)
    qtbot.waitUntil(lambda: "real on the left" in dock.status.text(), timeout=WAIT_MS)
    assert [len(mark.data) for mark in dock.object_view.marks] == [0, 0]

    # Another report does not take its place unasked.
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: any("exists already" in text for text in dock.notices.texts), timeout=WAIT_MS)
    dock.data.replace_box.click()
    make_report(dock, qtbot)


def test_scores_stand_beside_floor_and_copy_source(
    open_evaluate: Open, plate: Path, checkpoint: Path, qtbot: QtBot
) -> None:
    dock = open_evaluate()
    drop(dock, plate, checkpoint)
    qtbot.waitUntil(lambda: dock.status.text().startswith("ready"), timeout=WAIT_MS)
    click(qtbot, dock.scores.button)
    qtbot.waitUntil(lambda: dock.status.text() == "done", timeout=WAIT_MS)
    table = dock.scores.table
    block, anchored, turned = (table.topLevelItem(index) for index in range(table.topLevelItemCount()))
    assert block is not None and anchored is not None and turned is not None
    assert turned.text(0) == "untreated → drug · features: the same upside down"
    assert turned.child(0).text(0).startswith("turned disagreement, ") and "0.0" in turned.child(0).text(1)
    assert block.text(0) == "untreated → drug · features: profile"
    assert anchored.text(0) == "untreated → drug · features: profile, background subtracted"
    lines = {block.child(i).text(0): block.child(i) for i in range(block.childCount())}
    kid = lines["kid, all channels"]
    assert all(kid.text(column) not in ("", "–") for column in (1, 2, 3))
    assert "crops" in kid.child(0).text(0)
    assert "5 groups on each side" in kid.toolTip(0)
    # what the gate says of the fields that were scored
    assert any(text.startswith("On these fields, untreated → drug, ") for text in dock.pictures.notices.texts)
    # what the report says of its fields is said here, too
    assert any("fitted to the real images that are scored" in text for text in dock.scores.notes.texts)
    for box in dock.scores.features.boxes.values():
        box.setChecked(False)
    click(qtbot, dock.scores.button)
    assert "Choose what is compared" in dock.notices.texts[-1]


def test_cancel_stops_before_the_next_plane(dock: EvaluateDock, qtbot: QtBot, gate: Any) -> None:
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: gate.reached.acquire(blocking=False), timeout=WAIT_MS)
    assert not dock.bar.isHidden()
    click(qtbot, dock.cancel_button)
    gate.open()
    qtbot.waitUntil(lambda: "cancelled" in dock.status.text(), timeout=WAIT_MS)
    assert dock.bar.isHidden()
    assert dock.result is None
    assert gate.evaluations <= 2


def test_what_is_missing_is_said(
    open_evaluate: Open,
    plate: Path,
    checkpoint: Path,
    save_checkpoint: Callable[..., Path],
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    dock = open_evaluate()
    click(qtbot, dock.start_button)
    assert dock.notices.texts == ["Choose a data set, or drop one here."]
    drop(dock, tmp_path)
    qtbot.waitUntil(lambda: "two or more conditions are needed" in dock.data.dataset.about.text(), timeout=WAIT_MS)
    drop(dock, plate, checkpoint)
    qtbot.waitUntil(lambda: dock.status.text().startswith("ready"), timeout=WAIT_MS)
    dock.data.conditions.choose("drug", "drug")
    click(qtbot, dock.start_button)
    assert "Choose two conditions" in dock.notices.texts[-1]

    # A checkpoint of other conditions, then one of other channels.
    drop(dock, save_checkpoint("other", channels=CHANNELS, conditions=("healthy", "diseased")))
    dock.data.conditions.choose("healthy", "diseased")
    click(qtbot, dock.start_button)
    assert "plate has no healthy and no diseased" in dock.notices.texts[-1]
    drop(dock, save_checkpoint("stain", channels=("Hoechst 33342", "GFP"), conditions=CONDITIONS))
    assert dock.status.text() == "Say which channel is Hoechst 33342."
    (box,) = dock.data._channel_boxes.values()
    box.setCurrentIndex(box.findData("DNA"))
    box.activated.emit(box.currentIndex())
    assert dock.status.text().startswith("ready")
    assert dock.data.channels == {"Hoechst 33342": "DNA"}


def test_a_dropped_run_names_data_set_and_checkpoint(
    open_evaluate: Open, plate: Path, checkpoint: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    import json

    from napari_phenotrans.dataset.dataset import DataSet

    run = tmp_path / "run"
    run.mkdir()
    training, held_out = DataSet.open(plate, CONDITIONS).split(("U0", "D0"))
    decided = {"engine": "shift", "settings": {}, "conditions": list(CONDITIONS)}
    decided |= {"training": fields_to(training), "held-out": fields_to(held_out)}
    (run / "run.json").write_text(json.dumps(decided), encoding="utf-8")
    dock = open_evaluate()
    drop(dock, run)
    assert "no checkpoint yet" in dock.notices.texts[-1]
    checkpoint.rename(run / "best.safetensors")
    drop(dock, run)
    qtbot.waitUntil(lambda: dock.status.text().startswith("ready"), timeout=WAIT_MS)
    assert dock.data.checkpoints.name == str(run / "best.safetensors")
    assert dock.data.contents is not None and dock.data.contents.folder == plate


def test_labels_layers_are_the_objects(dock: EvaluateDock, qtbot: QtBot) -> None:
    dock.data.objects_box.setCurrentIndex(dock.data.objects_box.findData("labels"))
    labels = np.zeros(SIZE, int)
    for number, (top, left) in enumerate(CENTERS):
        labels[top - 4 : top + 4, left - 4 : left + 4] = number + 1
    for number in (0, 1):
        dock.viewer.add_labels(labels, name=f"U{number}")
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: any("2 of 4 fields have no Labels layer" in t for t in dock.notices.texts), timeout=WAIT_MS)
    for number in (0, 1):
        dock.viewer.add_labels(labels, name=f"D{number}")
    make_report(dock, qtbot)
    assert dock.result is not None
    assert sorted(set(dock.result.tables["source"].labels)) == list(range(1, len(CENTERS) + 1))
    area = dock.result.tables["translated"]
    column = next(i for i, m in enumerate(area.columns) if m.key == "AreaShape_Area")
    np.testing.assert_allclose(area.values[:, column], area.values[0, column])


def test_a_labels_layer_belongs_to_the_field_it_is_named_after(tmp_path: Path) -> None:
    from napari.components import ViewerModel

    from napari_phenotrans.core.errors import InputError
    from napari_phenotrans.dataset.dataset import DataSet

    pixels = np.zeros((2, 8, 9), np.uint8)
    for condition in CONDITIONS:
        write(Image(pixels, "CYX", CHANNELS), tmp_path / condition / "A01.ome.tif")
    fields = DataSet.open(tmp_path, CONDITIONS).fields
    viewer = ViewerModel()
    viewer.add_labels(np.ones((8, 9), int), name="A01")
    with pytest.raises(InputError, match="not clear whose objects"):
        LabelsAsObjects(viewer).check(fields)
    viewer.layers[0].name = "drug/A01"
    with pytest.raises(InputError, match="1 of 2 fields have no Labels layer: untreated/A01"):
        LabelsAsObjects(viewer).check(fields)
    viewer.add_labels(np.full((8, 9), 2), name="untreated/A01")
    known = LabelsAsObjects(viewer)
    known.check(fields)
    assert {one.condition: int(known(one, 0, 0).max()) for one in fields} == {"drug": 1, "untreated": 2}  # type: ignore[union-attr]
    viewer.layers[1].data = np.ones((9, 8), int)
    with pytest.raises(InputError, match=r"shape \(9, 8\), the image \(8, 9\)"):
        LabelsAsObjects(viewer).check(fields)


def test_a_nucleus_is_found_in_a_stack_of_another_pixel_size(
    dock: EvaluateDock, well: Path, checkpoint: Path, qtbot: QtBot
) -> None:
    from napari_phenotrans.widgets.evaluate.paired_objects import ObjectLocation
    from napari_phenotrans.widgets.translate.jobs import Recipe

    card = dock.data.checkpoints.card
    assert card is not None
    recipe = Recipe(str(checkpoint), *CONDITIONS, device="cpu")
    # measured at 1 µm per pixel, where the file has 0.5; in the second of its planes
    spot = ObjectLocation(well, "untreated/well.ome.tif", 0, 1, (10, 20), 8.0, 1.0)
    dock.object_view.show(spot, card, recipe, {})
    qtbot.waitUntil(lambda: bool(dock.object_view.marks), timeout=WAIT_MS)
    for mark in dock.object_view.marks:
        np.testing.assert_allclose(mark.data, [[1, 20.5, 40.5]])
        np.testing.assert_allclose(mark.size, 1.8 * 8 * 2)
    assert dock.viewer.dims.current_step[0] == 1
    # what is there already is not translated again
    layers = list(dock.viewer.layers)
    with qtbot.waitSignal(dock.object_view.shown, timeout=WAIT_MS):
        dock.object_view.show(ObjectLocation(well, spot.field, 0, 1, (3, 4), 8.0, 1.0), card, recipe, {})
    assert list(dock.viewer.layers) == layers
    np.testing.assert_allclose(dock.object_view.marks[1].data, [[1, 6.5, 8.5]])


def test_a_field_that_is_gone_is_said(dock: EvaluateDock, tmp_path: Path, checkpoint: Path, qtbot: QtBot) -> None:
    from napari_phenotrans.widgets.evaluate.paired_objects import ObjectLocation
    from napari_phenotrans.widgets.translate.jobs import Recipe

    card = dock.data.checkpoints.card
    assert card is not None
    spot = ObjectLocation(tmp_path / "gone.tif", "untreated/gone.tif", 0, 0, (1, 1), 8.0, None)
    dock.object_view.show(spot, card, Recipe(str(checkpoint), *CONDITIONS), {})
    qtbot.waitUntil(lambda: any("gone.tif" in text for text in dock.notices.texts), timeout=WAIT_MS)
    assert not dock.object_view.busy


def test_the_choice_is_remembered(dock: EvaluateDock, open_evaluate: Open, small: Path, checkpoint: Path) -> None:
    dock.viewer.close()
    again = open_evaluate()
    assert again.data.dataset.start_in == str(small)
    assert again.data.checkpoints.name == str(checkpoint)


def test_can_you_tell_asks_with_what_is_chosen(dock: EvaluateDock, checkpoint: Path, qtbot: QtBot) -> None:
    assert any("not judged on held-out fields" in text for text in dock.pictures.notices.texts)
    click(qtbot, dock.pictures.button)
    qtbot.waitUntil(lambda: dock.window_of_crops is not None, timeout=WAIT_MS)
    window = dock.window_of_crops
    assert window is not None
    assert len(window.trial.crops) == 40
    assert sum(crop.translated for crop in window.trial.crops) == 20
    for crop in window.trial.crops:
        qtbot.keyClick(window, Qt.Key.Key_T if crop.translated else Qt.Key.Key_R)
    assert any("a person told 40 of 40 crops apart" in text for text in dock.pictures.notices.texts)
    window.close()
    qtbot.waitUntil(lambda: dock.window_of_crops is None)
