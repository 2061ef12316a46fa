"""Null controls: what differs where nothing should, between random halves of one condition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.phenotype.statistics.contrasts import LEAST_GROUPS, contrast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SPLITS = 20
NULL_PERMUTATIONS = 999
LEAST_HALF = 2  # groups, for a difference that is more than that of two single groups


@dataclass(frozen=True)
class Halves:
    """How random halves of one condition's groups differ.

    Parameters
    ----------
    condition, groups
        Whose, and how many groups were split.
    splits
        How often.
    called
        Per split the share of measurements that were called changed; empty with fewer than five groups in a half.
    """

    condition: str
    groups: int
    splits: int
    called: tuple[float, ...]

    @property
    def share(self) -> float:
        """Share of measurements called changed, over all splits."""
        return float(np.mean(self.called))


@dataclass(frozen=True, eq=False)
class Floor:
    """What two random halves of one condition differ by: less than that means nothing.

    Parameters
    ----------
    halves
        One per condition with four groups or more.
    typical
        (d,) mean amount of the halves' difference in spreads, over splits and conditions; NaN where no condition could
        be split.
    bar
        95 % of all those amounts lie below; NaN likewise.
    """

    halves: tuple[Halves, ...]
    typical: np.ndarray
    bar: float


def floor(
    conditions: Mapping[str, np.ndarray],
    spread: np.ndarray,
    *,
    splits: int = SPLITS,
    seed: int = 0,
    tick: Callable[[], None] | None = None,
) -> Floor:
    """Split the groups of each condition into random halves, again and again, and compare them.

    Parameters
    ----------
    conditions
        Per condition the group means (groups, d).
    spread
        (d,) in the same units.
    splits, seed
        How often, and of the splits.
    tick
        Called now and then; raise in it to stop.
    """
    rng = np.random.default_rng(seed)
    halves, amounts = [], []
    for condition, rows in conditions.items():
        if len(rows) < 2 * LEAST_HALF:
            continue
        called = []
        for split in range(splits):
            order = rng.permutation(len(rows))
            one, other = rows[order[: len(rows) // 2]], rows[order[len(rows) // 2 :]]
            amounts.append(np.abs(other.mean(axis=0) - one.mean(axis=0)) / spread)
            if len(one) >= LEAST_GROUPS:
                between = contrast(one, other, spread, permutations=NULL_PERMUTATIONS, seed=split, tick=tick)
                called.append(float(between.changed.mean()))
        halves.append(Halves(condition, len(rows), splits, tuple(called)))
    if not amounts:
        return Floor((), np.full(len(spread), np.nan), float("nan"))
    return Floor(tuple(halves), np.mean(amounts, axis=0), float(np.percentile(amounts, 95)))
