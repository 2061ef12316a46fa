"""Fréchet inception distance, on any features: how far apart two sets of crops are, taken for two Gaussians."""

from __future__ import annotations

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


def fid(real: Features, translated: Features, *, seed: int = 0, resamples: int = 200) -> Measured:
    """Return ‖μ₁ - μ₂‖² + Tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½), over all rows (Heusel et al. 2017, eq. 6).

    0 where both sides are the same rows, larger is worse. The value is torch-fidelity's for the same features. With few
    rows it is mostly bias, which shrinks as 1/n (Chong and Forsyth 2020): it means something only beside a floor at
    the same n.

    The interval draws groups with replacement on both sides, and is set around the value. Parameters, and what is
    raised, are those of `metrics.kid.kid`.
    """
    refuse_other_features("FID compares", real, translated)
    if min(len(real.values), len(translated.values)) < 2:
        raise InputError("FID needs two crops or more on each side, got 1. Give more fields, or smaller crops.")
    sides = (real, translated)
    value = _frechet(*(_moments(side.values, np.ones(len(side.values))) for side in sides))
    if min(len(side.names) for side in sides) < LEAST_GROUPS or not resamples:
        return Measured(value)
    rng = np.random.default_rng(seed)
    draws = [draw_groups(len(side.names), resamples, rng)[:, side.codes] for side in sides]
    drawn = [
        _frechet(*(_moments(side.values, weights) for side, weights in zip(sides, both, strict=True)))
        for both in zip(*draws, strict=True)
    ]
    return Measured(value, *around(value, np.array(drawn)))


def _moments(rows: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (d,) and a root R of the covariance, RᵀR = Σ, of rows that each count ``weights`` times."""
    counted = weights > 0
    rows, weights = rows[counted], weights[counted]
    mean = weights @ rows / weights.sum()
    root = (rows - mean) * np.sqrt(weights / (weights.sum() - 1))[:, None]
    if len(root) > root.shape[1]:
        root = np.asarray(np.linalg.qr(root, mode="r"))
    return mean, root


def _frechet(moments: tuple[np.ndarray, np.ndarray], other_moments: tuple[np.ndarray, np.ndarray]) -> float:
    # The nonzero eigenvalues of Σ₁Σ₂ = R₁ᵀR₁R₂ᵀR₂ are the squared singular values of R₁R₂ᵀ, which is no larger than
    # the smaller of rows and features, and needs no root of a matrix without full rank.
    (mean, root), (other_mean, other_root) = moments, other_moments
    shared = np.linalg.svd(root @ other_root.T, compute_uv=False).sum()
    spread = np.square(root).sum() + np.square(other_root).sum()
    return float(np.square(mean - other_mean).sum() + spread - 2 * shared)
