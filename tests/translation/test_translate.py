from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region, View
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.io.scratch import Scratch
from napari_phenotrans.translation.events import EvaluationDone, PlaneDone, TileDone
from napari_phenotrans.translation.limits import Limits
from napari_phenotrans.translation.request import TranslationRequest
from napari_phenotrans.translation.translate import Translator, translate, translate_image

if TYPE_CHECKING:
    from collections.abc import Callable


NAMES = ("marker 0", "marker 1")
WAY = {"source": "untreated", "target": "treated"}
REQUEST = TranslationRequest(**WAY)


def cells(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(2, Y, X) float field of blurred blobs from about 10 to 200."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    spots = (rng.random((2, height + 32, width + 32)) > 0.995).astype(np.float32)
    blurred = gaussian_filter(spots, (0, 4, 4))[:, 16:-16, 16:-16]
    return 10 + 190 * blurred / max(float(blurred.max()), 1e-6)


def image(pixels: np.ndarray, axes: str = "CYX", **more: object) -> Image:
    return Image(pixels, axes, NAMES if "C" in axes else NAMES[:1], **more)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 3), (63, 65), (130, 97)])
def test_any_size_comes_back_in_its_dtype(size: tuple[int, int], make_checkpoint: Callable[..., Checkpoint]) -> None:
    pixels = cells(*size).astype(np.uint16)
    translated = translate_image(image(pixels), make_checkpoint(), **WAY)
    assert translated.translated.pixels.shape == pixels.shape
    assert translated.translated.dtype == np.uint16
    assert translated.difference.dtype == np.float32
    expected = pixels + translated.difference.pixels
    np.testing.assert_allclose(translated.translated.pixels, np.clip(expected, 0, 65535), atol=0.5)


@pytest.mark.parametrize("axes", ["TZCYX", "ZTYXC", "TCYX", "YX"])
def test_stacks_are_translated_plane_by_plane(axes: str, make_checkpoint: Callable[..., Checkpoint]) -> None:
    channels = 2 if "C" in axes else 1
    sizes = {"T": 2, "Z": 3, "C": channels, "Y": 40, "X": 36}
    base = np.stack([cells(40, 36, seed)[:channels] for seed in range(6)]).reshape(2, 3, channels, 40, 36)
    fixed = tuple(slice(None) if letter in axes else 0 for letter in "TZCYX")
    kept = "".join(letter for letter in "TZCYX" if letter in axes)
    pixels = np.transpose(base[fixed], [kept.index(letter) for letter in axes]).astype(np.float32)
    stack = image(pixels, axes)
    assert stack.sizes == {letter: sizes[letter] for letter in axes}
    translator = Translator(make_checkpoint(channels=channels))
    translation = translate_image(stack, translator, **WAY)
    for t, z in stack.positions():
        at = {letter.lower(): value for letter, value in (("T", t), ("Z", z)) if letter in axes}
        alone = translate_image(
            image(stack.plane(**at), "CYX") if channels == 2 else image(stack.plane(**at)[0], "YX"), translator, **WAY
        )
        one = alone.translated.plane()
        np.testing.assert_allclose(translation.translated.plane(**at), one, atol=1e-3)


def test_tiled_equals_whole_and_borders_do_not_show(make_checkpoint: Callable[..., Checkpoint]) -> None:
    pixels = cells(256, 256).astype(np.float32)
    checkpoint = make_checkpoint()
    whole = translate_image(image(pixels), Translator(checkpoint, tile=512), **WAY).translated.pixels
    tiled = translate_image(image(pixels), Translator(checkpoint, tile=128), **WAY).translated.pixels
    assert np.abs(whole - pixels).max() > 2, "the checkpoint changes too little to test anything"
    assert np.abs(tiled - whole).max() <= 0.001 * 255
    # the step from line to line is no larger where tiles meet (64, 128, 192, …) than elsewhere
    steps = np.abs(np.diff(tiled - whole, axis=2)).mean(axis=(0, 1))
    assert steps.max() <= 0.001 * 255


def test_same_cells_translate_alike_in_full_dark_and_cropped_fields(make_checkpoint: Callable[..., Checkpoint]) -> None:
    full = cells(320, 320).astype(np.float32)
    dark = np.full_like(full, 10)
    dark[:, 96:224, 96:224] = full[:, 96:224, 96:224]
    translator = Translator(make_checkpoint())
    results = [translate_image(image(p), translator, **WAY).translated.pixels for p in (full, dark)]
    cropped = translate_image(image(full[:, 64:256, 64:256]), translator, **WAY).translated.pixels
    # what lies deeper than the networks' reach inside the part that is equal in all three
    reach = translator.engine.context // 2
    core = slice(96 + reach, 224 - reach)
    inner = slice(core.start - 64, core.stop - 64)
    assert np.abs(results[0][:, core, core] - results[1][:, core, core]).max() <= 0.005 * 255
    assert np.abs(results[0][:, core, core] - cropped[:, inner, inner]).max() <= 0.005 * 255


def test_working_pixel_size_there_and_back_adds_no_blur(make_checkpoint: Callable[..., Checkpoint]) -> None:
    """Mean shift changes every pixel alike, so that resampling there and back must change nothing else."""
    checkpoint = make_checkpoint("shift", pixel_size=1.0, pixel_unit="um")
    checkpoint.tensors["1.mean"][:] = 0.25
    pixels = np.random.default_rng(0).uniform(20, 200, (2, 61, 47)).astype(np.float32)
    for size in (0.25, 0.5, 2.0):
        translation = translate_image(image(pixels, pixel_size_um=size), checkpoint, **WAY)
        np.testing.assert_allclose(translation.difference.pixels, 0.25 * 255 / 2, atol=0.01)


def test_tiles_come_from_where_the_user_looks(make_checkpoint: Callable[..., Checkpoint]) -> None:
    pixels = cells(200, 200).astype(np.uint8)
    translator = Translator(make_checkpoint(), tile=96, overlap=32)
    events = list(translator.translate(image(pixels), REQUEST, look_at=lambda: View(Region(199, 0, 1, 1))))
    tiles = [event for event in events if isinstance(event, TileDone)]
    assert (tiles[0].top, tiles[0].left) == (112, 0)
    assert [tile.done for tile in tiles] == list(range(1, tiles[0].total + 1))
    assert {tile.translated.dtype for tile in tiles} == {np.dtype(np.uint8)}
    assert isinstance(events[-1], PlaneDone)
    ordered = translate_image(image(pixels), translator, **WAY).translated.pixels
    np.testing.assert_array_equal(events[-1].translated, ordered)


def test_what_the_user_looks_at_comes_first_and_nearest(make_checkpoint: Callable[..., Checkpoint]) -> None:
    translator = Translator(make_checkpoint(), tile=96, overlap=32)
    # wide and flat: the tiles below its middle are nearer to its center than those at its ends
    view = View(Region(0, 0, 20, 400))
    events = list(translator.translate(image(cells(160, 400)), REQUEST, look_at=lambda: view))
    places = [(event.top, event.left) for event in events if isinstance(event, TileDone)]
    seen = [place for place in places if Region(*place, 96, 96).meets(view.region)]
    assert places[: len(seen)] == seen
    assert 1 < len(seen) < len(places)
    distances = [Region(*place, 96, 96).distance_to(*view.region.center) for place in places]
    assert distances[: len(seen)] == sorted(distances[: len(seen)])
    assert distances[len(seen) :] == sorted(distances[len(seen) :])


def test_moving_the_view_reorders_what_is_left(make_checkpoint: Callable[..., Checkpoint]) -> None:
    translator = Translator(make_checkpoint(), tile=96, overlap=32)
    views = [View(Region(0, 0, 10, 10)), View(Region(270, 270, 10, 10))]
    places = []
    for event in translator.translate(image(cells(280, 280)), REQUEST, look_at=lambda: views[0]):
        if isinstance(event, TileDone):
            places.append((event.top, event.left))
            if len(places) == 2:
                views.reverse()
    assert places[0] == (0, 0)
    assert places[2] == (184, 184)
    assert len(set(places)) == len(places) == 16


def test_planes_nearest_to_the_view_come_first(make_checkpoint: Callable[..., Checkpoint]) -> None:
    stack = image(np.zeros((3, 5, 2, 8, 8), np.uint8), "TZCYX")
    looked = [View(Region(0, 0, 8, 8), 1, 3)]
    order = []
    for event in Translator(make_checkpoint("shift")).translate(stack, REQUEST, look_at=lambda: looked[0]):
        if isinstance(event, PlaneDone):
            order.append((event.t, event.z))
            assert event.done == len(order)
            looked[0] = View(Region(0, 0, 8, 8), 1, 3 if len(order) < 3 else 0)
    assert order[:3] == [(1, 3), (0, 3), (1, 2)]
    assert order[3] == (1, 0)
    assert sorted(order) == list(stack.positions())


@pytest.mark.parametrize(
    ("region", "size"),
    [
        (Region(137, 90, 41, 83), 1.0),
        (Region(0, 250, 30, 50), 1.0),
        (Region(280, 0, 20, 9), 1.0),
        (Region(137, 90, 41, 83), 0.55),
        (Region(280, 0, 20, 9), 1.33),
    ],
)
def test_a_region_comes_out_as_in_the_whole_plane(
    region: Region, size: float, make_checkpoint: Callable[..., Checkpoint]
) -> None:
    pixels = cells(300, 300).astype(np.float32)
    translator = Translator(make_checkpoint(pixel_size=1.0, pixel_unit="um"), tile=128, overlap=64)
    plane = image(pixels, pixel_size_um=size)
    whole = translate_image(plane, translator, **WAY).difference.pixels[:, *region.slices]
    events = list(translator.translate(plane, TranslationRequest(**WAY, region=region)))
    done = events[-1]
    assert (done.top, done.left, *done.difference.shape[1:]) == (region.top, region.left, region.height, region.width)
    assert np.abs(whole).max() > 2, "the checkpoint changes too little to test anything"
    assert np.abs(done.difference - whole).max() <= 0.001 * 255
    for tile in events[:-1]:
        if isinstance(tile, TileDone):
            assert Region(tile.top, tile.left, *tile.translated.shape[1:]).common(region).height > 0
            assert region.top <= tile.top
            assert tile.left + tile.translated.shape[2] <= region.right


def test_a_region_of_a_denoiser_lies_on_the_tiles_of_the_whole_plane(
    make_checkpoint: Callable[..., Checkpoint],
) -> None:
    """What it draws depends on the tile: on a grid of its own, a region would come out otherwise."""
    plane = image(np.random.default_rng(0).integers(0, 255, (2, 130, 150)).astype(np.uint8))
    translator = Translator(make_checkpoint("phendiff", gain=1.0), how={"evaluations": 4, "strength": 1.0})
    whole = list(translator.translate(plane, REQUEST))[-1].difference
    assert np.abs(whole).max() > 5
    for region in (Region(50, 41, 20, 30), Region(101, 120, 29, 30)):
        alone = list(translator.translate(plane, TranslationRequest(**WAY, region=region)))[-1].difference
        assert np.abs(alone - whole[:, *region.slices]).max() <= 0.01 * 255


def test_a_region_reads_no_more_than_its_surroundings(make_checkpoint: Callable[..., Checkpoint]) -> None:
    class Lazy:
        shape, dtype, ndim = (2, 4000, 4000), np.dtype(np.uint16), 3

        def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
            asked.append(index[1:])
            return np.zeros((2, *(len(range(*i.indices(4000))) for i in index[1:])), np.uint16)

    asked: list[tuple[slice, ...]] = []
    translator = Translator(make_checkpoint(), tile=128, overlap=64)
    list(translator.translate(image(Lazy()), TranslationRequest(**WAY, region=Region(2001, 3003, 50, 60))))
    reach = translator.engine.context
    ((rows, columns),) = asked
    assert (rows.start, columns.start) == ((2001 - reach) // 4 * 4, (3003 - reach) // 4 * 4)
    assert 2051 + reach <= rows.stop < 2055 + reach
    assert 3063 + reach <= columns.stop < 3067 + reach


def test_a_translated_region_and_planes_make_an_image_of_their_own(make_checkpoint: Callable[..., Checkpoint]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (2, 3, 2, 40, 50)).astype(np.uint8)
    stack = image(pixels, "TZCYX")
    region = Region(5, 6, 20, 30)
    result = translate_image(stack, make_checkpoint("shift"), **WAY, positions=[(1, 2), (1, 0)], region=region)
    np.testing.assert_array_equal(result.real.pixels, pixels[1:, ::2, :, 5:25, 6:36])
    assert result.translated.pixels.shape == result.difference.pixels.shape == (1, 2, 2, 20, 30)
    assert result.provenance["region"] == [5, 6, 20, 30]
    assert result.provenance["positions"] == [[1, 0], [1, 2]]
    with pytest.raises(InputError, match="do not make a stack"):
        translate_image(stack, make_checkpoint("shift"), **WAY, positions=[(1, 2), (0, 0)])
    with pytest.raises(InputError, match="no plane t=2, z=0"):
        translate(stack, make_checkpoint("shift"), **WAY, positions=[(2, 0)])
    with pytest.raises(InputError, match="does not lie in the image, whose planes have 40 × 50"):
        translate(stack, make_checkpoint("shift"), **WAY, region=Region(5, 6, 36, 10))


def test_an_imported_network_translates_a_region_by_its_own_statistics_and_says_so(
    make_checkpoint: Callable[..., Checkpoint],
) -> None:
    translator = Translator(make_checkpoint(statistics="plane"))
    plane = image(cells(80, 80))
    events = list(translator.translate(plane, TranslationRequest(**WAY, region=Region(0, 0, 20, 20))))
    assert "statistics of what it sees" in events[0].text
    assert not any(isinstance(event, Notice) for event in translator.translate(plane, REQUEST))


def test_a_glimpse_of_the_view_comes_first_and_equals_the_translation(
    make_checkpoint: Callable[..., Checkpoint],
) -> None:
    pixels = cells(400, 400).astype(np.float32)
    translator = Translator(make_checkpoint(), tile=256, limits=Limits(glimpse=128))
    looked = View(Region(100, 130, 120, 120))
    events = list(translator.translate(image(pixels), REQUEST, look_at=lambda: looked))
    glimpse, first, *_, done = events
    assert (glimpse.done, glimpse.total) == (0, first.total)
    assert first.done == 1
    shown = Region(glimpse.top, glimpse.left, *glimpse.translated.shape[1:])
    assert shown.height == shown.width == 128 - translator.overlap
    assert abs(shown.center[0] - 160) <= 4
    assert abs(shown.center[1] - 190) <= 4
    final = done.translated[:, *shown.slices]
    assert np.abs(final - pixels[:, *shown.slices]).max() > 2
    assert np.abs(glimpse.translated - final).max() <= 0.001 * 255
    # at the plane's border there is nothing to cut away
    corner = next(translator.translate(image(pixels), REQUEST, look_at=lambda: View(Region(0, 390, 5, 10))))
    assert (corner.done, corner.top, corner.left + corner.translated.shape[2]) == (0, 0, 400)


def test_no_glimpse_where_it_would_be_in_vain(make_checkpoint: Callable[..., Checkpoint]) -> None:
    pixels, limits = image(cells(256, 256)), Limits(glimpse=128)
    looked = View(Region(0, 0, 100, 100))

    def first(translator: Translator, **more: object) -> TileDone:
        return next(e for e in translator.translate(pixels, REQUEST, **more) if isinstance(e, TileDone))

    tiled = Translator(make_checkpoint(), tile=256, limits=limits)
    assert first(tiled, look_at=lambda: looked).done == 0
    assert first(tiled).done == 1
    assert first(tiled, look_at=lambda: View(Region(900, 0, 100, 100))).done == 1
    assert first(Translator(make_checkpoint(), tile=252, limits=limits), look_at=lambda: looked).done == 1
    assert first(Translator(make_checkpoint(statistics="plane"), limits=limits), look_at=lambda: looked).done == 1
    denoiser = Translator(make_checkpoint("phendiff"), tile=256, limits=limits, how={"evaluations": 2})
    assert first(denoiser, look_at=lambda: looked).done == 1


def test_tick_stops_before_the_next_evaluation(make_checkpoint: Callable[..., Checkpoint]) -> None:
    class Stop(Exception):
        pass

    asked = []

    def tick() -> None:
        asked.append(1)
        if len(asked) > 2:
            raise Stop

    translator = Translator(make_checkpoint(), tile=96, overlap=32)
    seen = []
    with pytest.raises(Stop):
        seen.extend(translator.translate(image(cells(200, 200)), REQUEST, tick=tick))
    assert len(asked) == 3


def test_extra_channels_are_left_out_and_it_says_so(make_checkpoint: Callable[..., Checkpoint]) -> None:
    three = Image(np.concatenate([cells(32, 32), cells(32, 32)[:1]]), "CYX", ("marker 1", "other", "marker 0"))
    translation = translate_image(three, make_checkpoint(), **WAY)
    assert translation.translated.channels == ("marker 0", "marker 1")
    np.testing.assert_array_equal(translation.real.pixels, np.asarray(three.pixels)[[2, 0]])
    assert any("other" in notice for notice in translation.notices)


def test_intensities_outside_training_and_clipping_are_said(make_checkpoint: Callable[..., Checkpoint]) -> None:
    checkpoint = make_checkpoint("shift", high=50.0)
    checkpoint.tensors["1.mean"][:] = 2.0
    pixels = np.full((2, 20, 20), 240, np.uint8)
    translation = translate_image(image(pixels), checkpoint, **WAY)
    assert "outside the intensities" in translation.notices[0]
    assert any("400 translated pixels of marker 0" in notice for notice in translation.notices[1:])
    assert translation.translated.pixels.max() == 255
    assert translation.provenance["notices"] == list(translation.notices)


def test_what_cannot_be_translated_is_refused_before_anything_is_computed(
    make_checkpoint: Callable[..., Checkpoint],
) -> None:
    checkpoint = make_checkpoint()
    with pytest.raises(InputError, match="target condition"):
        translate(image(cells(8, 8)), checkpoint, source="untreated", target="sick")
    with pytest.raises(InputError, match="trained on the 2 channels"):
        translate(Image(cells(8, 8)[:1], "CYX", ("red",)), checkpoint, **WAY)
    with pytest.raises(InputError, match="tile of 64 with an overlap of 64"):
        Translator(checkpoint, tile=64, overlap=64)
    with pytest.raises(InputError, match="precision 'half'"):
        Translator(checkpoint, precision="half")
    nan = cells(20, 20)
    nan[0, 3, 3] = np.nan
    with pytest.raises(InputError, match="not finite at t=0, z=0"):
        translate_image(image(nan), checkpoint, **WAY)


def test_imported_statistics_pass_the_plane_whole_up_to_the_limit(make_checkpoint: Callable[..., Checkpoint]) -> None:
    checkpoint = make_checkpoint(statistics="plane")
    small = image(cells(80, 80).astype(np.float32))
    translator = Translator(checkpoint, tile=48, overlap=16)
    events = list(translator.translate(small, REQUEST))
    assert sum(isinstance(event, TileDone) for event in events) == 1
    translator = Translator(checkpoint, tile=48, overlap=16, limits=Limits(whole_plane=1000))
    events = list(translator.translate(small, REQUEST))
    assert sum(isinstance(event, TileDone) for event in events) > 1
    assert any(isinstance(event, Notice) and "averaged over" in event.text for event in events)


def test_large_results_live_in_a_file(
    make_checkpoint: Callable[..., Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = make_checkpoint("shift")
    pixels = image(cells(40, 40).astype(np.uint16))
    in_memory = translate_image(pixels, checkpoint, **WAY)

    def rooms(real: Image) -> tuple[Scratch, ...]:
        return Scratch(real, real.dtype, in_memory=100), Scratch(real, np.dtype(np.float32), in_memory=100)

    on_disk = translate_image(pixels, checkpoint, **WAY, rooms=rooms)
    assert isinstance(on_disk.translated.pixels, np.memmap)
    np.testing.assert_array_equal(on_disk.translated.pixels, in_memory.translated.pixels)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(InputError, match=r"room in .*No space left"):
        translate_image(pixels, checkpoint, **WAY, rooms=rooms)


def test_a_denoiser_is_blended_at_every_evaluation(make_checkpoint: Callable[..., Checkpoint]) -> None:
    """Tile borders leave no trace: evaluations see the whole plane, whatever the order or number of tiles."""
    checkpoint = make_checkpoint("phendiff")
    rng = np.random.default_rng(0)
    plane = image(rng.integers(0, 255, (2, 80, 112)).astype(np.uint8))
    translator = Translator(checkpoint, how={"evaluations": 4, "strength": 0.5})
    assert translator.tile == checkpoint.card.crop
    events = list(translator.translate(plane, REQUEST))
    evaluations = [event for event in events if isinstance(event, EvaluationDone)]
    tiles = [event for event in events if isinstance(event, TileDone)]
    assert evaluations
    assert tiles[-1].done == tiles[-1].total == len({(tile.top, tile.left) for tile in tiles})
    whole = events[-1]
    looked = list(translator.translate(plane, REQUEST, look_at=lambda: View(Region(79, 100, 1, 1))))[-1]
    np.testing.assert_allclose(looked.difference, whole.difference, atol=1e-3)
    assert np.abs(whole.difference).max() > 1


def test_what_an_engine_may_be_told(make_checkpoint: Callable[..., Checkpoint]) -> None:
    plane = image(np.random.default_rng(0).integers(0, 255, (2, 40, 40)).astype(np.uint8))
    checkpoint = make_checkpoint("phendiff", translation={"strength": 0.0})
    # the card's own choice, where nothing is said: strength 0 returns the image
    kept = translate_image(plane, checkpoint, **WAY)
    np.testing.assert_array_equal(kept.translated.pixels, plane.pixels)
    assert kept.provenance["strength"] == 0
    moved = translate_image(plane, Translator(checkpoint, how={"strength": 0.5, "evaluations": 4}), **WAY)
    assert (moved.translated.pixels != plane.pixels).any()
    assert (moved.provenance["strength"], moved.provenance["evaluations"]) == (0.5, 4)
    with pytest.raises(InputError, match=r"--strength: the engine cyclegan of this checkpoint has only --background"):
        Translator(make_checkpoint(), how={"strength": 0.5})
    with pytest.raises(InputError, match=r"--depth: the engine phendiff of this .* has only --background, --scale,"):
        Translator(checkpoint, how={"depth": 0.5})
    with pytest.raises(InputError, match="--strength: input should be less than or equal to 1"):
        Translator(checkpoint, how={"strength": 2})


def test_a_translation_that_is_not_finite_is_an_error(make_checkpoint: Callable[..., Checkpoint]) -> None:
    checkpoint = make_checkpoint("shift")
    checkpoint.tensors["1.mean"] = np.full_like(checkpoint.tensors["1.mean"], np.nan)
    with pytest.raises(InputError, match=r"not finite.*no translation"):
        translate_image(image(cells(40, 40).astype(np.uint8)), checkpoint, **WAY)


@pytest.mark.parametrize(
    ("engine", "able", "recorded", "expected"),
    [
        ("flow", True, None, "bf16"),
        ("flow", False, None, "fp32"),
        ("flow", True, 0.02, "fp32"),
        ("shift", True, None, "fp32"),
        ("shift", True, 0.001, "bf16"),
    ],
)
def test_precision_is_what_is_recorded_and_pays(
    engine: str, able: bool, recorded: float | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_phenotrans.engines.device.computes_in_bf16", lambda device: able)
    entry = ENGINES[engine]
    settings = entry.settings.make(**({"crop": 32, "width": 8, "levels": 3} if engine == "flow" else {}))
    card = Card(
        engine=engine,
        settings=settings.model_dump(mode="json"),
        conditions=("untreated", "treated"),
        channels=("DNA",),
        low=(0.0,),
        high=(1.0,),
        crop=32,
        bf16_rms=recorded,
    )
    checkpoint = Checkpoint.of(entry.load()(settings, 1, ("untreated", "treated")), card)
    assert Translator(checkpoint).precision == expected
    assert Translator(checkpoint, precision="fp32").precision == "fp32"
