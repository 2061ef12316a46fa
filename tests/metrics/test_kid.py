"""KID: the published formula, groups, intervals and paired differences."""

from __future__ import annotations

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.metrics import Features
from napari_phenotrans.metrics.kid import kid, kid_difference


def loops(real: np.ndarray, translated: np.ndarray) -> float:
    """The unbiased squared MMD as torch-fidelity and torchmetrics have it, pair by pair."""

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return (float(x @ y) / len(x) + 1) ** 3

    def within(rows: np.ndarray) -> float:
        pairs = [k(x, y) for i, x in enumerate(rows) for j, y in enumerate(rows) if i != j]
        return sum(pairs) / len(pairs)

    between = [k(x, y) for x in real for y in translated]
    return within(real) + within(translated) - 2 * sum(between) / len(between)


def test_independent_rows_give_the_published_formula():
    rng = np.random.default_rng(0)
    real, translated = rng.normal(0, 1, (17, 7)), rng.normal(0.3, 1.2, (23, 7))
    value = kid(Features.independent(real), Features.independent(translated), resamples=0).value
    assert value == pytest.approx(loops(real, translated), rel=1e-10)
    one_field = [Features(rows, np.zeros(len(rows))) for rows in (real, translated)]
    assert kid(*one_field).value == pytest.approx(loops(real, translated), rel=1e-10)


def test_rows_that_are_alike_within_groups_leave_it_unbiased(draw_features):
    by_group, by_row = [], []
    for seed in range(60):
        sides = [draw_features(2 * seed + i, 5, effect=0.6) for i in range(2)]
        by_group.append(kid(*sides, resamples=0).value)
        by_row.append(kid(*(Features.independent(side.values) for side in sides), resamples=0).value)
    error = np.std(by_group) / len(by_group) ** 0.5
    assert abs(np.mean(by_group)) < 3 * error
    assert np.mean(by_row) > 5 * error
    assert np.std(by_group) < 1.2 * np.std(by_row)


def test_the_interval_is_centered_on_the_value_and_covers_the_truth(draw_features):
    wide = [draw_features(1000 + i, 300, shift=0.3 * i) for i in range(2)]
    truth = kid(*wide, resamples=0).value
    measured = [
        kid(draw_features(2 * seed, 6), draw_features(2 * seed + 1, 6, shift=0.3), seed=seed, resamples=100)
        for seed in range(60)
    ]
    off = np.mean([((m.low + m.high) / 2 - m.value) / (m.high - m.low) for m in measured])
    assert abs(off) < 0.1
    assert np.mean([m.low <= truth <= m.high for m in measured]) > 0.8


def test_a_paired_difference_is_surer_than_two_intervals(draw_features):
    real, translated = draw_features(0, 10), draw_features(1, 10, shift=0.3, effect=0.8)
    other = Features(translated.values + 0.1, translated.groups)
    measured = kid_difference(real, translated, other)
    single = [kid(real, side) for side in (translated, other)]
    assert measured.value == pytest.approx(single[0].value - single[1].value)
    assert measured.low < measured.value < measured.high < 0
    assert measured.high - measured.low < 0.5 * min(one.high - one.low for one in single)
    assert kid_difference(real, other, translated).value == pytest.approx(-measured.value)


def test_what_cannot_be_compared_is_refused(draw_features):
    real = draw_features(0)
    with pytest.raises(InputError, match="well 7"):
        kid_difference(real, real, draw_features(1, 7))
    with pytest.raises(InputError, match="two crops or more"):
        kid(real, Features.independent(real.values[:1]))
    with pytest.raises(InputError, match="10 and 4 columns"):
        kid(real, real.columns(slice(4)))
