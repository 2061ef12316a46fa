"""FID: the formula, ranks that are not full, groups."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.metrics import Features
from napari_phenotrans.metrics.fid import fid


def written_out(real: np.ndarray, translated: np.ndarray) -> float:
    one, other = (np.cov(rows, rowvar=False) for rows in (real, translated))
    shift = real.mean(axis=0) - translated.mean(axis=0)
    return float(shift @ shift + np.trace(one + other - 2 * sqrtm(one @ other).real))


def test_it_is_the_published_formula():
    rng = np.random.default_rng(0)
    real, translated = rng.normal(0, 1, (50, 6)), rng.normal(0.3, 1.4, (40, 6)) @ rng.normal(0, 0.6, (6, 6))
    value = fid(Features.independent(real), Features.independent(translated), resamples=0).value
    assert value == pytest.approx(written_out(real, translated), rel=1e-9)


def test_more_features_than_rows_are_no_trouble():
    """The known case: two Gaussians that share all but their means."""
    rows = np.random.default_rng(0).normal(0, 1, (12, 300))
    value = fid(Features.independent(rows), Features.independent(rows + 0.5)).value
    assert value == pytest.approx(300 * 0.25, rel=1e-9)


def test_few_rows_are_far_apart_even_of_one_distribution():
    rng = np.random.default_rng(0)
    values = [
        fid(*(Features.independent(rng.normal(0, 1, (n, 60))) for _ in range(2)), resamples=0).value
        for n in (40, 160, 640)
    ]
    assert values[0] > 2 * values[1] > 4 * values[2]


def test_an_interval_draws_groups_and_is_set_around_the_value(draw_features):
    sides = draw_features(0, 10, effect=0.6), draw_features(1, 10, shift=0.4, effect=0.6)
    by_group = fid(*sides)
    by_row = fid(*(Features.independent(side.values) for side in sides))
    assert by_group.low < by_group.value < by_group.high
    assert by_group.value == pytest.approx(by_row.value)
    assert by_group.high - by_group.low > 1.3 * (by_row.high - by_row.low)


def test_what_cannot_be_compared_is_refused(draw_features):
    real = draw_features(0)
    with pytest.raises(InputError, match="10 and 4 columns"):
        fid(real, real.columns(slice(4)))
    with pytest.raises(InputError, match="two crops or more"):
        fid(real, real.rows(np.array([0])))
