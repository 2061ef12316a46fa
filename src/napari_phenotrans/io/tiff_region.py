"""Rectangles out of TIFF pages: only the strips or tiles that they touch are read and decoded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_phenotrans.io.lazy import Within

    # tifffile's TiffPage or TiffFrame, of which most attributes are declared optional
    Page = Any


def read_stored(path: str, start: int, stored: np.dtype, shape: tuple[int, ...], within: Within) -> np.ndarray:
    """Read from an array that stands in the file as it is, from byte ``start`` on.

    The file is opened by its path, so that threads need no lock.
    """
    # integers first, then one slice, then everything: a run of bytes, which is read at once
    fixed = next((i for i, k in enumerate(within) if isinstance(k, slice)), len(within))
    whole = [slice(0, n, 1) for n in shape[fixed + 1 :]]
    run = [k for k in within[fixed : fixed + 1] if isinstance(k, slice)]
    if list(within[fixed + 1 :]) != whole or any(k.step != 1 for k in run):
        return np.array(np.memmap(path, stored, "r", start, shape)[within])
    first = 0
    for k, n in zip(within, shape, strict=True):
        first = first * n + (k.start if isinstance(k, slice) else k)
    pixels = np.empty([k.stop - k.start for k in run] + [k.stop for k in whole], stored)
    left: Any = memoryview(pixels.reshape(-1).view(np.uint8).data)
    with open(path, "rb", buffering=0) as file:
        file.seek(start + first * stored.itemsize)
        while left:
            # one read gives 2 GiB at most, over a network less
            got = file.readinto(left)
            if not got:
                raise EOFError(f"the file ends {len(left)} bytes before the plane does")
            left = left[got:]
    return pixels


def read_encoded(page: Page, axes: str, shape: tuple[int, ...], within: Within) -> np.ndarray:
    """Read from pixels that are compressed or cut into tiles; the page's file must be open.

    Parameters
    ----------
    page
        Page or frame.
    axes, shape
        Of the page, such as ``YXS``.
    within
        One integer or slice with a positive step per axis of the page.
    """
    keyframe = page.keyframe
    if len(page.dataoffsets) < 2 or keyframe.jpegheader is not None or _area(within, shape) >= 0.5:
        whole: np.ndarray = page.asarray().reshape(shape)
        return whole[within]
    (top, bottom), (left, right) = (_span(within[axes.index(letter)]) for letter in "YX")
    separate, depth, _, _, samples = keyframe.shaped
    region = np.zeros((separate, depth, bottom - top, right - left, samples), keyframe.dtype)
    tables = keyframe.jpegtables if page.jpegtables is None else page.jpegtables
    for i, (offset, length) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        _, (s, d, y, x, _), (deep, high, wide, _) = keyframe.decode(None, i)
        low_y, high_y = max(y, top), min(y + high, bottom)
        low_x, high_x = max(x, left), min(x + wide, right)
        if length == 0 or low_y >= high_y or low_x >= high_x:
            continue
        page.parent.filehandle.seek(offset)
        segment = keyframe.decode(page.parent.filehandle.read(length), i, jpegtables=tables)[0]
        deep = min(deep, depth - d)
        part = segment[:deep, low_y - y : high_y - y, low_x - x : high_x - x]
        region[s, d : d + deep, low_y - top : high_y - top, low_x - left : high_x - left] = part
    near = tuple({"Y": bottom - top, "X": right - left}.get(a, n) for a, n in zip(axes, shape, strict=True))
    moved = tuple(_moved(k, {"Y": top, "X": left}.get(a, 0)) for a, k in zip(axes, within, strict=True))
    return region.reshape(near)[moved]


def _span(key: int | slice) -> tuple[int, int]:
    return (key, key + 1) if isinstance(key, int) else (key.start, key.stop)


def _moved(key: int | slice, by: int) -> int | slice:
    return key - by if isinstance(key, int) else slice(key.start - by, key.stop - by, key.step)


def _area(within: Within, shape: tuple[int, ...]) -> float:
    """Return the share of the plane that the key's bounds hold."""
    return math.prod((b - a) / n for (a, b), n in zip(map(_span, within), shape, strict=True))
