"""What every engine in the registry must do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_phenotrans.checkpoint import Card, Checkpoint
from napari_phenotrans.engines import ENGINES, engine_entry
from napari_phenotrans.errors import InputError
from napari_phenotrans.train import fix_statistics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.engines.base import Engine

every_engine = pytest.mark.parametrize("name", ENGINES)


def crops(count: int, channels: int, size: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def two_colors(condition: str, count: int, seed: int) -> torch.Tensor:
    """A toy: bright squares on dark ground, whose second channel is dark in one condition and bright in the other."""
    picture = torch.full((count, 2, 32, 32), -0.8)
    generator = torch.Generator().manual_seed(seed)
    for crop in picture:
        top, left = torch.randint(4, 20, (2,), generator=generator).tolist()
        crop[0, top : top + 8, left : left + 8] = 0.6
        crop[1, top : top + 8, left : left + 8] = 0.6 if condition == "treated" else -0.5
    return picture + 0.02 * torch.randn(picture.shape, generator=generator)


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
        assert engine.translate(x, source, target).shape == x.shape


@every_engine
def test_losses_are_finite_and_translation_is_deterministic(name: str, make_engine: Callable[..., Engine]) -> None:
    results = []
    for _ in range(2):
        engine = make_engine(name)
        engine.start_training()
        torch.manual_seed(1)
        for step in range(2):
            losses = engine.training_step(step, {"untreated": crops(2, 2, seed=step), "treated": crops(2, 2, seed=9)})
            assert losses
            assert all(torch.isfinite(torch.tensor(value)) for value in losses.values())
        results.append(engine.translate(crops(1, 2), "untreated", "treated"))
    assert torch.equal(*results)


@every_engine
def test_saved_and_loaded_engine_translates_alike(
    name: str, make_engine: Callable[..., Engine], tmp_path: Path
) -> None:
    engine = make_engine(name)
    engine.start_training()
    engine.training_step(0, {"untreated": crops(2, 2, seed=1), "treated": crops(2, 2, seed=2) + 0.3})
    fix_statistics(engine, {c: crops(8, 2, seed=len(c)) for c in engine.conditions})
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
        assert torch.equal(loaded.translate(x, source, target), engine.translate(x, source, target))


@every_engine
def test_a_pixel_depends_on_its_surroundings_only(name: str, make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(name)
    fix_statistics(engine, {c: crops(8, 2) for c in engine.conditions})
    x = crops(1, 2, size=256)
    far = x.clone()
    far[:, :, :, 200:] = -1
    near = slice(0, 200 - 2 * engine.context)
    whole, changed = engine.translate(x, "untreated", "treated"), engine.translate(far, "untreated", "treated")
    torch.testing.assert_close(whole[..., near], changed[..., near], atol=1e-5, rtol=0)


@every_engine
def test_training_learns_the_toy(name: str, make_engine: Callable[..., Engine]) -> None:
    """The second channel of the squares becomes bright, the first stays."""
    # the average over steps is made shorter, for there are few
    engine = make_engine(name, **({"ema": 0.9, "steps": 120} if name == "cyclegan" else {}))
    engine.start_training()
    for step in range(120):
        engine.training_step(step, {c: two_colors(c, 2, 1000 * (c == "treated") + step) for c in engine.conditions})
    fix_statistics(engine, {c: two_colors(c, 16, 77) for c in engine.conditions})
    x, goal = two_colors("untreated", 8, 5), two_colors("treated", 8, 5)
    y = engine.translate(x, "untreated", "treated")
    if name == "shift":  # which brightens the ground as well
        torch.testing.assert_close(y.mean(dim=(0, 2, 3)), goal.mean(dim=(0, 2, 3)), atol=0.02, rtol=0)
        return
    square = x[:, 0] > 0
    assert y[:, 1][square].mean() > 0.2
    assert y[:, 1][~square].mean() < -0.6
    assert (y[:, 0] - x[:, 0]).abs().mean() < 0.1


@every_engine
def test_gradients_reach_every_parameter(name: str, make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(name)
    before = {key: value.clone() for key, value in engine.translators.state_dict().items()}
    engine.start_training()
    for step in range(3):
        engine.training_step(step, {"untreated": crops(2, 2, seed=step), "treated": crops(2, 2, seed=5 + step) + 0.2})
    after = engine.translators.state_dict()
    stored = {key for key in before if key.endswith((".mean", ".var"))} if name != "shift" else set()
    unmoved = [key for key in before if key not in stored and torch.equal(before[key], after[key])]
    assert not unmoved


@every_engine
def test_unknown_conditions_are_refused(name: str, make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(name)
    with pytest.raises(InputError, match=r"'sick' is unknown.*untreated, treated"):
        engine.translate(torch.zeros(1, 2, 32, 32), "untreated", "sick")
    with pytest.raises(InputError, match="two or more different conditions"):
        ENGINES[name].load()(engine.settings, 2, ("same", "same"))


def test_unknown_engine_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"no engine 'gan'.*cyclegan, shift"):
        engine_entry("gan")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@every_engine
def test_cuda_translates_as_the_cpu_does(name: str, make_engine: Callable[..., Engine]) -> None:
    from napari_phenotrans.engines.device import arithmetic

    engine = make_engine(name)
    fix_statistics(engine, {c: crops(8, 2) for c in engine.conditions})
    x = crops(1, 2, size=128)
    on_cpu = engine.translate(x, "untreated", "treated")
    engine.to("cuda")
    with arithmetic(torch.device("cuda"), "fp32"):
        on_cuda = engine.translate(x.cuda(), "untreated", "treated").cpu()
    torch.testing.assert_close(on_cuda, on_cpu, atol=1e-4, rtol=0)
