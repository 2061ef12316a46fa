from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import regionprops

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.dataset.synthetic import organoid
from napari_phenotrans.phenotype.objects.pairs import match
from napari_phenotrans.phenotype.objects.segmentation import (
    ObjectAppearance,
    cut_by_border,
    rings,
    scikit_image_finder,
    squares,
)


@pytest.fixture
def look(make_cells) -> ObjectAppearance:
    return ObjectAppearance.of([make_cells(seed)[0].astype(np.float32) for seed in range(3)])


def test_the_diameter_is_that_of_the_nuclei(look: ObjectAppearance) -> None:
    assert look.diameter == pytest.approx(10, abs=1.5)
    assert 8 < look.background < look.least < 60


def test_every_nucleus_is_found_dim_ones_as_large_as_bright_ones(make_cells, look: ObjectAppearance) -> None:
    find = scikit_image_finder(look)
    plane = make_cells(7)[0].astype(np.float32)
    bright = find(plane)
    dim = find(10 + (plane - 10) * 0.35)
    assert len(np.unique(bright)) - 1 == len(np.unique(dim)) - 1 == 9
    areas = [np.median([region.area for region in regionprops(labels)]) for labels in (bright, dim)]
    assert areas[1] == pytest.approx(areas[0], rel=0.1)


def test_what_else_is_in_the_plane_does_not_change_a_nucleus(make_cells, look: ObjectAppearance) -> None:
    find = scikit_image_finder(look)
    alone, all_of_them = (find(make_cells(3, shown=shown)[0].astype(np.float32)) for shown in ([4], None))
    here = alone == np.unique(alone)[1]
    same = all_of_them == np.bincount(all_of_them[here]).argmax()
    assert (here & same).sum() / (here | same).sum() > 0.9


def test_an_empty_plane_has_no_nuclei(look: ObjectAppearance) -> None:
    noise = np.random.default_rng(0).normal(10, 1.5, (96, 96)).astype(np.float32)
    assert scikit_image_finder(look)(noise).max() == 0
    assert scikit_image_finder(look)(np.zeros((64, 64), np.float32)).max() == 0


def test_dense_tissue_comes_apart() -> None:
    made = organoid(3, size=128)
    plane = made.image.pixels[0].astype(np.float32)
    found = match(made.labels, scikit_image_finder(ObjectAppearance.of([plane]))(plane))
    every = len(np.unique(made.labels)) - 1
    assert (found.overlap > 0.5).sum() > 0.4 * every


@pytest.mark.parametrize("plane", [np.zeros((64, 64)), np.random.default_rng(0).normal(10, 1, (64, 64))])
def test_where_nothing_can_be_found_a_sentence_says_what_to_do(plane: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"--objects none"):
        ObjectAppearance.of([plane])


def test_a_said_diameter_goes_before_the_measured_one(make_cells) -> None:
    assert ObjectAppearance.of([make_cells()[0]], 17.0).diameter == 17.0


def test_squares_cover_the_middle_of_the_plane_once() -> None:
    labels = squares(70, 100, 32)
    assert sorted(np.bincount(labels.ravel())[1:].tolist()) == [1024] * 6
    assert labels[3, 2] == 1
    assert labels[2, 2] == labels[3, 1] == 0
    with pytest.raises(InputError, match=r"does not fit into a field of 20 × 40"):
        squares(20, 40, 32)


def test_a_ring_lies_around_its_object_and_overlaps_no_other() -> None:
    labels = np.zeros((60, 60), np.int32)
    labels[20:30, 10:20], labels[20:30, 22:32] = 1, 2
    ring = rings(labels, 10)
    assert not (ring.astype(bool) & labels.astype(bool)).any()
    assert set(np.unique(ring)) == {0, 1, 2}
    assert ring[25, 9] == 0  # the gap
    assert ring[25, 7] == 1
    assert ring[25, 34] == 2
    assert (ring[15:35, :20] != 2).all()


def test_objects_that_the_border_cuts_are_named() -> None:
    labels = np.zeros((20, 20), int)
    labels[0:3, 5:8], labels[10:13, 10:13], labels[15:20, 18:20] = 1, 2, 3
    assert cut_by_border(labels).tolist() == [1, 3]
