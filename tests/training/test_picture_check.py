"""The gate of pictures while training: verdicts with the scores, and which checkpoint is the best."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_phenotrans.checkpoints.checkpoint import Card, PictureVerdict, Score
from napari_phenotrans.checkpoints.describe import describe_card
from napari_phenotrans.metrics.picture import Row, Verdict
from napari_phenotrans.training.picture_check import PictureCheck
from napari_phenotrans.training.state import Progress
from napari_phenotrans.training.validation import HeldOutScores

CHANNELS = ("DNA", "GFP")


def piece(seed: int, bright: float) -> np.ndarray:
    """Draw blurred noise of which the condition makes the second channel rougher."""
    rng = np.random.default_rng(seed)
    fine = rng.normal(size=(2, 96, 96))
    coarse = ndimage.gaussian_filter(rng.normal(size=(2, 96, 96)), (0, 3, 3)) * 8
    return (coarse * 0.1 + fine * np.array([0.02, 0.02 + bright])[:, None, None]).astype(np.float32)


def pieces(bright: float, first: int) -> list[np.ndarray]:
    return [piece(first + index, bright)[None] for index in range(4)]


REAL = {"untreated": pieces(0.0, 0), "treated": pieces(0.05, 10)}


def closed(value: float, low: float | None = None, high: float | None = None) -> list[Score]:
    return [Score(metric="gap closed", direction="", value=value, low=low, high=high, groups=4, what="GFP")]


def test_faults_are_said_in_the_direction_they_were_made_in() -> None:
    check = PictureCheck(REAL, CHANNELS)
    same = check.judge("untreated", "treated", REAL["untreated"], closed(0.6, 0.4, 0.8))
    assert same.direction == "untreated → treated"
    assert same.passed, same.sentences
    board = np.where(np.indices((96, 96)).sum(axis=0) % 2, 0.05, -0.05).astype(np.float32)
    grid = check.judge("untreated", "treated", [batch + board for batch in REAL["untreated"]], closed(0.6, 0.4, 0.8))
    assert {row.measure for row in grid.failed} >= {"lattice"}


def test_what_changes_nothing_does_not_pass_and_kept_channels_have_to_be_exact() -> None:
    check = PictureCheck(REAL, CHANNELS)
    lazy = check.judge("untreated", "treated", REAL["untreated"], closed(0.0, -0.1, 0.1))
    assert [row.measure for row in lazy.failed] == ["change"]
    off = [batch + np.array([0.001, 0], np.float32)[:, None, None] for batch in REAL["untreated"]]
    kept = check.judge("untreated", "treated", off, closed(0.6, 0.4, 0.8), ["DNA"])
    assert [(row.channel, row.measure) for row in kept.failed] == [("DNA", "scar")]


def scores(gap: float, passed: bool) -> HeldOutScores:
    rows = (Row("GFP", "scar", 1.0, 2.0, 0.0, passed, "" if passed else "leaves scars"),)
    return HeldOutScores(0, tuple(closed(gap)), None, (Verdict("untreated → treated", rows),))


def best_of(*some: tuple[float, bool]) -> list[bool]:
    progress = Progress("")
    each = [scores(gap, passed) for gap, passed in some]
    return [progress.add_scores(one.rank, {}, passed=one.passed) for one in each]


def test_the_best_passes_and_among_those_that_pass_it_closes_most_of_the_gap() -> None:
    assert best_of((0.9, False), (0.2, True), (0.95, False), (0.8, True)) == [True, True, False, True]
    # the median of five decides among equals, as it did before there was a gate
    assert best_of((0.5, False), (0.9, False), (0.1, False)) == [True, True, False]


def test_rank_is_what_is_left_of_the_gap_and_kid_where_there_is_none() -> None:
    assert scores(0.7, True).rank == pytest.approx(0.3)
    kid = Score(metric="kid", direction="", value=0.4, groups=3)
    assert HeldOutScores(0, (kid,)).rank == 0.4
    assert not HeldOutScores(0, (kid,)).passed


def test_a_card_says_what_the_gate_said_and_older_cards_say_nothing() -> None:
    card = Card(engine="shift", settings={}, conditions=("a", "b"), channels=("GFP",), low=(0.0,), high=(1.0,), crop=32)
    older = card.model_dump()
    del older["pictures"]
    assert Card.model_validate(older) == card
    assert "pictures" not in describe_card("x", card)
    verdict = scores(0.7, False).verdicts[0]
    told = card.model_copy(update={"pictures": (PictureVerdict.of(verdict),)})
    assert Card.model_validate_json(told.model_dump_json()) == told
    text = describe_card("x", told)
    assert "untreated → treated, GFP: leaves scars." in text
    assert "by its gap alone" in text
