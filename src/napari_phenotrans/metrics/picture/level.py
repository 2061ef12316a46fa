"""Level: a change that one number explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.metrics.picture.measure import Measure, Reading, silent

if TYPE_CHECKING:
    from napari_phenotrans.metrics.picture.measure import Case

LIMIT = 0.5


def level(differences: list[np.ndarray]) -> tuple[float, float]:
    """Return the share of the change that one number explains, and this number.

    ``mean(D)² / mean(D²)`` of all differences together, and their median: 1 where a constant was added and nothing
    else happened, near 0 where objects changed.

    Parameters
    ----------
    differences
        Translated minus real source, (H, W) each.
    """
    pooled = np.concatenate([each.ravel() for each in differences]).astype(np.float64)
    square = np.square(pooled).mean()
    return (float(pooled.mean() ** 2 / square) if square else 0.0), float(np.median(pooled))


# ---- as a measure


def read_level(case: Case) -> Reading:
    share, offset = level(case.differences())
    if abs(offset) < case.noise():
        return silent("the level stays")
    return Reading(share, LIMIT, more={"offset": offset})


LEVEL = Measure(
    read_level,
    lambda found: (
        f"changes brightness only ({found.value:.0%} of the change is one number, {found.more['offset']:+.3g}, added "
        f"everywhere)"
    ),
    paired=True,
)
