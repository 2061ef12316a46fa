"""What is scored: crops of folders and runs, groups, limits, and what does not fit together."""

from __future__ import annotations

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.evaluation.inputs import EvaluationSet
from napari_phenotrans.evaluation.sources import from_folders
from napari_phenotrans.io import write


def plane(seed: int, height: int = 64, width: int = 80, shift: float = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(100, 10, (2, height, width)) + shift).astype(np.float32)


def save(path, pixels: np.ndarray, channels=("DNA", "GFP"), size: float | None = None) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    write(Image(pixels, "CYX", channels=channels, pixel_size_um=size), path)


def compared(*folders, **more) -> EvaluationSet:
    *_, last = from_folders(*folders, **more)
    return last


@pytest.fixture
def folders(tmp_path):
    for index in range(3):
        save(tmp_path / "treated" / f"{index}.ome.tif", plane(index, shift=20))
        save(tmp_path / "untreated" / f"{index}.ome.tif", plane(10 + index))
        save(tmp_path / "results" / f"{index}_translated.ome.tif", plane(10 + index, shift=15))
        save(tmp_path / "results" / f"{index}_difference.ome.tif", plane(10 + index))
    return tmp_path


def test_crops_lie_side_by_side_and_translated_ones_belong_to_what_they_were_made_from(folders):
    material = compared(folders / "treated", folders / "results", folders / "untreated", crop=32)
    (each,) = material.comparisons
    assert material.channels == ("DNA", "GFP")
    assert [len(side) for side in (each.real, each.translated, each.source)] == [3, 3, 3]
    assert [cut.group for cut in each.translated] == [cut.group for cut in each.source]
    assert not {cut.group for cut in each.real} & {cut.group for cut in each.source}
    crops = each.source[1].crops()
    assert crops.shape == (4, 2, 32, 32)
    assert crops.dtype == np.float32
    # the middle of the plane, in the data set's limits
    expected = plane(11)[:, 0:64, 8:72]
    low, high = material.about["limits"]["DNA"]
    np.testing.assert_allclose((crops[0, 0] + 1) / 2 * (high - low) + low, expected[0, :32, :32], rtol=1e-3)
    np.testing.assert_allclose(each.translated[1].crops() - crops, 15 * 2 / (high - low), rtol=0.1)
    assert {name: fit.shape for name, fit in material.fit.items()} == {
        "real": (12, 2, 32, 32), "source": (12, 2, 32, 32),
    }  # fmt: skip


def test_limits_come_from_real_images_alone(folders):
    before = compared(folders / "treated", folders / "results", folders / "untreated", crop=32)
    for index in range(3):
        (folders / "results" / f"{index}_translated.ome.tif").unlink()
        save(folders / "results" / f"{index}_translated.ome.tif", plane(10 + index, shift=9000))
    after = compared(folders / "treated", folders / "results", folders / "untreated", crop=32)
    assert after.about["limits"] == before.about["limits"]


def test_a_data_set_to_fit_to_may_be_named(folders):
    material = compared(folders / "treated", folders / "results", fit=folders, crop=32)
    assert set(material.fit) == {"results", "treated", "untreated"}
    assert material.comparisons[0].source is None
    assert material.notes == ()


def test_groups_come_from_the_table_beside_the_folder(folders):
    lines = [f"{folder}/{i}.ome.tif,well {i % 2}" for folder in ("treated", "untreated") for i in range(3)]
    (folders / "fields.csv").write_text("\n".join(["file,group", *lines]))
    (each,) = compared(folders / "treated", folders / "results", folders / "untreated", crop=32).comparisons
    for side in (each.real, each.translated, each.source):
        assert [cut.group for cut in side] == ["well 0", "well 1", "well 0"]


def test_translated_images_of_other_names_are_said_to_stand_alone(folders):
    (folders / "results" / "2_translated.ome.tif").rename(folders / "results" / "odd_translated.ome.tif")
    material = compared(folders / "treated", folders / "results", folders / "untreated", crop=32)
    assert any("1 of 3 translated images are not named after a source image" in note for note in material.notes)
    assert "translated odd_translated" in {cut.group for cut in material.comparisons[0].translated}


def test_most_crops_are_spread_over_all_fields(folders):
    material = compared(folders / "treated", folders / "results", folders / "untreated", crop=32, crops=5)
    for side in (material.comparisons[0].real, material.comparisons[0].translated):
        assert len(side) == 3
        assert sum(len(cut.indices) for cut in side) == sum(len(cut.crops()) for cut in side) == 5


def test_a_working_pixel_size_resamples_all_alike(folders):
    for folder in ("treated", "untreated"):
        for index in range(3):
            save(folders / "sized" / folder / f"{index}.ome.tif", plane(index, 128, 160), size=0.5)
    for index in range(3):
        save(folders / "sized" / "results" / f"{index}_translated.ome.tif", plane(index), size=1.0)
    sized = folders / "sized"
    with pytest.raises(InputError, match=r"different pixel sizes: real 0\.5 µm, translated 1 µm.*--pixel-size"):
        compared(sized / "treated", sized / "results", sized / "untreated", crop=32)
    material = compared(sized / "treated", sized / "results", sized / "untreated", crop=32, pixel_size=1.0)
    assert [len(cut.indices) for cut in material.comparisons[0].real] == [4, 4, 4]
    assert [len(cut.indices) for cut in material.comparisons[0].translated] == [4, 4, 4]


def test_what_does_not_fit_together_is_refused_with_what_to_do(folders):
    real, translated = folders / "treated", folders / "results"
    with pytest.raises(InputError, match=r"--real .* is no folder"):
        compared(folders / "gone", translated)
    (folders / "empty").mkdir()
    with pytest.raises(InputError, match=r"--translated .* holds no image"):
        compared(real, folders / "empty")
    with pytest.raises(InputError, match=r"No crop of 96 × 96 fits.*\(64, 80\).*smaller --crop"):
        compared(real, translated, crop=96)
    save(folders / "other" / "0_translated.ome.tif", plane(0), channels=("DNA", "RFP"))
    with pytest.raises(InputError, match=r"\(translated\) has the channels DNA, RFP, but GFP was expected"):
        compared(real, folders / "other", crop=32)
    assert compared(real, folders / "other", channels=("DNA",), crop=32).channels == ("DNA",)


def test_pixels_that_are_no_numbers_are_refused(folders):
    broken = plane(0)
    broken[0, 20, 20] = np.nan
    (folders / "results" / "0_translated.ome.tif").unlink()
    save(folders / "results" / "0_translated.ome.tif", broken)
    material = compared(folders / "treated", folders / "results", crop=32)
    assert isinstance(material, EvaluationSet)
    with pytest.raises(InputError, match="not finite"):
        [cut.crops() for cut in material.comparisons[0].translated]
