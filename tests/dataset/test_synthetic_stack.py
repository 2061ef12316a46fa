from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.dataset.synthetic import CHANNELS, CONDITIONS, StackNucleus, organoid, pair, write_dataset
from napari_phenotrans.dataset.synthetic_stack import Stack
from napari_phenotrans.io import read

if TYPE_CHECKING:
    from pathlib import Path

STACK = Stack(planes=7, z_step_um=1.5)


@pytest.fixture(scope="module")
def both():
    return pair(2, size=128, stack=STACK)


def test_a_stack_says_what_it_is(both) -> None:
    image = both.healthy.image
    assert (image.axes, image.channels, image.dtype) == ("ZCYX", CHANNELS, np.uint16)
    assert image.sizes == {"Z": 7, "C": 3, "Y": 128, "X": 128}
    assert (image.z_step_um, image.pixel_size_um, image.unit, image.synthetic) == (1.5, 0.65, "µm", True)
    assert both.healthy.labels.shape == (7, 128, 128)
    assert image.pixels.min() > 20 and image.pixels.max() < 6000


def test_equal_seed_equal_bytes_and_flat_ones_stay_as_they_were(both) -> None:
    again = organoid(2, "diseased", size=128, stack=STACK)
    np.testing.assert_array_equal(again.image.pixels, both.diseased.image.pixels)
    assert again.nuclei == both.diseased.nuclei
    # the sum of a flat organoid's counts before there were stacks
    assert int(organoid(2, size=128).image.pixels.sum(dtype=np.int64)) == 21_096_227


def test_nuclei_are_ellipsoids(both) -> None:
    labels, nuclei = both.healthy.labels, both.healthy.nuclei
    assert all(isinstance(nucleus, StackNucleus) for nucleus in nuclei)
    areas = np.stack([np.bincount(plane.ravel(), minlength=len(nuclei) + 1)[1:] for plane in labels])
    inside = [n for n in nuclei if 12 < n.y < 116 and 12 < n.x < 116 and 1 < n.z < 5 and not n.mitotic]
    assert len(inside) > 10
    widest = [areas[:, n.label - 1].argmax() for n in inside]
    assert np.mean([abs(plane - n.z) for plane, n in zip(widest, inside, strict=True)]) < 0.8
    seen = np.array([(areas[:, n.label - 1] > 0).sum() for n in inside])
    assert seen.min() >= 2 and np.corrcoef(seen, [n.depth for n in inside])[0, 1] > 0.4
    # without a gap, and smaller towards both ends
    for n in inside:
        of_nucleus = areas[:, n.label - 1]
        there = np.flatnonzero(of_nucleus)
        assert len(there) == there[-1] - there[0] + 1
        assert of_nucleus[there[[0, -1]]].max() <= of_nucleus.max()


def test_neighbors_are_alike_and_far_planes_are_not(both) -> None:
    dapi = both.healthy.image.pixels[:, 0].astype(float)
    alike = [np.corrcoef(dapi[3].ravel(), dapi[3 + apart].ravel())[0, 1] for apart in (1, 2, 3)]
    assert alike[0] > 0.75
    assert alike == sorted(alike, reverse=True)


def test_light_reaches_from_plane_to_plane() -> None:
    # half the step shows the same nuclei, with neighbors that are more alike
    fine = organoid(2, size=96, stack=Stack(9, 0.75)).image.pixels[:, 0].astype(float)
    coarse = organoid(2, size=96, stack=Stack(5, 1.5)).image.pixels[:, 0].astype(float)
    change = [np.abs(np.diff(stack, axis=0)).mean() for stack in (fine, coarse)]
    assert change[0] < 0.8 * change[1]
    # the same place is the same in both, but for the camera's noise
    assert np.corrcoef(fine[4].ravel(), coarse[2].ravel())[0, 1] > 0.97


def test_the_disease_takes_whole_nuclei_and_nothing_else(both) -> None:
    healthy, diseased = both.healthy, both.diseased
    np.testing.assert_array_equal(healthy.image.pixels[:, 2], diseased.image.pixels[:, 2])
    removed = [change.label for change in both.changes if change.change == "removed"]
    assert len(removed) > 20
    assert not np.isin(diseased.labels, removed).any()
    kept = [n.label for n in diseased.nuclei if n.present]
    assert set(np.unique(diseased.labels)) - {0} <= set(kept)


@pytest.mark.parametrize(("planes", "step"), [(1, 1.5), (201, 1.5), (5, 0.0), (5, 11)])
def test_what_is_no_stack_is_refused(planes: int, step: float) -> None:
    with pytest.raises(InputError, match="was asked for"):
        Stack(planes, step)


def test_a_data_set_of_stacks(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path, 1, size=64, stack=Stack(3, 2.0))
    for condition in CONDITIONS:
        image = read(folder / condition / "organoid_0001.ome.tif")
        assert (image.axes, image.z_step_um) == ("ZCYX", 2.0)
    rows = list(csv.DictReader((folder / "truth.csv").read_text(encoding="utf-8").splitlines()))
    assert all(float(row["depth"]) > 1 for row in rows)
