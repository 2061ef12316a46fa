"""Resampling planes, or parts of them, between a file's pixel size and the working pixel size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.region import Region
from napari_phenotrans.core.tiling import padded_size

SAME = 0.05
# Ratio of pixel sizes beyond which one is a mistake; resampling by it would take hours and gigabytes, or leave nothing.
EXTREME = 16
# of Gaussian blur, in standard deviations
REACH = 4

if TYPE_CHECKING:
    from pathlib import Path

Size = tuple[int, int]


def factor(pixel_size: float, working: float) -> float:
    """Return the factor to scale a plane by; 1 where both sizes agree within 5 %, which no network notices."""
    ratio = pixel_size / working
    return 1.0 if abs(ratio - 1) <= SAME else ratio


def refuse_extreme(pixel_size: float, working: float, path: Path | None) -> None:
    """Refuse pixels more than `EXTREME` times larger or smaller than the working pixel size.

    Raises
    ------
    InputError
        With both sizes, before anything is computed.
    """
    if 1 / EXTREME <= pixel_size / working <= EXTREME:
        return
    raise InputError(
        f"{path or 'The image'} states {pixel_size:.4g} µm per pixel, and the working pixel size is {working:.4g}: "
        f"more than {EXTREME} times apart, so that one is most likely wrong (millimeters for micrometers, or the "
        f"resolution of a print). Correct the pixel size in the file or of the layer."
    )


def rescaled_size(height: int, width: int, scale: float) -> Size:
    """Return the size in working pixels, at least one pixel each way."""
    return max(1, round(height * scale)), max(1, round(width * scale))


def to_size(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resample (C, Y, X) to float32 of the given size, linearly, blurred first where it becomes smaller."""
    size = (plane.shape[1], plane.shape[2])
    whole = Region(0, 0, height, width)
    return resample_part(plane, Region(0, 0, *size), size, whole, (height, width))


def labels_to_size(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resample labels (Y, X) to the given size: each pixel takes the nearest one's number, nothing lies between."""
    nearest = [
        ((np.arange(new) + 0.5) * (old / new)).astype(int)
        for old, new in zip(labels.shape, (height, width), strict=True)
    ]
    return labels[np.ix_(*nearest)]


def needed(wanted: Region, wanted_size: Size, size: Size) -> Region:
    """Return the pixels of a plane on which a part of that plane at another size depends.

    Parameters
    ----------
    wanted, wanted_size
        The part, in pixels of the resampled plane, and the size of that.
    size
        Size of the plane that is resampled.
    """
    if size == wanted_size:
        return wanted
    bounds = []
    for first, count, new, old in zip(
        (wanted.top, wanted.left), (wanted.height, wanted.width), wanted_size, size, strict=True
    ):
        step = old / new
        blur = int(REACH * _sigma(step) + 0.5)
        low = math.floor((first + 0.5) * step - 0.5) - blur
        high = math.floor((first + count - 0.5) * step - 0.5) + 2 + blur
        # at the plane's border the outermost pixel speaks for those beyond it
        low = min(max(low, 0), old - 1)
        bounds.append((low, max(min(high, old), low + 1) - low))
    (top, height), (left, width) = bounds
    return Region(top, left, height, width)


def resample_part(plane: np.ndarray, lies: Region, size: Size, wanted: Region, wanted_size: Size) -> np.ndarray:
    """Resample part of a plane as if all of it were there.

    Linearly between pixel centers, blurred first along an axis that becomes shorter: a Gaussian of standard deviation
    (factor - 1) / 2.

    Parameters
    ----------
    plane
        (C, h, w), what is there of a plane: at least what `needed` says.
    lies, size
        Where it lies in that plane, and the plane's size.
    wanted, wanted_size
        The part to return, in pixels of the resampled plane, and the size of that.

    Returns
    -------
    (C, wanted.height, wanted.width) float32.
    """
    plane = plane.astype(np.float32)
    if size == wanted_size:
        part = wanted.moved(-lies.top, -lies.left)
        return plane[:, *part.slices]
    # loaded when first used: a dock opens without it
    from scipy import ndimage

    steps = [old / new for old, new in zip(size, wanted_size, strict=True)]
    sigmas = [_sigma(step) for step in steps]
    along_axes = zip((wanted.top, wanted.left), steps, (lies.top, lies.left), strict=True)
    offsets = [(first + 0.5) * step - 0.5 - origin for first, step, origin in along_axes]
    channels = []
    for channel in plane:
        calm = ndimage.gaussian_filter(channel, sigmas, mode="nearest", truncate=REACH) if max(sigmas) > 0 else channel
        shape = (wanted.height, wanted.width)
        channels.append(ndimage.affine_transform(calm, steps, offsets, shape, order=1, mode="nearest"))
    return np.stack(channels)


def pad(x: np.ndarray, stride: int, smallest: int) -> np.ndarray:
    """Enlarge (C, Y, X) below and to the right to multiples of ``stride`` and to ``smallest`` at least.

    Mirrored, so that a network sees cells go on there, not end.
    """
    height, width = (padded_size(max(size, smallest), stride) for size in x.shape[1:])
    return np.pad(x, ((0, 0), (0, height - x.shape[1]), (0, width - x.shape[2])), mode="reflect")


def _sigma(step: float) -> float:
    return max(0.0, (step - 1) / 2)
