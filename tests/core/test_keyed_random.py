from __future__ import annotations

import numpy as np
import pytest

from napari_phenotrans.core.keyed_random import KeyedRandom


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
