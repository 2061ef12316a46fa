from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.engines.cyclegan import decay
from napari_phenotrans.engines.image_pool import Pool
from napari_phenotrans.engines.update import Update
from napari_phenotrans.networks.augment import AUGMENTATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.engines.base import Engine
    from napari_phenotrans.engines.update import BatchPart


def numbered(step: int, first: int = 0, count: int = 4) -> torch.Tensor:
    """Crops of one pixel whose value tells step and place."""
    return (10.0 * step + torch.arange(first, first + count)).reshape(count, 1, 1, 1)


def test_learning_rate_is_constant_then_falls_to_zero() -> None:
    assert [decay(step, 100) for step in (0, 49, 50, 75, 100)] == [1, 1, 1, 0.5, 0]


@pytest.mark.parametrize("name", ["cyclegan", "scgan"])
def test_learning_rate_follows_the_step_and_the_engines_rate(
    name: str, make_engine: Callable[..., Engine], make_parts: Callable[..., list[BatchPart]]
) -> None:
    engine = make_engine(name, steps=10)
    engine.start_training()
    engine.rate = 0.5
    engine.training_step(8, make_parts(8), Update())
    for optimizer in (engine.generators_adam, engine.discriminators_adam):
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([2e-4 * 0.4 * 0.5])


def test_pool_fills_then_shows_about_half_earlier_crops() -> None:
    pool = Pool(20, 4, "pool")
    earlier = 0
    for step in range(200):
        crops, chance = numbered(step), KeyedRandom(0, step, 0, 4)
        shown = pool.show(crops, chance)
        if step < 5:
            assert torch.equal(shown, crops)
        assert torch.equal(shown % 10, crops % 10)  # each from its own place
        earlier += int((shown != crops).sum())
        pool.keep(crops, chance)
    assert 330 < earlier < 450
    assert [len(stored) for stored in pool.stored.values()] == [5] * 4
    assert all(float(crop) >= 300 for stored in pool.stored.values() for crop in stored)  # old ones leave


def test_pool_replaces_the_crops_that_it_showed() -> None:
    pool = Pool(4, 4, "pool")
    pool.keep(numbered(0), KeyedRandom(0, 0, 0, 4))
    for step in range(1, 20):
        crops, chance = numbered(step), KeyedRandom(0, step, 0, 4)
        shown = pool.show(crops, chance)
        assert torch.equal(pool.show(crops, chance), shown)  # looking changes nothing
        pool.keep(crops, chance)
        for place, crop in enumerate(crops):
            assert torch.equal(pool.stored[place][0], crop) == bool(shown[place] != crop)


def test_pool_shows_the_same_however_the_batch_is_divided() -> None:
    whole, divided = Pool(8, 4, "pool"), Pool(8, 4, "pool")
    for step in range(30):
        shown = whole.show(numbered(step), KeyedRandom(0, step, 0, 4))
        whole.keep(numbered(step), KeyedRandom(0, step, 0, 4))
        for first in (2, 0):
            crops, chance = numbered(step, first, 2), KeyedRandom(0, step, first, 2)
            assert torch.equal(divided.show(crops, chance), shown[first : first + 2])
            divided.keep(crops, chance)


def test_pool_of_zero_keeps_nothing_and_any_other_something() -> None:
    none, some = Pool(0, 4, "pool"), Pool(1, 4, "pool")
    for step in range(5):
        crops, chance = numbered(step), KeyedRandom(0, step, 0, 4)
        assert torch.equal(none.show(crops, chance), crops)
        none.keep(crops, chance)
        some.keep(crops, chance)
    assert not any(none.stored.values())
    assert [len(stored) for stored in some.stored.values()] == [1] * 4


@pytest.mark.parametrize("name", ["cyclegan", "scgan"])
def test_discriminators_see_augmented_crops_only(
    name: str,
    make_engine: Callable[..., Engine],
    make_parts: Callable[..., list[BatchPart]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    purposes = []

    def blacken(crops: torch.Tensor, chance: KeyedRandom, purpose: str) -> torch.Tensor:
        purposes.append(purpose)
        return crops * 0 + 0.25

    monkeypatch.setitem(AUGMENTATIONS, "fluorescence", blacken)
    engine = make_engine(name, augment="fluorescence")
    engine.start_training()
    seen = []
    for discriminator in engine.discriminators:
        discriminator.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    engine.training_step(0, make_parts(0), Update())
    assert all(torch.all(crops == 0.25) for crops in seen)
    assert len(seen) == 4  # of the judged ones SCGAN's real crops come by another way
    assert sorted(purposes) == [f"{what} {i}" for what in ("deceive", "real", "translated") for i in (0, 1)]


def test_a_step_that_breaks_off_changes_nothing(
    make_engine: Callable[..., Engine], make_parts: Callable[..., list[BatchPart]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that runs out in the last part's discriminators: the step is computed again as if it were the first."""
    results = []
    for broken in (False, True):
        engine = make_engine("cyclegan", pool=2, batch=2)
        engine.start_training()
        for step in range(3):
            if broken and step == 2:
                judge = engine.judge
                calls = []

                def fail(*args: object, judge: Callable = judge, calls: list = calls) -> object:
                    calls.append(args)
                    if len(calls) == 4:
                        raise torch.OutOfMemoryError
                    return judge(*args)

                with monkeypatch.context() as patch, pytest.raises(torch.OutOfMemoryError):
                    patch.setattr(engine, "judge", fail)
                    engine.training_step(step, make_parts(step, divided=2), Update())
                engine.clear_gradients()
            losses = engine.training_step(step, make_parts(step), Update())
        results.append((losses, engine.generators[0].leave.weight.detach().clone()))
    assert results[0][0] == results[1][0]
    assert torch.equal(results[0][1], results[1][1])


def test_translating_uses_the_averaged_generators(
    make_engine: Callable[..., Engine], make_parts: Callable[..., list[BatchPart]]
) -> None:
    engine = make_engine("cyclegan", ema=0.9)
    engine.start_training()
    for step in range(3):
        engine.training_step(step, make_parts(step), Update())
    averaged = dict(engine.translators["1"].named_parameters())
    live = dict(engine.generators[1].named_parameters())
    assert any(not torch.equal(averaged[key], live[key]) for key in averaged)
    assert not any(p.requires_grad for p in averaged.values())


def test_fixing_statistics_leaves_the_networks_in_training_alone(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine("cyclegan")
    engine.start_training()
    engine.fix_statistics("treated", [torch.rand(2, 2, 32, 32)])
    live, stored = engine.generators[1].enter[1], engine.translators["1"].enter[1]
    assert stored.mode == "fixed"
    assert live.mode == "instance"
    assert stored.mean.abs().max() > 0
    assert engine.translators["0"].enter[1].mode == "instance"


@pytest.mark.parametrize(("name", "called"), [("cyclegan", "CycleGAN"), ("scgan", "SCGAN")])
def test_three_conditions_are_refused(name: str, called: str, make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(name)
    with pytest.raises(InputError, match=rf"{called} translates between two conditions, got 3: a, b, c"):
        type(engine)(engine.settings, 2, ("a", "b", "c"))
