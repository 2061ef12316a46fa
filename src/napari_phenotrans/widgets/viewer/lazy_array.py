"""An array whose pixels are computed where they are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

Place = int | slice


class Lazy:
    """Looks like an array to napari, and computes nothing but what is drawn of it: one plane, one tile.

    What it is computed from may change; drawing it again shows that.

    Parameters
    ----------
    read
        Given one whole number or slice (with start and stop, without step) per axis, returns these pixels; axes with
        a whole number are gone.
    shape, dtype
        Of the whole array.
    """

    def __init__(
        self,
        read: Callable[[tuple[Place, ...]], np.ndarray],
        shape: tuple[int, ...],
        dtype: np.dtype,
        *,
        places: tuple[int | range, ...] | None = None,
    ) -> None:
        self._read = read
        self._whole = tuple(int(n) for n in shape)
        self._places = places if places is not None else tuple(range(n) for n in self._whole)
        self.dtype = np.dtype(dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(place) for place in self._places if isinstance(place, range))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def __getitem__(self, index: Any) -> Lazy:
        """Return a part of it, which is computed no earlier than it is made an array."""
        index = index if isinstance(index, tuple) else (index,)
        if Ellipsis in index:
            at = index.index(Ellipsis)
            index = index[:at] + (slice(None),) * (self.ndim - len(index) + 1) + index[at + 1 :]
        left = iter(index)
        places = tuple(place if isinstance(place, int) else place[next(left, slice(None))] for place in self._places)
        return Lazy(self._read, self._whole, self.dtype, places=places)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        places: list[Place] = []
        steps = []
        for place in self._places:
            if isinstance(place, int):
                places.append(place)
            else:
                ordered = place if place.step > 0 else place[::-1]
                places.append(slice(ordered.start, max(ordered[-1] + 1, ordered.start)) if ordered else slice(0, 0))
                steps.append(place.step)
        pixels = self._read(tuple(places))
        if any(step != 1 for step in steps):
            pixels = pixels[tuple(slice(None, None, step) for step in steps)]
        return np.asarray(pixels, dtype or self.dtype)
