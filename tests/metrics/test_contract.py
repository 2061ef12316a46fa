"""What every metric keeps to."""

from __future__ import annotations

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.metrics import METRICS, Features, floor

COUNTING = ("precision", "recall", "density", "coverage")

pytestmark = pytest.mark.parametrize("name", METRICS)


def test_the_same_rows_score_best(name, draw_features):
    metric = METRICS[name]
    real, source = (Features.independent(draw_features(i, shift=0.5 * i).values) for i in range(2))
    value = metric(real, real, source).value
    # of two samples KID is unbiased, so of the same one it lies below 0, as of nothing else
    assert value <= metric.best + 1e-9 if metric.lower_is_better else value == pytest.approx(metric.best)


def test_worse_translations_score_worse_and_so_prove_which_way_round_it_is(name, draw_features):
    metric, real, source = METRICS[name], draw_features(0), draw_features(1, shift=1.5)
    values = [metric(real, draw_features(2, shift=shift), source).value for shift in (0, 0.4, 0.8, 1.5)]
    assert values == sorted(values, reverse=not metric.lower_is_better)
    assert abs(values[0] - metric.best) < 0.2 * abs(values[-1] - metric.best)


def test_the_order_of_rows_does_not_matter(name, draw_features):
    metric, real, source = METRICS[name], draw_features(0), draw_features(1, shift=0.5)
    translated = draw_features(2, shift=0.2)
    order = np.random.default_rng(0).permutation(len(translated.values))
    other = Features(translated.values[order], translated.groups[order])
    first, second = metric(real, translated, source), metric(real, other, source)
    np.testing.assert_allclose(
        [second.value, second.low, second.high], [first.value, first.low, first.high], rtol=1e-9, atol=1e-12
    )


def test_the_same_seed_gives_the_same_interval_and_another_seed_another(name, draw_features):
    metric, sides = METRICS[name], (draw_features(0), draw_features(1, shift=0.2), draw_features(2, shift=0.5))
    assert metric(*sides, seed=3) == metric(*sides, seed=3)
    assert any(metric(*sides, seed=3) != metric(*sides, seed=seed) for seed in (4, 5, 6))


def test_the_interval_holds_the_value_and_shrinks_with_more_groups(name, draw_features):
    def width(groups: int) -> float:
        sides = draw_features(0, groups), draw_features(1, groups, shift=0.3), draw_features(2, groups, shift=0.6)
        measured = METRICS[name](*sides)
        assert measured.low < measured.value < measured.high
        return measured.high - measured.low

    # those that count crops saturate where there are few
    assert width(64) < (0.75 if name in COUNTING else 0.6) * width(8)


def test_more_rows_of_the_same_groups_do_not_narrow_the_interval(name, draw_features):
    def width(rows: int) -> float:
        sides = [draw_features(i, 8, rows, shift=0.3 * i, effect=0.5) for i in range(3)]
        measured = METRICS[name](*sides)
        return measured.high - measured.low

    assert width(60) > 0.6 * width(6)


def test_too_few_groups_give_a_value_without_interval(name, draw_features):
    measured = METRICS[name](draw_features(0, 2), draw_features(1, 8, shift=0.3), draw_features(1, 8, shift=0.6))
    assert np.isfinite(measured.value)
    assert measured.low is None and measured.high is None


def test_the_floor_is_what_real_halves_score(name, draw_features):
    metric, real, source = METRICS[name], draw_features(0, 16), draw_features(1, 16, shift=1.0)
    lowest = floor(metric, real, source)
    assert lowest.low < lowest.value < lowest.high
    copied = metric(real, source, source).value
    assert abs(lowest.value - metric.best) < 0.5 * abs(copied - metric.best)
    if name == "kid":
        assert lowest.low < 0 < lowest.high
    assert floor(metric, draw_features(0, 1), source) is None


def test_sides_that_are_too_small_are_told_apart_before_anything_is_computed(name, draw_features):
    metric = METRICS[name]
    enough = [draw_features(i, 2, max(1, (metric.least + 1) // 2), shift=i) for i in range(3)]
    assert metric.fits(*enough)
    assert np.isfinite(metric(*enough).value)
    if metric.least > 1:
        assert not metric.fits(enough[0], enough[1].rows(np.arange(metric.least - 1)))
    assert metric.fits(enough[0].of(enough[0].names[:1])) is (metric.least_groups < 2 and metric.least < 2)


def test_values_that_are_no_numbers_are_refused(name):
    with pytest.raises(InputError, match="not finite"):
        Features.independent(np.array([[np.nan, 1.0], [0.0, 1.0]]))
    with pytest.raises(InputError, match="group names"):
        Features(np.zeros((3, 2)), np.array(["a", "b"]))
