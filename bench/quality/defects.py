"""Deliberate defects of real pictures: what a gate that deserves the name has to see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_phenotrans.metrics.picture.field import find_nuclei, noise_sd
from napari_phenotrans.metrics.picture.marker import find_objects

if TYPE_CHECKING:
    from collections.abc import Callable


def _range(plane: np.ndarray) -> float:
    dark, bright = np.percentile(plane, (1, 99.9))
    return float(bright - dark)


def shifted(field: np.ndarray, nuclei: int) -> np.ndarray:
    """Everything 4 pixels to the right."""
    return np.roll(field, 4, axis=2)


def checkered(field: np.ndarray, nuclei: int) -> np.ndarray:
    """A checkerboard of 2 pixels, 2 % of the range high, or half the noise."""
    board = np.where(np.indices(field.shape[1:]).sum(axis=0) // 1 % 2, 1.0, -1.0)
    high = [max(0.01 * _range(plane), 0.5 * noise_sd(plane)) for plane in field]
    return field + np.array(high)[:, None, None] * board


def blurred(field: np.ndarray, nuclei: int) -> np.ndarray:
    """A Gaussian of one pixel."""
    return np.stack([ndimage.gaussian_filter(plane.astype(np.float64), 1) for plane in field])


def sharpened(field: np.ndarray, nuclei: int) -> np.ndarray:
    """Unsharp masking: twice what a Gaussian of two pixels takes away is added."""
    return np.stack([plane + 2 * (plane - ndimage.gaussian_filter(plane.astype(np.float64), 2)) for plane in field])


def brighter(field: np.ndarray, nuclei: int) -> np.ndarray:
    """A constant, 5 % of the range, and nothing else."""
    return np.stack([plane + 0.05 * _range(plane) for plane in field.astype(np.float64)])


def pasted(field: np.ndarray, nuclei: int) -> np.ndarray:
    """One nucleus, with what all channels show there, pasted where least is."""
    labels = find_nuclei(field[nuclei])
    sizes = np.bincount(labels.ravel())[1:]
    mask = labels == int(np.argsort(sizes)[len(sizes) // 2]) + 1
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    piece = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    own = mask[piece]
    calm = ndimage.uniform_filter(field[nuclei].astype(np.float64), max(own.shape))
    half = max(own.shape)
    y, x = np.unravel_index(np.argmin(calm[half:-half, half:-half]), calm[half:-half, half:-half].shape)
    there = (slice(y + half // 2, y + half // 2 + own.shape[0]), slice(x + half // 2, x + half // 2 + own.shape[1]))
    out = field.copy()
    for channel in range(len(out)):
        out[channel][there] = np.where(own, field[channel][piece], out[channel][there])
    return out


def hollowed(plane: np.ndarray, threshold: float) -> np.ndarray:
    """Marker objects of a plane (H, W) whose cores have 30 % of their light."""
    labels = find_objects(plane, threshold)
    depth = ndimage.distance_transform_edt(labels > 0)
    deepest = np.concatenate([[np.inf], ndimage.maximum(depth, labels, np.arange(1, labels.max() + 1))])
    return _dimmed(plane, depth >= 0.6 * deepest[labels], 0.3)


def faded(plane: np.ndarray, threshold: float) -> np.ndarray:
    """Marker objects of a plane (H, W) with 40 % of their light."""
    return _dimmed(plane, find_objects(plane, threshold) > 0, 0.4)


def _dimmed(plane: np.ndarray, where: np.ndarray, left: float) -> np.ndarray:
    level = float(np.median(plane))
    return np.where(where, level + left * (plane - level), plane)


DEFECTS: dict[str, tuple[Callable[[np.ndarray, int], np.ndarray], tuple[str, ...]]] = {
    "shift by 4 pixels": (shifted, ("shift",)),
    "checkerboard of 2 pixels": (checkered, ("lattice",)),
    "Gaussian blur": (blurred, ("spectrum",)),
    "unsharp masking": (sharpened, ("halo", "ring", "spectrum")),
    "constant offset": (brighter, ("level",)),
    "one nucleus pasted": (pasted, ("scar",)),
}
"""What is done to a field, and the measures that are made for it."""
