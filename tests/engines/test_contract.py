"""What every engine in the registry must do."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.engines import ENGINES, engine_entry
from napari_phenotrans.engines.update import BatchPart, Update

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.core.settings import TranslationSettings
    from napari_phenotrans.engines.base import Engine

every_engine = pytest.mark.parametrize("name", ENGINES)
# everything on that a step's result could hang on
ALL_ON: dict[str, dict[str, Any]] = {name: {"augment": "fluorescence", "pool": 4} for name in ("cyclegan", "scgan")}
# shapes and sameness show with few evaluations of an iterative engine too
QUICK: dict[str, dict[str, Any]] = {"phendiff": {"evaluations": 4}, "flow": {"evaluations": 4}}


def crops(count: int, channels: int, size: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def quick(engine: Engine, name: str) -> TranslationSettings:
    return engine.translation_settings.make(**QUICK.get(name, {}))


def fix_statistics(engine: Engine) -> None:
    for target in engine.conditions:
        engine.fix_statistics(target, [crops(8, engine.channels)])


def networks(engine: Engine) -> dict[str, torch.Tensor]:
    """Return every value of every network, those included that only training has."""
    owned = {name: value for name, value in vars(engine).items() if isinstance(value, nn.Module)}
    return {f"{name}.{key}": value for name, one in owned.items() for key, value in one.state_dict().items()}


class Recorder(Update):
    """Notes the gradients that each optimizer is given."""

    def __init__(self) -> None:
        self.gradients: list[torch.Tensor] = []

    def apply(self, optimizer: torch.optim.Optimizer, *, clip: float | None = None) -> None:
        given = [p.grad for group in optimizer.param_groups for p in group["params"]]
        assert None not in given
        self.gradients += [gradient.clone() for gradient in given if gradient is not None]
        super().apply(optimizer, clip=clip)


@every_engine
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (8, 9)])
def test_shape_is_kept_and_sizes_are_multiples_of_the_stride(
    name: str, channels: int, size: tuple[int, int], make_engine: Callable[..., Engine]
) -> None:
    engine = make_engine(name, channels)
    height, width = (max(engine.smallest, s * engine.stride) for s in size)
    x = torch.rand(2, channels, height, width)
    for source, target in (("untreated", "treated"), ("treated", "untreated"), ("treated", "treated")):
        assert engine.translate(x, source, target, quick(engine, name)).shape == x.shape
    assert engine.round_trip(x, "untreated", "treated", quick(engine, name)).shape == x.shape


@every_engine
@pytest.mark.parametrize("channels", [1, 5])
def test_losses_are_finite_and_training_is_deterministic(
    name: str, channels: int, make_engine: Callable[..., Engine], make_parts: Callable[..., list[BatchPart]]
) -> None:
    results = []
    for noise in range(2):
        engine = make_engine(name, channels, **ALL_ON.get(name, {}))
        engine.start_training()
        torch.manual_seed(noise)  # no step draws from it
        for step in range(2):
            losses = engine.training_step(step, make_parts(step, channels=channels), Update())
            assert losses
            assert all(torch.isfinite(torch.tensor(value)) for value in losses.values())
        results.append(engine.translate(crops(1, channels), "untreated", "treated", quick(engine, name)))
    assert torch.equal(*results)


@every_engine
def test_saved_and_loaded_engine_translates_alike(
    name: str, make_engine: Callable[..., Engine], make_parts: Callable[..., list[BatchPart]], tmp_path: Path
) -> None:
    engine = make_engine(name)
    engine.start_training()
    engine.training_step(0, make_parts(0), Update())
    fix_statistics(engine)
    assert engine.statistics_are_fixed
    card = Card(
        engine=name,
        settings=engine.settings.model_dump(mode="json"),
        conditions=engine.conditions,
        channels=("a", "b"),
        low=(0, 0),
        high=(1, 1),
        crop=32,
    )
    path = Checkpoint.of(engine, card).save(tmp_path / "engine.safetensors")
    loaded = Checkpoint.load(path).build_engine()
    for source, target in (("untreated", "treated"), ("treated", "untreated")):
        x = crops(1, 2, seed=3)
        how = quick(engine, name)
        assert torch.equal(loaded.translate(x, source, target, how), engine.translate(x, source, target, how))


@every_engine
def test_a_pixel_depends_on_its_surroundings_only(name: str, make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(name)
    if engine.tile is not None:
        pytest.skip("this engine's networks depend on their whole tile: they are tiled, and blended, at every call")
    fix_statistics(engine)
    x = crops(1, 2, size=256)
    far = x.clone()
    far[:, :, :, 200:] = -1
    near = slice(0, 200 - 2 * engine.context)
    whole, changed = engine.translate(x, "untreated", "treated"), engine.translate(far, "untreated", "treated")
    torch.testing.assert_close(whole[..., near], changed[..., near], atol=1e-5, rtol=0)


@every_engine
def test_gradients_reach_every_parameter(
    name: str, make_engine: Callable[..., Engine], make_parts: Callable[..., list[BatchPart]]
) -> None:
    engine = make_engine(name)
    engine.start_training()
    before = {key: value.clone() for key, value in networks(engine).items()}
    for step in range(3):
        engine.training_step(step, make_parts(step), Update())
    parameters = {
        f"{owner}.{key}"
        for owner, network in vars(engine).items()
        if isinstance(network, nn.Module)
        for key, _ in network.named_parameters()
    }
    after = networks(engine)
    changing = parameters or set(before)  # the mean shift has buffers only
    assert not [key for key in changing if torch.equal(before[key], after[key])]


@every_engine
def test_dividing_a_batch_changes_nothing(
    name: str, make_engine: Callable[..., Engine], make_parts: Callable[..., list[BatchPart]]
) -> None:
    """Four crops at once, in two parts, and shared by two processes: the same losses and gradients."""

    def train(**how: Any) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        engine = make_engine(name, batch=4, **ALL_ON.get(name, {}))
        engine.start_training()
        engine.rate = 1e-6  # the networks stand nearly still, so that rounding does not grow from step to step
        recorder = Recorder()
        losses = [engine.training_step(i, make_parts(i, batch=4, **how), recorder) for i in range(2)]
        return recorder.gradients, [torch.tensor(list(one.values())) for one in losses]

    whole = train()
    divided = train(divided=2)
    processes = [train(places=places) for places in (range(2), range(2, 4))]
    shared = tuple([(a + b) / 2 for a, b in zip(*both, strict=True)] for both in zip(*processes, strict=True))
    if name == "shift":  # whose loss is not a mean over crops: the mean over processes is taken before it
        whole, divided, shared = ([], whole[1]), ([], divided[1]), ([], whole[1])
    for other in (divided, shared):
        for kind in range(2):
            for one, two in zip(whole[kind], other[kind], strict=True):
                torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4 * float(one.abs().max()) + 1e-5)


@every_engine
def test_parts_at_once_give_the_same_bits_each_time(
    name: str, make_engine: Callable[..., Engine], make_parts: Callable[..., list[BatchPart]]
) -> None:
    """Four parts on three threads: which of them is ready first differs, what comes out does not."""

    def train() -> dict[str, torch.Tensor]:
        engine, update = make_engine(name, batch=4, **ALL_ON.get(name, {})), Update()
        engine.start_training()
        for step in range(2):
            engine.training_step(step, make_parts(step, batch=4, divided=4), update)
        return networks(engine)

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        first, again = train(), train()
    finally:
        torch.set_num_threads(before)
    assert not [key for key, value in again.items() if not torch.equal(value, first[key])]


@every_engine
def test_resuming_is_exact(
    name: str, make_engine: Callable[..., Engine], make_parts: Callable[..., list[BatchPart]]
) -> None:
    settings = ALL_ON.get(name, {})
    engine = make_engine(name, **settings)
    engine.start_training()
    stored = io.BytesIO()
    for step in range(4):
        if step == 2:
            torch.save([engine.translators.state_dict(), engine.training_state(), engine.own_state()], stored)
        expected = engine.training_step(step, make_parts(step), Update())

    resumed = make_engine(name, seed=5, **settings)
    stored.seek(0)
    translators, state, own = torch.load(stored, weights_only=True)
    resumed.translators.load_state_dict(translators)
    resumed.start_training()
    resumed.load_training_state(state)
    resumed.load_own_state(own)
    for step in range(2, 4):
        losses = resumed.training_step(step, make_parts(step), Update())
    assert losses == expected
    after = networks(engine)
    assert not [key for key, value in networks(resumed).items() if not torch.equal(value, after[key])]


# Losses that have to fall on a toy. Those of a generator and its discriminator against each other do not: each falls
# where the other rises, and least squares come to rest where neither can tell.
FALLING = {
    "cyclegan": ("round trip", "identity"),
    "scgan": ("round trip", "identity", "self-supervision"),
    "phendiff": ("denoising",),
    "flow": ("denoising",),
    "shift": ("mean error",),
}
# few steps, so the average over them is made shorter and the first ones count
TOY: dict[str, dict[str, Any]] = {
    "cyclegan": {"ema": 0.9, "steps": 80},
    "scgan": {"ema": 0.9, "steps": 80},
    "phendiff": {"ema": 0.9, "steps": 60, "warmup": 0, "learning_rate": 1e-3},
    "flow": {"ema": 0.9, "steps": 60, "warmup": 0, "learning_rate": 1e-3},
    "shift": {"steps": 60},
}


def two_colors(condition: str, count: int, seed: int) -> torch.Tensor:
    """A toy: bright squares on dark ground, whose second channel is dark in one condition and bright in the other."""
    picture = torch.full((count, 2, 32, 32), -0.8)
    generator = torch.Generator().manual_seed(seed)
    for crop in picture:
        top, left = torch.randint(4, 20, (2,), generator=generator).tolist()
        crop[0, top : top + 8, left : left + 8] = 0.6
        crop[1, top : top + 8, left : left + 8] = 0.6 if condition == "treated" else -0.5
    return picture + 0.02 * torch.randn(picture.shape, generator=generator)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in ("scgan", "phendiff") else name for name in ENGINES]
)
def test_training_learns_the_toy(name: str, make_engine: Callable[..., Engine]) -> None:
    """The losses fall; a GAN's second channel becomes bright in the squares, and the first stays."""
    engine = make_engine(name, **TOY[name])
    engine.start_training()
    history = []
    for step in range(engine.settings.steps):
        drawn = {c: two_colors(c, 2, 1000 * (c == "treated") + step) for c in engine.conditions}
        history.append(engine.training_step(step, [BatchPart(drawn, KeyedRandom(0, step, 0, 2))], Update()))
    tenth = len(history) // 10
    falling = [key for key in history[0] if key.startswith(FALLING[name])]
    assert len(falling) == 2 * len(FALLING[name])
    for key in falling:
        first, last = (sum(losses[key] for losses in some) for some in (history[:tenth], history[-tenth:]))
        assert last < 0.75 * first, key

    for target, source in (("treated", "untreated"), ("untreated", "treated")):
        engine.fix_statistics(target, [two_colors(source, 16, 77)])
    x, goal = two_colors("untreated", 8, 5), two_colors("treated", 8, 5)
    y = engine.translate(x, "untreated", "treated", quick(engine, name))
    assert torch.isfinite(y).all()
    if name == "shift":  # which brightens the ground as well
        torch.testing.assert_close(y.mean(dim=(0, 2, 3)), goal.mean(dim=(0, 2, 3)), atol=0.02, rtol=0)
    elif name in ("cyclegan", "scgan"):
        square = x[:, 0] > 0
        assert y[:, 1][square].mean() > 0
        assert y[:, 1][~square].mean() < -0.5
        assert (y[:, 0] - x[:, 0]).abs().mean() < 0.1


@every_engine
def test_unknown_conditions_are_refused(name: str, make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(name)
    with pytest.raises(InputError, match=r"'sick' is unknown.*untreated, treated"):
        engine.translate(torch.zeros(1, 2, 32, 32), "untreated", "sick")
    with pytest.raises(InputError, match="two or more different conditions"):
        ENGINES[name].load()(engine.settings, 2, ("same", "same"))


def test_unknown_engine_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"no engine 'gan'.*flow, cyclegan, scgan, phendiff, shift"):
        engine_entry("gan")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@every_engine
def test_cuda_translates_as_the_cpu_does(name: str, make_engine: Callable[..., Engine]) -> None:
    from napari_phenotrans.engines.device import arithmetic

    engine = make_engine(name)
    fix_statistics(engine)
    x = crops(1, 2, size=128)
    on_cpu = engine.translate(x, "untreated", "treated")
    engine.to("cuda")
    with arithmetic(torch.device("cuda"), "fp32"):
        on_cuda = engine.translate(x.cuda(), "untreated", "treated").cpu()
    torch.testing.assert_close(on_cuda, on_cpu, atol=1e-4, rtol=0)
