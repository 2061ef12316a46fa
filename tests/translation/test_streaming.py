"""Planes that are never in memory as a whole: the same result, and no more read or held than a row of tiles needs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region
from napari_phenotrans.core.tiling import plan
from napari_phenotrans.translation.events import EvaluationDone, PlaneDone, RegionDone, TileDone
from napari_phenotrans.translation.limits import Limits
from napari_phenotrans.translation.request import TranslationRequest
from napari_phenotrans.translation.streaming import bands
from napari_phenotrans.translation.translate import Translator, translate_image
from napari_phenotrans.translation.working_plane import Cut

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint

WAY = {"source": "untreated", "target": "treated"}
REQUEST = TranslationRequest(**WAY)


# every plane is large, and all that is done at once is small
SMALL = Limits(large_plane=0, square=96, strip=128, part=64)


def noise(height: int, width: int, dtype: str = "uint16", seed: int = 0, **more: Any) -> Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (2, height, width)).astype(dtype)
    return Image(pixels, "CYX", ("marker 0", "marker 1"), **more)


def together(events: list[Any], image: Image) -> tuple[np.ndarray, np.ndarray]:
    """Return translated and difference of the first plane, whose every pixel must have come once."""
    shape = (2, image.sizes["Y"], image.sizes["X"])
    translated, difference, times = np.zeros(shape, image.dtype), np.zeros(shape, np.float32), np.zeros(shape[1:], int)
    for event in events:
        if isinstance(event, RegionDone):
            place = Region(event.top, event.left, *event.translated.shape[1:]).slices
            translated[:, *place], difference[:, *place] = event.translated, event.difference
            times[place] += 1
    assert set(np.unique(times)) == {1}
    return translated, difference


@pytest.mark.parametrize("size", [0.35, 0.6, 1.0, 1.7, 3.1])
@pytest.mark.parametrize(("height", "width"), [(300, 310), (97, 401), (401, 50), (20, 30)])
def test_a_plane_comes_in_regions_as_it_would_whole(
    height: int, width: int, size: float, make_checkpoint: Callable[..., Checkpoint]
) -> None:
    engine = Translator(make_checkpoint(pixel_size=1.0, pixel_unit="um"), tile=96, overlap=32, limits=SMALL)
    image = noise(height, width, pixel_size_um=size)
    (whole,) = [event for event in engine.translate(image, REQUEST) if isinstance(event, PlaneDone)]
    events = list(engine.translate(image, REQUEST, in_regions=True))
    assert not any(isinstance(event, PlaneDone | TileDone) for event in events)
    translated, difference = together(events, image)
    assert np.abs(whole.difference).max() > 2, "the checkpoint changes too little to test anything"
    np.testing.assert_allclose(difference, whole.difference, rtol=0, atol=2e-3)
    assert (np.abs(translated.astype(int) - whole.translated) <= 1).all()


def test_where_nothing_is_resampled_rounding_is_the_same_too(make_checkpoint: Callable[..., Checkpoint]) -> None:
    """One strip: the same tiles are added in the same order."""
    engine = Translator(make_checkpoint(), tile=96, overlap=32, limits=replace(SMALL, strip=16384))
    image = noise(211, 333)
    (whole,) = [event for event in engine.translate(image, REQUEST) if isinstance(event, PlaneDone)]
    translated, difference = together(list(engine.translate(image, REQUEST, in_regions=True)), image)
    np.testing.assert_allclose(difference, whole.difference, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(translated, whole.translated)
    events = list(engine.translate(image, REQUEST, in_regions=True))
    assert sum(event.clipped[0] for event in events if isinstance(event, RegionDone)) == whole.clipped[0]


def test_a_region_of_a_plane_comes_in_regions_too(make_checkpoint: Callable[..., Checkpoint]) -> None:
    engine = Translator(make_checkpoint(), tile=96, overlap=32, limits=SMALL)
    region = Region(31, 52, 200, 211)
    image = noise(300, 310)
    (whole,) = [
        event
        for event in engine.translate(image, TranslationRequest(**WAY, region=region))
        if isinstance(event, PlaneDone)
    ]
    result = translate_image(image, engine, **WAY, region=region)
    np.testing.assert_allclose(result.difference.pixels, whole.difference, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(result.real.plane(), image.pixels[:, *region.slices])


def test_rows_are_read_once_and_only_some_at_a_time(make_checkpoint: Callable[..., Checkpoint]) -> None:
    class Lazy:
        shape, dtype, ndim, chunks = (2, 900, 100), np.dtype(np.uint8), 3, (1, 50, 100)

        def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
            asked.append(index[1])
            return np.zeros((2, *(len(range(*i.indices(n))) for i, n in zip(index[1:], (900, 100), strict=True))), "u1")

    asked: list[slice] = []
    engine = Translator(make_checkpoint(), tile=128, overlap=64, limits=SMALL)
    regions = 0
    for event in engine.translate(Image(Lazy(), "CYX", ("marker 0", "marker 1")), REQUEST, in_regions=True):
        if isinstance(event, RegionDone):
            # what is read lies at most two tiles and a chunk before what is given out
            assert asked[-1].stop <= event.top + event.translated.shape[1] + 128 + 50
            regions += 1
    assert regions > 5
    rows = [row for each in asked for row in range(each.start, each.stop)]
    assert rows == list(range(900))
    assert all(each.stop % 50 == 0 for each in asked)


def test_progress_counts_tiles_and_planes(make_checkpoint: Callable[..., Checkpoint]) -> None:
    pixels = np.zeros((2, 2, 150, 300), np.uint8)
    stack = Image(pixels, "ZCYX", ("marker 0", "marker 1"))
    engine = Translator(make_checkpoint(), tile=96, overlap=32, limits=SMALL)
    events = list(engine.translate(stack, REQUEST, in_regions=True))
    tiles = [event for event in events if isinstance(event, EvaluationDone) and event.z == 0]
    assert [tile.done for tile in tiles] == list(range(1, tiles[0].total + 1))
    regions = [event for event in events if isinstance(event, RegionDone)]
    finished = [(event.z, event.done) for event in regions]
    assert finished.index((0, 1)) == len([event for event in regions if event.z == 0]) - 1
    assert finished[-1] == (1, 2)
    assert {event.total for event in regions} == {2}
    shares = [event.share for event in regions if event.z == 0]
    assert shares == sorted(shares)
    assert [share == 1 for share in shares] == [False] * (len(shares) - 1) + [True]


def test_what_lies_outside_training_is_said_once_of_all_planes(make_checkpoint: Callable[..., Checkpoint]) -> None:
    stack = Image(np.full((3, 2, 120, 120), 240, np.uint8), "ZCYX", ("marker 0", "marker 1"))
    engine = Translator(make_checkpoint(high=50.0), tile=96, overlap=32, limits=SMALL)
    events = engine.translate(stack, REQUEST, in_regions=True)
    said = [event.text for event in events if isinstance(event, Notice)]
    assert len(said) == 2
    assert all("100% of the pixels lie outside" in text for text in said)


def test_values_that_are_not_finite_are_refused(make_checkpoint: Callable[..., Checkpoint]) -> None:
    image = noise(150, 150, "float32")
    image.pixels[1, 140, 3] = np.nan
    with pytest.raises(InputError, match="not finite at t=0, z=0"):
        list(
            Translator(make_checkpoint(), tile=96, overlap=32, limits=SMALL).translate(image, REQUEST, in_regions=True)
        )


def test_where_memory_runs_out_only_the_rows_that_are_left_come_from_smaller_tiles(
    make_checkpoint: Callable[..., Checkpoint],
) -> None:
    class Recorded:
        shape, dtype, ndim = (2, 400, 200), np.dtype(np.uint16), 3

        def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
            read.append(index[1])
            return pixels[index]

    checkpoint, pixels = make_checkpoint(), noise(400, 200).pixels
    usual = translate_image(Image(pixels, "CYX", ("marker 0", "marker 1")), Translator(checkpoint, limits=SMALL), **WAY)
    image, read = Image(Recorded(), "CYX", ("marker 0", "marker 1")), []
    engine = Translator(checkpoint, tile=200, overlap=64, limits=replace(SMALL, strip=16384))
    count = [0]

    def refuse(_: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        count[0] += 1
        if count[0] > 2 and inputs[0].shape[2] > 100:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    for network in engine.engine.translators.values():
        network.register_forward_pre_hook(refuse)
    events = list(engine.translate(image, REQUEST, in_regions=True))
    assert sum(isinstance(event, Notice) for event in events) == 1
    before = next(i for i, event in enumerate(events) if isinstance(event, Notice))
    assert any(isinstance(event, RegionDone) for event in events[:before])
    _, difference = together(events, image)
    assert np.abs(difference - usual.difference.pixels).max() <= 0.001 * 255
    # what was given out is not read again, but for the surroundings of the next row
    (again,) = [i for i, rows in enumerate(read) if i and rows.start < read[i - 1].stop]
    assert read[again].start >= read[again - 1].stop - 2 * 200
    assert max(rows.stop - rows.start for rows in read) <= 2 * 200


def test_an_engine_that_evaluates_many_times_translates_squares(make_checkpoint: Callable[..., Checkpoint]) -> None:
    engine = Translator(make_checkpoint("phendiff", gain=1.0), how={"evaluations": 4, "strength": 1.0}, limits=SMALL)
    image = noise(230, 250)
    (whole,) = [event for event in engine.translate(image, REQUEST) if isinstance(event, PlaneDone)]
    engine.forget()
    events = list(engine.translate(image, REQUEST, in_regions=True))
    regions = [event for event in events if isinstance(event, RegionDone)]
    assert [(region.top, region.left) for region in regions] == [(y, x) for y in (0, 96, 192) for x in (0, 96, 192)]
    assert [region.done for region in regions] == [0] * 8 + [1]
    _, difference = together(events, image)
    assert np.abs(whole.difference).max() > 5
    assert np.abs(difference - whole.difference).max() <= 0.01 * 255
    # no plane will ask for its evaluations again
    assert engine._driver.inversions.nbytes == 0


def test_an_imported_network_takes_the_plane_whole(make_checkpoint: Callable[..., Checkpoint]) -> None:
    events = list(
        Translator(make_checkpoint(statistics="plane"), limits=SMALL).translate(noise(64, 64), REQUEST, in_regions=True)
    )
    assert isinstance(events[-1], PlaneDone)


def test_planes_come_whole_where_that_is_asked_for(make_checkpoint: Callable[..., Checkpoint]) -> None:
    engine = Translator(make_checkpoint(), limits=SMALL)
    assert isinstance(list(engine.translate(noise(64, 64), REQUEST, in_regions=True))[-1], RegionDone)
    assert isinstance(list(engine.translate(noise(64, 64), REQUEST))[-1], PlaneDone)


def test_small_planes_come_whole_where_each_is_evaluated_many_times(
    make_checkpoint: Callable[..., Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_phenotrans.translation.tiled_inference.TiledInference.evaluates_once", lambda *_: False)
    engine = Translator(make_checkpoint(), limits=replace(SMALL, large_plane=64 * 64))
    assert isinstance(list(engine.translate(noise(64, 64), REQUEST, in_regions=True))[-1], PlaneDone)
    assert isinstance(list(engine.translate(noise(64, 68), REQUEST, in_regions=True))[-1], RegionDone)


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.3])
@pytest.mark.parametrize("first", [0, 77, 239])
def test_bands_give_out_every_row_once_and_only_what_is_finished(scale: float, first: int) -> None:
    size = (240, 100)
    cut = Cut.around(Region(0, 0, *size), size, scale, context=16, stride=4, smallest=16)
    height, width = (-(-max(n, 16) // 4) * 4 for n in cut.working.shape)
    tiles = plan(height, width, tile=48, overlap=16, stride=4)
    planned = bands(cut, tiles, first)
    rows = [row for band in planned for row in range(band.first, band.last)]
    assert rows == list(range(first, 240))
    assert [band.first for band in planned[1:]] == [band.last for band in planned[:-1]]
