"""Rows of the table: the same number of crops everywhere, notes, verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from napari_phenotrans.metrics import METRICS, Features, Measured, Metric
from napari_phenotrans.metrics.score_row import ScoreRow, score_row


@pytest.fixture
def sides(draw_features):
    real, source = draw_features(0, 12), draw_features(1, 12, shift=1.0)
    real = Features(real.values, np.char.add("target ", real.groups))
    return real, Features(draw_features(2, 12, shift=0.2).values, source.groups), source


@pytest.mark.parametrize("name", METRICS)
def test_copying_the_source_scores_what_copy_source_says(name, sides):
    real, _, source = sides
    row = score_row(name, real, source, source, resamples=20)
    assert row.value == pytest.approx(row.copy_source, abs=1e-12)
    assert row.verdict == "not shown to be better than copying"


@pytest.mark.parametrize("name", METRICS)
def test_other_real_crops_score_what_the_floor_says(name, sides, draw_features):
    real, _, source = sides
    more = Features(draw_features(7, 12).values, source.groups)
    row = score_row(name, real, more, source, resamples=50)
    copied = abs(row.copy_source - row.floor)
    assert abs(row.value - row.floor) < 0.25 * copied
    assert row.verdict == "not told from real"
    assert score_row(name, *sides).verdict in ("between copying and real", "not told from real")


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.follows_n])
def test_what_depends_on_n_is_computed_at_the_floors_n(name, sides):
    row = score_row(name, *sides, resamples=20)
    assert row.n == 36
    assert row.whole == METRICS[name](*sides, resamples=0).value
    assert row.value != row.whole
    assert score_row(name, sides[0], sides[1].rows(np.arange(24)), None if name != "gap closed" else sides[2]).n == 24


def test_floor_value_and_copy_compare_as_many_crops(sides, draw_features):
    compared = []

    def count(real: Features, translated: Features, *, seed: int, resamples: int) -> Measured:
        compared.append((len(real.values), len(translated.values)))
        return Measured(0.0)

    real, translated, source = sides
    metric = Metric(count, lower_is_better=True, best=0.0, follows_n=True)
    score_row("count", real, translated, source, metrics={"count": metric})
    assert compared[:2] == [(72, 72)] * 2
    assert compared[2:] == [(36, 36)] * 60
    compared.clear()
    score_row("count", real, draw_features(3, 4), source, metrics={"count": metric})
    assert compared[2:] == [(36, 24)] * 60


def test_kid_is_computed_on_all_crops(sides):
    row = score_row("kid", *sides)
    assert (row.n, row.groups) == (72, 12)
    assert row.value == row.whole


def test_the_same_seed_gives_the_same_row(sides):
    assert score_row("coverage", *sides, seed=3) == score_row("coverage", *sides, seed=3)


def test_few_crops_leave_fid_to_kid(sides):
    assert "below 200 crops it is mostly bias: read kid" in score_row("fid", *sides, resamples=0).note
    many = [Features(np.tile(side.values, (10, 1)), np.repeat(np.arange(40), 18)) for side in sides]
    assert "bias" not in score_row("fid", *many, resamples=0).note


def test_a_metric_with_too_few_crops_is_named_with_the_number_it_needs(sides):
    real, translated, source = sides
    few = translated.rows(np.arange(5))
    row = score_row("density", real, few, source)
    assert row.value is None
    assert row.note == "needs 6 crops and 1 group on each side, got 5 and 1"
    assert row.verdict == ""
    assert score_row("c2st", real, translated.of(translated.names[:1]), source).value is None
    assert score_row("precision", real, few, source).value is not None


def test_without_a_source_there_is_no_copy_and_no_gap(sides):
    real, translated, _ = sides
    assert "--source" in score_row("gap closed", real, translated, None).note
    row = score_row("kid", real, translated, None)
    assert row.copy_source is None
    assert row.verdict == "told from real"


def test_one_real_group_leaves_out_floor_and_interval_and_says_so(sides):
    real, translated, source = sides
    row = score_row("kid", real.of(real.names[:1]), translated, source)
    assert row.value is not None
    assert row.floor is None
    assert "no floor" in row.note
    assert "no interval: it needs 3 groups on each side, there are 1" in row.note


def test_a_metric_that_cannot_be_computed_is_a_note_not_an_end(sides):
    real, _, source = sides
    same = Features(real.values, source.groups)
    row = score_row("gap closed", real, same, same)
    assert row.value is None
    assert "no gap" in row.note


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (0.02, 0.0, 0.05, "not told from real"),
        (0.3, 0.2, 0.4, "between copying and real"),
        (0.9, 0.7, 1.1, "not shown to be better than copying"),
        (1.4, 1.2, 1.6, "not shown to be better than copying"),
        (0.3, None, None, ""),
    ],
)
def test_verdicts_go_by_interval_floor_and_copy(value, low, high, verdict):
    row = ScoreRow("", "kid", "", "", value, low, high, 0.0, -0.03, 0.04, 1.0)
    assert row.verdict == verdict
    if low is not None:
        turned = ScoreRow("", "recall", "", "", 1 - value, 1 - high, 1 - low, 1.0, 0.96, 1.03, 0.0)
        assert turned.verdict == verdict
