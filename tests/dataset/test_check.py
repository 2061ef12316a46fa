from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from skimage.draw import disk

from napari_phenotrans.core.image import Image
from napari_phenotrans.core.settings import TrainingSettings
from napari_phenotrans.dataset.check import FieldSeen, check, check_each
from napari_phenotrans.dataset.check_report import BINS, Report
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.dataset.synthetic import write_dataset
from napari_phenotrans.io import write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.dataset.check_report import Problem

NAMES = ("GFP", "DAPI")
CONDITIONS = ("healthy", "sick")


def cells(seed: int, size: int = 80, radius: int = 7) -> np.ndarray:
    """Eight round nuclei in a ring, in both channels, under camera noise."""
    rng = np.random.default_rng(seed)
    plane = np.full((2, size, size), 100.0)
    for angle in np.arange(8) * np.pi / 4 + rng.uniform(0, 0.3):
        center = size / 2 + 0.33 * size * np.array([np.sin(angle), np.cos(angle)])
        plane[:, *disk(center, radius, shape=(size, size))] += rng.uniform(800, 1200)
    return rng.poisson(plane).astype(np.uint16)


def put(path: Path, pixels: np.ndarray, channels: tuple[str, ...] = NAMES, size_um: float | None = 0.5) -> None:
    axes = "CYX" if pixels.ndim == 3 else "ZCYX"
    unit = "µm" if size_um else "pixel"
    write(Image(pixels, axes, channels, pixel_size_um=size_um, unit=unit), path, overwrite=True)


def make(folder: Path, groups: int = 5, first: int = 0, size_um: float | None = 0.5, **shape: int) -> Path:
    for condition in CONDITIONS:
        for number in range(groups):
            seed = first + 100 * CONDITIONS.index(condition) + number
            put(folder / condition / f"{condition}{first + number}.ome.tif", cells(seed, **shape), size_um=size_um)
    return folder


def look(folder: Path, held_out: DataSet | None = None, **said: Any) -> Report:
    settings = TrainingSettings.make(**({"crop": 64} | said))
    return check(DataSet.open(folder, settings.conditions), held_out, settings)


def only(report: Report, severity: str = "error") -> Problem:
    (problem,) = report.problems
    assert problem.severity == severity
    return problem


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path / "set")


def test_nothing_is_said_against_a_good_data_set(folder: Path) -> None:
    report = look(folder)
    assert report.problems == ()
    assert report.channels == NAMES
    assert (report.pixel_size, report.unit, report.crop) == (0.5, "um", 64)
    healthy = report.conditions[0]
    assert (healthy.condition, healthy.fields, healthy.groups, healthy.planes) == ("healthy", 5, 5, 5)
    assert (healthy.smallest, healthy.largest, healthy.dtypes) == ((80, 80), (80, 80), ("uint16",))
    assert healthy.pixel_sizes_um == (0.5,)
    pixels = np.concatenate([cells(seed)[1].ravel() for seed in range(5)])
    np.testing.assert_allclose(healthy.percentiles["DAPI"], np.percentile(pixels, (1, 50, 99, 99.9)), rtol=0.02)


def test_the_report_is_printed_as_tables(folder: Path) -> None:
    training, held_out = DataSet.open(folder).split(["sick1", "healthy2"])
    text = "\n".join(check(training, held_out, TrainingSettings.make(crop=64, channels=("DAPI",))).lines())
    assert "sick       4       4       1 in 1    4       80 × 80  0.5 µm      uint16  GFP, DAPI" in text
    assert "GFP      healthy" not in text
    assert "crop        64 × 64 working pixels (32 µm)" in text
    assert "warning: healthy has 4 groups" in text


def test_synthetic_organoids_can_be_trained_on(tmp_path: Path) -> None:
    training, held_out = DataSet.open(write_dataset(tmp_path, 6, size=128)).split(0.2)
    report = check(training, held_out, TrainingSettings.make())
    assert report.problems == ()
    assert report.nucleus == pytest.approx(8, abs=1.5)


def test_a_pixel_size_is_proposed_at_which_a_nucleus_has_25_pixels(tmp_path: Path) -> None:
    report = look(make(tmp_path, size=240, radius=25))
    assert report.nucleus == pytest.approx(25, abs=1)
    assert report.proposed == pytest.approx(1.0, abs=0.04)
    assert report.pixel_size == 0.5
    assert "a nucleus is 50 working pixels wide; proposed: --pixel-size" in "\n".join(report.lines())


def test_no_pixel_size_is_proposed_that_is_finer_than_the_files_or_without_nuclei(folder: Path) -> None:
    assert look(folder).nucleus == pytest.approx(7, abs=0.5)
    assert look(folder).proposed == 0.5
    for condition in CONDITIONS:
        for number, path in enumerate(sorted((folder / condition).iterdir())):
            ramp = np.linspace(0, 1000 + 10 * number + len(condition), 80 * 80).reshape(80, 80)
            put(path, np.stack([ramp, ramp.T]).astype(np.uint16))
    assert look(folder).proposed is None


def test_damaged_files_are_named_and_the_others_read(folder: Path) -> None:
    (folder / "sick" / "sick1.ome.tif").write_bytes(b"II*\0no TIFF")
    (folder / "sick" / "sick9.ome.tif").write_bytes(b"")
    report = look(folder)
    problem = only(report)
    assert problem.files == ("sick/sick1.ome.tif", "sick/sick9.ome.tif")
    assert "cannot be read (2)" in problem.what
    assert report.conditions[1].planes == 4


def test_unequal_channels_and_the_common_ones(folder: Path) -> None:
    put(folder / "sick" / "sick1.ome.tif", cells(1000), ("DAPI", "RFP"))
    problem = only(look(folder))
    assert problem.files == ("sick/sick1.ome.tif",)
    assert "DAPI, RFP, where GFP, DAPI is expected" in problem.what
    assert problem.do == "Say --channels DAPI."
    assert look(folder, channels=("DAPI",)).problems == ()
    assert len(only(look(folder, channels=("DAPI", "PH3"))).files) == 10


def test_channels_in_another_order_are_found_by_name(folder: Path) -> None:
    put(folder / "sick" / "sick1.ome.tif", cells(1000), NAMES[::-1])
    assert look(folder).problems == ()
    put(folder / "sick" / "sick1.ome.tif", cells(1000), ("DAPI", "DAPI"))
    assert any("occurs twice: DAPI, DAPI" in problem.what for problem in look(folder).errors)


def test_unequal_pixel_sizes(folder: Path) -> None:
    put(folder / "sick" / "sick1.ome.tif", cells(1000), size_um=0.51)
    assert look(folder).problems == ()
    put(folder / "sick" / "sick1.ome.tif", cells(1000), size_um=0.65)
    report = look(folder)
    assert report.pixel_size is None
    assert only(report).files == ("sick/sick1.ome.tif",)
    assert only(report).do == "Say --pixel-size 0.65, to which all are resampled."
    assert look(folder, pixel_size=0.6).problems == ()


def test_unknown_pixel_sizes(folder: Path, tmp_path: Path) -> None:
    put(folder / "sick" / "sick1.ome.tif", cells(1000), size_um=None)
    assert only(look(folder, pixel_size=0.5)).files == ("sick/sick1.ome.tif",)
    report = look(make(tmp_path / "unknown", size_um=None))
    assert "No file states its pixel size" in only(report, "warning").what
    assert (report.pixel_size, report.unit) == (1.0, "pixel")


@pytest.mark.parametrize(("pixel_size", "crop", "says"), [(None, 84, "--crop 80"), (1.0, 64, "--crop 40")])
def test_crops_must_fit_the_smallest_field(folder: Path, pixel_size: float | None, crop: int, says: str) -> None:
    assert look(folder, pixel_size=pixel_size, crop=int(says[7:])).problems == ()
    problem = only(look(folder, pixel_size=pixel_size, crop=crop))
    assert len(problem.files) == 10
    assert says in problem.do


def test_fields_too_small_for_any_crop(folder: Path) -> None:
    assert "smaller --pixel-size" in only(look(folder, pixel_size=2.0)).do


def test_pixels_must_be_finite(folder: Path) -> None:
    pixels = cells(1000).astype(np.float32)
    for condition in CONDITIONS:
        for number, path in enumerate(sorted((folder / condition).iterdir())):
            put(path, cells(200 * len(condition) + number).astype(np.float32))
    pixels[1, 5, 5] = np.nan
    put(folder / "sick" / "sick1.ome.tif", pixels)
    assert only(look(folder)).files == ("sick/sick1.ome.tif",)


def test_the_same_pixels_twice(folder: Path, tmp_path: Path) -> None:
    put(folder / "sick" / "sick4.ome.tif", cells(100))
    assert only(look(folder), "warning").files == ("sick/sick0.ome.tif = sick/sick4.ome.tif",)
    put(folder / "sick" / "sick4.ome.tif", cells(2))
    assert only(look(folder)).files == ("healthy/healthy2.ome.tif = sick/sick4.ome.tif",)
    assert "two conditions" in only(look(folder)).what
    put(folder / "sick" / "sick4.ome.tif", cells(104))
    other = make(tmp_path / "other", groups=1, first=50)
    put(other / "sick" / "again.ome.tif", np.stack([cells(900), cells(104)]))
    held_out = DataSet.open_held_out(other, DataSet.open(folder))
    problem = only(look(folder, held_out))
    assert problem.files == ("sick/sick4.ome.tif = sick/again.ome.tif",)
    assert "training and held-out" in problem.what


def test_empty_planes_are_no_duplicates(folder: Path) -> None:
    for number, condition in enumerate(CONDITIONS):
        pixels = np.stack([np.full((2, 80, 80), 100, np.uint16), cells(700 + number)])
        put(folder / condition / "stack.ome.tif", pixels)
    assert look(folder).problems == ()


def test_conditions_need_fields_and_groups(folder: Path) -> None:
    (folder / "dead").mkdir()
    assert only(look(folder, conditions=("healthy", "sick", "dead"))).what == "dead has no fields."
    names = [f"{c}/{c}{n}.ome.tif" for c in CONDITIONS for n in range(5)]
    groups = ["a", "a", "a", "a", "a", "b", "b", "b", "c", "d"]
    (folder / "fields.csv").write_text("file,group\n" + "\n".join(map(",".join, zip(names, groups, strict=True))))
    error, warning = look(folder).problems
    assert (error.severity, warning.severity) == ("error", "warning")
    assert "healthy has a single group" in error.what
    assert "sick has 3 groups" in warning.what


def test_held_out_folders_have_every_condition_and_groups_of_their_own(folder: Path, tmp_path: Path) -> None:
    put(tmp_path / "other" / "sick" / "new.ome.tif", cells(1000))
    held_out = DataSet.open_held_out(tmp_path / "other", DataSet.open(folder))
    assert only(look(folder, held_out)).what == "The held-out folder has no fields of healthy."
    put(tmp_path / "other" / "healthy" / "healthy0.ome.tif", cells(1001))
    for place, name in ((folder, "sick0"), (tmp_path / "other", "new")):
        (place / "fields.csv").write_text(f"file,group\n{name}.ome.tif,A01\n")
    held_out = DataSet.open_held_out(tmp_path / "other", DataSet.open(folder))
    (error,) = look(folder, held_out).errors
    assert error.files == ("sick/new.ome.tif",)
    assert "A01" in error.what


def test_a_condition_without_held_out_groups_cannot_be_scored(folder: Path) -> None:
    training, held_out = DataSet.open(folder).split(["sick1"])
    warnings = check(training, held_out, TrainingSettings.make(crop=64)).warnings
    assert any(problem.what.startswith("No group of healthy is held out") for problem in warnings)
    assert look(folder, replace(held_out, fields=())).problems == ()


def test_blank_fields(folder: Path) -> None:
    noise = np.random.default_rng(0).normal(200, 25, (2, 80, 80)).astype(np.uint16)
    put(folder / "sick" / "sick1.ome.tif", noise)
    put(folder / "sick" / "sick2.ome.tif", np.zeros((2, 80, 80), np.uint16))
    one_channel = cells(1000)
    one_channel[0] = 100
    put(folder / "sick" / "sick3.ome.tif", one_channel)
    assert only(look(folder), "warning").files == ("sick/sick1.ome.tif", "sick/sick2.ome.tif")


def test_a_channel_of_one_value(folder: Path) -> None:
    for condition in CONDITIONS:
        for number, path in enumerate(sorted((folder / condition).iterdir())):
            pixels = cells(200 * len(condition) + number)
            pixels[0] = 7
            put(path, pixels)
    assert "GFP holds one single value" in only(look(folder)).what
    assert look(folder, channels=("DAPI",)).problems == ()


@pytest.mark.parametrize("limit", [65535, 900])
def test_saturated_fields(folder: Path, limit: int) -> None:
    gain = 100 if limit == 65535 else 1
    pixels = np.minimum(cells(1000).astype(np.int64) * [[[1]], [[gain]]], [[[65535]], [[limit]]])
    put(folder / "sick" / "sick1.ome.tif", pixels.astype(np.uint16))
    problem = only(look(folder), "warning")
    assert problem.files == ("sick/sick1.ome.tif",)
    assert "DAPI is saturated" in problem.what


def test_few_gray_levels_are_not_taken_for_saturation(folder: Path) -> None:
    for condition in CONDITIONS:
        for number, path in enumerate(sorted((folder / condition).iterdir())):
            put(path, (cells(200 * len(condition) + number) // 60).astype(np.uint16))
    assert look(folder).problems == ()


def test_mixed_dtypes_sizes_and_counts(folder: Path) -> None:
    put(folder / "sick" / "sick1.ome.tif", (cells(1000) // 8).astype(np.uint8))
    assert only(look(folder), "warning").files == ("sick/sick1.ome.tif",)
    put(folder / "sick" / "sick1.ome.tif", cells(1000, size=160))
    assert "80 × 80 (healthy/healthy0.ome.tif) to 160 × 160 (sick/sick1" in only(look(folder), "warning").what
    put(folder / "sick" / "sick1.ome.tif", cells(1000))
    for number in range(10):
        put(folder / "sick" / f"more{number}.ome.tif", cells(1001 + number))
    assert "healthy 5, sick 15" in only(look(folder), "warning").what


def table(folder: Path, *columns: str, row: Callable[[str, int], str]) -> None:
    rows = [f"{c}/{c}{n}.ome.tif,{c}-{n // 2},{row(c, n)}" for c in CONDITIONS for n in range(10)]
    (folder / "fields.csv").write_text("\n".join([",".join(["file", "group", *columns]), *rows]))


def test_a_column_that_tells_the_condition_is_named(tmp_path: Path) -> None:
    def row(condition: str, n: int) -> str:
        sick = condition == "sick"
        plate = f"P{1 + 2 * sick + (n > 4)}"
        day = "Monday" if sick and n > 0 else "Tuesday"
        return ",".join([plate, "ABCDE"[n % 5], day, f"{condition}-{n // 2}", f"t{n}{sick}", condition, "20x"])

    make(tmp_path, groups=10)
    table(tmp_path, "plate", "row", "day", "well", "time", "state", "lens", row=row)
    plate, day = look(tmp_path).problems
    assert (plate.severity, day.severity) == ("warning", "warning")
    assert "column plate of fields.csv tells the conditions apart: healthy from sick, always" in plate.what
    assert "(healthy: P1, P2; sick: P3, P4)" in plate.what
    assert "column day of fields.csv tells the conditions apart: healthy from sick, for 95 % of the fields" in day.what
    assert "may learn plate in its place" in plate.do


def test_a_column_is_no_problem_where_conditions_share_its_values(tmp_path: Path) -> None:
    make(tmp_path, groups=10)
    table(tmp_path, "plate", row=lambda condition, n: "P1" if (condition == "sick") ^ (n < 3) else "P2")
    assert look(tmp_path).problems == ()


def test_a_table_that_does_not_fit_is_reported(folder: Path) -> None:
    (folder / "sick" / "healthy0.ome.tif").write_bytes((folder / "sick" / "sick4.ome.tif").read_bytes())
    (folder / "sick" / "sick4.ome.tif").unlink()
    rows = ["file,group", "healthy0.ome.tif,a", "sick1.ome.tif,b", "sick1.ome.tif,c", "sick17.ome.tif,d"]
    (folder / "fields.csv").write_text("\n".join(rows))
    assert [(p.severity, p.files[0], len(p.files)) for p in look(folder).problems] == [
        ("error", "healthy0.ome.tif", 1),
        ("error", "sick/sick1.ome.tif", 1),
        ("warning", "sick17.ome.tif", 1),
        ("warning", "healthy/healthy0.ome.tif", 9),
    ]


def test_every_problem_is_listed_at_once(tmp_path: Path) -> None:
    folder = make(tmp_path / "set", groups=3)
    sick = folder / "sick"
    for number in range(10):
        put(sick / f"more{number}.ome.tif", cells(300 + number))
    (sick / "more0.ome.tif").write_bytes(b"II*\0no TIFF")
    put(sick / "more1.ome.tif", cells(301), ("DAPI", "RFP"))
    put(sick / "more2.ome.tif", cells(302), size_um=0.65)
    put(sick / "more3.ome.tif", np.where(cells(303) < 150, np.nan, cells(303)).astype(np.float32))
    put(sick / "more4.ome.tif", cells(0))
    put(sick / "more5.ome.tif", cells(306))
    put(sick / "more7.ome.tif", np.full((2, 80, 80), 100, np.uint16))
    put(sick / "more8.ome.tif", np.minimum(cells(308), 500))
    put(sick / "more9.ome.tif", cells(309, size=160))
    put(sick / "unknown.ome.tif", cells(310), size_um=None)
    rows = [f"{path.relative_to(folder)},g{i % 4},{path.parent.name[0]}" for i, path in enumerate(folder.glob("*/*"))]
    (folder / "fields.csv").write_text("\n".join(["file,group,plate", *rows, "gone.tif,g,h"]))
    put(tmp_path / "other" / "sick" / "other.ome.tif", cells(309, size=160))
    (folder / "dead").mkdir()
    training = DataSet.open(folder, (*CONDITIONS, "dead"))
    held_out = DataSet.open_held_out(tmp_path / "other", training)
    report = check(training, held_out, TrainingSettings.make(crop=128))
    text = "\n".join(report.lines())
    for severity, said in (
        ("error", "cannot be read"),
        ("error", "Channels are unequal"),
        ("error", "Pixel sizes are unequal"),
        ("error", "Pixel sizes are unknown"),
        ("error", "smaller (15) than a crop of 128 × 128"),
        ("error", "not finite"),
        ("error", "dead has no fields"),
        ("error", "The held-out folder has no fields of healthy"),
        ("error", "in training and held-out fields"),
        ("error", "in two conditions"),
        ("warning", "in two fields of one condition"),
        ("warning", "groups to train on"),
        ("warning", "blank"),
        ("warning", "saturated"),
        ("warning", "very different sizes"),
        ("warning", "unbalanced"),
        ("warning", "different dtypes"),
        ("warning", "lists files that are not there"),
        ("warning", "column plate"),
    ):
        assert any(p.severity == severity and said in p.what for p in report.problems), said
    assert [p.severity for p in report.problems] == ["error"] * len(report.errors) + ["warning"] * len(report.warnings)
    assert all(str(problem) in text for problem in report.problems)
    assert "--channels DAPI" in text
    assert "--pixel-size 0.65" in text
    assert "--crop 80" in text


def test_fields_are_told_one_by_one_and_intensities_per_condition(tmp_path: Path) -> None:
    data = DataSet.open(make(tmp_path / "data", 2))
    *seen, report = check_each(data, None, TrainingSettings.make(crop=64))
    assert isinstance(report, Report)
    assert [(event.done, event.total) for event in seen if isinstance(event, FieldSeen)] == [
        (number, 4) for number in (1, 2, 3, 4)
    ]
    assert set(report.histograms) == set(NAMES)
    for histogram in report.histograms.values():
        assert set(histogram.shares) == set(CONDITIONS)
        for shares in histogram.shares.values():
            assert len(shares) == BINS == len(histogram.edges) - 1
            assert sum(shares) == pytest.approx(1)
        # background under camera noise about 100, nuclei about 1100
        assert histogram.edges[0] < 100 < 1000 < histogram.edges[-1]


def test_plates_that_training_and_held_out_fields_share_are_remarked(tmp_path: Path) -> None:
    make(tmp_path, groups=10)
    table(tmp_path, "plate", "row", row=lambda condition, n: f"P{n // 2 % 2},{'AB'[n // 2 % 2]}")
    dataset = DataSet.open(tmp_path)
    settings = TrainingSettings.make(crop=64)
    (remark,) = check(*dataset.split(0.2), settings).remarks
    assert "of the same plate as training fields" in remark and "--split-by plate" in remark
    assert check(*dataset.split(0.2, by="plate"), settings).remarks == ()
    assert check(dataset, None, settings).remarks == ()
