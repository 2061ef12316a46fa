"""The difference of two conditions over groups: how large, how sure, corrected for the number of measurements."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from math import comb
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST_GROUPS = 5
LEVEL = 0.05
PERMUTATIONS = 4999
# Of a measurement's spread: a measurement that chances to be equal in all groups is not sure beyond measure.
LEAST_ERROR = 1e-3
_AT_ONCE = 500


@dataclass(frozen=True, eq=False)
class Contrast:
    """How target differs from source, per measurement.

    Parameters
    ----------
    difference, error
        (d,) of the group means, and its standard error: Welch's, or that of the pairs' differences.
    low, high
        (d,) 95 % interval of the difference by Student's t, each measurement for itself; None with fewer than five
        groups per condition.
    p
        (d,) corrected, see `contrast`; None likewise.
    largest
        The largest |t| of all measurements under each assignment of conditions, the actual one among them, ascending;
        None likewise.
    groups
        How many of source and of target.
    paired
        Whether each group has both conditions.
    """

    difference: np.ndarray
    error: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    p: np.ndarray | None
    largest: np.ndarray | None
    groups: tuple[int, int]
    paired: bool

    @property
    def changed(self) -> np.ndarray:
        """Which measurements are called changed, (d,): none where there are too few groups to say."""
        return np.zeros(len(self.difference), bool) if self.p is None else self.p <= LEVEL

    @property
    def critical(self) -> float | None:
        """How many standard errors a difference must exceed to be called changed."""
        return None if self.largest is None else float(self.largest[-1 - int(LEVEL * len(self.largest))])

    @property
    def least_p(self) -> float:
        """The smallest p that so few groups allow."""
        in_source, in_target = self.groups
        ways = 2.0**in_source if self.paired else float(comb(in_source + in_target, in_source))
        return (2 if self.paired or in_source == in_target else 1) / ways


def contrast(
    source: np.ndarray,
    target: np.ndarray,
    spread: np.ndarray,
    *,
    paired: bool = False,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    tick: Callable[[], None] | None = None,
) -> Contrast:
    """Compare two conditions.

    p is corrected by the single-step maxT procedure (Westfall & Young 1993, algorithm 2.5): conditions are assigned to
    whole groups at random (swapped within groups that have both), and p is the share of assignments, the actual one
    included, under which the *largest* |t| of all measurements reaches this one's. The chance of calling even one
    measurement changed where nothing differs is so at most 5 %, however values are distributed; and measurements that
    say the same thing do not count twice, as they would in a correction by their number.

    Parameters
    ----------
    source, target
        (groups, d) means, finite; row by row the same groups where ``paired``.
    spread
        (d,) typical spread in the same units, above 0.
    paired
        Whether each group has both conditions.
    permutations
        Random assignments, where there are more than so many; else all are gone through.
    seed
        Of the assignments.
    tick
        Called now and then; raise in it to stop.
    """
    from scipy import stats

    rows = np.concatenate([source, target])
    rows = rows - rows.mean(axis=0)
    pairs = rows[len(source) :] - rows[: len(source)] if paired else None
    actual = np.ones((1, len(source))) if paired else (np.arange(len(rows)) >= len(source))[None].astype(float)
    difference, error = (each[0] for each in _differences(rows, pairs, actual, spread))
    groups = (len(source), len(target))
    if min(groups) < LEAST_GROUPS:
        return Contrast(difference, error, None, None, None, None, groups, paired)

    # ---- interval
    if paired:
        freedom: np.ndarray | int = len(source) - 1
    else:
        least = (LEAST_ERROR * spread) ** 2 / 2
        of_source, of_target = (side.var(axis=0, ddof=1) / len(side) + least for side in (source, target))
        freedom = (of_source + of_target) ** 2 / (of_source**2 / (len(source) - 1) + of_target**2 / (len(target) - 1))
    reach = stats.t.ppf(1 - LEVEL / 2, freedom) * error

    # ---- p
    largest = []
    for start in range(0, len(drawn := _assignments(groups, paired, permutations, seed)), _AT_ONCE):
        if tick:
            tick()
        differences, errors = _differences(rows, pairs, drawn[start : start + _AT_ONCE], spread)
        largest.append((np.abs(differences) / errors).max(axis=1))
    ordered = np.sort(np.concatenate(largest))
    p = corrected_p(np.abs(difference) / error, ordered)
    return Contrast(difference, error, difference - reach, difference + reach, p, ordered, groups, paired)


def corrected_p(t: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """Return the share of assignments whose largest |t| reaches each of these; ``largest`` ascending."""
    # the mirrored assignment has the same |t| but for rounding
    return 1 - np.searchsorted(largest, t * (1 - 1e-9), side="left") / len(largest)


def _assignments(groups: tuple[int, int], paired: bool, permutations: int, seed: int) -> np.ndarray:
    """Return assignments (n, groups): 1 or 0 for target or source, or 1 or -1 to swap a pair; the actual one first."""
    rng = np.random.default_rng(seed)
    in_source, in_target = groups
    if paired:
        if 2**in_source <= permutations:
            return np.array(list(product((1.0, -1.0), repeat=in_source)))
        return np.concatenate([np.ones((1, in_source)), rng.choice((1.0, -1.0), (permutations, in_source))])
    actual = np.repeat((0.0, 1.0), groups)
    if comb(in_source + in_target, in_target) <= permutations:
        columns = np.array(list(combinations(range(in_source + in_target), in_target)))
        every = np.zeros((len(columns), in_source + in_target))
        np.put_along_axis(every, columns, 1.0, axis=1)
        return every
    return np.concatenate([actual[None], rng.permuted(np.tile(actual, (permutations, 1)), axis=1)])


def _differences(
    rows: np.ndarray, pairs: np.ndarray | None, assignments: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return difference and standard error (n, d) under each assignment."""
    if pairs is not None:
        count = len(pairs)
        mean = assignments @ pairs / count
        squared = np.maximum((pairs**2).sum(axis=0) - count * mean**2, 0) / max(1, count - 1) / count
    else:
        side_means, squared = [], np.zeros((len(assignments), rows.shape[1]))
        for side in (1 - assignments, assignments):
            count = side[0].sum()
            side_means.append(side @ rows / count)
            left = np.maximum(side @ rows**2 - count * side_means[-1] ** 2, 0)
            squared = squared + left / max(1, count - 1) / count
        mean = side_means[1] - side_means[0]
    return mean, np.sqrt(squared + (LEAST_ERROR * spread) ** 2)
