from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.dataset.masks import find_masks, read_masks
from napari_phenotrans.io import write

if TYPE_CHECKING:
    from pathlib import Path

CONDITIONS = ("untreated", "treated")


def labels(seed: int, side: int = 48) -> np.ndarray:
    drawn = np.zeros((side, side), np.uint16)
    for number, (top, left) in enumerate(np.random.default_rng(seed).integers(2, side - 12, (4, 2)), start=1):
        drawn[top : top + 8, left : left + 8] = number
    return drawn


@pytest.fixture
def dataset(tmp_path: Path) -> DataSet:
    for index, condition in enumerate(CONDITIONS):
        for well in range(2):
            drawn = labels(10 * index + well)
            nuclei = gaussian_filter((drawn > 0) * 200.0, 1) + np.random.default_rng(well).normal(20, 1, drawn.shape)
            pixels = np.stack([np.full_like(nuclei, 7), nuclei]).astype(np.uint8)
            write(Image(pixels, "CYX", ("GFP", "DAPI")), tmp_path / "images" / condition / f"A{well}.ome.tif")
            write(Image(drawn, "YX", ("labels",)), tmp_path / "masks" / condition / f"A{well}.tif")
    return DataSet.open(tmp_path / "images", CONDITIONS)


def test_label_images_are_found_by_name_and_brought_to_the_working_size(dataset: DataSet, tmp_path: Path) -> None:
    masks = read_masks(tmp_path / "masks", dataset, dataset.planes(("DAPI",)))
    np.testing.assert_array_equal(masks["treated"][1], labels(11) > 0)
    halved = read_masks(tmp_path / "masks", dataset, dataset.planes(("DAPI",), 2.0))
    assert halved["untreated"][0].shape == (24, 24)
    np.testing.assert_array_equal(halved["untreated"][0], (labels(0) > 0)[1::2, 1::2])


def test_label_images_that_are_missing_or_do_not_fit_are_refused(dataset: DataSet, tmp_path: Path) -> None:
    planes = dataset.planes(("DAPI",))
    with pytest.raises(InputError, match=r"no folder .*elsewhere.*Expected one with the folders untreated, treated"):
        read_masks(tmp_path / "elsewhere", dataset, planes)
    wrong = tmp_path / "masks" / "treated" / "A1.tif"
    write(Image(labels(0, 40), "YX", ("labels",)), wrong, overwrite=True)
    with pytest.raises(InputError, match=r"A1\.tif is no label image of treated/A1\.ome\.tif: it has .*Y 40 × X 40"):
        read_masks(tmp_path / "masks", dataset, planes)
    wrong.unlink()
    with pytest.raises(InputError, match=r"treated/A1\.ome\.tif has no label image: expected .*A1\.tif"):
        read_masks(tmp_path / "masks", dataset, planes)


def test_nuclei_are_found_in_the_channel_whose_name_says_so(dataset: DataSet) -> None:
    planes = dataset.planes(("GFP", "DAPI"))
    masks = find_masks(planes, ("GFP", "DAPI"))
    for index, condition in enumerate(CONDITIONS):
        for well, mask in enumerate(masks[condition]):
            drawn = labels(10 * index + well) > 0
            assert (mask & drawn).sum() / (mask | drawn).sum() > 0.8
    by_name = find_masks(planes, ("GFP", "marker"), "marker")
    np.testing.assert_array_equal(by_name["treated"][0], masks["treated"][0])


def test_a_channel_that_shows_no_nuclei_is_refused(dataset: DataSet) -> None:
    planes = dataset.planes(("GFP", "DAPI"))
    with pytest.raises(InputError, match=r"no channel's name says .*Name one of GFP, marker with --shape-channel"):
        find_masks(planes, ("GFP", "marker"))
    with pytest.raises(InputError, match=r"PH3 is none of the channels"):
        find_masks(planes, ("GFP", "DAPI"), "PH3")
    with pytest.raises(InputError, match=r"No nuclei were found in GFP of untreated, treated"):
        find_masks(planes, ("GFP", "DAPI"), "GFP")
