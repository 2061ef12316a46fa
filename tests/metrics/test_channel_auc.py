"""Channels whose difference is known: by texture, by brightness alone, by nothing; and what a group's own look does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.metrics.channel_auc import auc_between, shape_features
from napari_phenotrans.metrics.groups import Features

GROUPS, CROPS = 8, 10


def textured(rng: np.random.Generator, fineness: float, gain: float = 1.0, offset: float = 20.0) -> np.ndarray:
    """Blobs of one size under a camera's shot noise, (CROPS, 48, 48)."""
    blobs = gaussian_filter(rng.normal(size=(CROPS, 48, 48)), (0, fineness, fineness))
    light = 300 * np.clip(blobs / blobs.std(), 0, None)
    return rng.poisson(gain * light + offset).astype(np.float32)


def condition(seed: int, name: str, fineness: float = 3.0, **more: float) -> Features:
    """A condition's features; each group has a fineness of its own as well."""
    rng = np.random.default_rng(seed)
    own = rng.normal(0, 0.1, GROUPS)
    rows = np.concatenate([shape_features(textured(rng, fineness * np.exp(each), **more)) for each in own])
    return Features(rows, np.repeat([f"{name}{number}" for number in range(GROUPS)], CROPS))


def test_a_texture_tells_conditions_apart() -> None:
    area = auc_between(condition(0, "a", 3.0), condition(1, "b", 4.5))
    assert area.value > 0.9
    assert area.low is not None and area.high is not None
    assert 0.8 < area.low < area.value < area.high <= 1


def test_brightness_and_offset_alone_do_not() -> None:
    areas = [
        auc_between(condition(seed, "a"), condition(seed + 100, "b", gain=0.4, offset=60.0)).value for seed in range(4)
    ]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.1)
    # what is taken out is there: one threshold on the mean tells all of them
    rng = np.random.default_rng(0)
    assert textured(rng, 3.0).mean((1, 2)).min() > textured(rng, 3.0, gain=0.4).mean((1, 2)).max()


def test_where_nothing_differs_half_is_the_mean_and_the_interval_holds_it() -> None:
    areas = [auc_between(condition(seed, "a"), condition(seed + 100, "b")) for seed in range(6)]
    # what is particular to a group is no help with another: leaving crops out instead of groups gives 0.9 here
    assert np.mean([area.value for area in areas]) == pytest.approx(0.5, abs=0.1)
    held = [area.low <= 0.5 <= area.high for area in areas if area.low is not None and area.high is not None]
    assert np.mean(held) >= 0.6


def test_features_know_no_level_and_no_gain() -> None:
    crops = textured(np.random.default_rng(0), 3.0)
    np.testing.assert_allclose(shape_features(crops), shape_features(7 * crops - 300), atol=1e-3)
    assert shape_features(crops).shape == (CROPS, 17)


def test_groups_of_one_name_are_left_out_together() -> None:
    # each patient looks like nobody else, and the same in both conditions
    rng = np.random.default_rng(0)
    patients = rng.normal(size=(5, 3))
    sides = [
        Features(np.repeat(patients, 8, axis=0) + 0.01 * rng.normal(size=(40, 3)), np.repeat(np.arange(5), 8))
        for _ in range(2)
    ]
    assert auc_between(*sides).value == pytest.approx(0.5, abs=0.1)


def test_too_few_groups() -> None:
    a, b = condition(0, "a"), condition(1, "b", 4.5)
    two = auc_between(a.of(a.names[:2]), b)
    assert two.value > 0.8
    assert two.low is None
    with pytest.raises(InputError, match="two groups or more of each condition"):
        auc_between(a.of(a.names[:1]), b)
