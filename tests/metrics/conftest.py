"""Invented cells, quick to make: nuclei, a second stain in rings around them, rare bright spots in a third."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_phenotrans.metrics import Features

if TYPE_CHECKING:
    from collections.abc import Callable


def cells(seed: int, count: int = 60, side: int = 64, density: float = 6) -> np.ndarray:
    """Draw crops (count, 3, side, side) in about [-1, 1] with so many cells per 64 × 64 pixels."""
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
