"""Gap closed: how much of the way from source to target a translation went, in a measurement's own units."""

from __future__ import annotations

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.metrics.groups import LEAST_GROUPS, Features, Measured, around, draw_groups


def gap_closed(translated: np.ndarray, target: np.ndarray, source: np.ndarray) -> float:
    """Return 1 - W1(translated, real target) / W1(real source, real target), W1 the Wasserstein distance.

    1 where the translation reaches the target, 0 where it stays at the source, below 0 where it went the wrong way.

    Parameters
    ----------
    translated, target, source
        One measurement (ratios on a log scale) of crops or objects, 1-D, of any lengths.

    Raises
    ------
    InputError
        If real source and real target do not differ at all.
    """
    columns = [np.asarray(side, np.float64).reshape(-1, 1) for side in (translated, target, source)]
    all_rows = [np.ones((1, len(side))) for side in columns]
    gap = _wasserstein(columns[2], columns[1], all_rows[2], all_rows[1])[0, 0]
    if gap == 0:
        raise InputError(
            f"Real source and real target do not differ in this measurement ({len(columns[2])} and {len(columns[1])} "
            f"values): there is no gap to close. Choose another measurement."
        )
    return float(1 - _wasserstein(columns[0], columns[1], all_rows[0], all_rows[1])[0, 0] / gap)


def gap_closed_profile(
    real: Features, translated: Features, source: Features, *, seed: int = 0, resamples: int = 200
) -> Measured:
    """Return the gap closed over several measurements together: 1 - Σ W1(translated, real) / Σ W1(source, real).

    Each distance is divided by the measurement's standard deviation over real source and real target, so that units
    do not matter; a measurement that is the same everywhere counts nothing.

    The interval draws groups with replacement, the same ones for translated and source where these are of the same
    groups. Drawing groups twice makes samples look further apart than they are, which would push an interval of raw
    percentiles below the value: it is set around the value.

    Parameters
    ----------
    real, translated, source
        Real target, translated source and real source.
    seed, resamples
        Of the interval.

    Raises
    ------
    InputError
        If real source and real target do not differ at all.
    """
    spread = np.concatenate([real.values, source.values]).std(axis=0)
    varying = spread > 0
    sides = [side.values[:, varying] / spread[varying] for side in (real, translated, source)]

    def gap(of_real: np.ndarray, of_translated: np.ndarray, of_source: np.ndarray) -> np.ndarray:
        left = _wasserstein(sides[1], sides[0], of_translated, of_real).sum(axis=1)
        return 1 - left / _wasserstein(sides[2], sides[0], of_source, of_real).sum(axis=1)

    all_rows = [np.ones((1, len(side))) for side in sides]
    if not _wasserstein(sides[2], sides[0], all_rows[2], all_rows[0]).sum() > 0:
        raise InputError(
            "Real source and real target do not differ in any of these measurements: there is no gap to close. "
            "Leave this channel out."
        )
    value = float(gap(*all_rows)[0])
    if min(len(side.names) for side in (real, translated, source)) < LEAST_GROUPS or not resamples:
        return Measured(value)
    rng = np.random.default_rng(seed)
    of_real, of_source, of_translated = (
        draw_groups(len(side.names), resamples, rng) for side in (real, source, translated)
    )
    if np.array_equal(translated.names, source.names):
        of_translated = of_source
    values = gap(of_real[:, real.codes], of_translated[:, translated.codes], of_source[:, source.codes])
    return Measured(value, *around(value, values))


def _wasserstein(values: np.ndarray, others: np.ndarray, weights: np.ndarray, other_weights: np.ndarray) -> np.ndarray:
    """Return W1 = ∫ |F - G|, (B, d), of (n, d) and (m, d) values whose rows weigh (B, n) and (B, m)."""
    pooled = np.concatenate([values, others])
    order = np.argsort(pooled, axis=0)
    steps = np.diff(np.take_along_axis(pooled, order, axis=0), axis=0)
    shares = [each / each.sum(axis=1, keepdims=True) for each in (weights, other_weights)]
    signed = np.concatenate([shares[0], -shares[1]], axis=1)
    distances = [
        np.abs(np.cumsum(signed[:, order[:-1, feature]], axis=1)) @ steps[:, feature]
        for feature in range(values.shape[1])
    ]
    return np.stack(distances, axis=1) if distances else np.zeros((len(signed), 0))
