from __future__ import annotations

from math import comb

import numpy as np
import pytest
from scipy import stats

from napari_phenotrans.phenotype.statistics.contrasts import LEVEL, contrast
from napari_phenotrans.phenotype.statistics.null_controls import floor

ONES = np.ones(40)


def groups(seed: int, count: int, shift: float = 0.0, columns: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, columns)) + rng.normal(size=(count, 1))  # measurements go together
    rows[:, 0] += shift
    return rows


def test_difference_and_interval_are_welchs() -> None:
    source, target = groups(0, 8), groups(1, 12, 1.0)
    found = contrast(source, target, ONES, permutations=99)
    for column in range(3):
        expected = stats.ttest_ind(target[:, column], source[:, column], equal_var=False)
        low, high = expected.confidence_interval(0.95)
        assert found.difference[column] == pytest.approx(target[:, column].mean() - source[:, column].mean())
        assert found.difference[column] / found.error[column] == pytest.approx(expected.statistic, rel=1e-4)
        assert (found.low[column], found.high[column]) == pytest.approx((low, high), rel=1e-4)


def test_p_is_the_share_of_assignments_whose_largest_t_is_as_large() -> None:
    source, target = groups(0, 5)[:, :3], groups(1, 5, 3.0)[:, :3]
    found = contrast(source, target, np.ones(3))
    rows = np.concatenate([source, target])
    from itertools import combinations

    largest = []
    for chosen in combinations(range(10), 5):
        rest = [i for i in range(10) if i not in chosen]
        t = stats.ttest_ind(rows[list(chosen)], rows[rest], equal_var=False).statistic
        largest.append(np.abs(t).max())
    t = np.abs(stats.ttest_ind(target, source, equal_var=False).statistic)
    expected = [(np.array(largest) >= value * (1 - 1e-6)).mean() for value in t]
    np.testing.assert_allclose(found.p, expected)
    assert len(found.largest) == comb(10, 5)
    assert found.least_p == 2 / comb(10, 5)


def test_critical_is_where_p_is_five_percent() -> None:
    found = contrast(groups(0, 8), groups(1, 9), ONES, permutations=999)
    t = np.abs(found.difference) / found.error
    np.testing.assert_array_equal(found.changed, t > found.critical)
    just_above = found.largest[found.largest > found.critical]
    assert len(just_above) <= LEVEL * len(found.largest)


def test_the_chance_of_any_false_call_is_five_percent_whatever_the_number_of_measurements() -> None:
    false = [
        contrast(groups(2 * s, 6), groups(2 * s + 1, 6), ONES, permutations=299, seed=s).changed.any()
        for s in range(300)
    ]
    assert 0.02 <= np.mean(false) <= 0.085  # 5 % ± 2.8 standard errors


def test_a_large_difference_is_found_among_many_measurements() -> None:
    found = contrast(groups(0, 6), groups(1, 6, 6.0), ONES)
    assert found.changed.tolist() == [True] + [False] * 39


@pytest.mark.parametrize(("one", "other"), [(4, 20), (20, 4), (1, 1)])
def test_below_five_groups_there_is_a_size_and_no_p(one: int, other: int) -> None:
    found = contrast(groups(0, one), groups(1, other, 9.0), ONES)
    assert found.difference[0] != 0
    assert found.p is found.low is found.high is found.critical is None
    assert not found.changed.any()


def test_pairs_see_what_groups_that_differ_hide() -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(scale=10, size=(7, 5))
    target = source + rng.normal(scale=0.1, size=(7, 5))
    target[:, 0] += 1
    assert not contrast(source, target, np.ones(5)).changed.any()
    paired = contrast(source, target, np.ones(5), paired=True)
    assert paired.changed.tolist() == [True] + [False] * 4
    assert paired.p[0] == paired.least_p == 2 / 2**7


def test_five_pairs_cannot_reach_five_percent() -> None:
    found = contrast(np.zeros((5, 1)), np.full((5, 1), 9.0) + np.arange(5)[:, None], np.ones(1), paired=True)
    assert found.p[0] == found.least_p == 2 / 2**5 > LEVEL


def test_a_measurement_that_hardly_varies_is_not_sure_beyond_measure() -> None:
    source, target = np.zeros((6, 1)), np.full((6, 1), 1e-6)
    assert contrast(source, target, np.ones(1)).difference / contrast(source, target, np.ones(1)).error < 0.01


def test_tick_can_stop_it() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        contrast(groups(0, 8), groups(1, 8), ONES, tick=stop)


def test_halves_of_one_condition_hold_the_level_and_give_the_floor() -> None:
    spread = np.full(40, 2.0)
    found = floor({"source": groups(0, 12), "target": groups(1, 8, 50.0), "few": groups(2, 3)}, spread)
    one, other = found.halves  # three groups cannot be split
    assert (one.condition, one.groups, other.condition) == ("source", 12, "target")
    assert len(one.called) == 20
    assert one.share <= LEVEL
    assert other.called == ()  # four in a half are too few
    # two halves of 4 to 6 groups of standard deviation √2, in spreads of 2
    assert found.typical[1:].mean() == pytest.approx(0.35, abs=0.12)
    assert found.bar > found.typical.mean()


def test_too_few_groups_leave_no_floor() -> None:
    found = floor({"source": groups(0, 3)}, ONES)
    assert found.halves == ()
    assert np.isnan(found.bar)
