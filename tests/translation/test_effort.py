"""What is measured before the first translation, and what follows from it on a device that has little memory."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines import device
from napari_phenotrans.engines.device import Memory, memory_of
from napari_phenotrans.translation.effort import Effort
from napari_phenotrans.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint

WAY = "untreated", "treated"


@pytest.fixture
def small_device(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that gives the processor so much memory free, of which every pixel of a tile takes 1 kB."""

    def simulate(free: int, tile: int) -> None:
        @contextmanager
        def peak(_: torch.device) -> Iterator[Callable[[], int]]:
            yield lambda: 1024 * tile**2

        monkeypatch.setattr(device, "peak_memory", peak)
        monkeypatch.setattr(device, "memory_of", lambda _: Memory(free, 2**30))

    return simulate


def test_memory_of_a_processor_is_said_in_words() -> None:
    memory = memory_of(torch.device("cpu"))
    assert 0 < memory.free <= memory.total
    assert str(Memory(3 * 2**29, 2**31)) == "1.5 of 2.0 GB free"


def test_of_a_gpu_what_torch_holds_without_using_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    gigabyte = 2**30
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (5 * gigabyte, 12 * gigabyte))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 3 * gigabyte)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: gigabyte)
    assert memory_of(torch.device("cuda:0")) == Memory(7 * gigabyte, 12 * gigabyte)


@pytest.mark.parametrize(("engine", "how", "evaluations"), [("cyclegan", {}, 1), ("phendiff", {"evaluations": 4}, 8)])
def test_a_tile_is_tried_and_a_plane_estimated(
    make_checkpoint: Callable[..., Checkpoint], engine: str, how: dict[str, Any], evaluations: int
) -> None:
    translator = Translator(make_checkpoint(engine))
    asked: list[int] = []
    for network in translator.engine.translators.values():
        network.register_forward_pre_hook(lambda _, inputs: asked.append(inputs[0].shape[-1]))
    effort = translator.try_out(*WAY, {"strength": 1.0, **how} if how else {})
    # the first twice, for it is slow, and of several the last
    assert len(asked) == 2 + (evaluations > 1)
    assert set(asked) == {effort.side}
    assert (effort.evaluations, effort.memory) == (evaluations, 0)
    assert effort.seconds > 0
    assert effort.grid == (translator.tile, translator.overlap)


def test_an_estimate_counts_the_tiles_of_a_plane() -> None:
    effort = Effort(64, 10, 0.1, 0, (64, 16))
    assert effort.plane_s(64, 64) == pytest.approx(1.0)
    # 48 pixels from one tile to the next
    assert effort.plane_s(112, 160) == pytest.approx(6.0)
    assert effort.plane_s(32, 64) == pytest.approx(0.5)


def test_tiles_become_smaller_before_a_small_device_runs_out(
    make_checkpoint: Callable[..., Checkpoint], small_device: Callable[..., None]
) -> None:
    translator = Translator(make_checkpoint(), tile=256, overlap=32)
    small_device(100 * 2**20, 128)
    effort = translator.try_out(*WAY)
    # a tile of 256 takes 64 MB, and 80 of 100 may be taken
    assert (translator.tile, effort.grid) == (256, (256, 32))
    small_device(70 * 2**20, 128)
    effort = translator.try_out(*WAY)
    assert (translator.tile, effort.grid) == (128, (128, 32))


def test_a_denoiser_takes_fewer_tiles_at_once(
    make_checkpoint: Callable[..., Checkpoint], small_device: Callable[..., None]
) -> None:
    translator = Translator(make_checkpoint("phendiff"))
    small_device(2**20, translator.tile)
    translator.try_out(*WAY)
    assert translator.tile**2 * 1024 <= 2**20
    assert translator._driver._at_once == 1


def test_a_device_without_room_for_a_tile_says_so(make_checkpoint: Callable[..., Checkpoint]) -> None:
    translator = Translator(make_checkpoint())

    def refuse(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    for network in translator.engine.translators.values():
        network.register_forward_pre_hook(refuse)
    with pytest.raises(InputError, match=r"does not suffice for a tile of .* another --device"):
        translator.try_out(*WAY)
