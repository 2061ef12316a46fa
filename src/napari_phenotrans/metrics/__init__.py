"""Metrics by name: pure functions on features, each with an interval over groups.

Each is ``(real, translated, source)`` to `Measured`, so that every one has the same three rows: the value itself,
*copy source* (the real source offered as translation) and the floor (two random halves of the real target).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.metrics.gap import gap_closed_profile
from napari_phenotrans.metrics.groups import Features, Measured, halves, interval
from napari_phenotrans.metrics.kid import kid

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
    """

    function: Callable[..., Measured]
    lower_is_better: bool
    best: float
    least: int = 1
    from_source: bool = False

    def __call__(
        self, real: Features, translated: Features, source: Features, *, seed: int = 0, resamples: int = 200
    ) -> Measured:
        """Score translated source against the real target; ``resamples`` 0 leaves the interval out."""
        others = (source,) if self.from_source else ()
        return self.function(real, translated, *others, seed=seed, resamples=resamples)


METRICS: dict[str, Metric] = {
    "kid": Metric(kid, lower_is_better=True, best=0.0, least=2),
    "gap closed": Metric(gap_closed_profile, lower_is_better=False, best=1.0, from_source=True),
}


def floor(metric: Metric, real: Features, source: Features, *, seed: int = 0, splits: int = 20) -> Measured | None:
    """Score two random halves of the real target's groups against each other: no engine can mean more.

    The value is the mean over the splits, the interval their spread. None where there are too few groups or rows to
    split.
    """
    pairs = halves(real, splits, np.random.default_rng(seed))
    enough = [(one, other) for one, other in pairs if min(len(one.values), len(other.values)) >= metric.least]
    if not enough:
        return None
    values = np.array([metric(one, other, source, resamples=0).value for one, other in enough])
    return Measured(float(values.mean()), *interval(values))
