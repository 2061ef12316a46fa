"""Classifier two-sample test: what it tells, what it must not tell, and its p."""

from __future__ import annotations

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.metrics import Features
from napari_phenotrans.metrics.c2st import c2st


def others(side: Features) -> Features:
    """The same crops, of groups that are not the other side's."""
    return Features(side.values, np.char.add("other ", side.groups))


def test_what_one_well_looks_like_is_no_help_with_another(draw_features):
    """Wells that differ much, of one condition: row by row a classifier would know them again."""
    reached, found = [], []
    for seed in range(40):
        sides = draw_features(500 + 2 * seed, 6, effect=2), others(draw_features(501 + 2 * seed, 6, effect=2))
        measured = c2st(*sides, seed=seed)
        reached.append(measured.value)
        found.append(measured.p)
    # a little below a half: without one well the rest of its side lies a little further away from it
    assert 0.38 < np.mean(reached) < 0.52
    assert np.mean(np.array(found) <= 0.05) <= 0.15
    assert 0.3 < np.mean(np.array(found) <= 0.5) < 0.7


def test_a_difference_is_found_whatever_the_number_of_features(draw_features):
    real, translated = draw_features(0, 6), others(draw_features(1, 6, shift=1.0))
    rng = np.random.default_rng(0)
    measured = c2st(real, translated)
    assert 0.9 < measured.low <= measured.value <= measured.high
    assert measured.p < 0.01
    wide = [
        Features(np.hstack([side.values, rng.normal(0, 0.5, (len(side.values), 120))]), side.groups)
        for side in (real, translated)
    ]
    assert c2st(*wide).value > 0.6


def test_turning_features_changes_nothing_with_more_features_than_rows(draw_features):
    """Only distances count there: the coordinates that stand for them must hold all."""
    rng = np.random.default_rng(0)
    wide = [Features(rng.normal(0.1 * i, 1, (18, 80)), np.repeat([f"{i}a", f"{i}b", f"{i}c"], 6)) for i in range(2)]
    value = c2st(*wide, resamples=0).value
    pooled = np.concatenate([side.values for side in wide])
    spread = pooled.std(axis=0)
    narrow = [Features(side.values / spread, side.groups) for side in wide]
    assert c2st(*narrow, resamples=0).value == value
    assert 0 <= value <= 1


def test_sides_of_unequal_numbers_are_weighed_alike(draw_features):
    """Always saying the more frequent side would be right in five of six cases."""
    many, few = draw_features(0, 20, 6), others(draw_features(1, 4, 6))
    assert abs(c2st(many, few).value - 0.5) < 0.2


def test_groups_on_both_sides_are_exchanged_not_shuffled(draw_features):
    """What a well adds to both its sides cannot be told from what the sides differ by, unless by pairs."""
    wells = draw_features(0, 8, 1, effect=3)
    real, translated = (
        Features(
            np.repeat(wells.values, 6, axis=0) + np.random.default_rng(i).normal(1.6 * i, 0.3, (48, 10)),
            np.repeat(wells.groups, 6),
        )
        for i in range(2)
    )
    assert c2st(real, translated).p <= 0.03


def test_p_comes_with_the_interval_only_and_groups_must_be_two(draw_features):
    real = draw_features(0)
    assert c2st(real, real, resamples=0).p is None
    two = c2st(draw_features(0, 2), others(draw_features(1, 2)))
    assert two.low is None
    assert two.p is not None
    with pytest.raises(InputError, match="two groups or more on each side"):
        c2st(real, draw_features(0, 1))
    with pytest.raises(InputError, match="10 and 4 columns"):
        c2st(real, real.columns(slice(4)))
