"""Storage for the pixels of layers that are shaped like a real layer, written and read plane by plane."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io.scratch import room
from napari_phenotrans.widgets.viewer.layers import full_resolution, letters_of
from napari_phenotrans.widgets.viewer.result_planes import SIDE, ResultFile, ResultPlanes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image as ImageLayer

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.core.region import Region

# Bytes up to which a layer's pixels exist whole, in memory or in a temporary file; above, only the planes that
# something was written to do.
WHOLE = 2 * 2**30


@dataclass(frozen=True)
class StorageLimits:
    """How pixels of results are held: ``whole`` up to so many bytes, above in squares of so many pixels' ``side``."""

    whole: int = WHOLE
    side: int = SIDE


# Planes and regions that are listed one by one.
LISTED = 6


class PlaneStorage:
    """Makes arrays for layers that are shaped like a real one; writes and reads their planes and parts of planes.

    Parameters
    ----------
    real
        The real layer, of one channel.
    limits
        From which size on pixels are held in parts.

    Raises
    ------
    InputError
        If the layer has channels inside.
    """

    def __init__(self, real: ImageLayer, limits: StorageLimits | None = None) -> None:
        self._limits = limits or StorageLimits()
        self.letters, _ = letters_of(real)
        pixels = full_resolution(real)
        self.shape = tuple(int(n) for n in pixels.shape)
        self.dtype = np.dtype(pixels.dtype)
        if "C" in self.letters:
            raise InputError(
                f"The layer {real.name!r} holds several channels: its axes are {self.letters}, its shape is "
                f"{self.shape}. Split it first: say its axes and press Apply."
            )

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Height and width of a plane."""
        return self.shape[self.letters.index("Y")], self.shape[self.letters.index("X")]

    def zeros(self, dtype: np.dtype | type) -> Any:
        """Return zeros to write into with `put`, in the shape of the real layer's finest pixels.

        Up to 512 MB they are in memory, up to ``limits.whole`` in a temporary file without a name, above that in memory
        again, though only the planes that were written to.

        Raises
        ------
        InputError
            If the disk has no room, or Y and X are not the last axes of a layer this large.
        """
        kind = np.dtype(dtype)
        if math.prod(self.shape) * kind.itemsize <= self._limits.whole:
            return room(self.shape, kind)
        return self.planes(kind)

    def planes(self, dtype: np.dtype | type, file: ResultFile | None = None, channel: int = 0) -> ResultPlanes:
        """Return zeros of which only the planes exist that were written to, in memory or in a channel of a file."""
        return ResultPlanes(self.shape, dtype, self.letters, file, channel, side=self._limits.side)

    def position(self, t: int, z: int) -> tuple[int, ...]:
        """Return where a plane lies along the axes that are not its own."""
        return tuple({"T": t, "Z": z}[letter] for letter in self.letters if letter in "TZ")

    def put(self, pixels: Any, values: np.ndarray, t: int, z: int, top: int = 0, left: int = 0) -> None:
        """Write a rectangle (h, w) of a plane, whose first row and column are ``top`` and ``left``."""
        height, width = values.shape
        index = self._index(t, z, slice(top, top + height), slice(left, left + width))
        pixels[index] = values if self._y_first else values.T

    def get(self, pixels: Any, t: int, z: int, region: tuple[slice, slice] = (slice(None), slice(None))) -> np.ndarray:
        """Read a plane (Y, X), or the rows and columns ``region`` of one."""
        values = np.asarray(pixels[self._index(t, z, *region)])
        return values if self._y_first else values.T

    def describe_partial(self, planes: Sequence[tuple[int, int]], regions: Sequence[tuple[int, ...]]) -> str:
        """Return which parts of an image are translated as a sentence for files of results; empty where all are.

        Parameters
        ----------
        planes
            The (t, z) that are done whole.
        regions
            The (t, z, top, left, height, width) that are done besides.
        """
        letters = [letter for letter in "TZ" if letter in self.letters]
        total = math.prod(self.shape[self.letters.index(letter)] for letter in letters)
        if len(planes) == total:
            return ""

        def position(t: int, z: int) -> str:
            return " ".join(f"{letter.lower()}={ {'T': t, 'Z': z}[letter] }" for letter in letters) or "the only one"

        parts = [f"{len(planes)} of {total} planes"]
        if planes:
            shown = "; ".join(position(*plane) for plane in sorted(planes)[:LISTED])
            parts[0] += f" ({shown}{'; …' if len(planes) > LISTED else ''})"
        for t, z, top, left, height, width in sorted(regions)[:LISTED]:
            where = f" of {position(t, z)}" if letters else ""
            parts.append(f"the region of {height} × {width} pixels at row {top}, column {left}{where}")
        if len(regions) > LISTED:
            parts.append(f"{len(regions) - LISTED} regions more")
        return f"Translated in part: {', '.join(parts)}. Everything else is 0."

    def _index(self, t: int, z: int, rows: slice, columns: slice) -> tuple[Any, ...]:
        places = {"T": t, "Z": z, "Y": rows, "X": columns}
        return tuple(places[letter] for letter in self.letters)

    @property
    def _y_first(self) -> bool:
        return self.letters.index("Y") < self.letters.index("X")


def needs_folder(
    image: Image,
    planes: int | None = None,
    region: Region | None = None,
    made: Sequence[ImageLayer] = (),
    *,
    whole: int = WHOLE,
) -> bool:
    """Return whether results are too large for memory and temporary files, so that the user has to name a folder.

    Parameters
    ----------
    image
        The image with the channels that are translated.
    planes
        How many of its planes will be translated; all where None.
    region
        The part of each plane; all of it where None.
    made
        The translated and difference layers that there are of the image: what they hold counts too, and once they are
        in a folder no other is needed.
    whole
        Bytes up to which memory and temporary files will do.
    """
    if any(_file(layer) for layer in made):
        return False
    every = image.sizes.get("T", 1) * image.sizes.get("Z", 1)
    plane = (region.height * region.width) if region else image.sizes["Y"] * image.sizes["X"]
    pixels = len(image.channels) * plane * (every if planes is None else min(planes, every))
    held = sum(layer.data.held for layer in made if isinstance(layer.data, ResultPlanes))
    return pixels * (image.dtype.itemsize + np.dtype(np.float32).itemsize) + held > whole


def _file(layer: ImageLayer) -> ResultFile | None:
    return layer.data.file if isinstance(layer.data, ResultPlanes) else None
