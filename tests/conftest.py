"""What several test files need: tiny engines and checkpoints, invented cells that are quick to make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.metrics import Features

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.engines.base import Engine
    from napari_phenotrans.engines.update import BatchPart

CONDITIONS = ("untreated", "treated")
TINY: dict[str, dict[str, Any]] = {
    "cyclegan": {"width": 8, "blocks": 2},
    "scgan": {"width": 8, "blocks": 2},
    "phendiff": {"width": 8, "levels": 3},
    "flow": {"width": 8, "levels": 3},
}


@pytest.fixture
def make_engine() -> Callable[..., Engine]:
    """Build a tiny engine by name; its weights follow the seed."""

    def build(name: str, channels: int = 2, seed: int = 0, **settings: Any) -> Engine:
        import torch

        torch.manual_seed(seed)
        entry = ENGINES[name]
        said = {"crop": 32, "batch": 2, "steps": 20, **TINY.get(name, {}), **settings}
        return entry.load()(entry.settings.make(**said), channels, CONDITIONS)

    return build


@pytest.fixture
def make_parts() -> Callable[..., list[BatchPart]]:
    """Draw a step's batch of random crops, in ``divided`` parts; ``places`` are those of one process."""

    def build(
        step: int, *, batch: int = 2, divided: int = 1, places: range | None = None, channels: int = 2, size: int = 32
    ) -> list[BatchPart]:
        import torch

        from napari_phenotrans.core.keyed_random import KeyedRandom
        from napari_phenotrans.engines.update import BatchPart

        places = places or range(batch)
        count = len(places) // divided
        chances = [KeyedRandom(0, step, first, count) for first in places[::count]]
        return [
            BatchPart(
                {c: torch.from_numpy(chance.uniform(c, channels, size, size)) * 2 - 1 for c in CONDITIONS}, chance
            )
            for chance in chances
        ]

    return build


@pytest.fixture
def make_checkpoint(make_engine: Callable[..., Engine]) -> Callable[..., Checkpoint]:
    """Build a checkpoint with random but settled weights, for images whose intensities run from 0 to ``high``.

    ``gain`` scales the weights, so that the networks change an image about as much as trained ones do.
    """

    def build(
        name: str = "cyclegan", channels: int = 2, *, high: float = 255.0, gain: float = 0.3, **card: Any
    ) -> Checkpoint:
        import torch

        engine = make_engine(name, channels)
        crops = [torch.rand(2, channels, 32, 32, generator=torch.Generator().manual_seed(i)) * 2 - 1 for i in range(3)]
        with torch.no_grad():
            for value in engine.translators.parameters():
                value *= gain
        for target in CONDITIONS:
            engine.fix_statistics(target, crops)
        said = {
            "engine": name,
            "settings": engine.settings.model_dump(mode="json"),
            "conditions": CONDITIONS,
            "channels": tuple(f"marker {i}" for i in range(channels)),
            "low": (0.0,) * channels,
            "high": (high,) * channels,
            "crop": 32,
        }
        return Checkpoint.of(engine, Card(**(said | card)))

    return build


def cells(seed: int, count: int = 60, side: int = 64, density: float = 6) -> np.ndarray:
    """Draw nuclei, a second stain in rings around them and rare bright spots in a third.

    Returns crops (count, 3, side, side) in about [-1, 1] with so many cells per 64 × 64 pixels.
    """
    rng = np.random.default_rng(seed)
    centers = np.zeros((count, side, side), np.float32)
    for crop in centers:
        crop[tuple(rng.integers(0, side, (2, rng.poisson(density * side**2 / 64**2) + 1)))] = 1
    nuclei = np.minimum(gaussian_filter(centers, (0, 3, 3)) * 60, 1)
    rings = np.maximum(np.minimum(gaussian_filter(centers, (0, 6, 6)) * 150, 1) - nuclei, 0)
    rare = np.zeros_like(centers)
    for index in np.flatnonzero(rng.random(count) < 0.5):
        rare[index][tuple(rng.integers(4, side - 4, 2))] = 1
    rare = np.minimum(gaussian_filter(rare, (0, 2, 2)) * 25, 1)
    image = np.stack([nuclei, rings, rare], axis=1) * 1.2 - 0.9
    return (image + rng.normal(0, 0.02, image.shape)).astype(np.float32)


@pytest.fixture(scope="session")
def draw_cells() -> Callable[..., np.ndarray]:
    return cells


@pytest.fixture
def draw_features() -> Callable[..., Features]:
    """Draw features with an effect of the group: rows of one group are alike."""

    def draw(seed: int, groups: int = 8, rows: int = 6, shift: float = 0.0, effect: float = 0.3) -> Features:
        rng = np.random.default_rng(seed)
        own = rng.normal(0, effect, (groups, 1, 10)) + rng.normal(shift, 0.5, (groups, rows, 10))
        return Features(own.reshape(-1, 10), np.repeat([f"well {i}" for i in range(groups)], rows))

    return draw
