"""Whether one channel tells two conditions apart by what it shows, its level and gain taken out."""

from __future__ import annotations

from itertools import product

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.metrics.groups import LEAST_GROUPS, Features, Measured, interval, refuse_other_features

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
BLUR = 2.0  # pixels: what is finer is mostly the camera's noise, and how much of it there is follows the brightness
OCTAVES = 3  # of detail
FAINT = 1e-3  # variance below which an octave of a standardized crop counts as empty
FURTHEST = 3.0  # standard deviations
SHRINKAGE = 0.3  # of the covariance towards that of independent features


def shape_features(crops: np.ndarray) -> np.ndarray:
    """Describe crops of one channel by what is left of them when their mean and their spread are taken out.

    The crop is blurred with a sigma of 2 pixels and standardized. Measured are quantiles of its intensities and, in
    three octaves of detail (differences of Gaussians), the logarithm of the variance, the skewness and the logarithm of
    the kurtosis. A crop that is brighter, offset or scaled by a factor has the same features.

    Parameters
    ----------
    crops
        (n, h, w) in any units, none of them constant.

    Returns
    -------
    (n, 17), float64.
    """
    # loaded when first used: a dock opens without it
    from scipy.ndimage import gaussian_filter

    def blur(images: np.ndarray, sigma: float) -> np.ndarray:
        return gaussian_filter(images, (0, sigma, sigma), mode="reflect", truncate=3.0)

    fine = blur(crops.astype(np.float32), BLUR)[:, ::2, ::2]
    fine = fine - fine.mean(axis=(1, 2), keepdims=True)
    fine /= np.maximum(fine.std(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)
    columns = list(np.quantile(fine.reshape(len(fine), -1), QUANTILES, axis=1))
    for _ in range(OCTAVES):
        coarse = blur(fine, 3**0.5)  # at this sampling sigma is 1, and becomes 2
        detail = (fine - coarse).astype(np.float64)
        detail -= detail.mean(axis=(1, 2), keepdims=True)
        second, third, fourth = (np.mean(detail**power, axis=(1, 2)) for power in (2, 3, 4))
        faint = np.maximum(second, FAINT)
        columns += [np.log(second + FAINT), third / faint**1.5, np.log1p(fourth / faint**2)]
        fine = coarse[:, ::2, ::2]
    return np.stack(columns, axis=1).astype(np.float64)


def auc_between(one: Features, other: Features, *, seed: int = 0, resamples: int = 500) -> Measured:
    """Return how surely a classifier tells which of two crops is of which condition, on groups that it has not seen.

    The area under the receiver operating characteristic: the share of pairs of crops, one of each condition, that the
    classifier puts in the right order; 0.5 where it can only guess. A pair of groups, one of each condition, is left
    out, a linear discriminant (Fisher 1936, its covariance shrunken) is trained on all others and judges that pair, for
    every pair (leave-pair-out cross-validation, Airola et al. 2011, which is unbiased where nothing differs). Every
    group counts the same. Groups of one name on both sides, such as a patient's, are left out together.

    The interval draws groups with replacement, on both sides the same where their names are the same; the classifiers
    stay.

    Parameters
    ----------
    one, other
        Features of the conditions' crops, equal d; two groups or more each.
    seed
        Of the interval.
    resamples
        Of the interval.

    Raises
    ------
    InputError
        If a side has a single group, or the numbers of features differ.
    """
    refuse_other_features("A classifier compares", one, other)
    if min(len(one.names), len(other.names)) < 2:
        raise InputError(
            "A classifier has to be tried on groups that it was not trained on: it needs two groups or more of each "
            "condition, got 1. Add groups."
        )

    # ---- features of equal spread; this knows no conditions
    values = np.concatenate([one.values, other.values])
    spread = values.std(axis=0)
    values = np.clip((values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0), -FURTHEST, FURTHEST)
    rows = [[part[side.codes == code] for code in range(len(side.names))]
            for side, part in ((one, values[: len(one.values)]), (other, values[len(one.values) :]))]  # fmt: skip
    moments = [[_Moments.of(group) for group in side] for side in rows]

    # ---- every pair, judged by a discriminant of all other groups
    aucs = np.full((len(one.names), len(other.names)), np.nan)
    for i, j in product(*map(range, aucs.shape)):
        out = {one.names[i], other.names[j]}
        trained = [
            [m for m, name in zip(side, names, strict=True) if name not in out]
            for side, names in zip(moments, (one.names, other.names), strict=True)
        ]
        if all(trained):
            axis = _discriminant(*(_Moments.sum(side) for side in trained))
            aucs[i, j] = _auc(rows[0][i] @ axis, rows[1][j] @ axis)

    judged = np.isfinite(aucs)
    value = float(aucs[judged].mean())
    if min(aucs.shape) < LEAST_GROUPS:
        return Measured(value)
    rng = np.random.default_rng(seed)
    drawn = [rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(float) for n in aucs.shape]
    if np.array_equal(one.names, other.names):
        drawn[1] = drawn[0]
    sums = np.einsum("bi,ij,bj->b", drawn[0], np.where(judged, aucs, 0.0), drawn[1])
    weights = np.einsum("bi,ij,bj->b", drawn[0], judged.astype(float), drawn[1])
    return Measured(value, *interval(sums[weights > 0] / weights[weights > 0]))


class _Moments:
    """Number, sum and sum of products of rows (n, d), which add up over groups."""

    def __init__(self, count: int, total: np.ndarray, products: np.ndarray) -> None:
        self.count, self.total, self.products = count, total, products

    @classmethod
    def of(cls, rows: np.ndarray) -> _Moments:
        return cls(len(rows), rows.sum(axis=0), rows.T @ rows)

    @classmethod
    def sum(cls, parts: list[_Moments]) -> _Moments:
        return cls(
            sum(part.count for part in parts),
            np.sum([part.total for part in parts], axis=0),
            np.sum([part.products for part in parts], axis=0),
        )

    @property
    def mean(self) -> np.ndarray:
        return self.total / self.count

    @property
    def scatter(self) -> np.ndarray:
        return self.products - self.count * np.outer(self.mean, self.mean)


def _discriminant(one: _Moments, other: _Moments) -> np.ndarray:
    """Return Fisher's direction, along which the first side lies higher."""
    within = (one.scatter + other.scatter) / (one.count + other.count)
    d = len(within)
    within = (1 - SHRINKAGE) * within + SHRINKAGE * np.eye(d) * max(float(np.trace(within)) / d, 1e-9)
    return np.linalg.solve(within, one.mean - other.mean)


def _auc(high: np.ndarray, low: np.ndarray) -> float:
    """Return the share of pairs in which the first is higher; half of a tie."""
    difference = high[:, None] - low[None]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())
