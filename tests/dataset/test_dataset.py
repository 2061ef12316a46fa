from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.dataset.dataset import DataSet, Table
from napari_phenotrans.io import write

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("DNA", "GFP")


def plane(seed: int, size: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (2, size, size)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = ["file,group,plate"]
    for condition in ("healthy", "sick"):
        for well in range(4):
            for site in range(2):
                name = f"{condition}/w{well}_s{site}.ome.tif"
                write(Image(plane(well), "CYX", NAMES, pixel_size_um=0.5, unit="µm"), tmp_path / name)
                rows.append(f"{name},{condition}-{well},1")
    (tmp_path / "fields.csv").write_text("\n".join(rows))
    (tmp_path / "notes").mkdir()
    (tmp_path / "healthy" / "readme.txt").write_text("no image")
    return tmp_path


def test_folders_of_images_are_conditions(folder: Path) -> None:
    dataset = DataSet.open(folder)
    assert dataset.conditions == ("healthy", "sick")
    assert dataset.count() == {"healthy": 8, "sick": 8}
    assert dataset.channels() == NAMES
    assert dataset.pixel_size_um() == pytest.approx(0.5)
    assert DataSet.open(folder, ["sick", "healthy"]).conditions == ("sick", "healthy")


def test_groups_are_never_split(folder: Path) -> None:
    dataset = DataSet.open(folder)
    for held_out in (0.25, ["healthy-0", "sick-3"]):
        training, held = dataset.split(held_out, seed=3)
        assert held.count() == {"healthy": 2, "sick": 2}
        assert not {f.group for f in training.fields} & {f.group for f in held.fields}
        assert len(training.fields) + len(held.fields) == 16
    assert dataset.split(0.25, seed=1)[1] == dataset.split(0.25, seed=1)[1]
    assert dataset.split(0.0)[1].fields == ()


def save(*paths: Path) -> None:
    for number, path in enumerate(paths):
        write(Image(plane(number, 16), "CYX", NAMES), path)


def test_columns_of_the_table_stay_with_their_fields(folder: Path) -> None:
    field = next(f for f in DataSet.open(folder).fields if f.name == "sick/w2_s1.ome.tif")
    assert (field.condition, field.group, field.grouped, field.columns) == ("sick", "sick-2", True, {"plate": "1"})


def test_a_table_is_read_as_spreadsheets_write_it(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.ome.tif", tmp_path / "a" / "2.ome.tif", tmp_path / "b" / "3.ome.tif")
    rows = "File;Group;day\n1.ome.tif;w;x\nb\\3.ome.tif;;\n./a/2.ome.tif;w; y \n"
    (tmp_path / "fields.csv").write_text(rows, encoding="utf-8-sig")
    dataset = DataSet.open(tmp_path)
    assert [(f.group, f.grouped, f.columns) for f in dataset.fields] == [
        ("w", True, {"day": "x"}),
        ("w", True, {"day": "y"}),
        ("3", False, {"day": ""}),
    ]
    assert dataset.table == Table(tmp_path / "fields.csv")
    (tmp_path / "fields.csv").write_bytes(b"file,group\n\xff,1\n")
    with pytest.raises(InputError, match="no text in UTF-8"):
        DataSet.open(tmp_path)


def test_what_does_not_fit_the_table_is_kept_for_the_check(tmp_path: Path) -> None:
    save(*(tmp_path / c / f"{n}.ome.tif" for c in "abc" for n in (1, 2)), tmp_path / "a" / "3.ome.tif")
    rows = ["file,group", "1.ome.tif,p", "a/2.ome.tif,q", "a/2.ome.tif,r", "gone.tif,s", "c/2.ome.tif,t"]
    (tmp_path / "fields.csv").write_text("\n".join([*rows, "3.ome.tif,u", "c/2.ome.tif,t"]))
    dataset = DataSet.open(tmp_path, ["a", "b"])
    assert dataset.table == Table(
        tmp_path / "fields.csv",
        missing=("gone.tif",),
        ambiguous=("1.ome.tif",),
        repeated=("a/2.ome.tif",),
        unlisted=("a/1.ome.tif", "b/1.ome.tif", "b/2.ome.tif"),
    )
    assert [f.group for f in dataset.fields] == ["a/1.ome.tif", "q", "u", "b/1.ome.tif", "b/2.ome.tif"]


def test_without_a_table_every_field_is_its_own_group(tmp_path: Path) -> None:
    save(*(tmp_path / c / f"plate.1.{n}.ome.tif" for c, n in (("a", "x"), ("a", "y"), ("b", "y"), ("b", "z"))))
    dataset = DataSet.open(tmp_path)
    assert dataset.table is None
    assert [f.group for f in dataset.fields] == [
        "plate.1.x",
        "a/plate.1.y.ome.tif",
        "b/plate.1.y.ome.tif",
        "plate.1.z",
    ]


def test_groups_in_both_conditions_are_held_out_once(tmp_path: Path) -> None:
    names = [f"{c}/{c}{n}.ome.tif" for c in "ab" for n in range(10)]
    save(*(tmp_path / name for name in names))
    rows = [f"{name},patient {name[3]}" for name in names]
    (tmp_path / "fields.csv").write_text("\n".join(["file,group", *rows]))
    for seed in range(5):
        assert DataSet.open(tmp_path).split(0.3, seed)[1].count() == {"a": 3, "b": 3}


def test_a_folder_may_be_held_out(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    save(other / "sick" / "x.ome.tif", other / "more" / "y.ome.tif")
    dataset = DataSet.open(folder)
    held_out = DataSet.open_held_out(other, dataset)
    assert held_out.conditions == dataset.conditions
    assert held_out.count() == {"healthy": 0, "sick": 1}
    with pytest.raises(InputError, match="is the data set that is trained on"):
        DataSet.open_held_out(folder / "sick" / "..", dataset)
    with pytest.raises(InputError, match="does not exist"):
        DataSet.open_held_out(other / "nowhere", dataset)


def test_a_named_condition_may_be_empty_until_it_is_checked(folder: Path) -> None:
    assert DataSet.open(folder, ["healthy", "notes"]).split(0.25)[0].count() == {"healthy": 6, "notes": 0}


def test_what_cannot_be_trained_on_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no data set folder"):
        DataSet.open(folder / "nowhere")
    with pytest.raises(InputError, match="not found: dead"):
        DataSet.open(folder, ["healthy", "dead"])
    with pytest.raises(InputError, match="two or more conditions"):
        DataSet.open(folder, ["healthy"])
    with pytest.raises(InputError, match="does not have: healthy-9"):
        DataSet.open(folder).split(["healthy-9"])
    with pytest.raises(InputError, match="All fields of sick are held out"):
        DataSet.open(folder).split([f"sick-{i}" for i in range(4)])
    with pytest.raises(InputError, match=r"w0_s0.*DNA, GFP, but DAPI was expected"):
        DataSet.open(folder).planes(["DAPI"])
    (folder / "fields.csv").write_text("name,group\na,b\n")
    with pytest.raises(InputError, match="expected at least file and group"):
        DataSet.open(folder)


def test_planes_are_chosen_by_name_and_resampled(folder: Path) -> None:
    planes = DataSet.open(folder).planes(["GFP"], pixel_size=1.0)
    assert planes["sick"][0].shape == (1, 24, 24)
    whole = DataSet.open(folder).planes(["GFP", "DNA"])
    np.testing.assert_array_equal(whole["healthy"][0], plane(0)[::-1])


def test_crops_of_one_image_are_one_group(tmp_path: Path) -> None:
    places = [(y, x) for y in (0, 128) for x in (0, 512)]
    alone = ("A-01_y0128_x0512", "B-01_y1_x2", "max_y2", "C-01_X1-Y3")
    save(
        *(tmp_path / "healthy" / f"{well}_y{y:04}_x{x:04}.ome.tif" for well in ("A-01", "A-02") for y, x in places),
        *(tmp_path / "sick" / f"{name}.ome.tif" for name in alone),
    )
    dataset = DataSet.open(tmp_path)
    assert dataset.groups("healthy") == {"healthy/A-01", "A-02"}
    assert dataset.groups("sick") == {"sick/A-01", "B-01", "max_y2", "C-01"}
    training, held_out = dataset.split(0.5)
    assert not {f.group for f in training.fields} & {f.group for f in held_out.fields}
    assert len([f for f in held_out.fields if f.condition == "healthy"]) == 4


def test_who_says_the_groups_is_believed(tmp_path: Path) -> None:
    save(*(tmp_path / name / f"A-01_y0_x{x}.ome.tif" for name in ("healthy", "sick") for x in (0, 8)))
    lines = [f"healthy/A-01_y0_x{x}.ome.tif,{x}" for x in (0, 8)]
    (tmp_path / "fields.csv").write_text("\n".join(["file,group", *lines]))
    dataset = DataSet.open(tmp_path)
    assert dataset.groups("healthy") == {"0", "8"}
    assert dataset.groups("sick") == {"sick/A-01"}


def plates(tmp_path: Path, layout: dict[str, str], groups: str = "") -> DataSet:
    """Save one field per well, ``a1`` of condition a, on the plates that ``layout`` says."""
    save(*(tmp_path / name[0] / f"{name}.ome.tif" for name in layout))
    rows = [f"{name[0]}/{name}.ome.tif,{groups or name},{plate}" for name, plate in layout.items()]
    (tmp_path / "fields.csv").write_text("\n".join(["file,group,plate", *rows]))
    return DataSet.open(tmp_path)


BOTH = {f"{c}{n}": f"P{n % 3}" for c in "ab" for n in range(6)}


def test_whole_plates_are_held_out(tmp_path: Path) -> None:
    dataset = plates(tmp_path, BOTH)
    for seed in range(3):
        # a fifth of three plates is less than one: one is held out all the same
        training, held_out = dataset.split(0.2, seed, by="plate")
        (plate,) = {f.columns["plate"] for f in held_out.fields}
        assert held_out.count() == {"a": 2, "b": 2}
        assert plate not in {f.columns["plate"] for f in training.fields}
        assert {f.group for f in held_out.fields} < set(BOTH)
    training, held_out = dataset.split(["P0", "P2"], by="plate")
    assert {f.columns["plate"] for f in training.fields} == {"P1"}
    assert dataset.split(0.0, by="plate")[1].count() == {"a": 0, "b": 0}


def test_plates_that_cannot_be_held_out_are_said(tmp_path: Path) -> None:
    dataset = plates(tmp_path / "both", BOTH)
    with pytest.raises(InputError, match=r"does not say the day of a/a0.*beside file and group: plate"):
        dataset.split(0.2, by="day")
    with pytest.raises(InputError, match="No whole plate can be held out: b has one only"):
        plates(tmp_path / "one", {"a1": "P1", "a2": "P2", "b1": "P1", "b2": "P1"}).split(0.2, by="plate")
    with pytest.raises(InputError, match="The group w has fields of plate P0, P1, P2"):
        plates(tmp_path / "torn", BOTH, groups="w").split(0.2, by="plate")
