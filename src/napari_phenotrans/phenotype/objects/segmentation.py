"""Objects to measure: nuclei found in a plane, or squares of it where there is nothing to find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.dataset.field_stats import measure_nuclei

if TYPE_CHECKING:
    from collections.abc import Iterable

# Of the diameter, from the border: where the ring begins, so that a blurred border belongs to neither, and its width.
RING_GAP, RING_WIDTH = 0.1, 0.25
# Of the contrast between typical objects and background over all real planes: what is fainter is taken for noise.
LEAST_CONTRAST = 0.2
# In diameters: the Laplacian of Gaussian that marks centers, their least distance, and the surroundings of a pixel.
CENTER, APART, AROUND = 0.3, 0.3, 0.6
# Of the Laplacian of the logarithm, times its scale squared; what is flat has less.
LEAST_BLOB = 0.1
# An object's border lies halfway between background and its own brightness, so that dim ones come out as large.
HALF, BRIGHTNESS = 0.5, 90
_ENOUGH = 10
# Percentiles between which libraries expect the light of a plane.
RANGE = (1, 99.8)

Finder = Callable[[np.ndarray], np.ndarray]
"""From a (Y, X) float32 plane of the channel that shows the objects to labels (Y, X) int32, 0 for background."""


@dataclass(frozen=True)
class ObjectAppearance:
    """What objects look like over all real planes of a data set: one rule for real and translated alike.

    Parameters
    ----------
    diameter
        Of a typical object in pixels; every pixel of an object counts the same, because debris is many and small.
    background
        Intensity between objects.
    least
        Intensity that an object has to exceed in any plane, so that none is found in an empty one.
    low, high
        1st and 99.8th percentile of all planes together.
    """

    diameter: float
    background: float
    least: float
    low: float = field(default=0.0, repr=False)
    high: float = field(default=1.0, repr=False)

    @property
    def words(self) -> str:
        return f"diameter {self.diameter:.1f} pixels, background {self.background:.4g}, found from {self.least:.4g} on"

    @classmethod
    def of(cls, planes: Iterable[np.ndarray], diameter: float | None = None) -> ObjectAppearance:
        """Measure it in (Y, X) planes of both conditions.

        Parameters
        ----------
        planes
            Of the channel that shows the objects.
        diameter
            Where the user said it.

        Raises
        ------
        InputError
            If nothing stands out, or no objects can be made out whose size could be measured.
        """
        from skimage.filters import gaussian, threshold_otsu

        smooth = [gaussian(plane.astype(np.float32), 1, preserve_range=True) for plane in planes]
        pixels = np.concatenate([plane[::2, ::2].ravel() for plane in smooth])
        if pixels.min() == pixels.max():
            raise InputError(
                "No objects can be found: the channel is black, or of one intensity, in all real fields. Name another "
                "channel, or measure whole crops (--objects none)."
            )
        threshold = float(threshold_otsu(pixels))
        dark, bright = (float(np.median(pixels[side])) for side in (pixels <= threshold, pixels > threshold))
        if diameter is None:
            diameters = np.sort(np.concatenate([measure_nuclei(plane)[0] for plane in smooth]))
            if len(diameters) < _ENOUGH:
                raise InputError(
                    f"Only {len(diameters)} objects can be told apart in {len(smooth)} real fields, and their size is "
                    f"needed: {_ENOUGH} were expected. Name another channel, say --diameter, or measure whole crops "
                    f"(--objects none)."
                )
            area = np.cumsum(diameters**2)
            diameter = float(diameters[np.searchsorted(area, area[-1] / 2)])
        low, high = np.percentile(pixels, RANGE).tolist()
        return cls(diameter, dark, dark + LEAST_CONTRAST * (bright - dark), low, high)


def scikit_image_finder(look: ObjectAppearance) -> Finder:
    """Return a finder by scikit-image, for sparse cultures and dense tissue.

    On a log scale, so that a dim object counts like a bright one: centers are maxima of the Laplacian of Gaussian, a
    watershed from them parts what is brighter than its surroundings, and each object's border lies at half of its own
    brightness. No threshold depends on the plane as a whole: where a translation dims or adds objects, the others are
    found as before.
    """

    def find(plane: np.ndarray) -> np.ndarray:
        from scipy import ndimage
        from skimage.feature import peak_local_max
        from skimage.segmentation import watershed

        above = ndimage.gaussian_filter(plane.astype(np.float32), max(0.7, look.diameter / 20)) - look.background
        least = look.least - look.background
        log = np.log(np.maximum(above, 0) + least)
        mask = (above > least) & (log > ndimage.gaussian_filter(log, AROUND * look.diameter))
        sigma = CENTER * look.diameter
        blobs = -ndimage.gaussian_laplace(log, sigma) * sigma**2
        apart = max(2, round(APART * look.diameter))
        centers = peak_local_max(
            blobs, min_distance=apart, threshold_abs=LEAST_BLOB, labels=mask.astype(int), exclude_border=False
        )
        if not len(centers):
            return np.zeros(plane.shape, np.int32)
        markers = np.zeros(plane.shape, np.int32)
        markers[tuple(centers.T)] = np.arange(1, len(centers) + 1)
        parts = watershed(-blobs, markers, mask=mask)
        brightness = np.zeros(len(centers) + 1, np.float32)
        for label, bounds in enumerate(ndimage.find_objects(parts), start=1):
            if bounds is not None:
                brightness[label] = np.percentile(above[bounds][parts[bounds] == label], BRIGHTNESS)
        objects = np.where(above >= HALF * brightness[parts], parts, 0)
        small = np.bincount(objects.ravel()) <= look.diameter**2 / 10
        return np.where(small[objects], 0, objects).astype(np.int32)

    return find


def squares(height: int, width: int, side: int) -> np.ndarray:
    """Return labels (Y, X) of whole squares of ``side`` pixels, centered in the plane: whole-crop measurements.

    Raises
    ------
    InputError
        If none fits.
    """
    rows, columns = height // side, width // side
    if not rows * columns:
        raise InputError(
            f"A crop of {side} × {side} pixels does not fit into a field of {height} × {width}. Say a smaller --crop."
        )
    labels = np.zeros((height, width), np.int32)
    top, left = (height - rows * side) // 2, (width - columns * side) // 2
    numbers = np.arange(1, rows * columns + 1, dtype=np.int32).reshape(rows, columns)
    labels[top : top + rows * side, left : left + columns * side] = numbers.repeat(side, 0).repeat(side, 1)
    return labels


def rings(labels: np.ndarray, diameter: float) -> np.ndarray:
    """Return each object's ring, labeled as the object: what lies around it, and is nearer to it than to another.

    Parameters
    ----------
    labels
        (Y, X) objects.
    diameter
        Of a typical one in pixels: the ring begins 0.1 diameters from the border (1 pixel at least) and is 0.25 wide (3
        at least).
    """
    from skimage.segmentation import expand_labels

    gap = max(1.0, RING_GAP * diameter)
    around = expand_labels(labels, gap + max(3.0, RING_WIDTH * diameter))
    return np.where(expand_labels(labels, gap) > 0, 0, around).astype(np.int32)


def cut_by_border(labels: np.ndarray) -> np.ndarray:
    """Return the labels of the objects that the plane's border cuts: their shape and size are not theirs."""
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.unique(edge[edge > 0])
