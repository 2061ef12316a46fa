"""Whole reports on small cells whose second stain moves from ring to nucleus; the engine only shifts means."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from markupsafe import escape

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice, Progressed
from napari_phenotrans.core.image import Image
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.features.cache import Cache
from napari_phenotrans.io import read, write
from napari_phenotrans.phenotype.page.figures import object_picture
from napari_phenotrans.phenotype.page.files import write_tables
from napari_phenotrans.phenotype.page.html import page
from napari_phenotrans.phenotype.page.text import about_pictures, pictures_in_short
from napari_phenotrans.phenotype.report import _made, report
from napari_phenotrans.phenotype.request import ReportRequest
from napari_phenotrans.phenotype.result import FirstLook, PhenotypeReport, ReportDone
from napari_phenotrans.phenotype.settings import ReportSettings
from napari_phenotrans.runs.paths import LAST
from napari_phenotrans.training.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.dataset.dataset import Field

pytest.importorskip("cp_measure", reason="the extra 'report' is not installed")

CONDITIONS = ("ring", "nucleus")
GROUPS = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make_cells) -> Path:
    root = tmp_path_factory.mktemp("cells")
    rows = [("file", "group", "plate")]
    for side, condition in enumerate(CONDITIONS):
        for index in range(GROUPS):
            name = f"{condition}/{'ab'[side]}{index}.ome.tif"
            pixels = make_cells(10 * side + index, inside=bool(side))
            write(Image(pixels, "CYX", ("DNA", "GFP"), pixel_size_um=0.5), root / "images" / name)
            rows.append((name, f"{'ab'[side]}{index}", f"plate {side + 1}"))
    with (root / "images" / "fields.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return root


@pytest.fixture(scope="module")
def dataset(folder: Path) -> DataSet:
    return DataSet.open(folder / "images", CONDITIONS)


@pytest.fixture(scope="module")
def trained(folder: Path, dataset: DataSet) -> Path:
    training, held_out = dataset.split(["a0", "b0"])
    settings = ENGINES["shift"].settings.make(steps=4, crop=32, batch=4, save_every=4, score_every=0)
    run = Run(folder / "run", training, "shift", settings, held_out)
    list(run.events())
    return run.folder / LAST


@pytest.fixture(scope="module")
def run_report(folder: Path, dataset: DataSet, trained: Path) -> Callable[..., ReportDone]:
    """Make a report; what was measured once is kept."""

    def make(said: list | None = None, **more) -> ReportDone:
        asked = {"dataset": dataset, "checkpoint": trained, "source": "ring", "target": "nucleus"} | more
        events = list(report(ReportRequest(**asked), cache=Cache(folder / "cache")))
        if said is not None:
            said += events
        assert isinstance(events[-1], ReportDone)
        return events[-1]

    return make


@pytest.fixture(scope="module")
def said() -> list:
    """What the report of `done` says on the way."""
    return []


@pytest.fixture(scope="module")
def done(folder: Path, run_report, said: list) -> ReportDone:
    return run_report(said, out=folder / "out")


@pytest.fixture(scope="module")
def result(done: ReportDone) -> PhenotypeReport:
    return done.report


@pytest.fixture(scope="module")
def html(done: ReportDone) -> str:
    return done.files["page"].read_text(encoding="utf-8")


def test_it_finds_unasked_what_differs(result: PhenotypeReport) -> None:
    first = result.effects.leading[:3]
    assert "GFP: nucleus over ring" in [row.measurement.words for row in first]
    assert all(row.differs for row in first)
    ratio = next(row for row in first if row.measurement.family == "ratio")
    assert ratio.real > 1
    # a shift of the mean moves no stain
    assert ratio.gap.value < 0.5
    assert not any(row.differs for row in result.effects.rows if row.measurement.family == "shape")


def test_the_page_needs_nothing_else_and_has_a_sentence_over_each_table(html: str) -> None:
    assert not re.search(r"<script|<link|src=\"(?!data:)|url\((?!#)|@import", html)
    assert len(html.encode()) < 3_000_000
    assert "@media print" in html
    sections = html.split("<h2")[1:]
    for section in sections:
        if "<table" in section:
            assert "<p>" in section[: section.index("<table")], section[:60]
    for heading in ("In short", "Read this first", "What these data cannot tell", "The same nuclei before and after"):
        assert heading in html
    assert "GFP: nucleus over ring" in html[: html.index("Read this first")]


def test_what_the_pictures_are_like_stands_on_the_first_page(result: PhenotypeReport, html: str) -> None:
    verdict = result.verdict
    assert verdict is not None
    assert verdict.direction == f"{result.source} → {result.target}"
    assert {row.channel for row in verdict.rows} == set(result.channels)
    first_page = html[: html.index("What differs in reality")]
    assert "<h2>The pictures</h2>" in first_page
    for text in (*about_pictures(result), pictures_in_short(verdict), *result.doubts):
        assert escape(text) in first_page
    assert len(about_pictures(result)) == len(verdict.sentences) + len(result.known_pictures)
    # its table, channel by channel
    table = html[html.index("What the pictures are like") :]
    assert "<th>channel</th>" in table
    assert all(f"<td>{channel}</td>" in table for channel in result.channels)


def test_what_coincides_with_the_condition_is_named_first(html: str) -> None:
    first_page = html[: html.index("What differs in reality")]
    assert (
        "plate of fields.csv tells the conditions apart: ring from nucleus, always (ring: plate 1; nucleus: plate 2)"
        in first_page
    )


def test_what_training_saw_comes_from_its_run(result: PhenotypeReport, html: str) -> None:
    assert result.subject.seen == {f"{c}{i}": i > 0 for c in "ab" for i in range(GROUPS)}
    assert len(result.tables["translated"].places) == GROUPS  # one held-out group is too few
    assert "also those that training saw (8 of 10 groups)" in html
    assert result.effects.rows[0].gap_held_out is not None


def test_tables_hold_every_value_and_pair(done: ReportDone) -> None:
    written = {name: path.read_text(encoding="utf-8") for name, path in done.files.items() if name != "page"}
    rows = {name: list(csv.DictReader(text.splitlines())) for name, text in written.items()}
    result = done.report
    assert len(rows["effects"]) == len(result.effects.rows)
    assert rows["effects"][0]["words"] == result.effects.rows[0].measurement.words
    assert float(rows["effects"][0]["real"]) == pytest.approx(result.effects.rows[0].real, rel=1e-4)
    assert len(rows["objects"]) == sum(len(table.labels) for table in result.tables.values())
    assert {row["what"] for row in rows["objects"]} == set(result.tables)
    assert len(rows["planes"]) == 5 * GROUPS
    matched = [row for row in rows["pairs"] if row["source_label"] and row["translated_label"]]
    assert len(matched) == len(result.pairs.before) > 0.9 * len(result.tables["source"].labels)


def test_no_folder_of_this_machine_stands_in_what_is_written(done: ReportDone, folder: Path) -> None:
    """Also of a run, but for its run.json, from which it is resumed."""
    written = [*(folder / "out").rglob("*"), *(folder / "run").rglob("*")]
    files = [file for file in written if file.is_file() and file.name != "run.json"]
    assert len(files) > len(done.files)
    for file in files:
        assert str(folder).encode() not in file.read_bytes(), file.name


def test_weights_are_known_by_name_and_digest(folder: Path) -> None:
    request = SimpleNamespace(
        dated=True,
        dataset=SimpleNamespace(folder=folder),
        labels=None,
        settings=ReportSettings(objects="stardist", weights=str(folder / "my weights")),
    )
    translator = SimpleNamespace(checkpoint=SimpleNamespace(name="mine"), how=SimpleNamespace(model_dump=dict))
    card = SimpleNamespace(engine="shift", attribution="", synthetic=False)
    made = _made(SimpleNamespace(request=request, card=card, translator=translator), SimpleNamespace(description="x"))
    assert made["settings"]["weights"] == "my weights"
    assert str(folder) not in str(made)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(made["date"])).total_seconds()) < 600


def test_a_report_is_dated_where_that_is_asked_for(result: PhenotypeReport, html: str) -> None:
    assert "date" not in result.made
    dated = page(replace(result, made=result.made | {"date": "2026-01-02T03:04:05+00:00"}))
    assert ", 2026-01-02." in dated
    assert dated.replace(", 2026-01-02.", ".").replace("<dt>date</dt><dd>2026-01-02T03:04:05+00:00</dd>", "") == html


def test_where_it_writes_is_tried_before_anything_is_read(dataset: DataSet, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="file is no folder"):
        next(iter(report(ReportRequest(dataset, trained, "ring", "nucleus", out=tmp_path / "file"))))


def test_tables_may_be_parquet(result: PhenotypeReport, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    files = write_tables(result, tmp_path, tables="parquet")
    table = parquet.read_table(files["objects"])
    assert table.num_rows == sum(len(some.labels) for some in result.tables.values())
    assert "Ratio_NucleusOverRing_GFP" in table.column_names


def test_lengths_and_counts_are_in_micrometers(result: PhenotypeReport) -> None:
    rows = {row.measurement.words: row for row in result.effects.rows}
    table = result.tables["source"]
    place = [m.words for m in table.plane_columns].index("nuclei per mm²")
    assert table.plane_values[:, place].mean() == pytest.approx(9 / (72 * 0.5 / 1000) ** 2, rel=0.3)
    # every field has nine: there is no spread to compare by, and what rounding makes of it is none
    assert result.effects.left_out["nuclei per mm²"] == "the same everywhere"
    assert rows["nucleus: area"].measurement.unit == "µm²"
    assert result.thresholds.keys() == {"GFP"}


def test_progress_is_said_and_reading_can_be_stopped(said: list, done: ReportDone, dataset: DataSet, trained) -> None:
    steps = [event for event in said if isinstance(event, Progressed)]
    measured = [(step.done, step.total) for step in steps if step.what == "translating and measuring fields"]
    assert measured == [(done, 2 * GROUPS) for done in range(2 * GROUPS + 1)]
    assert any(isinstance(event, Notice) for event in said)
    calls = []

    def tick() -> None:
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(report(ReportRequest(dataset, trained, "ring", "nucleus"), tick=tick))


def test_a_first_look_comes_from_four_fields_and_its_page_is_replaced(
    said: list, done: ReportDone, run_report, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (look,) = [event for event in said if isinstance(event, FirstLook)]
    place = said.index(look)
    before = [event.done for event in said[:place] if isinstance(event, Progressed) and "fields" in event.what]
    assert before == [0, 1, 2, 3, 4]
    assert look.report.first_look == (4, 2 * GROUPS)
    assert {p.field for p in look.report.tables["source"].places} == {"ring/a0.ome.tif", "ring/a4.ome.tif"}
    assert not look.report.effects.real_tested
    assert done.report.first_look is None
    assert "A first look at 4 of 10 fields" in page(look.report)
    assert "A first look" not in done.files["page"].read_text(encoding="utf-8")
    # the fields stand in their own order all the same
    assert [p.field for p in done.report.tables["source"].places] == [f"ring/a{i}.ome.tif" for i in range(GROUPS)]

    # stopped after it, its page does not stand in the way of the next try
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("napari_phenotrans.phenotype.report.judge_pictures", stop)
        with pytest.raises(KeyboardInterrupt):
            run_report(out=tmp_path / "twice")
    assert "A first look" in (tmp_path / "twice" / "report.html").read_text(encoding="utf-8")
    run_report(out=tmp_path / "twice")
    assert "A first look" not in (tmp_path / "twice" / "report.html").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="exists already"):
        run_report(out=tmp_path / "twice")


def test_a_condition_that_was_recorded_brighter_is_named_first(
    run_report, dataset: DataSet, done: ReportDone, tmp_path: Path
) -> None:
    assert not any("brighter" in text for text in done.report.confounders)
    dim = [replace(field, path=tmp_path / field.path.name) for field in dataset.fields if field.condition == "ring"][:2]
    for field, real in zip(dim, dataset.fields, strict=False):
        image = read(real.path)
        write(replace(image, pixels=(np.asarray(image.pixels) // 5).astype(np.uint8)), field.path)
    bright = [field for field in dataset.fields if field.condition == "nucleus"][:2]
    result = run_report(dataset=replace(dataset, fields=(*dim, *bright))).report
    (said,) = [text for text in result.confounders if "brighter" in text]
    assert said.startswith("nucleus is many times brighter than ring in every channel (DNA ")
    assert "Record and convert all conditions in one way" in said
    assert escape(said) in page(result)


def test_below_five_groups_there_are_sizes_and_the_reason(run_report, dataset: DataSet) -> None:
    few = replace(dataset, fields=tuple(f for f in dataset.fields if f.group[1] in "012"))
    result = run_report(dataset=few).report
    html = page(result)
    assert not result.effects.real_tested
    assert "ring has 3 and nucleus has 3 groups" in html
    assert "below 5 per condition this report gives effect sizes only" in html
    assert "GFP: nucleus over ring" in html[: html.index("Read this first")]
    assert "suspected invention" not in html[: html.index("What these data")].lower()


def test_held_out_fields_alone_can_be_translated(run_report) -> None:
    result = run_report(settings=ReportSettings.make(translate="held-out")).report
    assert {place.group for place in result.tables["translated"].places} == {"a0"}
    assert {place.group for place in result.tables["target again"].places} == {"b0"}
    assert result.effects.real_tested
    assert not result.effects.made_tested


def test_whole_crops_are_measured_where_there_is_nothing_to_find(run_report) -> None:
    result = run_report(settings=ReportSettings.make(objects="none", crop=32)).report
    assert result.objects == "crops"
    assert len(result.tables["source"].labels) == 4 * GROUPS
    assert result.gallery == ()


def test_known_labels_are_measured_in_the_translation_too(run_report) -> None:
    labels = np.kron(np.arange(1, 10).reshape(3, 3), np.ones((24, 24), int))
    labels = np.where(np.kron(np.ones((3, 3), int), np.pad(np.ones((12, 12), int), 6)) > 0, labels, 0)
    result = run_report(labels=lambda field, t, z: labels).report
    assert len(result.tables["translated"].labels) == 9 * GROUPS
    assert set(result.pairs.overlap) == {1.0}
    html = page(result)
    assert "Objects were given" in html
    assert "measured with the objects of the real ones" in html
    assert "are gone after translation" not in html


@pytest.mark.slow
def test_known_labels_go_with_fields_of_another_pixel_size(run_report, dataset: DataSet, tmp_path: Path) -> None:
    fine, coarse = dataset.fields[0], dataset.fields[1]
    pixels = np.asarray(read(fine.path).pixels).repeat(2, axis=1).repeat(2, axis=2)
    path = tmp_path / "ring" / fine.path.name
    write(Image(pixels, "CYX", ("DNA", "GFP"), pixel_size_um=0.25), path)
    mixed = replace(dataset, fields=(replace(fine, path=path), *dataset.fields[1:]))

    def labels(one: Field, t: int, z: int) -> np.ndarray:
        side = 144 if one.path == path else 72
        y, x = np.mgrid[:side, :side] * 72 // side
        return np.where((y % 24 > 5) & (y % 24 < 18) & (x % 24 > 5) & (x % 24 < 18), 1 + y // 24 * 3 + x // 24, 0)

    table = run_report(dataset=mixed, labels=labels).report.tables["source"]
    area = next(index for index, m in enumerate(table.columns) if m.key == "AreaShape_Area")
    assert len(table.labels) == 9 * GROUPS
    # squares of 6 µm, in whatever pixels they were drawn; centers in those that are measured
    np.testing.assert_allclose(table.values[:, area], 36)
    np.testing.assert_allclose(*(table.centers[table.groups == one.group] for one in (fine, coarse)))
    for wrong, expected in (
        (np.ones((72, 71), int), r"ring/a0\.ome\.tif are given in 72 × 71 pixels, but the field has 144 × 144, and is"),
        (np.full((144, 144), -1), "have numbers from -1 to -1: expected 0"),
        (np.full((144, 144), 2**40), "Number them anew"),
    ):
        with pytest.raises(InputError, match=expected):
            run_report(dataset=mixed, labels=lambda one, t, z, wrong=wrong: wrong)


def test_a_control_engine_and_the_truth_are_reported_where_they_are_known(
    dataset: DataSet, run_report, make_cells, tmp_path: Path
) -> None:
    halves = [replace(f, condition=f"half {index % 2}") for index, f in enumerate(dataset.fields) if f.group[0] == "a"]
    settings = ENGINES["shift"].settings.make(steps=8, crop=32, batch=8, save_every=8, score_every=0)
    part = replace(dataset, conditions=("half 0", "half 1"), fields=tuple(halves))
    with pytest.raises(InputError, match=r"run\.json"):
        run_report(control=tmp_path / "control")
    list(Run(tmp_path / "control", part, "shift", settings).events())
    with pytest.raises(InputError, match=r"has no a0\.ome\.tif"):
        run_report(truth=tmp_path)
    for index in range(GROUPS):
        pixels = make_cells(index, inside=True)
        write(Image(pixels, "CYX", ("DNA", "GFP"), pixel_size_um=0.5), tmp_path / f"a{index}.ome.tif")
    result = run_report(control=tmp_path / "control", truth=tmp_path).report
    html = page(result)

    control = result.control
    assert control.conditions == ("half 0", "half 1")
    assert control.groups == (3, 2)
    assert not control.own_groups
    assert "two halves of one condition (3 and 2 groups)" in html

    ratio = next(row for row in result.truth.effects if row.effect.measurement.family == "ratio")
    assert ratio.true == pytest.approx(ratio.effect.real, abs=0.3)
    assert not ratio.covered  # a shift of the mean is far from it, and does not know
    changes = {row.channel: row for row in result.truth.changes}
    assert changes["DNA"].changed == 0
    assert changes["GFP"].changed == len(result.tables["source"].labels)
    assert "Against the truth" in html


def test_what_cannot_be_used_is_refused_in_a_sentence(
    run_report, folder: Path, dataset: DataSet, done: ReportDone, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="exists already"):
        run_report(out=folder / "out")
    with pytest.raises(InputError, match="a report compares two conditions"):
        run_report(target="ring")
    with pytest.raises(InputError, match="no channel 'PH3' to find objects in, only DNA, GFP"):
        run_report(settings=ReportSettings.make(object_channel="PH3"))
    with pytest.raises(InputError, match="StarDist needs weights"):
        run_report(settings=ReportSettings.make(objects="stardist"))
    with pytest.raises(InputError, match="Leave one out"):
        run_report(labels=lambda one, t, z: None, settings=ReportSettings.make(objects="none"))
    with pytest.raises(InputError, match="--positive names PH3"):
        run_report(positive={"PH3": 5.0})
    with pytest.raises(InputError, match="Held-out groups that the data set does not have: z9"):
        run_report(held_out_groups=["z9"])
    with pytest.raises(InputError, match="No held-out fields of both conditions"):
        run_report(held_out_groups=[], settings=ReportSettings.make(translate="held-out"))
    write(Image(np.zeros((1, 64, 64), np.uint8), "CYX", ("DNA",)), tmp_path / "odd" / "ring" / "a0.ome.tif")
    odd = replace(
        dataset, fields=(*dataset.fields[1:], replace(dataset.fields[0], path=tmp_path / "odd/ring/a0.ome.tif"))
    )
    with pytest.raises(InputError, match=r"ring/a0\.ome\.tif: .*GFP"):
        run_report(dataset=odd)
    black = tmp_path / "black"
    for condition in CONDITIONS:
        for index in range(2):
            name = f"{condition}/{condition[0]}{index}.ome.tif"
            write(Image(np.zeros((2, 64, 64), np.uint8), "CYX", ("DNA", "GFP")), black / name)
    with pytest.raises(InputError, match="No objects can be found: the channel is black"):
        run_report(dataset=DataSet.open(black, CONDITIONS))


def test_an_object_is_drawn_before_and_after_in_one_gray_scale() -> None:
    before, after = np.zeros((2, 8, 8)), np.full((2, 8, 8), 100)
    uri = object_picture(before, after, [(0.0, 100.0), (0.0, 200.0)])
    import base64
    from io import BytesIO

    from PIL import Image as Picture

    drawn = np.asarray(Picture.open(BytesIO(base64.b64decode(uri.split(",")[1]))))
    assert drawn.shape == (18, 18)
    assert (drawn[:8, :8] == 0).all()
    assert (drawn[:8, 10:] == 255).all()
    assert (drawn[10:, 10:] == 128).all()
