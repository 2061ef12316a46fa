"""Gap closed, against SciPy's Wasserstein distance and against what is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.metrics import Features
from napari_phenotrans.metrics.gap import gap_closed, gap_closed_profile


def test_it_is_one_minus_a_ratio_of_wasserstein_distances():
    rng = np.random.default_rng(0)
    translated, target, source = rng.normal(0.8, 1, 31), rng.normal(1, 1, 47), rng.normal(0, 1.3, 12)
    expected = 1 - wasserstein_distance(translated, target) / wasserstein_distance(source, target)
    assert gap_closed(translated, target, source) == pytest.approx(expected, rel=1e-12)


def test_it_is_one_at_the_target_zero_at_the_source_and_below_zero_the_wrong_way():
    source = np.arange(10.0)
    target = source + 4
    assert gap_closed(target, target, source) == 1
    assert gap_closed(source, target, source) == 0
    assert gap_closed(source + 3, target, source) == pytest.approx(0.75)
    assert gap_closed(source - 4, target, source) == pytest.approx(-1)
    assert gap_closed(source + 6, target, source) == pytest.approx(0.5)


def test_without_a_gap_there_is_nothing_to_close(draw_features):
    with pytest.raises(InputError, match="no gap"):
        gap_closed(np.ones(3), np.arange(4), np.arange(4))
    features = draw_features(0)
    with pytest.raises(InputError, match="no gap"):
        gap_closed_profile(features, draw_features(1), features)


def test_units_do_not_matter_and_what_never_changes_counts_nothing(draw_features):
    real, translated, source = draw_features(0), draw_features(1, shift=0.2), draw_features(2, shift=0.6)
    value = gap_closed_profile(real, translated, source).value

    def scaled(side: Features) -> Features:
        return Features(
            np.hstack([side.values * np.logspace(-3, 3, 10) + 5, np.full((len(side.values), 1), 7)]), side.groups
        )

    assert gap_closed_profile(*map(scaled, (real, translated, source))).value == pytest.approx(value)
    one = [side.columns(slice(1)) for side in (real, translated, source)]
    alone = gap_closed(one[1].values[:, 0], one[0].values[:, 0], one[2].values[:, 0])
    assert gap_closed_profile(*one).value == pytest.approx(alone)


def test_translated_and_source_are_drawn_together(draw_features):
    real, source = draw_features(0, 12), draw_features(2, 12, shift=3, effect=2)
    halfway = Features((source.values + draw_features(3, 12).values) / 2, source.groups)
    apart = Features(halfway.values, np.char.add("other ", halfway.groups))
    paired, unpaired = (gap_closed_profile(real, side, source) for side in (halfway, apart))
    assert paired.high - paired.low < 0.8 * (unpaired.high - unpaired.low)


def test_an_interval_lies_around_a_value_near_the_target(draw_features):
    """Groups drawn twice look further from the target than they are: raw percentiles would lie below the value."""
    off = []
    for seed in range(0, 30, 3):
        sides = [draw_features(seed + i, 6, shift=shift, effect=0.6) for i, shift in enumerate((0, 0, 2))]
        measured = gap_closed_profile(*sides, seed=seed, resamples=100)
        off.append(((measured.low + measured.high) / 2 - measured.value) / (measured.high - measured.low))
    assert abs(np.mean(off)) < 0.15
