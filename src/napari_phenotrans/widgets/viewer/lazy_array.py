"""An array whose pixels are computed where they are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

Index = int | slice


class Lazy:
    """Looks like an array to napari, and computes only the pixels that are drawn: one plane, one tile.

    Nothing is cached, so that drawing it again shows changes of what it is computed from.

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
        read: Callable[[tuple[Index, ...]], np.ndarray],
        shape: tuple[int, ...],
        dtype: np.dtype,
        *,
        indices: tuple[int | range, ...] | None = None,
    ) -> None:
        self._read = read
        self._whole = tuple(int(n) for n in shape)
        self._indices = indices if indices is not None else tuple(range(n) for n in self._whole)
        self.dtype = np.dtype(dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(index) for index in self._indices if isinstance(index, range))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def __getitem__(self, index: Any) -> Lazy:
        """Return a part of it, which is computed no earlier than it is made an array."""
        parts = index if isinstance(index, tuple) else (index,)
        if Ellipsis in parts:
            at = parts.index(Ellipsis)
            parts = parts[:at] + (slice(None),) * (self.ndim - len(parts) + 1) + parts[at + 1 :]
        left = iter(parts)
        indices = tuple(old if isinstance(old, int) else old[next(left, slice(None))] for old in self._indices)
        return Lazy(self._read, self._whole, self.dtype, indices=indices)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        indices: list[Index] = []
        steps = []
        for index in self._indices:
            if isinstance(index, int):
                indices.append(index)
            else:
                ordered = index if index.step > 0 else index[::-1]
                indices.append(slice(ordered.start, max(ordered[-1] + 1, ordered.start)) if ordered else slice(0, 0))
                steps.append(index.step)
        pixels = self._read(tuple(indices))
        if any(step != 1 for step in steps):
            pixels = pixels[tuple(slice(None, None, step) for step in steps)]
        return np.asarray(pixels, dtype or self.dtype)
