from __future__ import annotations

import numpy as np
import pytest

from napari_phenotrans.core.keyed_random import SQUARE, KeyedRandom, plane_noise
from napari_phenotrans.core.region import Region


def test_numbers_do_not_depend_on_how_a_batch_is_divided() -> None:
    whole = KeyedRandom(7, 3, 0, 6)
    parts = [KeyedRandom(7, 3, 0, 2), KeyedRandom(7, 3, 2, 4)]
    for draw in (
        lambda chance: chance.normal("noise", 3, 2),
        lambda chance: chance.uniform("gain"),
        lambda chance: chance.integers("turn", 8),
    ):
        np.testing.assert_array_equal(draw(whole), np.concatenate([draw(part) for part in parts]))


@pytest.mark.parametrize("other", [KeyedRandom(8, 3, 0, 2), KeyedRandom(7, 4, 0, 2), KeyedRandom(7, 3, 2, 2)])
def test_seed_step_and_place_each_change_the_numbers(other: KeyedRandom) -> None:
    assert not np.isin(other.normal("noise", 4), KeyedRandom(7, 3, 0, 2).normal("noise", 4)).any()


def test_purposes_do_not_share_numbers() -> None:
    chance = KeyedRandom(7, 3, 0, 2)
    assert not np.isin(chance.normal("noise", 4), chance.normal("mask", 4)).any()


def test_distributions() -> None:
    chance = KeyedRandom(0, 0, 0, 50)
    normal, uniform, integers = chance.normal("a", 400), chance.uniform("b", 400), chance.integers("c", 8, 400)
    assert normal.dtype == uniform.dtype == np.float32
    assert abs(normal.mean()) < 0.02
    assert abs(normal.std() - 1) < 0.02
    assert 0 <= uniform.min() < 0.001 < 0.999 < uniform.max() < 1
    assert set(integers.ravel()) == set(range(8))
    # neighboring places and steps are as independent as any
    rows = np.corrcoef(np.concatenate([normal[:5], KeyedRandom(0, 1, 0, 5).normal("a", 400)]))
    assert np.abs(rows - np.eye(10)).max() < 0.2


def test_a_region_gets_the_noise_of_its_place_in_the_plane() -> None:
    whole = plane_noise(3, 1, 2, Region(0, 0, 2 * SQUARE + 5, 3 * SQUARE))
    for region in (Region(0, 0, 7, 9), Region(SQUARE - 1, 2 * SQUARE - 3, 6, 10), Region(130, 1, 3, 190)):
        np.testing.assert_array_equal(plane_noise(3, 1, 2, region), whole[:, *region.slices])


def test_noise_of_a_plane_is_normal_and_its_own_for_each_seed_sample_channel_and_place() -> None:
    square = Region(0, 0, SQUARE, SQUARE)
    first = plane_noise(0, 1, 2, Region(0, 0, 4 * SQUARE, 4 * SQUARE))
    assert first.dtype == np.float32
    assert abs(first.mean()) < 0.01
    assert abs(first.std() - 1) < 0.01
    for other in (
        plane_noise(1, 1, 1, square),
        plane_noise(0, 2, 1, square),
        first[:1, SQUARE : 2 * SQUARE, :SQUARE],
        first[:1, :SQUARE, SQUARE : 2 * SQUARE],
        first[1:, :SQUARE, :SQUARE],
    ):
        assert abs(np.corrcoef(other.ravel(), first[0, :SQUARE, :SQUARE].ravel())[0, 1]) < 0.05
