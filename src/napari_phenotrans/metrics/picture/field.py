"""One field as the measures see it: its nuclei, the noise of its channels, and what several measures share."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import ndimage

SMALLEST = 20  # pixels of a nucleus
LEAST_NUCLEI = 5  # fewer in all fields together, and nothing is said about nuclei
# What a display of 256 gray levels cannot show is neither noise nor change.
VISIBLE = 1 / 255
LEAST_NOISE = 1e-6  # where a plane is of one intensity
# What Otsu's threshold parts by less than this, in standard deviations of the noise, is noise.
LEAST_CONTRAST = 6.0
INSIDE, OUTSIDE = 4, 12  # working pixels from a nucleus's edge up to which its profile is taken
MAD = 1.4826  # standard deviations of a normal distribution per median absolute deviation
NOISE_SIDE = 256  # pixels of the middle that are enough to tell the noise


class Field:
    """A field of view in working pixels.

    Parameters
    ----------
    pixels
        (C, H, W) in any linear unit.
    nuclei_channel
        Place of the channel that shows the nuclei; None where none does.
    """

    def __init__(self, pixels: np.ndarray, nuclei_channel: int | None) -> None:
        self.pixels = np.asarray(pixels, np.float32)
        self.nuclei_channel = nuclei_channel
        self._noise: dict[int, float] = {}
        self._profiles: dict[int, np.ndarray] = {}

    @cached_property
    def nuclei(self) -> np.ndarray:
        """Labels (H, W) int32 of its nuclei; all 0 where there are none."""
        if self.nuclei_channel is None:
            return np.zeros(self.pixels.shape[1:], np.int32)
        return find_nuclei(self.pixels[self.nuclei_channel])

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Return for each pixel near a nucleus its place, and the number ``label * distances + distance``."""
        return around_nuclei(self.nuclei)

    def profiles(self, channel: int) -> np.ndarray:
        """Return per nucleus the median intensity above background at distances -4 … 12 from its edge.

        (n, 17), nan where a nucleus has no pixel at a distance.
        """
        if channel not in self._profiles:
            self._profiles[channel] = self._take_profiles(channel)
        return self._profiles[channel]

    def _take_profiles(self, channel: int) -> np.ndarray:
        where, number = self._places
        width = INSIDE + OUTSIDE + 1
        count = int(self.nuclei.max())
        rows = np.full(count * width, np.nan, np.float32)
        if count:
            values = self.pixels[channel].ravel()[where] - self.background(channel)
            order = np.lexsort((values, number))
            found, first, size = np.unique(number[order], return_index=True, return_counts=True)
            rows[found] = values[order][first + size // 2]
        return rows.reshape(count, width)

    def noise(self, channel: int) -> float:
        """Return the standard deviation of the noise, at least one of 256 gray levels from black to bright."""
        if channel not in self._noise:
            plane = self.pixels[channel]
            dark, bright = np.percentile(plane, (1, 99.9))
            self._noise[channel] = max(noise_sd(plane), float(bright - dark) * VISIBLE, LEAST_NOISE)
        return self._noise[channel]

    def background(self, channel: int) -> float:
        """Return the intensity where least is: the 1st percentile."""
        return float(np.percentile(self.pixels[channel][::2, ::2], 1))


def noise_sd(plane: np.ndarray) -> float:
    """Return the standard deviation of the noise of (Y, X): from the median absolute residual of the 3 × 3 median."""
    height, width = (slice(max(0, (side - NOISE_SIDE) // 2), (side + NOISE_SIDE) // 2 + 1) for side in plane.shape)
    plane = plane[height, width]
    residual = np.abs(plane - ndimage.median_filter(plane, 3))
    # a median of nine takes part of the noise with it: 1.16 makes up for it (measured on white noise)
    return float(np.median(residual)) * MAD * 1.16


def find_nuclei(plane: np.ndarray) -> np.ndarray:
    """Find nuclei in (Y, X): Otsu's threshold and brighter than their surroundings, parted by a distance watershed.

    Returns
    -------
    Labels (Y, X) int32, 0 for background; all 0 where nothing stands out of the noise.
    """
    from skimage.feature import peak_local_max
    from skimage.filters import threshold_otsu
    from skimage.segmentation import watershed

    nothing = np.zeros(plane.shape, np.int32)
    smooth = ndimage.gaussian_filter(plane.astype(np.float32), 1)
    if smooth.min() == smooth.max():
        return nothing
    threshold = threshold_otsu(smooth)
    bright = smooth > threshold
    if smooth[bright].mean() - smooth[~bright].mean() < LEAST_CONTRAST * noise_sd(plane):
        return nothing

    # ---- in dense tissue one threshold joins all: what is darker than its surroundings lies between nuclei
    radius = _typical_radius(bright)
    mask = bright & (smooth > ndimage.gaussian_filter(smooth, 2 * radius) * 0.9)
    radius = _typical_radius(mask)

    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 1)
    centers = peak_local_max(distance, min_distance=max(2, round(0.7 * radius)), labels=mask.astype(int))
    markers = nothing.copy()
    markers[tuple(centers.T)] = np.arange(1, len(centers) + 1)
    labels = watershed(-distance, markers, mask=mask)
    sizes = np.bincount(labels.ravel())
    large = sizes >= SMALLEST
    large[0] = False
    number = np.zeros(len(sizes), np.int32)
    number[large] = np.arange(1, large.sum() + 1)
    return number[labels]


def _typical_radius(mask: np.ndarray) -> float:
    """Return the median depth of the mask's parts at their deepest places, in pixels."""
    from skimage.feature import peak_local_max

    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 1)
    peaks = distance[tuple(peak_local_max(distance, min_distance=3, labels=mask.astype(int)).T)]
    return float(np.clip(np.median(peaks), 2, 20)) if len(peaks) else 2.0


def around_nuclei(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return places (flat) of the pixels within 4 pixels inside and 12 outside of an edge, and their numbers.

    A pixel outside belongs to the nearest nucleus. Its number is ``(label - 1) * 17 + distance + 4``.
    """
    outside, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    edges = np.zeros(labels.shape, bool)
    edges[:-1] |= labels[:-1] != labels[1:]
    edges[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edges[1:] |= labels[:-1] != labels[1:]
    edges[:, 1:] |= labels[:, :-1] != labels[:, 1:]
    inside = ndimage.distance_transform_edt(~(edges & (labels > 0)))
    distance = np.where(labels > 0, -np.rint(inside), np.rint(outside)).astype(np.int32)
    owner = labels[tuple(nearest)]
    near = (distance >= -INSIDE) & (distance <= OUTSIDE) & (owner > 0)
    where = np.flatnonzero(near)
    number = (owner.ravel()[where] - 1) * (INSIDE + OUTSIDE + 1) + distance.ravel()[where] + INSIDE
    return where, number


def cut_alike(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the upper left parts of two planes that both have."""
    height, width = (min(sides) for sides in zip(one.shape[-2:], other.shape[-2:], strict=True))
    return one[..., :height, :width], other[..., :height, :width]
