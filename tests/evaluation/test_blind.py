"""Crops to be told apart: as many of each kind, shown in one scale, in an order that tells nothing."""

from __future__ import annotations

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.evaluation.blind import BlindTrial, draw_crops, shown_range


def fields(level: float, seed: int, side: int = 128) -> list[np.ndarray]:
    """Bright discs on a background, two channels, of which the second is ten times as bright."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((side, side))
    made = []
    for _ in range(3):
        plane = np.full((2, side, side), level)
        for _ in range(20):
            top, left = rng.integers(8, side - 8, 2)
            plane[:, np.hypot(y - top, x - left) < 6] += 100
        made.append((plane * np.array([[[1]], [[10]]])).astype(np.float32))
    return made


def test_half_of_them_are_translated_and_the_order_tells_nothing() -> None:
    real, made = fields(10, 0), fields(10, 1)
    crops = draw_crops(real, made, shown=shown_range(real), count=40, side=48)
    kinds = [crop.translated for crop in crops]
    assert sum(kinds) == 20
    assert kinds != sorted(kinds)
    assert {crop.pixels.shape for crop in crops} == {(2, 48, 48)}
    again = draw_crops(real, made, shown=shown_range(real), count=40, side=48)
    assert [crop.translated for crop in again] == kinds
    other = draw_crops(real, made, shown=shown_range(real), count=40, side=48, seed=1)
    assert [crop.translated for crop in other] != kinds


def test_crops_are_cut_where_they_say_and_shown_in_one_scale() -> None:
    real, made = fields(10, 0), fields(60, 1)
    shown = shown_range(real)
    for crop in draw_crops(real, made, shown=shown, count=12, side=40):
        plane = (made if crop.translated else real)[crop.field][:, crop.y : crop.y + 40, crop.x : crop.x + 40]
        scaled = np.clip((plane - shown[:, 0, None, None]) / np.diff(shown)[:, :, None], 0, 1) ** 0.7
        assert crop.pixels == pytest.approx(scaled, abs=1e-5)
        # a translation that is brighter is shown brighter
        assert (crop.pixels.min() > 0.3) == crop.translated


def test_what_shows_nothing_is_drawn_anew() -> None:
    real = fields(10, 0, side=64)
    mostly_empty = [np.pad(plane, ((0, 0), (0, 192), (0, 192)), constant_values=10) for plane in real]
    crops = draw_crops(mostly_empty, mostly_empty, shown=shown_range(real), count=40, side=32)
    assert sum(np.ptp(crop.pixels) > 0.1 for crop in crops) > 36


def test_small_fields_give_small_crops_and_too_small_ones_are_refused() -> None:
    real = fields(10, 0, side=40)
    assert draw_crops(real, real, shown=shown_range(real), count=4)[0].pixels.shape == (2, 40, 40)
    tiny = [plane[:, :12] for plane in real]
    with pytest.raises(InputError, match="12 pixels at the narrowest"):
        draw_crops(tiny, real, shown=shown_range(real))
    with pytest.raises(InputError, match="got 3 and 0"):
        draw_crops(real, [], shown=shown_range(real))


def test_a_trial_counts_what_was_told_right() -> None:
    real = fields(10, 0)
    trial = BlindTrial(draw_crops(real, real, shown=shown_range(real), count=6, side=32))
    for crop in trial.crops[:4]:
        assert trial.current is crop
        trial.answer(crop.translated)
    assert (trial.right, trial.done) == (4, False)
    trial.take_back()
    assert trial.current is trial.crops[3]
    trial.answer(not trial.crops[3].translated)
    for crop in trial.crops[4:]:
        trial.answer(not crop.translated)
    assert trial.done
    assert trial.current is None
    assert trial.right == 3
    trial.take_back()
    assert trial.done, "what is finished is counted"
