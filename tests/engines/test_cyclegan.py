from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.engines.background import background
from napari_phenotrans.engines.cyclegan import decay
from napari_phenotrans.engines.image_pool import Pool
from napari_phenotrans.engines.update import Update
from napari_phenotrans.networks.augment import AUGMENTATIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from napari_phenotrans.engines.base import Engine
    from napari_phenotrans.engines.update import BatchPart


# settings that exclude each other, so that every way through a step is taken
VARIANTS: dict[str, dict[str, Any]] = {
    "no way back": {
        "cycle": 0, "contrast": 1, "output": "masked", "sparsity": 0.5, "norm": "position", "augment": "level",
    },
    "noisy way back": {
        "cycle_noise": 0.1, "cycle_end": 0.1, "cycle_pool": 2, "adversarial": "relativistic", "penalty": 1,
        "pin_background": True, "discriminator_rate": 1e-4,
    },
    "left to chance": {
        "noise": True, "unmatched": 0.5, "cycle_camera": 2, "cycle_features": 0.5, "averaging": 0.1,
        "convolutions": "plain",
    },
}  # fmt: skip
both_gans = pytest.mark.parametrize("name", ["cyclegan", "scgan"])
every_variant = pytest.mark.parametrize("variant", VARIANTS)


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


# ---- what keeps it from hiding signals


@both_gans
@every_variant
def test_a_step_comes_out_the_same_in_parts_and_after_resuming(
    name: str, variant: str, make_engine: Callable[..., Engine], make_parts: Callable[..., list[BatchPart]]
) -> None:
    whole, divided, resumed = (make_engine(name, **VARIANTS[variant]) for _ in range(3))
    for engine in (whole, divided, resumed):
        torch.manual_seed(0)
        engine.start_training()
    losses = [engine.training_step(0, make_parts(0, divided=n), Update()) for engine, n in ((whole, 1), (divided, 2))]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)

    resumed.translators.load_state_dict(whole.translators.state_dict())
    resumed.load_training_state(whole.training_state())
    resumed.load_own_state(whole.own_state())
    later = [engine.training_step(1, make_parts(1), Update()) for engine in (whole, resumed)]
    assert later[0] == later[1]
    assert torch.equal(whole.generators[0].leave.weight, resumed.generators[0].leave.weight)


def test_only_what_a_setting_asks_for_is_computed(
    make_engine: Callable[..., Engine], make_parts: Callable[..., list[BatchPart]]
) -> None:
    named = {}
    for variant, said in VARIANTS.items():
        engine = make_engine("cyclegan", **said)
        engine.start_training()
        named[variant] = {loss.rsplit(" ", 1)[0] for loss in engine.training_step(0, make_parts(0), Update())}
    common = {"adversarial", "identity", "discriminator"}
    assert named["no way back"] == common | {"contrast", "changed"}
    assert named["noisy way back"] == common | {"round trip", "penalty"}
    assert named["left to chance"] == common | {"round trip", "no counterpart"}


def test_kept_channels_are_seen_and_come_back_bit_for_bit(
    make_engine: Callable[..., Engine], make_parts: Callable[..., list[BatchPart]]
) -> None:
    said = {"channels": ("DAPI", "PH3", "ZO1"), "kept": ("ZO1", "DAPI"), "cycle_noise": 0.1}
    like = make_engine("cyclegan", 3)
    engine = type(like)(like.settings.model_copy(update=said), 3, like.conditions)
    engine.start_training()
    seen: list[torch.Tensor] = []
    for network in (*engine.generators, *engine.discriminators):
        network.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    parts = make_parts(0, channels=3)
    engine.training_step(0, parts, Update())
    real = torch.cat(list(parts[0].crops.values()))
    for crops in seen:
        for place in (0, 2):
            assert all(any(torch.equal(crop, one) for one in real[:, place]) for crop in crops[:, place])
    x = torch.rand(2, 3, 32, 32)
    made = engine.translate(x, "untreated", "treated")
    assert engine.kept == (0, 2)
    assert torch.equal(made[:, [0, 2]], x[:, [0, 2]])
    assert not torch.allclose(made[:, 1], x[:, 1])
    other = x.clone()
    other[:, 2] = 0
    assert not torch.allclose(engine.translate(other, "untreated", "treated")[:, 1], made[:, 1])


def test_a_kept_channel_that_is_unknown_is_refused(make_engine: Callable[..., Engine]) -> None:
    like = make_engine("scgan")
    settings = like.settings.model_copy(update={"channels": ("DAPI", "PH3"), "kept": ("GFP",)})
    with pytest.raises(InputError, match=r"not among the images': GFP\. Expected some of DAPI, PH3"):
        type(like)(settings, 2, like.conditions)


def test_a_price_of_the_mask_without_a_mask_is_refused(make_engine: Callable[..., Engine]) -> None:
    with pytest.raises(InputError, match=r"output 'residual' has none\. Say --output masked"):
        make_engine("cyclegan", sparsity=0.5)


def test_a_price_of_what_need_not_come_back_without_a_way_back_is_refused(make_engine: Callable[..., Engine]) -> None:
    with pytest.raises(InputError, match=r"without a way back\. Say a --cycle above 0, or --unmatched 0"):
        make_engine("cyclegan", unmatched=0.5, cycle=0)


@pytest.mark.parametrize("pinned", [True, False])
def test_a_pinned_background_cannot_be_shifted(
    pinned: bool, make_engine: Callable[..., Engine], make_parts: Callable[..., list[BatchPart]]
) -> None:
    engine = make_engine("cyclegan", pin_background=pinned, pool=0)
    engine.start_training()
    with torch.no_grad():
        for generator in engine.generators:
            generator.leave.bias += 0.5
    shown: list[torch.Tensor] = []
    engine.discriminators[1].register_forward_pre_hook(lambda _, args: shown.append(args[0]))
    parts = make_parts(0)
    engine.training_step(0, parts, Update())
    shift = background(shown[0]) - background(parts[0].crops["untreated"])
    assert bool((shift.abs() < 1e-5).all()) == pinned


def test_the_round_trips_weight_falls(
    make_engine: Callable[..., Engine], make_parts: Callable[..., list[BatchPart]], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine("cyclegan", cycle=8, cycle_end=0.25, steps=20)
    engine.start_training()
    weights, loss = [], engine._generators_loss
    monkeypatch.setattr(
        engine, "_generators_loss", lambda part, update, of: weights.append(of["round trip"]) or loss(part, update, of)
    )
    for step in (0, 10, 20):
        engine.training_step(step, make_parts(step), Update())
    assert weights == [8, 5, 2]
