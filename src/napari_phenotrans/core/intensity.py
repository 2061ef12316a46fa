"""Intensity limits of a data set: what the image's units are, seen from an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

RANGE = 2.0  # from one limit to the other, as engines see them
HEADROOM_BELOW = 0.02
HEADROOM_ABOVE = 0.10


@dataclass(frozen=True)
class Intensity:
    """Per channel, the intensities that an engine sees as -1 and 1.

    The map is linear and has no clipping: what lies outside the limits lies outside [-1, 1] and comes back.

    Parameters
    ----------
    low, high
        One intensity per channel, in the image's units, low below high.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high) or not self.low:
            raise InputError(f"Intensity limits need one low and one high per channel, got {self.low} and {self.high}.")
        for low, high in zip(self.low, self.high, strict=True):
            if not (np.isfinite(low) and np.isfinite(high) and low < high):
                raise InputError(f"Intensity limits need a finite low below a finite high, got {low} and {high}.")

    @classmethod
    def fit(cls, planes: Iterable[np.ndarray]) -> Intensity:
        """Fit limits to all planes of all training conditions together.

        The upper limit is the brightest pixel of the median of 3 × 3 neighbors, so that a marker in 0.1 % of the
        pixels sets it and a single hot pixel does not; the lower one the darkest. Headroom is added on both sides,
        because a translation may be brighter than everything seen.

        Parameters
        ----------
        planes
            (C, Y, X) arrays with equal C.
        """
        # loaded when first used: a dock opens without it
        from scipy import ndimage

        low: np.ndarray | None = None
        high: np.ndarray | None = None
        for plane in planes:
            calm = ndimage.median_filter(plane.astype(np.float32), size=(1, 3, 3), mode="nearest")
            if not np.isfinite(calm).all():
                raise InputError("A plane holds values that are not finite. Replace NaN and infinity before training.")
            darkest, brightest = calm.min(axis=(1, 2)), calm.max(axis=(1, 2))
            low = darkest if low is None else np.minimum(low, darkest)
            high = brightest if high is None else np.maximum(high, brightest)
        if low is None or high is None:
            raise InputError("No plane came to fit intensity limits to. Check that the data set's folders hold images.")
        span = high - low
        blank = [index for index, s in enumerate(span) if s <= 0]
        if blank:
            raise InputError(
                f"Channel {', '.join(str(index + 1) for index in blank)} holds one single intensity in all images. "
                f"Leave it out with --channels."
            )
        return cls(
            tuple(float(v) for v in low - HEADROOM_BELOW * span),
            tuple(float(v) for v in high + HEADROOM_ABOVE * span),
        )

    @property
    def range(self) -> np.ndarray:
        """High - low per channel, as (C, 1, 1)."""
        span: np.ndarray = np.subtract(self.high, self.low, dtype=np.float64)
        return span[:, None, None].astype(np.float32)

    def normalize(self, plane: np.ndarray) -> np.ndarray:
        """Map (C, Y, X) in the image's units to float32 in about [-1, 1]."""
        low = np.asarray(self.low, np.float32)[:, None, None]
        x = plane.astype(np.float32)
        # in place: planes are large, and new memory costs more than the arithmetic
        x -= low
        x *= 2 / self.range
        x -= 1
        return x

    def denormalize(self, plane: np.ndarray) -> np.ndarray:
        """Map (C, Y, X) in about [-1, 1] back to the image's units, as float32."""
        low = np.asarray(self.low, np.float32)[:, None, None]
        values = plane + np.float32(1)
        values *= self.range / 2
        values += low
        return values


def to_dtype(plane: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, tuple[int, ...]]:
    """Round a float (C, Y, X) plane to the image's dtype; nothing wraps.

    Returns
    -------
    The plane, and per channel how many pixels the dtype could not hold and were set to its nearest value (more than
    one step outside: rounding alone is not counted).
    """
    if not np.issubdtype(dtype, np.integer):
        return plane.astype(dtype), (0,) * len(plane)
    limits = np.iinfo(dtype)
    outside = [_count_outside(channel, limits.min - 1, limits.max + 1) for channel in plane]
    # float32 cannot hold the largest uint32, so there the bound is applied in float64
    rounded = np.rint(plane, dtype=np.float64 if dtype.itemsize > 2 else np.float32)
    np.clip(rounded, limits.min, limits.max, out=rounded)
    return rounded.astype(dtype), tuple(outside)


def _count_outside(values: np.ndarray, low: int, high: int) -> int:
    # looking at the ends alone is a quarter of the work, and mostly enough
    return int(((values < low) | (values > high)).sum()) if values.min() < low or values.max() > high else 0
