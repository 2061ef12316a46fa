"""Tiny checkpoints of every engine that goes into a package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
from napari_phenotrans.engines import ENGINES

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("DNA", "GFP")


CONDITIONS = ("untreated", "treated")
SIZES: dict[str, dict[str, Any]] = {
    "cyclegan": {"width": 8, "blocks": 2},
    "scgan": {"width": 8, "blocks": 2},
    "phendiff": {"width": 8, "levels": 3},
    "flow": {"width": 8, "levels": 3},
}


@pytest.fixture(scope="session")
def build() -> Callable[..., Checkpoint]:
    """Build a checkpoint with random but settled weights; ``card`` says more than its settings do."""

    def make(name: str, card: dict[str, Any] | None = None, **settings: Any) -> Checkpoint:
        import torch

        entry = ENGINES[name]
        torch.manual_seed(0)
        said = {"crop": 32, "batch": 2, "steps": 20, "channels": NAMES, **SIZES[name], **settings}
        engine = entry.load()(entry.settings.make(**said), len(NAMES), CONDITIONS)
        chance = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for number, value in enumerate(engine.translators.parameters()):
                value *= 0.3 if value.ndim > 1 else 1
                value += 0.02 * torch.randn(value.shape, generator=torch.Generator().manual_seed(number))
        for place, target in enumerate(engine.conditions):
            crops = [torch.rand(2, 2, 32, 32, generator=chance) * 2 - 1 for _ in range(3)]
            for source in engine.conditions:
                engine.fix_statistics(target, [crop * (1 + 0.2 * place) for crop in crops], source)
        of_card = {
            "engine": name,
            "settings": engine.settings.model_dump(mode="json"),
            "conditions": engine.conditions,
            "channels": NAMES,
            "low": (10.0, -3.0),
            "high": (900.0, 4000.0),
            "crop": 32,
            "translation": {"evaluations": 6} if engine.inverts else {},
            "about": "Tiny",
            "training": {"steps": 3},
        }
        return Checkpoint.of(engine, Card(**(of_card | (card or {}))))

    return make
