"""Lattice: a pattern that repeats every two or four pixels, as up-sampling leaves it, in what was changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from napari_phenotrans.metrics.picture.field import cut_alike
from napari_phenotrans.metrics.picture.measure import Measure, Reading, silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_phenotrans.metrics.picture.field import Field
    from napari_phenotrans.metrics.picture.measure import Case, Numbers

WINDOW = 32
STEPS = (0, WINDOW // 4, WINDOW // 2, 3 * WINDOW // 4)
BESIDE = 2.0  # frequencies of the window that count as the same radius


def lattice(differences: Sequence[np.ndarray], invisible: float = 0.0) -> float | None:
    """Return the power on the lattice {0, ¼, ½, ¾}² cycles per pixel over the median power at the same radius.

    The largest of the fifteen frequencies without 0; power is summed over Hann windows of 32 pixels that overlap by
    half, of all differences together. About 1 where nothing repeats.

    In the whole picture the pattern drowns, however plain to see it is beside the objects that changed: it has to be
    looked for in the difference.

    Parameters
    ----------
    differences
        Translated minus real source, (H, W) each.
    invisible
        Standard deviation of white noise that nobody would see: its power is added, so that rounding is no pattern.

    Returns
    -------
    None where no difference is as large as a window, or nothing differs.
    """
    fitting = [each for each in differences if min(each.shape) >= WINDOW and np.ptp(each) > 0]
    if not fitting:
        return None
    power = np.sum([_window_power(each, invisible) for each in fitting], axis=0)
    return max(float(power[place] / np.median(power[beside])) for place, beside in _LATTICE)


def _window_power(difference: np.ndarray, invisible: float) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(difference, (WINDOW, WINDOW))[:: WINDOW // 2, :: WINDOW // 2]
    windows = windows.reshape(-1, WINDOW, WINDOW)
    windows = windows - windows.mean(axis=(1, 2), keepdims=True)
    hann = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    taper = np.outer(hann, hann)
    half = np.square(np.abs(fft.rfft2(windows * taper))).sum(axis=0, dtype=np.float64)
    half += len(windows) * float(np.square(taper).sum()) * invisible**2
    # the other half of a real picture's spectrum is the same, turned around
    turned = np.roll(half[::-1], 1, axis=0)[:, 1 : WINDOW // 2]
    return np.concatenate([half, turned[:, ::-1]], axis=1)


def _lattice() -> list[tuple[tuple[int, int], np.ndarray]]:
    """Return each place on the lattice with the mask of what lies at the same radius and off the lattice."""
    frequencies = np.fft.fftfreq(WINDOW) * WINDOW
    radius = np.hypot(*np.meshgrid(frequencies, frequencies, indexing="ij"))
    places = [(y, x) for y in STEPS for x in STEPS if (y, x) != (0, 0)]
    near = np.zeros(radius.shape, bool)
    for y, x in places:
        # a Hann window spreads what lies on one frequency over its neighbors
        near[np.ix_(*([(side - 1) % WINDOW, side, (side + 1) % WINDOW] for side in (y, x)))] = True
    return [(place, (np.abs(radius - radius[place]) < BESIDE) & ~near) for place in places]


_LATTICE = _lattice()


# ---- as a measure

LEAST, OVER_REAL = 2.0, 1.3
SEEN = 0.25  # standard deviations of the noise that some change must reach
INVISIBLE = 0.1  # standard deviations of the noise that nobody would see


def learn_lattice(fields: Sequence[Field], channel: int, shared: Mapping[str, float]) -> Numbers:
    """Learn what cameras leave: the lattice in differences of unrelated real fields."""
    pairs = [cut_alike(one.pixels[channel], fields[i - 1].pixels[channel]) for i, one in enumerate(fields)]
    found = lattice([one - other for one, other in pairs]) if len(fields) > 1 else None
    return {} if found is None else {"lattice": found}


def read_lattice(case: Case) -> Reading:
    differences = case.differences()
    if max(float(np.percentile(np.abs(each), 99.9)) for each in differences) < SEEN * case.noise():
        return silent("nothing changed that could be seen")
    value = lattice(differences, INVISIBLE * case.noise())
    if value is None:
        return silent(f"fields are smaller than {WINDOW} pixels")
    real = case.numbers.get("lattice")
    # A change may be the source's own light, taken away with the pattern that the camera wrote into it, and no more.
    own = lattice([each.pixels[case.channel] for each in case.source]) or 0.0
    return Reading(value, max(LEAST, OVER_REAL * (real or 0), own), real)


LATTICE = Measure(
    read_lattice,
    lambda found: f"leaves a fine grid ({found.value:.1f} times as strong as it should be)",
    learn_lattice,
    paired=True,
)
