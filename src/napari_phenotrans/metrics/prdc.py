"""Precision and recall, density and coverage: are translations realistic, and is all of the real variety among them?

Each asks which crops lie in the neighborhoods of others: balls that reach to the k-th nearest neighbor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.metrics.groups import (
    LEAST_GROUPS,
    Features,
    Measured,
    around,
    draw_groups,
    refuse_other_features,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PRECISION_K = 3
COVERAGE_K = 5
# of the squared lengths: what is nearer is the same crop, rounded
SAME = 1e-12


def precision(
    real: Features, translated: Features, *, k: int = PRECISION_K, seed: int = 0, resamples: int = 200
) -> Measured:
    """Return the share of translated crops that lie in a real crop's neighborhood (Kynkäänniemi et al. 2019, eq. 1-2).

    1 where every translation looks like something real, 0 where none does. Real crops of one condition compared with
    each other give 0.7 to 0.85, not 1.

    The formula takes rows for independent, and crops of one field are not: the nearest neighbors of a crop lie in its
    own field, and the neighborhoods come out too small for any other. So a neighborhood reaches to the k-th nearest
    crop of *another group*. Where each row is a group of its own (`Features.independent`), or a group has too few
    others, the value is that of torch-fidelity and prdc.

    Parameters
    ----------
    real, translated
        More than k rows each, equal d.
    k
        Which neighbor a neighborhood reaches to.
    seed, resamples
        Of the interval, which draws groups with replacement on both sides and is set around the value.

    Raises
    ------
    InputError
        If there are too few rows, or the numbers of features differ.
    """

    def share(radii: np.ndarray, between: np.ndarray, of_real: np.ndarray, of_translated: np.ndarray) -> float:
        return float(np.average((between <= radii[:, None]).any(axis=0), weights=of_translated))

    return _measure(share, real, translated, k, seed, resamples)


def recall(
    real: Features, translated: Features, *, k: int = PRECISION_K, seed: int = 0, resamples: int = 200
) -> Measured:
    """Return the share of real crops that lie in a translated crop's neighborhood: `precision` with sides exchanged.

    1 where all of the real variety is among the translations; near 0 where they are all alike (a collapsed engine).
    """
    return precision(translated, real, k=k, seed=seed, resamples=resamples)


def density(
    real: Features, translated: Features, *, k: int = COVERAGE_K, seed: int = 0, resamples: int = 200
) -> Measured:
    """Return in how many real neighborhoods a translated crop lies, over k (Naeem et al. 2020, eq. 3).

    About 1 where translations lie as densely as real crops do, near 0 where they lie beside them. Above 1 they gather
    where real crops are densest. One odd real crop with a wide neighborhood, which lifts precision, counts little
    here. Parameters and groups are those of `precision`.
    """

    def mean(radii: np.ndarray, between: np.ndarray, of_real: np.ndarray, of_translated: np.ndarray) -> float:
        return float(np.average((between < radii[:, None]).sum(axis=0), weights=of_translated)) / k

    return _measure(mean, real, translated, k, seed, resamples)


def coverage(
    real: Features, translated: Features, *, k: int = COVERAGE_K, seed: int = 0, resamples: int = 200
) -> Measured:
    """Return the share of real crops with a translated crop in their neighborhood (Naeem et al. 2020, eq. 4).

    1 where all of the real variety is among the translations. Unlike `recall` it takes the neighborhoods of real
    crops, so that odd translations cannot lift it. Parameters and groups are those of `precision`.
    """

    def share(radii: np.ndarray, between: np.ndarray, of_real: np.ndarray, of_translated: np.ndarray) -> float:
        return float(np.average(between.min(axis=1) < radii, weights=of_real))

    return _measure(share, real, translated, k, seed, resamples)


def _measure(
    how: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], float],
    centers: Features,
    others: Features,
    k: int,
    seed: int,
    resamples: int,
) -> Measured:
    """Measure with squared radii (n,) around the centers, squared distances (n, m) to the others, and rows' weights.

    A group that is drawn twice counts twice in averages, but once as neighbors: copies would shrink all radii to 0.
    """
    refuse_other_features("Neighbors are found among", centers, others)
    if min(len(centers.values), len(others.values)) <= k:
        raise InputError(
            f"Neighborhoods that reach to the {k}th nearest crop need {k + 1} crops or more on each side, got "
            f"{min(len(centers.values), len(others.values))}. Give more fields, or smaller crops."
        )
    within, between = _squared(centers.values, centers.values), _squared(centers.values, others.values)
    np.fill_diagonal(within, np.inf)
    counts = np.bincount(centers.codes)
    if len(counts) > 1 and len(centers.values) - np.max(counts) >= k:
        within[centers.codes[:, None] == centers.codes] = np.inf
    furthest = within[np.isfinite(within)].max()

    def radii(kept_centers: np.ndarray) -> np.ndarray:
        # where a draw of groups leaves fewer than k neighbors, the neighborhood is as wide as can be
        return np.minimum(np.partition(within[np.ix_(kept_centers, kept_centers)], k - 1, axis=1)[:, k - 1], furthest)

    everywhere = np.arange(len(centers.values))
    value = how(radii(everywhere), between, np.ones(len(centers.values)), np.ones(len(others.values)))
    if min(len(side.names) for side in (centers, others)) < LEAST_GROUPS or not resamples:
        return Measured(value)
    rng = np.random.default_rng(seed)
    of_centers, of_others = (draw_groups(len(side.names), resamples, rng)[:, side.codes] for side in (centers, others))
    drawn = []
    for ours, theirs in zip(of_centers, of_others, strict=True):
        kept_centers, kept_others = np.flatnonzero(ours), np.flatnonzero(theirs)
        if len(kept_centers) > k:
            drawn.append(
                how(
                    radii(kept_centers),
                    between[np.ix_(kept_centers, kept_others)],
                    ours[kept_centers],
                    theirs[kept_others],
                )
            )
    return Measured(value, *around(value, np.array(drawn)))


def _squared(rows: np.ndarray, other_rows: np.ndarray) -> np.ndarray:
    """Return squared distances (n, m); 0 for rows that are the same but for rounding."""
    lengths = np.square(rows).sum(axis=1)[:, None] + np.square(other_rows).sum(axis=1)
    squared = lengths - 2 * rows @ other_rows.T
    squared[squared < SAME * lengths] = 0
    return squared
