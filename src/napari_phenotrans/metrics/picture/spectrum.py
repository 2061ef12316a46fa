"""Spectrum: pictures that are too soft or too sharp."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from napari_phenotrans.metrics.picture.measure import Measure, Reading, silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_phenotrans.metrics.picture.field import Field
    from napari_phenotrans.metrics.picture.measure import Case, Numbers

LEAST, OVER_REAL = 1.0, 2.0
BANDS = ((0.05, 0.1), (0.1, 0.2), (0.2, 0.35), (0.35, 0.5))  # cycles per pixel
WINDOW = 64


def band_powers(plane: np.ndarray, invisible: float) -> np.ndarray:
    """Return log2 of the mean power in four bands of fineness, (4,).

    Parameters
    ----------
    plane
        (H, W).
    invisible
        Standard deviation of white noise that nobody would see: its power is added, so that bands with next to
        nothing in them do not differ.
    """
    size = min(WINDOW, *plane.shape)
    step = max(1, size // 2)
    windows = (
        np.lib.stride_tricks.sliding_window_view(plane, (size, size))[::step, ::step]
        .reshape(-1, size, size)
        .astype(np.float32)
    )
    windows = windows - windows.mean(axis=(1, 2), keepdims=True)
    hann = np.hanning(size + 1)[:-1].astype(np.float32)
    taper = np.outer(hann, hann)
    power = np.square(np.abs(fft.rfft2(windows * taper))).mean(axis=0) / np.square(taper).sum()
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.rfftfreq(size), indexing="ij"))
    bands = [power[(radius >= low) & (radius < high)] for low, high in BANDS]
    means = [band.mean() if band.size else 0.0 for band in bands]  # a small picture has no coarse band
    return np.log2(np.array(means) + invisible**2)


# ---- as a measure


def _bands(fields: Sequence[Field], channel: int, invisible: float) -> np.ndarray:
    return np.mean([band_powers(each.pixels[channel], invisible) for each in fields], axis=0)


def learn_spectrum(fields: Sequence[Field], channel: int, shared: Mapping[str, float]) -> Numbers:
    if len(fields) < 2:
        return {}
    each = np.array([_bands([one], channel, shared["invisible"]) for one in fields])
    off = [np.abs(each[i] - np.delete(each, i, axis=0).mean(axis=0)) for i in range(len(each))]
    return {f"spectrum {i}": float(most) for i, most in enumerate(np.max(off, axis=0))}


def read_spectrum(case: Case) -> Reading:
    """Read how far the translated bands lie outside of what lies between real source and real target.

    A translation that goes half the way is neither too soft nor too sharp.
    """
    if case.role == "kept":
        return silent("this channel is the source's own")
    invisible = case.numbers["invisible"]
    made = _bands(case.translated, case.channel, invisible)
    ends = [_bands(side, case.channel, invisible) for side in (case.target, case.source) if side]
    above, below = made - np.max(ends, axis=0), np.min(ends, axis=0) - made
    limits = np.array([max(LEAST, OVER_REAL * case.numbers.get(f"spectrum {band}", 0.0)) for band in range(len(BANDS))])
    off = np.maximum(np.maximum(above, below), 0)
    worst = int(np.argmax(off / limits))
    sign = 1.0 if above[worst] > below[worst] else -1.0
    return Reading(float(off[worst]), float(limits[worst]), 0.0, more={"band": float(worst), "sign": sign})


def _words(found: Reading) -> str:
    assert found.value is not None
    low, high = BANDS[int(found.more["band"])]
    much = f"{2**found.value:.1f} times the power at details of {1 / high:.0f} to {1 / low:.0f} pixels"
    if found.more["sign"] > 0:
        return f"is too sharp or too grainy ({much} of real)"
    return f"is too soft (real has {much})"


SPECTRUM = Measure(read_spectrum, _words, learn_spectrum)
