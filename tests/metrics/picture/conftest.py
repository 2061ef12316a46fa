"""Drawn cells with one known fault at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE = 192


def draw(seed: int, *, treated: bool = False, shift: int = 0) -> np.ndarray:
    """Draw a field (3, 192, 192): DNA, a marker in every third nucleus (none where treated), and a stain of its own.

    Nuclei are discs on a jittered grid; the noise is drawn last, so that one seed has the same noise in both.
    """
    rng = np.random.default_rng(seed)
    y, x = np.indices((SIDE, SIDE))
    dna, marker = np.zeros((2, SIDE, SIDE))
    for number, (row, column) in enumerate(np.ndindex(6, 6)):
        center = np.array([row, column]) * 31 + 18 + rng.uniform(-4, 4, 2)
        disc = np.hypot(y - center[0], x - center[1] - shift) < rng.uniform(6, 8)
        dna[disc] = rng.uniform(700, 1000)
        light = rng.uniform(800, 1200)
        if number % 3 == 0 and not (treated and number % 2):
            marker[disc] = light
    stain = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 4) * 800 + 300
    field = ndimage.gaussian_filter(np.stack([dna, marker, stain]), (0, 1, 1)) + 100
    return (field + rng.normal(0, 12, field.shape)).astype(np.float32)


@pytest.fixture(scope="session")
def draw_field() -> Callable[..., np.ndarray]:
    return draw


@pytest.fixture(scope="session")
def real_fields() -> dict[str, list[np.ndarray]]:
    """Real fields by condition: the marker leaves half of its nuclei, the stain does not change."""
    return {
        "untreated": [draw(seed) for seed in range(4)],
        "treated": [draw(seed, treated=True) for seed in range(10, 14)],
    }
