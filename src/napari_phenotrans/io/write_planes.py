"""Going through an image plane by plane while writing it, so that memory is one plane."""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.region import Region

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_phenotrans.core.image import Image

SMALLEST = 512
# Rows that are read at once: fewer would be decoded several times, for files hold that many together.
READ_AT_ONCE = 1024


def planes_of(image: Image, order: str) -> Iterator[np.ndarray]:
    """Yield (Y, X) planes of one channel each.

    Parameters
    ----------
    image
        The image; its pixels may be lazy.
    order
        The image's axes in the order to go through, ending in ``YX``.
    """
    interleaved = image.axes.find("C") > min(image.axes.index("Y"), image.axes.index("X"))
    last_read: tuple[tuple[int, ...], np.ndarray] | None = None
    for position in product(*(range(image.sizes[letter]) for letter in order[:-2])):
        at = dict(zip(order, position, strict=False))
        if interleaved:
            # a page holds all channels: read it once, not once per channel
            where = (at.get("T", 0), at.get("Z", 0))
            if last_read is None or last_read[0] != where:
                last_read = where, image.plane(*where)
            plane = last_read[1][at["C"]]
        else:
            plane = np.asarray(image.pixels[tuple(at.get(letter, slice(None)) for letter in image.axes)])
            if image.axes.index("X") < image.axes.index("Y"):
                plane = plane.T
        yield np.ascontiguousarray(plane)


def rows_of(
    image: Image, order: str, level: int, rows: int, read_at_once: int = READ_AT_ONCE
) -> Iterator[tuple[tuple[int, ...], int, np.ndarray]]:
    """Yield an image from top to bottom, halved so many times, with no more of it in memory than that needs.

    Parameters
    ----------
    image, order
        As of `planes_of`.
    level
        How many times Y and X are halved.
    rows
        How many rows to yield at once.
    read_at_once
        How many rows to read at once, at least.

    Returns
    -------
    Iterator of a position along the axes before Y and X, a first row there, and (rows, X) pixels of one channel; the
    last of a plane are fewer.
    """
    # halving some rows is halving all, where they are a multiple of what becomes one
    together = -(-max(rows, read_at_once) // 2**level) * 2**level
    height = image.sizes["Y"]
    for position in product(*(range(image.sizes[letter]) for letter in order[:-2])):
        at = dict(zip(order, position, strict=False))
        waiting: list[np.ndarray] = []
        first = 0
        for top in range(0, height, together):
            region = Region(top, 0, min(together, height - top), image.sizes["X"])
            waiting.append(halved(_rectangle(image, at, region), level))
            while (count := sum(map(len, waiting))) >= rows or (count and region.bottom == height):
                joined = np.concatenate(waiting) if len(waiting) > 1 else waiting[0]
                yield position, first, np.ascontiguousarray(joined[:rows])
                waiting, first = [joined[rows:]] if len(joined) > rows else [], first + rows


def _rectangle(image: Image, at: Mapping[str, int], region: Region) -> np.ndarray:
    """Read (h, w) of one channel; ``at`` says the place along T, Z and C."""
    index_of: dict[str, int | slice] = {**at, **dict(zip("YX", region.slices, strict=True))}
    part = np.asarray(image.pixels[tuple(index_of.get(letter, slice(None)) for letter in image.axes)])
    return part.T if image.axes.index("X") < image.axes.index("Y") else part


def halvings(image: Image) -> int:
    """Return how often Y and X can be halved until the longer one is at most 512."""
    longest, count = max(image.sizes["Y"], image.sizes["X"]), 0
    while longest > SMALLEST:
        longest, count = -(-longest // 2), count + 1
    return count


def halved(plane: np.ndarray, times: int) -> np.ndarray:
    """Average 2 × 2 pixels, rounding to the dtype; an odd last row or column counts twice."""
    for _ in range(times):
        even = np.pad(plane, [(0, n % 2) for n in plane.shape], mode="edge")
        mean = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).mean(axis=(1, 3), dtype=np.float64)
        plane = (mean if plane.dtype.kind == "f" else np.rint(mean)).astype(plane.dtype)
    return plane


def as_text(metadata: Mapping[str, Any] | None) -> dict[str, str]:
    """Return provenance as text: strings as they are, everything else as JSON."""
    return {str(k): v if isinstance(v, str) else json.dumps(v, default=str) for k, v in (metadata or {}).items()}
