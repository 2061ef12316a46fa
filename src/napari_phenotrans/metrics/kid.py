"""Kernel inception distance, on any features: how far apart two sets of crops are, without bias by their number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.metrics.groups import (
    LEAST_GROUPS,
    Features,
    Measured,
    draw_groups,
    interval,
    refuse_other_features,
)


def kid(real: Features, translated: Features, *, seed: int = 0, resamples: int = 200) -> Measured:
    """Return the unbiased squared MMD with the kernel (x·y / d + 1)³, over all rows (Bińkowski et al. 2018, eq. 4).

    0 on average where both come from the same distribution (so a little below 0 at times), larger is worse.

    The formula is unbiased for rows that are independent, and crops of one field are not: they are alike, and pairs
    of them would count as if the whole condition were (four groups of eight crops each, from one and the same
    distribution, then score 0.14 instead of 0 in a simulation). So the sums within a side run over pairs of crops
    from different groups, which is unbiased again, and spreads no more. Where each row is a group of its own
    (`Features.independent`) the value is that of torch-fidelity and torchmetrics with one subset of all rows; a side
    of a single group has no other pairs than its own.

    The interval draws groups with replacement on both sides. A group that is drawn twice is not paired with its copy:
    crops that are identical would count as two samples that happen to be alike, and the interval would lie above the
    value.

    Parameters
    ----------
    real, translated
        Two rows or more each, equal d.
    seed, resamples
        Of the interval.

    Raises
    ------
    InputError
        If there is one row only, or the numbers of features differ.
    """
    sides = _Sums.within(real), _Sums.within(translated), _Sums.of(real, translated)
    value = float(_kid(*sides, *(np.ones((1, len(side.names))) for side in (real, translated)))[0])
    if min(len(real.names), len(translated.names)) < LEAST_GROUPS or not resamples:
        return Measured(value)
    rng = np.random.default_rng(seed)
    drawn = [draw_groups(len(side.names), resamples, rng) for side in (real, translated)]
    return Measured(value, *interval(_kid(*sides, *drawn)))


def kid_difference(
    real: Features, translated: Features, other: Features, *, seed: int = 0, resamples: int = 1000
) -> Measured:
    """Return KID(real, translated) - KID(real, other): below 0 where ``translated`` is better.

    Both were translated from the same source groups, and the interval draws the same groups for both: what makes one
    field hard for every engine cancels.

    Raises
    ------
    InputError
        If the two were not translated from the same groups.
    """
    if not np.array_equal(translated.names, other.names):
        odd = sorted(set(translated.names) ^ set(other.names))
        raise InputError(
            f"A paired difference needs two translations of the same groups; only one of them has "
            f"{', '.join(map(str, odd))}. Translate the same fields by both."
        )
    within = _Sums.within(real)
    sides = [(_Sums.within(one), _Sums.of(real, one)) for one in (translated, other)]

    def difference(of_real: np.ndarray, of_source: np.ndarray) -> np.ndarray:
        first, second = (_kid(within, own, between, of_real, of_source) for own, between in sides)
        return first - second

    value = float(difference(*(np.ones((1, len(side.names))) for side in (real, translated)))[0])
    if min(len(real.names), len(translated.names)) < LEAST_GROUPS or not resamples:
        return Measured(value)
    rng = np.random.default_rng(seed)
    drawn = [draw_groups(len(side.names), resamples, rng) for side in (real, translated)]
    return Measured(value, *interval(difference(*drawn)))


@dataclass(frozen=True, eq=False)
class _Sums:
    """The kernel summed over pairs of rows, and the pairs' number, for each pair of groups: (G, H) each.

    Resampling groups needs no more than these.
    """

    kernel: np.ndarray
    pairs: np.ndarray

    @classmethod
    def of(cls, one: Features, other: Features) -> _Sums:
        """Sum over the rows of one side with those of the other."""
        refuse_other_features("KID compares", one, other)
        dimensions = one.values.shape[1]
        kernel = np.zeros((len(one.names), len(other.names)))
        for group in range(len(one.names)):
            each = (one.values[one.codes == group] @ other.values.T / dimensions + 1) ** 3
            kernel[group] = np.bincount(other.codes, each.sum(0), minlength=len(other.names))
        return cls(kernel, np.outer(np.bincount(one.codes), np.bincount(other.codes)).astype(np.float64))

    @classmethod
    def within(cls, side: Features) -> _Sums:
        """Sum over the pairs of rows of different groups, or, of a single group, over pairs of different rows."""
        count, dimensions = side.values.shape
        if count < 2:
            raise InputError("KID needs two crops or more on each side, got 1. Give more fields, or smaller crops.")
        every = cls.of(side, side)
        if len(side.names) > 1:
            others = 1 - np.eye(len(side.names))
            return cls(every.kernel * others, every.pairs * others)
        itself = ((np.square(side.values).sum(axis=1) / dimensions + 1) ** 3).sum()
        return cls(every.kernel - itself, every.pairs - count)

    def mean(self, of_one: np.ndarray, of_other: np.ndarray) -> np.ndarray:
        """Return the kernel's mean over pairs for each draw; (B, G) and (B, H) count how often each group came."""
        sums = (np.einsum("bg,gh,bh->b", of_one, table, of_other) for table in (self.kernel, self.pairs))
        return np.divide(*sums)


def _kid(real: _Sums, translated: _Sums, between: _Sums, of_real: np.ndarray, of_translated: np.ndarray) -> np.ndarray:
    """Return KID for each draw of groups."""
    alike = real.mean(of_real, of_real) + translated.mean(of_translated, of_translated)
    return alike - 2 * between.mean(of_real, of_translated)
