"""Shape consistency: what the round trip cannot see."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.engines.update import BatchPart, Update
from napari_phenotrans.networks.resnet import Translated

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.engines.base import Engine

STEPS = 40


def squares(step: int, condition: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops (2, 2, 32, 32) of bright squares, whose second channel differs with the condition, and their masks."""
    generator = torch.Generator().manual_seed(2 * step + (condition == "treated"))
    masks = torch.zeros(2, 1, 32, 32)
    for mask in masks:
        for _ in range(3):
            top, left = torch.randint(2, 22, (2,), generator=generator).tolist()
            mask[0, top : top + 8, left : left + 8] = 1
    second = 0.5 if condition == "treated" else -0.5
    crops = torch.cat([1.2 * masks - 0.8, second * masks - 0.4], dim=1)
    return crops + 0.02 * torch.randn(crops.shape, generator=generator), masks


def part_of(step: int) -> BatchPart:
    drawn = {condition: squares(step, condition) for condition in ("untreated", "treated")}
    crops, masks = ({c: both[kind] for c, both in drawn.items()} for kind in range(2))
    return BatchPart(crops, KeyedRandom(0, step, 0, 2), masks)


class Moving(nn.Module):
    """A generator that moves the picture to the right and changes nothing else."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.pixels = pixels
        self.unused = nn.Parameter(torch.zeros(1))

    def translate(self, x: torch.Tensor) -> Translated:
        return Translated(x.roll(self.pixels, dims=3) + 0 * self.unused)


@pytest.fixture(scope="module")
def losses_by_shift() -> dict[int, dict[str, float]]:
    from napari_phenotrans.engines import ENGINES

    torch.manual_seed(0)
    entry = ENGINES["cyclegan"]
    settings = entry.settings.make(crop=32, batch=2, width=4, blocks=1, steps=STEPS, shape=1, pool=0)
    engine = entry.load()(settings, 2, ("untreated", "treated"))
    engine.start_training()
    update = Update()
    engine.segmentors_adam.param_groups[0]["lr"] = 0.01
    for step in range(STEPS):
        # segmentors learn from real crops alone, whatever generators do
        update.backward(engine.segmentors, [part_of(step)], lambda part: engine._segmentors_loss(part, update))
        update.apply(engine.segmentors_adam)
    found = {}
    for pixels in (0, 4):
        engine.generators = nn.ModuleList([Moving(pixels), Moving(-pixels)])
        _, (_, losses) = engine._generators_loss(part_of(1000), Update(), {})
        found[pixels] = {name: float(value.detach()) for name, value in losses.items()}
    return found


def test_a_picture_that_is_moved_and_moved_back_is_seen_by_its_shapes_alone(
    losses_by_shift: dict[int, dict[str, float]],
) -> None:
    """Everything 4 pixels to the side, and back: the round trip finds no fault."""
    still, moved = losses_by_shift[0], losses_by_shift[4]
    for condition in ("untreated", "treated"):
        assert moved[f"round trip {condition}"] == still[f"round trip {condition}"] == 0
        assert moved[f"shape {condition}"] > 3 * still[f"shape {condition}"]


def test_shapes_pull_at_generators_and_not_at_segmentors(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine("cyclegan", shape=1)
    engine.start_training()
    _, (_, losses) = engine._generators_loss(part_of(0), Update(), {})
    weights = [*engine.generators[1].parameters()]
    pulled = torch.autograd.grad(losses["shape treated"], weights, allow_unused=True, retain_graph=True)
    assert any(gradient is not None and gradient.abs().max() > 0 for gradient in pulled)
    before = [value.clone() for value in engine.segmentors.state_dict().values()]
    named = engine.training_step(0, [part_of(0)], Update())
    assert {"shape treated", "segmentor treated", "shape untreated", "segmentor untreated"} <= set(named)
    after = engine.segmentors.state_dict().values()
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_weight_of_shapes_rises_while_segmentors_learn(
    make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine("cyclegan", shape=2, steps=100)
    engine.start_training()
    weights, loss = [], engine._generators_loss
    monkeypatch.setattr(
        engine, "_generators_loss", lambda part, update, of: weights.append(of["shape"]) or loss(part, update, of)
    )
    for step in (0, 5, 10, 60):
        engine.training_step(step, [part_of(step)], Update())
    assert weights == [0, 1, 2, 2]


@pytest.mark.parametrize("name", ["cyclegan", "scgan"])
def test_a_step_comes_out_the_same_in_parts_and_after_resuming(name: str, make_engine: Callable[..., Engine]) -> None:
    whole, divided, resumed = (make_engine(name, shape=1) for _ in range(3))
    for engine in (whole, divided, resumed):
        torch.manual_seed(0)
        engine.start_training()
    part = part_of(0)
    halves = [
        replace(
            part,
            crops={c: x[i : i + 1] for c, x in part.crops.items()},
            masks={c: x[i : i + 1] for c, x in part.masks.items()},
            chance=replace(part.chance, first=i, count=1),
        )
        for i in range(2)
    ]
    losses = [engine.training_step(0, parts, Update()) for engine, parts in ((whole, [part]), (divided, halves))]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)

    resumed.translators.load_state_dict(whole.translators.state_dict())
    resumed.load_training_state(whole.training_state())
    resumed.load_own_state(whole.own_state())
    later = [engine.training_step(1, [part_of(1)], Update()) for engine in (whole, resumed)]
    assert later[0] == later[1]
