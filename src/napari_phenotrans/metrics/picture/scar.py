"""Scar: change where nothing should change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_phenotrans.metrics.picture.measure import Measure, Reading, silent

if TYPE_CHECKING:
    from napari_phenotrans.metrics.picture.measure import Case

LIMIT = 2.0
EXACT = 1e-3  # standard deviations of the noise: what a change of units and back costs
BLOCK = 256  # of one nucleus 99.9 % of a large field know nothing
HIGH = 99.9


def scar(translated: np.ndarray, source: np.ndarray, noise: float) -> float:
    """Return the 99.9th percentile of |Gaussian(translated - source, 1 pixel)| over the noise, of the worst block.

    Gain and level are taken out before: another exposure is no scar. Noise that is drawn anew comes to about 1.3.

    Parameters
    ----------
    translated, source
        (H, W) of one channel.
    noise
        Standard deviation of the source's noise.
    """
    difference = translated.astype(np.float64) - source
    centered = source - source.mean(dtype=np.float64)
    if centered.any():
        difference -= centered * (difference * centered).mean() / np.square(centered).mean()
    difference -= np.median(difference)
    left = np.abs(ndimage.gaussian_filter(difference, 1))
    blocks = [left[y : y + BLOCK, x : x + BLOCK] for y in _starts(left.shape[0]) for x in _starts(left.shape[1])]
    return max(float(np.percentile(block, HIGH)) for block in blocks) / noise


def _starts(length: int) -> list[int]:
    """Return where blocks begin that cover a side and are whole where it allows that."""
    count = -(-length // BLOCK)
    return np.linspace(0, max(0, length - BLOCK), count).astype(int).tolist()


# ---- as a measure


def read_scar(case: Case) -> Reading:
    if case.role == "moving":
        return silent("the condition acts on this channel: it may change")
    pairs = list(zip(case.translated, case.source, strict=True))
    if case.role == "kept":
        most = [float(np.abs(each).max()) for each in case.differences()]
        return Reading(max(most) / case.noise(), EXACT, 0.0, more={"kept": 1.0})
    values = [
        scar(made.pixels[case.channel], real.pixels[case.channel], real.noise(case.channel)) for made, real in pairs
    ]
    return Reading(max(values), LIMIT, 0.0)


def _words(found: Reading) -> str:
    if found.more.get("kept"):
        return "does not return this kept channel as it was"
    return f"leaves scars where nothing should change ({found.value:.1f} times the noise)"


SCAR = Measure(read_scar, _words, paired=True)
