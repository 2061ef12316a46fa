"""What is drawn of a run's numbers, without Qt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_phenotrans.runs.history import Series
from napari_phenotrans.runs.monitor import RunWatch
from napari_phenotrans.widgets.common.curves import COPY_SOURCE, FLOOR, smooth, thin
from napari_phenotrans.widgets.runs.run_curves import best_kid, loss_curves, run_name, score_curves


def series(*values: float, every: int = 1) -> Series:
    return Series(every * np.arange(1, len(values) + 1), np.array(values, float))


@pytest.fixture
def watch(tmp_path: Path) -> RunWatch:
    watch = RunWatch(tmp_path)
    watch.conditions = ("low", "high")
    return watch


@pytest.mark.parametrize("count", [1, 7, 8, 9, 801, 1073, 10_007])
def test_thinning_keeps_what_sticks_out_and_both_ends(count: int) -> None:
    steps = np.arange(count, dtype=float)
    values = np.sin(steps)
    values[count // 2], values[count // 3] = 50, -50
    few_steps, few = thin(steps, values, 800)
    assert len(few) <= 800
    assert few.max() == values.max()
    assert few.min() == values.min()
    assert (np.diff(few_steps) > 0).all()
    # no stretch is left out
    assert few_steps[0] - steps[0] < max(1, 2 * count / 400)
    assert steps[-1] - few_steps[-1] < max(1, 2 * count / 400)
    assert np.diff(few_steps, prepend=0).max() <= max(1, 4 * count / 800 + 2)
    assert np.array_equal(few, values[few_steps.astype(int)])


def test_thinning_draws_around_what_is_no_number() -> None:
    values = np.full(1000, np.nan)
    values[::2] = 1
    _, few = thin(np.arange(1000.0), values, 100)
    assert (few[np.isfinite(few)] == 1).all()
    assert np.isfinite(few).sum() >= 50


def test_smoothing_is_a_mean_over_steps_before() -> None:
    steps = np.arange(1.0, 1001)
    at, means = smooth(steps, steps)
    # 4 % of 1000 steps
    full = at >= 40
    assert np.allclose(means[full], at[full] - 19.5)
    assert at[-1] == 1000
    assert len(at) <= 150
    broken = np.ones(1000)
    broken[100:200] = np.nan
    at, means = smooth(steps, broken)
    assert np.isnan(means[(at > 141) & (at <= 200)]).all()
    assert (means[(at <= 100) | (at > 200)] == 1).all()


def test_losses_of_a_kind_are_one_group(watch: RunWatch) -> None:
    watch.losses = {name: series(3, 2, 1) for name in ("identity low", "identity high", "round trip low", "total")}
    curves = loss_curves(watch)
    assert [(curve.group, curve.dash) for curve in curves] == [
        ("identity", 0),
        ("identity", 1),
        ("round trip", 0),
        ("total", 0),
    ]
    assert curves[0].color == curves[1].color != curves[2].color


def test_scores_come_by_kind_with_their_floors(watch: RunWatch) -> None:
    # a condition may be called as a limit of an interval is
    watch.scores = {
        "kid low → high": series(5, 1),
        "kid low low → high": series(4, 0),
        "kid high low → high": series(6, 2),
        "kid high → low": series(3, 3),
        "gap closed low → high: DNA": series(0.2, 0.6),
        "identity low → low: DNA": series(0.1, 0.1),
        "held-out denoising low": series(1, 2),
    }
    watch.floors = {"kid low → high": 0.5}
    watch.copy_source = {"kid low → high": 9.0, "gap closed low → high: DNA": 0.0}
    found = score_curves(watch)
    assert list(found) == ["kid", "gap closed", "identity", "held-out losses"]
    curves, levels = found["kid"]
    assert [curve.group for curve in curves] == ["low → high", "high → low"]
    assert {(level.kind, level.value) for level in levels} == {(FLOOR, 0.5), (COPY_SOURCE, 9.0)}
    assert found["gap closed"][0][0].group == "low → high: DNA"
    assert best_kid(watch) == 2.0


def test_a_score_that_came_for_one_direction_only_waits_for_the_other(watch: RunWatch) -> None:
    watch.scores = {"kid low → high": series(5, 1), "kid high → low": series(3)}
    assert best_kid(watch) == 4.0
    watch.scores = {}
    assert best_kid(watch) is None


def test_runs_of_one_name_are_told_apart() -> None:
    folders = [Path("/a/night/run"), Path("/a/day/run"), Path("/a/day/other")]
    assert [run_name(folder, folders) for folder in folders] == ["night/run", "day/run", "other"]
