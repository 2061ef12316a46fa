"""Copy gauge: whether an engine learned its training images by heart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

COPY_BELOW = 1 / 3
COARSE = 16  # pixels of a crop's side in the search
SYMMETRIES = 8


@dataclass(frozen=True)
class Nearest:
    """The training place that a crop resembles most, and how much more than any other.

    Parameters
    ----------
    ratio
        L2 distance to the nearest place over that to the second nearest, in [0, 1].
    plane, top, left
        The nearest place: which plane, and its corner.
    """

    ratio: float
    plane: int
    top: int
    left: int

    @property
    def is_copy(self) -> bool:
        """Whether the ratio is below 1/3, the usual bound (Favero et al. 2025, arXiv 2505.16959)."""
        return self.ratio < COPY_BELOW


def copy_gauge(crops: np.ndarray, planes: Sequence[np.ndarray]) -> list[Nearest]:
    """Find for each crop the nearest place of the training planes, turned and mirrored in all eight ways.

    A fresh crop is about as far from the nearest place as from the second nearest (a ratio near 1); one learned by
    heart is much nearer to where it came from. The second nearest lies in another plane, or does not overlap the
    nearest.

    The search is at a reduced size, by FFT; the distances of what it finds are measured at full size.

    Parameters
    ----------
    crops
        (n, C, s, s) in about [-1, 1].
    planes
        (C, H, W) of the condition that the crops are meant to look like, in the same units.

    Raises
    ------
    InputError
        If crops are not square, channels differ, or the planes do not hold two places that do not overlap.
    """
    # loaded when first used: a dock opens without it
    from scipy import fft

    _, channels, side, width = crops.shape
    if side != width or any(len(plane) != channels for plane in planes):
        raise InputError(
            f"The copy gauge compares square crops with planes of the same channels; got crops {crops.shape} and "
            f"planes {[plane.shape for plane in planes][:3]}."
        )
    planes = [plane for plane in planes if min(plane.shape[1:]) >= side]
    if not planes or (len(planes) == 1 and max(planes[0].shape[1:]) < 2 * side):
        raise InputError(
            f"The copy gauge needs two places of {side} × {side} in the training planes that do not overlap. "
            f"Give more planes, or smaller crops."
        )

    # ---- search at a reduced size: squared distances |x|² - 2 x·p + |p|² to all positions, as a correlation
    factor = max(1, side // COARSE)
    middle = np.mean([plane.mean(axis=(1, 2)) for plane in planes], axis=0)[:, None, None]
    turned = np.stack([_symmetries(_shrink(crop - middle, factor)) for crop in crops]).astype(np.float32)
    small = turned.shape[-1]
    energies = np.square(turned[:, 0]).sum(axis=(1, 2, 3))
    spectra: dict[tuple[int, int], np.ndarray] = {}
    maps: list[np.ndarray] = []  # of each plane: (n, H', W') squared distances
    for plane in planes:
        reduced = _shrink(plane - middle, factor).astype(np.float32)
        shape = reduced.shape[1:]
        size = fft.next_fast_len(shape[0], real=True), fft.next_fast_len(shape[1], real=True)
        if size not in spectra:
            spectra[size] = np.conj(fft.rfft2(turned, size))
        positions = shape[0] - small + 1, shape[1] - small + 1
        spectrum = fft.rfft2(reduced, size)
        sums = np.pad(np.square(reduced).sum(0, dtype=np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        local = sums[small:, small:] - sums[:-small, small:] - sums[small:, :-small] + sums[:-small, :-small]
        # nothing wraps around within the places where the crop lies inside the plane
        products = [
            fft.irfft2(np.einsum("schw,chw->shw", crop, spectrum), size)[:, : positions[0], : positions[1]].max(axis=0)
            for crop in spectra[size]
        ]
        maps.append(energies[:, None, None] - 2 * np.stack(products) + local)

    # ---- the nearest and the second nearest, measured at full size
    nearest = []
    for index, crop in enumerate(crops):
        distances = [each[index] for each in maps]
        best = _smallest(distances)
        first = _measure(crop, planes[best[0]], best, factor)
        hidden = distances[best[0]].copy()
        hidden[max(0, best[1] - small + 1) : best[1] + small, max(0, best[2] - small + 1) : best[2] + small] = np.inf
        distances[best[0]] = hidden
        other = _smallest(distances)
        second = _measure(crop, planes[other[0]], other, factor)
        (near, nearest_plane), (far, _) = sorted([(first, best[0]), (second, other[0])])
        nearest.append(Nearest(near[0] / far[0] if far[0] else 1.0, nearest_plane, near[1], near[2]))
    return nearest


def _symmetries(image: np.ndarray) -> np.ndarray:
    """Return the eight symmetries (8, C, s, s) of a square image."""
    turns = [np.rot90(image, quarter, axes=(1, 2)) for quarter in range(4)]
    return np.stack([*turns, *(turn[:, :, ::-1] for turn in turns)])


def _shrink(image: np.ndarray, factor: int) -> np.ndarray:
    """Average squares of ``factor`` pixels; a rest at the far borders is left out."""
    channels, height, width = image.shape[0], image.shape[1] // factor, image.shape[2] // factor
    cut = image[:, : height * factor, : width * factor]
    return cut.reshape(channels, height, factor, width, factor).mean(axis=(2, 4))


def _smallest(maps: list[np.ndarray]) -> tuple[int, int, int]:
    plane = int(np.argmin([each.min() for each in maps]))
    top, left = np.unravel_index(np.argmin(maps[plane]), maps[plane].shape)
    return plane, int(top), int(left)


def _measure(
    crop: np.ndarray, plane: np.ndarray, position: tuple[int, int, int], factor: int
) -> tuple[float, int, int]:
    """Return the least L2 distance within one reduced pixel around a place, and where that is."""
    side = crop.shape[-1]
    turned = _symmetries(crop)
    around = [
        range(max(0, (at - 1) * factor), min(length - side, (at + 1) * factor) + 1)
        for at, length in zip(position[1:], plane.shape[1:], strict=True)
    ]
    tried = (
        (float(np.square(turned - plane[:, top : top + side, left : left + side]).sum(axis=(1, 2, 3)).min()), top, left)
        for top in around[0]
        for left in around[1]
    )
    squared, top, left = min(tried)
    return squared**0.5, top, left
