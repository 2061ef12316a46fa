"""A run's events, told again: what counts is the run that goes on."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.core.events import Notice
from napari_phenotrans.runs.history import RunHistory
from napari_phenotrans.training.events import (
    Divided,
    Failed,
    Finished,
    Losses,
    Pace,
    RolledBack,
    Saved,
    Scored,
    Started,
    Stopped,
    to_json,
)

if TYPE_CHECKING:
    from typing import Any


def told(*events: Any, seconds: float = 1.0, story: RunHistory | None = None) -> RunHistory:
    """Tell events, each so many seconds after the one before."""
    story = story or RunHistory()
    for event in events:
        line = json.loads(to_json(event))
        story.add_event(line | {"time": story.latest + seconds})
    story.update_curves()
    return story


def started(step: int = 0, steps: int = 1000) -> Started:
    return Started(step, steps, "cpu", {"a": 3, "b": 4}, {"a": 1, "b": 1})


def losses(first: int, last: int, value: float = 1.0) -> list[Losses]:
    return [Losses(step, {"cycle": value, "adversarial": value / 2}) for step in range(first, last + 1)]


def test_what_was_told_is_there() -> None:
    story = told(
        started(), *losses(1, 300), Divided(300, 2, 4), Notice("Few fields."), Pace(300, 2.5, 10**9),
        Scored(300, {"kid a → b": 0.5}, True, {"kid a → b": 0.1}, {"kid a → b": 0.9}),
        Saved(300, "best.safetensors"), *losses(301, 302),
    )  # fmt: skip
    assert (story.step, story.steps, story.fields, story.held_out) == (302, 1000, {"a": 3, "b": 4}, {"a": 1, "b": 1})
    np.testing.assert_array_equal(story.losses["cycle"].steps, np.arange(1, 303))
    np.testing.assert_array_equal(story.losses["adversarial"].values, 0.5)
    assert story.scores["kid a → b"].values.tolist() == [0.5]
    assert (story.floors, story.copy_source) == ({"kid a → b": 0.1}, {"kid a → b": 0.9})
    assert (story.best_step, story.saved, story.rate_s, story.memory) == (300, {"best.safetensors": 300}, 2.5, 10**9)
    assert "in 4 parts" in story.notes[0]
    assert story.notes[1] == "Few fields."
    assert story.end == ""


def test_steps_that_are_made_again_replace_what_they_were() -> None:
    story = told(started(), *losses(1, 7), Scored(6, {"kid a → b": 9.0}, True, {}, {}), started(4), *losses(5, 6, 2.0))
    assert story.losses["cycle"].steps.tolist() == [1, 2, 3, 4, 5, 6]
    assert story.losses["cycle"].values.tolist() == [1, 1, 1, 1, 2, 2]
    assert not story.scores
    assert (story.step, story.best_step) == (6, None)
    before = story.losses["cycle"]
    told(RolledBack(6, 2, 0.5, "a loss is not a number"), *losses(3, 3, 5.0), story=story)
    assert story.losses["cycle"].values.tolist() == [1, 1, 5]
    assert before.values.tolist() == [1, 1, 1, 1, 2, 2], "what was given out does not change"
    assert story.rollbacks == [(6, "a loss is not a number")]


@pytest.mark.parametrize(
    ("event", "end", "reason"),
    [
        (Stopped(3, "stopped by request"), "stopped", "stopped by request"),
        (Finished(3), "finished", ""),
        (Failed(3, "no room"), "failed", "no room"),
    ],
)
def test_the_last_word_counts_until_it_goes_on(event: Any, end: str, reason: str) -> None:
    story = told(started(), *losses(1, 3), event)
    assert (story.end, story.reason) == (end, reason)
    assert story.left_s is None
    told(started(3), story=story)
    assert (story.end, story.reason) == ("", "")


def test_time_left_counts_scoring_and_saving_but_not_the_pause_before_resuming() -> None:
    story = told(started(steps=110), *losses(1, 10), seconds=1.0)
    assert story.left_s == pytest.approx(100.0)
    told(Saved(10, "last.safetensors"), seconds=10.0, story=story)
    told(*losses(11, 20), story=story)
    # 20 steps took 30 seconds
    assert story.left_s == pytest.approx(90 * 30 / 20)
    told(started(20, 120), seconds=10_000.0, story=story)
    assert story.left_s is None
    told(*losses(21, 30), seconds=2.0, story=story)
    assert story.left_s == pytest.approx(90 * 2.0)


def test_what_is_no_number_and_what_is_unknown_is_borne() -> None:
    story = told(started(), Losses(1, {"cycle": math.nan}))
    assert math.isnan(story.losses["cycle"].values[0])
    story.add_event({"event": "Invented later", "anything": 1})
    assert story.step == 1
