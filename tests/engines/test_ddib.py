"""Denoisers with a network for each condition: what every engine must do, and what is theirs alone."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.checkpoints.interop import export_checkpoint
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.engines.denoiser import DenoiserEngine
from napari_phenotrans.engines.update import BatchPart, Update
from napari_phenotrans.networks.per_condition import PerCondition

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.engines.base import Engine

both = pytest.mark.parametrize("name", ["phendiff", "flow"])
WAYS = [("untreated", "treated"), ("treated", "untreated"), ("treated", "treated")]


@pytest.fixture
def make(make_engine: Callable[..., Engine]) -> Callable[..., DenoiserEngine]:
    def build(name: str, **said: Any) -> DenoiserEngine:
        engine = make_engine(name, separate=True, warmup=0, **said)
        engine.start_training()
        assert isinstance(engine, DenoiserEngine)
        return engine

    return build


def crop() -> Tensor:
    return torch.rand(2, 2, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def quick(engine: DenoiserEngine) -> Any:
    return engine.translation_settings.make(evaluations=4)


def weights(network: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in network.parameters()]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def denoisers(engine: DenoiserEngine) -> PerCondition:
    found = engine.translators["denoiser"]
    assert isinstance(found, PerCondition)
    return found


@both
def test_it_goes_to_noise_with_one_network_and_back_with_the_other(
    name: str, make: Callable[..., DenoiserEngine]
) -> None:
    engine, asked = make(name), []
    for place, network in enumerate(denoisers(engine).each):
        network.register_forward_pre_hook(lambda module, inputs, place=place: asked.append((place, inputs[2].tolist())))
    for source, target in WAYS:
        asked.clear()
        y = engine.translate(crop(), source, target, quick(engine))
        assert y.shape == crop().shape
        assert torch.isfinite(y).all()
        places = [place for place, _ in asked]
        origin, aim, half = engine.index(source), engine.index(target), len(places) // 2
        assert places == [origin] * half + [aim] * half
        # the only class that it knows
        assert all(label == 0 for _, labels in asked for label in labels)


@both
def test_a_network_learns_from_its_own_condition_alone(
    name: str, make: Callable[..., DenoiserEngine], make_parts: Callable[..., list[BatchPart]]
) -> None:
    """Other images of one condition leave the gradients of the other's network as they were."""
    gradients: list[list[list[Tensor]]] = []

    class Watching(Update):
        def apply(self, optimizer: torch.optim.Optimizer, *, clip: float | None = None) -> None:
            live = engine.live
            assert isinstance(live, PerCondition)
            gradients.append([[p.grad.clone() for p in one.parameters()] for one in live.each])
            super().apply(optimizer, clip=clip)

    for changed in (False, True):
        engine = make(name)
        (part,) = make_parts(0)
        if changed:
            part.crops["treated"] = part.crops["treated"].flip(-1) * 0.5
        losses = engine.training_step(0, [part], Watching())
        assert set(losses) == {"denoising untreated", "denoising treated"}
    (untreated, treated), (untreated_then, treated_then) = gradients
    assert same(untreated, untreated_then)
    assert not same(treated, treated_then)
    assert sum(float(g.abs().sum()) for g in untreated) > 0


@both
def test_saved_resumed_and_divided_it_is_the_same(
    name: str,
    make: Callable[..., DenoiserEngine],
    make_parts: Callable[..., list[BatchPart]],
    make_checkpoint: Callable[..., Checkpoint],
    tmp_path: Path,
) -> None:
    through, divided = make(name), make(name)
    losses = [one.training_step(0, make_parts(0, divided=n), Update()) for one, n in ((through, 1), (divided, 2))]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)

    stored = io.BytesIO()
    torch.save((through.translators.state_dict(), through.training_state()), stored)
    expected = through.training_step(1, make_parts(1), Update())
    resumed = make(name, seed=1)
    stored.seek(0)
    translators, state = torch.load(stored, weights_only=True)
    resumed.translators.load_state_dict(translators)
    resumed.load_training_state(state)
    assert resumed.training_step(1, make_parts(1), Update()) == expected
    assert same(weights(resumed.translators), weights(through.translators))

    card = make_checkpoint(name).card
    card = card.model_copy(
        update={"settings": through.settings.model_dump(mode="json"), "conditions": through.conditions}
    )
    path = Checkpoint.of(through, card).save(tmp_path / "ddib.safetensors")
    loaded = Checkpoint.load(path).build_engine()
    for source, target in WAYS:
        before = through.translate(crop(), source, target, quick(through))
        assert torch.equal(loaded.translate(crop(), source, target, quick(through)), before)
    assert loaded.held_out_loss(make_parts(0)[0]).keys() == losses[0].keys()
    if name == "phendiff":
        with pytest.raises(InputError, match="a network for each condition, and a folder of diffusers holds one"):
            export_checkpoint(Checkpoint.load(path), tmp_path / "out")


def test_mixed_labels_come_back_in_their_order() -> None:
    class Adds(nn.Module):
        def __init__(self, what: float) -> None:
            super().__init__()
            self.what = what

        def forward(self, z: Tensor, time: Tensor, labels: Tensor) -> Tensor:
            return z + self.what + time[:, None, None, None]

    network = PerCondition([Adds(10), Adds(20), Adds(30)])
    z, time, labels = torch.zeros(5, 1, 2, 2), torch.arange(5.0), torch.tensor([2, 0, 2, 0, 2])
    assert network(z, time, labels)[:, 0, 0, 0].tolist() == [30, 11, 32, 13, 34]
    with pytest.raises(AssertionError, match="no condition"):
        network(z, time, torch.full((5,), 3))


def test_guidance_needs_a_network_that_knows_more(make: Callable[..., DenoiserEngine]) -> None:
    """PhenDiff's would be by no condition; the flow's is by the other condition, which there is."""
    engine = make("phendiff")
    how = engine.translation_settings.make(evaluations=4, guidance=2.0)
    with pytest.raises(InputError, match=r"nothing to guide by: got a guidance of 2\. Say --guidance 1"):
        engine.translate(crop(), *WAYS[0], how)
    flow = make("flow")
    guided, plain = (
        flow.translate(crop(), *WAYS[0], flow.translation_settings.make(evaluations=4, guidance=g)) for g in (1.0, 0.0)
    )
    assert not torch.equal(guided, plain)


def test_the_preset_is_ddib() -> None:
    declared = ENGINES["phendiff"].settings
    assert declared.make(**declared.presets["ddib"]).separate  # type: ignore[attr-defined]
    assert not declared.make().separate  # type: ignore[attr-defined]
