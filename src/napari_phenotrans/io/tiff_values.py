"""What the numbers in a TIFF mean where they are not intensities as they stand: WhiteIsZero, ImageJ's calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from tifffile import PHOTOMETRIC

if TYPE_CHECKING:
    from collections.abc import Callable

    import tifffile

_SIGNED = -32768.0


@dataclass(frozen=True)
class Values:
    """How stored numbers become intensities.

    Parameters
    ----------
    dtype
        Of the intensities.
    convert
        From stored numbers; None where they are intensities.
    note
        What the user should know; None where that is nothing.
    """

    dtype: np.dtype
    convert: Callable[[np.ndarray], np.ndarray] | None = None
    note: str | None = None


def values_of(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Values:
    """Return how the numbers of a series become intensities."""
    dtype = np.dtype(series.dtype).newbyteorder("=")
    if series.kind == "imagej":
        values = _calibrated(tif.imagej_metadata or {}, dtype)
        if values is not None:
            return values
    if series.keyframe.photometric != PHOTOMETRIC.MINISWHITE:
        return Values(dtype)
    if series.kind == "imagej":
        # to ImageJ this is how a lookup table is inverted; it measures the numbers as they stand
        return Values(dtype, note="ImageJ shows this image inverted (white is zero); its pixels were not inverted.")
    bits = series.keyframe.bitspersample
    if dtype.kind == "b":
        brightest: Any = True
    elif dtype.kind == "u" and isinstance(bits, int):
        brightest = dtype.type(2**bits - 1)
    else:
        return Values(
            dtype,
            note=f"The file says that white is zero, which has no meaning for pixels of type {dtype}; they were read "
            f"as they stand.",
        )
    return Values(
        dtype,
        # differs from subtraction for no number, and holds for Booleans too
        lambda stored: stored ^ brightest,
        f"The file stores its pixels inverted (white is zero): they were turned, {brightest} became 0.",
    )


def _calibrated(meta: dict[str, Any], dtype: np.dtype) -> Values | None:
    """Return ImageJ's calibration of pixel values: signed 16 bits are a case of it, others are named in a note."""
    try:
        offset, slope = float(meta.get("c0", 0)), float(meta.get("c1", 1))
        straight = int(meta.get("cf", -1)) == 0
    except (TypeError, ValueError):
        return None
    if straight and dtype == np.uint16 and (offset, slope) == (_SIGNED, 1.0):
        return Values(
            np.dtype(np.int16),
            lambda stored: (stored ^ np.uint16(0x8000)).view(np.int16),
            "ImageJ stored signed 16-bit pixels with 32768 added; that was taken off again.",
        )
    if "cf" not in meta or (straight and (offset, slope) == (0.0, 1.0)):
        return None
    formula = f"{offset:.6g} + {slope:.6g} · v" if straight else f"function {meta.get('cf')}"
    return Values(
        dtype,
        note=f"ImageJ's calibration of pixel values ({formula}, unit {meta.get('vunit', 'unknown')}) was not applied: "
        f"pixels are the numbers in the file.",
    )
