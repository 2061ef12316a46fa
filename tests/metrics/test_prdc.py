"""Precision, recall, density, coverage: which way round each is, and fields whose crops are alike."""

from __future__ import annotations

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.metrics import Features
from napari_phenotrans.metrics.prdc import coverage, density, precision, recall


def rows(seed: int, count: int, *centers: float) -> np.ndarray:
    """Draw rows around some of the places on a line."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.1, (count, 4)) + np.resize(centers, (count, 1))


def of(*values: np.ndarray) -> list[Features]:
    return [Features.independent(each) for each in values]


def test_one_of_two_modes_is_precise_but_not_recalled_and_a_third_mode_the_other_way_round():
    real = rows(0, 60, 0, 5)
    missing, invented = of(real, rows(1, 60, 0)), of(real, rows(2, 90, 0, 5, 9))
    assert precision(*missing).value > 0.8
    assert recall(*missing).value < 0.6
    assert coverage(*missing).value < 0.6
    assert density(*missing).value > 0.8
    assert precision(*invented).value < 0.7
    assert recall(*invented).value > 0.8
    assert coverage(*invented).value > 0.8
    assert density(*invented).value < 0.8


def test_an_odd_real_crop_lifts_precision_but_not_density():
    real = np.concatenate([rows(0, 60, 0), [[30.0, 30, 30, 30]]])
    beside = rows(1, 60, 8)
    sides = of(real, beside)
    assert precision(*sides).value > 0.9
    assert density(*sides).value < 0.3


def test_crops_of_one_field_are_no_neighbors_of_each_other(draw_features):
    """Two samples of the same fields' distribution: by rows they look apart, by groups as they are."""
    sides = [draw_features(i, 12, 12, effect=0.8) for i in range(2)]
    alone = of(*(side.values for side in sides))
    for function in (precision, recall, coverage):
        assert function(*sides, resamples=0).value > function(*alone, resamples=0).value + 0.1
        assert function(*sides, resamples=0).value > 0.7


def test_a_group_that_is_larger_than_all_others_together_is_compared_crop_by_crop(draw_features):
    values = draw_features(0, 1, 20).values
    lopsided = Features(values, np.array(["large"] * 18 + ["small"] * 2))
    other = draw_features(1, 4, 5)
    assert precision(lopsided, other).value == precision(Features.independent(values), other).value


def test_blank_crops_are_in_each_others_neighborhood():
    blank = of(np.ones((10, 3)), np.ones((10, 3)))
    assert precision(*blank).value == recall(*blank).value == 1


def test_what_has_too_few_neighbors_is_refused(draw_features):
    real = draw_features(0)
    with pytest.raises(InputError, match="need 4 crops or more on each side, got 3"):
        precision(real, real.rows(np.arange(3)))
    with pytest.raises(InputError, match="need 6 crops"):
        density(real.rows(np.arange(5)), real)
    with pytest.raises(InputError, match="4 and 10 columns"):
        recall(real, real.columns(slice(4)))
