"""Metrics by name: pure functions on features, each with an interval over groups.

Each is ``(real, translated, source)`` to `Measured`, so that every one has the same three rows: the value itself,
*copy source* (the real source offered as translation) and the floor (two random halves of the real target).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.metrics.c2st import c2st
from napari_phenotrans.metrics.fid import fid
from napari_phenotrans.metrics.gap import gap_closed_profile
from napari_phenotrans.metrics.groups import Features, Measured, halves, interval
from napari_phenotrans.metrics.kid import kid
from napari_phenotrans.metrics.prdc import COVERAGE_K, PRECISION_K, coverage, density, precision, recall

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["METRICS", "Features", "Measured", "Metric", "floor"]


@dataclass(frozen=True)
class Metric:
    """A metric, which way round it is, and what it needs.

    Parameters
    ----------
    function
        ``(real, translated, seed=, resamples=)``, with the real source as a third where ``from_source``.
    lower_is_better
        Which way round it is.
    best
        Its value where real and translated are alike and the number of rows is no matter.
    least
        Rows that each side must have.
    from_source
        Whether it also compares with the real source.
    follows_n
        Whether its value depends on the number of rows, so that only values at the same number compare.
    least_groups
        Groups that each side must have.
    advised
        Rows below which the value says little by itself; 0 where it is right with any number.
    most
        What it cannot exceed.
    of_measurements
        Whether it only means something where each feature is a measurement with a unit.
    """

    function: Callable[..., Measured]
    lower_is_better: bool
    best: float
    least: int = 1
    from_source: bool = False
    follows_n: bool = False
    least_groups: int = 1
    advised: int = 0
    most: float = math.inf
    of_measurements: bool = False

    def __call__(
        self, real: Features, translated: Features, source: Features | None, *, seed: int = 0, resamples: int = 200
    ) -> Measured:
        """Score translated source against the real target; ``resamples`` 0 leaves the interval out."""
        others = (source,) if self.from_source else ()
        return self.function(real, translated, *others, seed=seed, resamples=resamples)

    def fits(self, *sides: Features) -> bool:
        """Whether all sides have as many rows and groups as it needs."""
        return all(len(side.values) >= self.least and len(side.names) >= self.least_groups for side in sides)


# KID comes first: with the few crops that a laboratory has, it is the one to read.
METRICS: dict[str, Metric] = {
    "kid": Metric(kid, lower_is_better=True, best=0.0, least=2),
    "gap closed": Metric(
        gap_closed_profile,
        lower_is_better=False,
        best=1.0,
        from_source=True,
        follows_n=True,
        most=1.0,
        of_measurements=True,
    ),
    "fid": Metric(fid, lower_is_better=True, best=0.0, least=2, follows_n=True, advised=200),
    "precision": Metric(precision, lower_is_better=False, best=1.0, least=PRECISION_K + 1, follows_n=True, most=1.0),
    "recall": Metric(recall, lower_is_better=False, best=1.0, least=PRECISION_K + 1, follows_n=True, most=1.0),
    "density": Metric(density, lower_is_better=False, best=1.0, least=COVERAGE_K + 1, follows_n=True),
    "coverage": Metric(coverage, lower_is_better=False, best=1.0, least=COVERAGE_K + 1, follows_n=True, most=1.0),
    "c2st": Metric(c2st, lower_is_better=True, best=0.5, least=2, follows_n=True, least_groups=2, most=1.0),
}


def floor(
    metric: Metric, real: Features, source: Features | None, *, seed: int = 0, splits: int = 20
) -> Measured | None:
    """Score two random halves of the real target's groups against each other: no engine can mean more.

    The value is the mean over the splits, the interval their spread. None where there are too few groups or rows to
    split.
    """
    pairs = halves(real, splits, np.random.default_rng(seed))
    enough = [(half, other_half) for half, other_half in pairs if metric.fits(half, other_half)]
    if not enough:
        return None
    values = np.array([metric(half, other_half, source, resamples=0).value for half, other_half in enough])
    return Measured(float(values.mean()), *interval(values))
