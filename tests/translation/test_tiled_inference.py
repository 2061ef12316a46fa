"""What happens where memory runs out, and what is kept from one translation for the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_phenotrans.core.errors import InputError, ran_out_of_memory
from napari_phenotrans.core.events import Notice
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region
from napari_phenotrans.translation.events import PlaneDone, TileDone
from napari_phenotrans.translation.request import TranslationRequest
from napari_phenotrans.translation.tiled_inference import Inversions
from napari_phenotrans.translation.translate import Translator, translate_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint

WAY = {"source": "untreated", "target": "treated"}
REQUEST = TranslationRequest(**WAY)


def noise(height: int, width: int, seed: int = 0) -> Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (2, height, width)).astype(np.uint8)
    return Image(pixels, "CYX", ("marker 0", "marker 1"))


def limit(translator: Translator, pixels: int, error: Callable[[str], Exception] = torch.OutOfMemoryError) -> list[int]:
    """Let the translating networks fail above so many pixels (N × H × W); returns what they are asked."""
    asked: list[int] = []

    def refuse(_: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        count = inputs[0].shape[0] * inputs[0].shape[2] * inputs[0].shape[3]
        asked.append(count)
        if count > pixels:
            raise error("CUDA out of memory. Tried to allocate 2.00 GiB.")

    for network in translator.engine.translators.values():
        network.register_forward_pre_hook(refuse)
    return asked


def notices(events: list[Any]) -> list[str]:
    return [event.text for event in events if isinstance(event, Notice)]


# ---- memory


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError, MemoryError])
def test_out_of_memory_halves_the_tile_says_so_and_goes_on(
    error: Callable[[str], Exception], make_checkpoint: Callable[..., Checkpoint]
) -> None:
    checkpoint, plane = make_checkpoint(), noise(200, 200)
    usual = translate_image(plane, Translator(checkpoint), **WAY)
    translator = Translator(checkpoint, tile=200, overlap=64)
    limit(translator, 100 * 100, error)
    events = list(translator.translate(plane, REQUEST))
    assert notices(events) == ["Memory ran out: tiles of 100 instead of 200 pixels from here on."]
    assert translator.tile == 100
    assert np.abs(events[-1].difference - usual.difference.pixels).max() <= 0.001 * 255
    tiles = [event for event in events if isinstance(event, TileDone)]
    assert [tile.done for tile in tiles] == list(range(1, tiles[0].total + 1))
    # from here on
    again = list(translator.translate(plane, REQUEST))
    assert notices(again) == []
    assert translator.provenance(plane, REQUEST)["tile"] == 100


def test_memory_that_does_not_suffice_for_the_smallest_tile_is_said(make_checkpoint: Callable[..., Checkpoint]) -> None:
    translator = Translator(make_checkpoint(), tile=160, overlap=20)
    asked = limit(translator, 10)
    events = []
    with pytest.raises(InputError, match=r"does not suffice for a tile of 32 × 32 .* no smaller ones \(least 24\)"):
        events.extend(translator.translate(noise(160, 160), REQUEST))
    # as many tiles of 80 cover the plane as of 68, and of the half of that
    assert asked == [160**2, 68**2, 32**2]
    assert len(notices(events)) == 2


def test_other_errors_are_not_taken_for_it(make_checkpoint: Callable[..., Checkpoint]) -> None:
    translator = Translator(make_checkpoint())

    def melt(*_: object) -> None:
        raise RuntimeError("the network melted")

    translator.engine.translators["1"].register_forward_pre_hook(melt)
    with pytest.raises(RuntimeError, match="melted"):
        list(translator.translate(noise(40, 40), REQUEST))


@pytest.mark.parametrize(
    ("text", "is_it"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB.", True),
        ("[enforce fail at alloc_cpu.cpp:126] err == 0. DefaultCPUAllocator: can't allocate memory", True),
        ("[enforce fail] data. DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes.", True),
        ("MPS backend out of memory (MPS allocated: 5.05 GB)", True),
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", True),
        ("can't start new thread", True),
        ("Given groups=1, weight of size [8, 2, 7, 7], expected input to have 2 channels", False),
    ],
)
def test_the_text_tells_out_of_memory(text: str, is_it: bool) -> None:
    assert ran_out_of_memory(RuntimeError(text)) == is_it


def test_a_denoiser_first_takes_fewer_tiles_at_once_and_never_smaller_ones(
    make_checkpoint: Callable[..., Checkpoint],
) -> None:
    checkpoint, plane, how = make_checkpoint("phendiff"), noise(80, 112), {"evaluations": 2, "strength": 1.0}
    usual = translate_image(plane, Translator(checkpoint, how=how), **WAY)
    translator = Translator(checkpoint, how=how)
    asked = limit(translator, 3 * 32 * 32)
    events = list(translator.translate(plane, REQUEST))
    assert notices(events) == []
    assert translator.tile == 32
    assert asked[0] > 3 * 32 * 32
    np.testing.assert_allclose(events[-1].difference, usual.difference.pixels, atol=0.01)
    translator = Translator(checkpoint, how=how)
    limit(translator, 32 * 32 - 1)
    with pytest.raises(InputError, match="tile of 32 × 32"):
        list(translator.translate(plane, REQUEST))


def test_an_imported_network_falls_back_to_averaged_statistics(make_checkpoint: Callable[..., Checkpoint]) -> None:
    checkpoint, plane = make_checkpoint(statistics="plane"), noise(128, 128)
    whole = translate_image(plane, Translator(checkpoint), **WAY)
    translator = Translator(checkpoint, tile=128, overlap=32)
    limit(translator, 64 * 64)
    events = list(translator.translate(plane, REQUEST))
    said = notices(events)
    assert said[0] == "Memory ran out: tiles of 64 instead of 128 pixels from here on."
    assert "memory does not suffice): statistics are averaged over 9 tiles" in said[1]
    assert isinstance(events[-1], PlaneDone)
    # tiles of noise have nearly the plane's own statistics
    assert np.abs(events[-1].difference - whole.difference.pixels).mean() < 0.01 * 255


# ---- inversions that are kept


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The condition of every network evaluation of a denoiser; tiles that pass it together count once."""
    from napari_phenotrans.engines.phendiff import PhenDiff

    told: list[int] = []
    through = PhenDiff._predict

    def predict(self: Any, network: Any, condition: int, guidance: float, z: Any, time: Any) -> Any:
        told.append(condition)
        return through(self, network, condition, guidance, z, time)

    monkeypatch.setattr(PhenDiff, "_predict", predict)
    return told


def difference(translator: Translator, plane: Image, target: str = "treated", **more: Any) -> np.ndarray:
    request = TranslationRequest(source="untreated", target=target, **more)
    return list(translator.translate(plane, request))[-1].difference


@pytest.mark.parametrize("solver", ["dpm", "heun", "ddim"])
def test_another_target_guidance_or_strength_costs_only_the_way_back(
    solver: str,
    make_checkpoint: Callable[..., Checkpoint],
    counting: list[int],
) -> None:
    checkpoint = make_checkpoint("phendiff", translation={"solver": solver, "evaluations": 10, "strength": 0.8})
    if solver == "ddim":
        settings = checkpoint.card.settings | {"objective": "discrete"}
        checkpoint = type(checkpoint)(checkpoint.card.model_copy(update={"settings": settings}), checkpoint.tensors)
    plane = noise(32, 32)
    translator = Translator(checkpoint)
    difference(translator, plane)
    assert counting.count(0) == 8
    for target, how in (
        ("untreated", {}),
        ("treated", {"guidance": 3.0, "strength": 0.4}),
        ("treated", {"strength": 0.33}),
        ("treated", {"strength": 0.37}),
    ):
        counting.clear()
        again = difference(translator, plane, target, how=how)
        cost = len(counting)
        counting.clear()
        fresh = difference(Translator(checkpoint), plane, target, how=how)
        np.testing.assert_array_equal(again, fresh)
        # Heun's second evaluation of the step to a level of its own is the only one that may be missing
        own_level = solver == "heun" and how.get("strength") in (0.33, 0.37)
        steps = round((5 if solver == "heun" else 10) * how.get("strength", 0.8))
        assert len(counting) - cost == (2 * steps if solver == "heun" else steps) - own_level


def test_what_is_kept_is_of_the_same_image_source_and_tiles(
    make_checkpoint: Callable[..., Checkpoint], counting: list[int]
) -> None:
    checkpoint = make_checkpoint("phendiff", translation={"evaluations": 4, "strength": 1.0})
    translator = Translator(checkpoint)

    def cost(plane: Image, **more: Any) -> int:
        counting.clear()
        list(translator.translate(plane, TranslationRequest(**({"source": "untreated", "target": "treated"} | more))))
        return len(counting)

    plane = noise(32, 32)
    assert cost(plane) == 8
    assert cost(plane) == 4
    assert cost(noise(32, 32, seed=1)) == 8
    assert cost(plane) == 4
    assert cost(plane, source="treated") == 8
    # at the least noise both go the same way
    assert cost(plane, how={"evaluations": 6}) == 6 + 6
    assert cost(plane, how={"solver": "heun"}) == 4 + 3
    translator.forget()
    assert cost(plane) == 8
    larger = noise(80, 80)
    assert cost(larger, region=Region(8, 8, 8, 8)) > cost(larger, region=Region(8, 8, 8, 8))


def test_inversions_keep_to_their_bytes_and_drop_what_was_used_longest_ago() -> None:
    one, two = (np.full((1, 4, 4), value, np.float32) for value in (1, 2))
    kept = Inversions(limit=5 * one.nbytes)
    for plane in (one, two):
        for level in range(2):
            kept.keep(kept.of(plane), level, plane)
    assert kept.nbytes == 4 * one.nbytes
    assert set(kept.of(one)) == {0, 1}
    # room for one more; then plane two goes, which was used longest ago
    kept.keep(kept.of(one), 2, one)
    kept.keep(kept.of(one), 3, one)
    assert set(kept.of(one)) == {0, 1, 2, 3}
    assert kept.of(two) == {}
    # of a single plane no more than fits
    for level in range(4, 9):
        kept.keep(kept.of(one), level, one)
    assert set(kept.of(one)) == {0, 1, 2, 3, 4}
    assert kept.of(one, "other tiles") == {}
    kept.forget()
    assert kept.nbytes == 0


def test_a_full_memory_changes_nothing_but_the_time(make_checkpoint: Callable[..., Checkpoint]) -> None:
    checkpoint = make_checkpoint("phendiff", translation={"evaluations": 6, "strength": 1.0})
    plane = noise(32, 32)
    translator = Translator(checkpoint)
    translator._driver.inversions.limit = 2 * 2 * 32 * 32 * 4
    first, again = difference(translator, plane), difference(translator, plane)
    assert translator._driver.inversions.nbytes == translator._driver.inversions.limit
    np.testing.assert_array_equal(first, again)


# ---- precision


@pytest.mark.parametrize(("engine", "last"), [("flow", torch.float32), ("phendiff", torch.float32), ("cyclegan", None)])
def test_pixels_of_an_iterative_engine_are_computed_in_float32(
    engine: str, last: torch.dtype | None, make_checkpoint: Callable[..., Checkpoint]
) -> None:
    how = {} if last is None else {"evaluations": 4}
    translator = Translator(make_checkpoint(engine), precision="bf16", how=how)
    computed: list[torch.dtype] = []
    for network in translator.engine.translators.values():
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.register_forward_hook(lambda _, __, made: computed.append(made.dtype))
                break
    translate_image(noise(32, 32), translator, **WAY)
    assert len(computed) > 2 or last is None
    assert set(computed[: -1 if last else None]) == {torch.bfloat16}
    assert computed[-1] == (last or torch.bfloat16)
