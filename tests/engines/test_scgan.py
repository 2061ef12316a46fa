from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.engines.update import Update
from napari_phenotrans.networks.fastgan_discriminator import SpectralConv

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.engines.base import Engine
    from napari_phenotrans.engines.update import BatchPart


def kinds(engine: Engine, kind: type[nn.Module]) -> int:
    return sum(isinstance(layer, kind) for layer in engine.discriminators.modules())


def test_generators_are_the_cyclegans(make_engine: Callable[..., Engine]) -> None:
    shapes = [
        {key: value.shape for key, value in make_engine(name).translators.state_dict().items()}
        for name in ("cyclegan", "scgan")
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(("batch", "over_batch"), [(7, False), (8, True)])
def test_norm_follows_the_batch(batch: int, over_batch: bool, make_engine: Callable[..., Engine]) -> None:
    engine = make_engine("scgan", batch=batch)
    engine.start_training()
    assert bool(kinds(engine, nn.BatchNorm2d)) == over_batch
    assert bool(kinds(engine, nn.GroupNorm)) == (not over_batch)


def test_real_crops_are_judged_apart_from_translated_ones(make_engine: Callable[..., Engine]) -> None:
    """A norm over both would tell real crops by their neighbors: the judgment on them must not depend on these."""
    engine = make_engine("scgan", batch=8)
    engine.start_training()
    real, chance = torch.rand(8, 2, 32, 32), KeyedRandom(0, 0, 0, 8)
    one, other = (engine.judge(engine.discriminators[0], real, shown, chance) for shown in (real, -real))
    assert one["self-supervision"] == other["self-supervision"]
    on_real = (engine.discriminators[0](real) - 1).pow(2).mean()
    on_shown = engine.discriminators[0](-real).pow(2).mean()
    torch.testing.assert_close(other["discriminator"], on_real + on_shown)


def test_self_supervision_has_its_weight_and_teaches_on_real_crops_only(make_engine: Callable[..., Engine]) -> None:
    values = []
    for weight in (1.0, 3.0):
        engine = make_engine("scgan", self_supervision=weight)
        engine.start_training()
        real, shown = torch.full((2, 2, 32, 32), 0.5), torch.rand(2, 2, 32, 32, requires_grad=True)
        value = engine.judge(engine.discriminators[0], real, shown, KeyedRandom(0, 0, 0, 2))["self-supervision"]
        assert torch.autograd.grad(value, shown, allow_unused=True) == (None,)
        values.append(float(value.detach()))
    assert values[1] == pytest.approx(3 * values[0])


def test_which_quarter_is_reconstructed_is_drawn_for_each_crop(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine("scgan")
    engine.start_training()
    discriminator, real = engine.discriminators[0], torch.rand(2, 2, 32, 32)
    drawn = []
    discriminator.reconstruct = lambda look, x, corners: drawn.append(corners) or []
    for step in range(40):
        engine.judge(discriminator, real, real, KeyedRandom(0, step, 0, 2))
    corners = torch.stack(drawn)
    assert sorted(corners.unique().tolist()) == [0, 1, 2, 3]
    assert not torch.equal(corners[:, 0], corners[:, 1])


def test_singular_values_are_followed_once_per_step(
    make_engine: Callable[..., Engine], make_parts: Callable[..., list[BatchPart]]
) -> None:
    """One round of power iteration on the new weights, though the batch came in two parts."""
    engine = make_engine("scgan")
    engine.start_training()
    layers = [layer for layer in engine.discriminators.modules() if isinstance(layer, SpectralConv)]
    before = [layer.u.clone() for layer in layers]
    engine.training_step(0, make_parts(0, divided=2), Update())
    for layer, u in zip(layers, before, strict=True):
        weight = layer.weight.detach().flatten(1)
        v = nn.functional.normalize(weight.T @ u, dim=0)
        torch.testing.assert_close(layer.u, nn.functional.normalize(weight @ v, dim=0))


def test_the_papers_preset_can_be_used() -> None:
    settings = ENGINES["scgan"].settings
    paper = settings.make(**settings.presets["paper"])
    assert (paper.batch, paper.cycle, paper.identity, paper.self_supervision) == (8, 10, 0.5, 1)


def test_perceptual_reconstruction_needs_weights_that_are_there(
    make_engine: Callable[..., Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torchvision", reason="torchvision comes with the extra fidelity")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    engine = make_engine("scgan", reconstruction="perceptual")
    with pytest.raises(InputError, match=r"VGG16 weights.*no file.*--vgg.*--reconstruction l1"):
        engine.start_training()
    wrong = tmp_path / "wrong.pth"
    torch.save({"features.0.weight": torch.zeros(1)}, wrong)
    with pytest.raises(InputError, match=r"wrong.pth does not hold torchvision's VGG16 weights"):
        make_engine("scgan", reconstruction="perceptual", vgg=str(wrong)).start_training()
    wrong.write_text("no weights")
    with pytest.raises(InputError, match=r"wrong.pth does not hold torchvision's VGG16 weights"):
        make_engine("scgan", reconstruction="perceptual", vgg=str(wrong)).start_training()


def test_where_torchvision_is_missing_it_is_said_how_to_get_it(
    make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(InputError, match=r"napari-phenotrans\[fidelity\].*--reconstruction l1"):
        make_engine("scgan", reconstruction="perceptual").start_training()


def test_perceptual_reconstruction_trains_the_discriminator(make_engine: Callable[..., Engine], tmp_path: Path) -> None:
    vgg16 = pytest.importorskip("torchvision.models", reason="torchvision comes with the extra fidelity").vgg16

    path = tmp_path / "vgg.pth"
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in vgg16().features.state_dict().items()}
    torch.manual_seed(0)
    torch.save({f"features.{key}": 0.05 * torch.randn(shape) for key, shape in shapes.items()}, path)
    engine = make_engine("scgan", channels=5, reconstruction="perceptual", vgg=str(path))
    engine.start_training()
    real = torch.rand(1, 5, 32, 32)
    assert float(engine.perceptual(real, real)) == 0
    judged = engine.judge(engine.discriminators[0], real, real, KeyedRandom(0, 0, 0, 1))
    judged["self-supervision"].backward()
    assert engine.discriminators[0].enter[0].weight.grad.abs().sum() > 0
    assert not any("perceptual" in key for key in engine.training_state())
