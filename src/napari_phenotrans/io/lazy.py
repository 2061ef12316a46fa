"""Pixels that stay in their file until they are sliced."""

from __future__ import annotations

import math
import operator
import struct
import zlib
from contextlib import contextmanager
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.errors import InputError, ran_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Within = tuple[int | slice, ...]
    ReadPart = Callable[[tuple[int, ...], Within], np.ndarray]

# What decoders and parsers raise over bytes that are not what they should be.
DAMAGE: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    ValueError,
    ArithmeticError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    struct.error,
    zlib.error,
)


@contextmanager
def naming_damage(path: Path, expected: str, *kinds: type[Exception]) -> Iterator[None]:
    """Turn what a damaged file makes decoders raise into an error that names the file.

    Parameters
    ----------
    path
        The file.
    expected
        What it should have been, as in "a TIFF file".
    kinds
        Errors of the reading library that have no common base with Python's own.

    Raises
    ------
    InputError
        If the block raises anything that damaged bytes cause.
    """
    caught: tuple[type[Exception], ...] = (MemoryError, *DAMAGE, *kinds)
    try:
        yield
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{error.filename or path} may not be read. Ask for permission, or copy the file.") from error
    except caught as error:
        if not ran_out_of_memory(error):
            raise _damage(path, expected, error) from error
        raise InputError(
            f"{path} asks for more memory than there is ({error}). Either its planes are too large for this computer, "
            f"or it is damaged."
        ) from error


def _damage(path: Path, expected: str, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError) and not path.exists():
        return InputError(f"{path} is not there any more. Check the path.")
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return InputError(
        f"{path} could not be read ({reason[:300]}). Expected {expected}; the file is damaged, cut short or of "
        f"another kind. Get it again from where it came."
    )


class LazyPixels:
    """An array that reads only the planes that a slice touches.

    It has what napari, Dask and `Image` ask of an array: ``shape``, ``dtype``, ``ndim``, ``chunks`` and slicing with
    integers, slices and ``...``, which gives NumPy arrays. No file is open between two slicings.

    Parameters
    ----------
    shape, dtype
        As of the whole array.
    planes
        How many of the first axes count planes, which are read one by one.
    read
        ``read(position, within)``: position is one integer per axis that counts planes, within is an integer or a
        slice with a positive step per other axis. Gives that part of that plane.
    path, expected
        Named where reading fails.
    chunks
        Shape of what is cheap to read at once; a plane where not said.
    kinds
        Errors of the reading library that have no common base with Python's own.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: Any,
        planes: int,
        read: ReadPart,
        *,
        path: Path,
        expected: str,
        chunks: tuple[int, ...] | None = None,
        kinds: tuple[type[Exception], ...] = (),
    ) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.dtype = np.dtype(dtype).newbyteorder("=")
        self.chunks = chunks or (1,) * planes + self.shape[planes:]
        self._planes, self._read = planes, read
        self._path, self._expected, self._kinds = path, expected, kinds

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * int(self.dtype.itemsize)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"LazyPixels(shape={self.shape}, dtype={self.dtype}, path={str(self._path)!r})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[...].astype(dtype or self.dtype, copy=False)

    def __getitem__(self, key: Any) -> np.ndarray:
        index, flipped = self._normalized(key)
        before, within = index[: self._planes], index[self._planes :]
        rows = [(i,) if isinstance(i, int) else range(i.start, i.stop, i.step) for i in before]
        shape = [len(r) for r in rows] + [len(range(i.start, i.stop, i.step)) for i in within if isinstance(i, slice)]
        kept_shape = [len(r) for r, i in zip(rows, before, strict=True) if isinstance(i, slice)] + shape[self._planes :]
        if 0 in shape:
            return np.empty(kept_shape, self.dtype)
        with naming_damage(self._path, self._expected, *self._kinds):
            if all(len(r) == 1 for r in rows):
                result = self._read(tuple(r[0] for r in rows), within).astype(self.dtype, copy=False)
            else:
                result = np.empty(shape, self.dtype)
                for target in product(*(range(len(r)) for r in rows)):
                    position = tuple(r[i] for r, i in zip(rows, target, strict=True))
                    result[target] = self._read(position, within)
            result = result.reshape(kept_shape)
        return np.flip(result, flipped) if flipped else result

    def _normalized(self, key: Any) -> tuple[tuple[int | slice, ...], tuple[int, ...]]:
        """Return one index per axis, slices with positive steps, and the axes of the result to flip."""
        keys = key if isinstance(key, tuple) else (key,)
        dots = [i for i, k in enumerate(keys) if k is Ellipsis]
        if len(dots) > 1 or len(keys) - len(dots) > self.ndim:
            raise IndexError(f"too many indices for an array of shape {self.shape}: {key!r}")
        at = dots[0] if dots else len(keys)
        full = (slice(None),) * (self.ndim - len(keys) + len(dots))
        keys = keys[:at] + full + keys[at + len(dots) :]
        index: list[int | slice] = []
        flipped = []
        for k, n in zip(keys, self.shape, strict=True):
            if isinstance(k, slice):
                positions = range(*k.indices(n))
                if positions.step < 0:
                    flipped.append(sum(isinstance(i, slice) for i in index))
                    positions = positions[::-1]
                index.append(slice(positions.start, max(positions.start, positions.stop), positions.step))
                continue
            position = operator.index(k)
            if not -n <= position < n:
                raise IndexError(f"index {position} is out of bounds for an axis of size {n}")
            index.append(position % n)
        return tuple(index), tuple(flipped)
