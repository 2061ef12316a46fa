from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_phenotrans.checkpoints.checkpoint import Score
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region
from napari_phenotrans.engines.base import NetworkCall
from napari_phenotrans.translation.events import ErrorDone, EvaluationDone, PlaneDone
from napari_phenotrans.translation.request import TranslationRequest
from napari_phenotrans.translation.translate import Translator
from napari_phenotrans.translation.trust import (
    LEAST_ERROR,
    TrustRow,
    believed,
    by_chance,
    check_translation,
    doubts,
    trust_table,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint

NAMES = ("marker 0", "marker 1")
WAY = {"source": "untreated", "target": "treated"}
REQUEST = TranslationRequest(**WAY)
HIGH = 255.0


def cells(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(2, Y, X) uint8 field of blurred blobs."""
    spots = (np.random.default_rng(seed).random((2, height, width)) > 0.99).astype(np.float32)
    blurred = gaussian_filter(spots, (0, 4, 4))
    return (10 + 190 * blurred / blurred.max()).astype(np.uint8)


def image(pixels: Any, axes: str = "CYX", **more: Any) -> Image:
    return Image(pixels, axes, NAMES, **more)


def translated(translator: Translator, real: Image, **more: Any) -> PlaneDone:
    *_, plane = translator.translate(real, TranslationRequest(**WAY, **more))
    assert isinstance(plane, PlaneDone)
    return plane


def check(translator: Translator, real: Image, difference: np.ndarray, tick: Any = None, **more: Any) -> ErrorDone:
    request = TranslationRequest(**WAY, **({"positions": [(0, 0)]} | more))
    *_, done = check_translation(translator, real, request, difference, tick=tick)
    assert isinstance(done, ErrorDone)
    return done


def test_change_beyond_the_error_stays_and_mere_noise_goes(make_checkpoint: Callable[..., Checkpoint]) -> None:
    """Marker 0 gets brighter in a square and comes back; in marker 1 each direction adds nothing but noise."""
    size = 64
    noise = torch.randn(2, size, size, generator=torch.Generator().manual_seed(0)) * 0.05
    square = torch.zeros(size, size)
    square[20:40, 20:40] = 0.5

    def translation(x: torch.Tensor, source: str, target: str, how: Any, **_: Any) -> Any:
        there = target == "treated"
        change = torch.stack([square if there else -square, noise[int(there)]])
        return (yield NetworkCall(lambda crop: crop + change, x, final=True))

    translator = Translator(make_checkpoint("shift"))
    translator.engine.translation = translation  # type: ignore[method-assign]
    real = image(cells(size, size))
    plane = translated(translator, real)
    done = check(translator, real, plane.difference)

    inside = square.numpy() > 0
    for factor in (1.0, 3.0):
        kept = believed(plane.difference, done.engine_error, factor)
        np.testing.assert_array_equal(kept[0][inside], plane.difference[0][inside])
        assert not kept[0][~inside].any()
    assert (believed(plane.difference, done.engine_error, 3.0)[1] != 0).mean() < 0.002
    rows = trust_table(translator.card, *WAY.values(), [(plane.difference, done)], 1.0)
    assert rows[0].above == pytest.approx(inside.mean())
    # noise in both directions makes the round trip wrong by more than one of them changes
    assert rows[1].above < by_chance(1.0)
    assert rows[1].round_trip == pytest.approx(2**0.5, rel=0.1)


def test_what_comes_back_unrounded_is_no_error(make_checkpoint: Callable[..., Checkpoint]) -> None:
    """One direction halves, the other doubles: of a translation rounded to whole levels up to one would not return."""

    def translation(x: torch.Tensor, source: str, target: str, how: Any, **_: Any) -> Any:
        factor = 0.5 if target == "treated" else 2.0
        return (yield NetworkCall(lambda crop: crop * factor, x, final=True))

    translator = Translator(make_checkpoint("shift"))
    translator.engine.translation = translation  # type: ignore[method-assign]
    real = image(cells(40, 50))
    plane = translated(translator, real)
    assert (plane.difference != np.rint(plane.difference)).any(), "nothing would be rounded"
    events = list(check_translation(translator, real, REQUEST, plane.difference))
    assert all(isinstance(event, EvaluationDone) for event in events[:-1])
    done = events[-1]
    assert isinstance(done, ErrorDone)
    assert (done.round_trip.dtype, done.engine_error.dtype) == (np.float32, np.float32)
    assert np.abs(done.round_trip).max() < 1e-3
    # no error at all, and yet a breath of a change is not believed
    np.testing.assert_allclose(done.engine_error, LEAST_ERROR * HIGH, rtol=1e-6)
    assert not believed(np.full_like(plane.difference, 0.004 * HIGH), done.engine_error).any()


def test_error_of_an_engine_that_inverts_is_source_to_source(make_checkpoint: Callable[..., Checkpoint]) -> None:
    translator = Translator(make_checkpoint("phendiff", gain=0.8))
    real, how = image(cells(32, 32)), {"evaluations": 2, "strength": 0.5}
    plane = translated(translator, real, how=how)
    done = check(translator, real, plane.difference, how=how)

    *_, same = translator.translate(real, TranslationRequest(source="untreated", target="untreated", how=how))
    assert isinstance(same, PlaneDone)
    amount = np.sqrt(gaussian_filter(same.difference**2, (0, 2, 2)))
    least = LEAST_ERROR * HIGH
    assert (amount > least).mean() > 0.7, "the engine errs too little to test anything"
    np.testing.assert_allclose(done.engine_error, np.maximum(amount, least), rtol=1e-3)
    there = image(real.pixels + plane.difference)
    *_, back = translator.translate(there, TranslationRequest(source="treated", target="untreated", how=how))
    assert isinstance(back, PlaneDone)
    np.testing.assert_allclose(done.round_trip, plane.difference + back.difference, atol=0.05)


class OnePlane:
    """A (T, Z, C, Y, X) stack of which one plane may be read."""

    def __init__(self, plane: np.ndarray, position: tuple[int, int]) -> None:
        self.shape, self.dtype = (2, 3, *plane.shape), plane.dtype
        self._plane, self._position = plane, position

    def __getitem__(self, index: Any) -> np.ndarray:
        assert tuple(index[:2]) == self._position, "another plane was read"
        return self._plane[tuple(index[2:])]


@pytest.mark.parametrize("size", [None, 1.6], ids=["working pixels", "resampled"])
def test_region_of_a_stack_is_checked_as_in_the_whole_plane(
    size: float | None, make_checkpoint: Callable[..., Checkpoint]
) -> None:
    checkpoint = make_checkpoint(pixel_size=1.0, pixel_unit="um") if size else make_checkpoint()
    translator = Translator(checkpoint, overlap=32)
    plane, position = cells(200, 180), (1, 2)
    whole = image(plane, pixel_size_um=size)
    stack = image(OnePlane(plane, position), "TZCYX", pixel_size_um=size)
    difference = translated(translator, whole).difference
    expected = check(translator, whole, difference)
    # no multiple of the stride, so that a grid of its own would show
    region = Region(21, 33, 150, 130)
    part = difference[:, *region.slices]
    done = check(translator, stack, part, positions=[position], region=region)
    assert (done.t, done.z, done.top, done.left) == (1, 2, 21, 33)
    assert done.round_trip.shape == part.shape
    border = 50
    inner = (slice(None), slice(border, -border), slice(border, -border))
    assert np.abs(expected.round_trip).max() > 1, "the engine errs too little to test anything"
    np.testing.assert_allclose(done.round_trip[inner], expected.round_trip[:, *region.slices][inner], atol=0.05)
    np.testing.assert_allclose(done.engine_error[inner], expected.engine_error[:, *region.slices][inner], atol=0.05)


def test_what_cannot_be_checked_is_refused_in_words(make_checkpoint: Callable[..., Checkpoint]) -> None:
    real, difference = image(cells(32, 32)), np.zeros((2, 32, 32), np.float32)
    checkpoint = make_checkpoint(targets=("treated",))
    for name in [name for name in checkpoint.tensors if name.startswith("0.")]:
        del checkpoint.tensors[name]
    with pytest.raises(InputError, match=r"one direction only, to 'treated'.*translates back to 'untreated'"):
        check_translation(Translator(checkpoint), real, REQUEST, difference)
    translator = Translator(make_checkpoint("shift"))
    with pytest.raises(InputError, match=r"\(2, 32, 32\), but \(2, 8, 8\) was translated"):
        check(translator, real, difference, region=Region(0, 0, 8, 8))
    with pytest.raises(InputError, match="does not lie in the image"):
        check(translator, real, difference, region=Region(30, 0, 8, 8))
    with pytest.raises(InputError, match="no plane t=1"):
        check_translation(translator, real, replace(REQUEST, positions=[(1, 0)]), difference)


def test_tick_stops_a_check(make_checkpoint: Callable[..., Checkpoint]) -> None:
    class Stop(Exception):
        pass

    def tick() -> None:
        raise Stop

    translator = Translator(make_checkpoint("shift"))
    with pytest.raises(Stop):
        check(translator, image(cells(32, 32)), np.zeros((2, 32, 32), np.float32), tick=tick)


def test_mere_error_passes_as_often_as_is_said() -> None:
    error = np.random.default_rng(0).normal(0, 7, (500, 500)).astype(np.float32)
    for factor in (0.0, 1.0, 2.0):
        passed = (believed(error, np.full_like(error, 7), factor) != 0).mean()
        assert passed == pytest.approx(by_chance(factor), abs=0.005)
    assert not believed(error, np.full_like(error, np.nan), 0.0).any()


def test_table_counts_every_checked_plane(make_checkpoint: Callable[..., Checkpoint]) -> None:
    def score(direction: str, what: str) -> Score:
        return Score(
            metric="gap closed", direction=direction, value=0.9, floor=0.97, copy_source=0, groups=4, what=what
        )

    scores = (score("untreated → treated", "marker 1"), score("untreated → treated", "cells"), score("b → a", "cells"))
    card = make_checkpoint("shift", scores=scores).card
    change = np.zeros((2, 2, 2), np.float32)
    change[0] = [[10, -10], [0, 0]]
    small = np.zeros((2, 1, 4), np.float32)
    errors = [ErrorDone(0, z, 0, 0, each / 2, np.full_like(each, 2)) for z, each in enumerate((change, small))]
    rows = trust_table(card, "untreated", "treated", zip((change, small), errors, strict=True), 4.0)
    assert rows[0] == TrustRow("marker 0", 0.0, 2.5, 255.0, 0.25, 4.0, 0.5, scores[1:2])
    assert (rows[1].mean_amount, rows[1].round_trip, rows[1].scores) == (0.0, None, scores[:2])
    assert trust_table(card, "untreated", "treated", zip((change, small), errors, strict=True), 5.0)[0].above == 0
    assert trust_table(card, "untreated", "treated", []) == []


def test_doubts_say_what_they_mean(make_checkpoint: Callable[..., Checkpoint]) -> None:
    good = Score(metric="kid", direction="untreated → treated", value=0.1, groups=4)
    card = make_checkpoint("shift", scores=(good,), pixel_size=0.5, pixel_unit="um").card
    pixels = cells(32, 32)
    assert doubts(card, image(pixels, pixel_size_um=0.5), position=(0, 0)) == []

    def only(text: str, *meaning: str) -> None:
        assert all(part in text for part in meaning), text

    (text,) = doubts(card.model_copy(update={"scores": ()}), image(pixels, pixel_size_um=0.5))
    only(text, "no held-out score", "may be right or invented")
    (text,) = doubts(card, image(pixels, pixel_size_um=0.5).replace(notes=("Its channels are a guess.",)))
    assert text == "Its channels are a guess."
    (text,) = doubts(card, image(pixels))
    only(text, "pixel size is unknown", "translated badly")
    (text,) = doubts(card, image(pixels, pixel_size_um=5))
    only(text, "5 µm per pixel, training had 0.5", "detail that the engine goes by is not in it")
    (text,) = doubts(card, Image(pixels, "CYX", pixel_size_um=0.5))
    only(text, "matched by position", "channel 1 as marker 0", "the result means nothing")
    bright = pixels.astype(np.uint16)
    bright[1, :4] = 4000
    (text,) = doubts(card, image(bright, pixel_size_um=0.5), position=(0, 0))
    only(text, "marker 1: 12% of the pixels lie outside the intensities that training saw (0 to 255)", "a guess")
    (text,) = doubts(card, image(pixels // 100, pixel_size_um=0.5), position=(0, 0))
    only(text, "as good as black", "check exposure and bit depth")
    assert doubts(card, image(bright, pixel_size_um=0.5), position=(0, 0), region=Region(8, 0, 24, 32)) == []
