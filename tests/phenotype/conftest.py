"""Small planes of cells with a known phenotype: a stain that lies in the nucleus, or around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.phenotype.objects.catalog import Measurement
from napari_phenotrans.phenotype.objects.tables import Place, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SIDE, APART, RADIUS = 72, 24, 5.0


@pytest.fixture(scope="session")
def make_cells() -> Callable[..., np.ndarray]:
    """Draw (2, 72, 72) uint8: nuclei on a jittered grid, and a second stain in them or around them."""

    def draw(
        seed: int = 0, *, inside: bool = False, shown: Sequence[int] | None = None, gain: float = 1.0
    ) -> np.ndarray:
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:SIDE, :SIDE]
        dna, stain = np.zeros((2, SIDE, SIDE))
        centers = [(r, c) for r in range(APART // 2, SIDE, APART) for c in range(APART // 2, SIDE, APART)]
        for index, (row, column) in enumerate(centers):
            dy, dx = rng.uniform(-2, 2, 2)
            bright, expressed = rng.uniform(0.5, 1.0), rng.lognormal(0, 0.4)
            if shown is not None and index not in shown:
                continue
            distance = np.hypot(y - row - dy, x - column - dx)
            nucleus = 1 / (1 + np.exp((distance - RADIUS) / 0.6))
            cell = 1 / (1 + np.exp((distance - 2 * RADIUS) / 0.6))
            dna += 150 * bright * nucleus
            stain += 60 * gain * expressed * (nucleus if inside else cell - nucleus)
        noise = rng.normal(10, 1.5, (2, SIDE, SIDE))
        return np.clip(np.stack([dna, stain]) + noise, 0, 255).astype(np.uint8)

    return draw


@pytest.fixture(scope="session")
def make_table() -> Callable[..., Table]:
    """Make a table of numbers alone: one plane per group, ``objects`` rows in each, by a function of group and rows."""

    def build(groups: Mapping[str, np.ndarray], measurements: int | None = None) -> Table:
        columns = next(iter(groups.values())).shape[1]
        names = tuple(
            Measurement(f"m{i}", f"measurement {i}", "intensity") for i in range(measurements or columns)
        )  # fmt: skip
        sizes = [len(rows) for rows in groups.values()]
        plane = np.repeat(np.arange(len(groups)), sizes)
        of_plane = (Measurement("f0", "of the field", "field", per_field=True),)
        return Table(
            places=tuple(Place(f"c/{name}", name, area=100) for name in groups),
            plane=plane,
            labels=np.concatenate([np.arange(1, n + 1) for n in sizes]),
            centers=np.zeros((len(plane), 2)),
            columns=names,
            values=np.concatenate(list(groups.values())),
            plane_columns=of_plane,
            plane_values=np.array([[float(index % 3)] for index in range(len(groups))]),
        )

    return build
