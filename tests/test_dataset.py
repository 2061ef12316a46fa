from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.dataset import Crops, DataSet
from napari_phenotrans.errors import InputError
from napari_phenotrans.image import Image
from napari_phenotrans.intensity import Intensity
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


def crops(planes: dict[str, list[np.ndarray]], size: int = 16, seed: int = 0) -> Crops:
    return Crops(planes, Intensity((0.0, 0.0), (200.0, 200.0)), size, seed)


def test_crops_are_pieces_of_the_planes_in_all_eight_symmetries() -> None:
    one = np.arange(2 * 16 * 16, dtype=np.float32).reshape(2, 16, 16) / 3
    drawn = crops({"a": [one], "b": [one]}).draw("a", 200)
    assert drawn.shape == (200, 2, 16, 16)
    assert len({crop.tobytes() for crop in drawn}) == 8
    np.testing.assert_allclose(np.sort(drawn[0].ravel()), np.sort((one / 100 - 1).ravel()), atol=1e-6)


def test_crops_follow_the_seed() -> None:
    planes = {"a": [plane(0).astype(np.float32)], "b": [plane(1).astype(np.float32)]}
    assert np.array_equal(crops(planes, seed=4).draw("a", 5), crops(planes, seed=4).draw("a", 5))
    assert not np.array_equal(crops(planes, seed=4).draw("a", 5), crops(planes, seed=5).draw("a", 5))


def test_only_crops_that_are_background_in_all_channels_are_drawn_again() -> None:
    half = np.full((2, 32, 64), 10, np.float32)
    half[0, :, 48:] = 150
    drawer = crops({"a": [half], "b": [half]})
    drawn = drawer.draw("a", 100)
    assert (drawn[:, 0].max(axis=(1, 2)) > 0).all()
    assert 0.3 < drawer.rejected["a"] < 0.95
    assert drawer.rejected["b"] == 0


def test_crops_larger_than_a_field_are_refused() -> None:
    small = {"a": [np.zeros((2, 12, 40), np.float32)], "b": [np.zeros((2, 40, 40), np.float32)]}
    with pytest.raises(InputError, match=r"1 planes are smaller than a crop of 16 × 16.*\(12, 40\)"):
        crops(small)
