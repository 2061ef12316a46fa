"""Pixels of results too large for memory: planes that move from memory into an OME-Zarr, written by a thread."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io.lazy import LazyPixels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.io.lazy import Within

# That of the OME-Zarr's own chunks.
SIDE = 1024
# Planes that may wait to be written: more of them would fill the memory that the file is there to spare.
AHEAD = 4

Square = tuple[tuple[int, ...], int, int]


class ResultPlanes(LazyPixels):
    """An array of zeros that can be written to, a rectangle of a plane at a time; only what was written exists.

    It is in memory, in squares of planes. Those given to `store` are written to an OME-Zarr, where there is one, and
    read from there.

    Parameters
    ----------
    shape, dtype
        As of the whole array.
    letters
        Its axes; Y and X come last, in either order.
    file, channel
        The OME-Zarr that pixels go to, and which of its channels this is.
    side
        Of the squares that pixels are held in, and written by.

    Raises
    ------
    InputError
        If Y and X are not the last axes.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: Any,
        letters: str,
        file: ResultFile | None = None,
        channel: int = 0,
        *,
        side: int = SIDE,
    ) -> None:
        if set(letters[-2:]) != {"Y", "X"}:
            raise InputError(
                f"Results of this size need Y and X as the last axes; the layer's are {letters}. Transpose it, or "
                f"translate a part of it."
            )
        where = file.path if file else Path("memory")
        super().__init__(shape, dtype, len(shape) - 2, self._part, path=where, expected="an OME-Zarr image")
        self.file = file
        self._letters, self._channel, self._side = letters, channel, side
        self._squares: dict[Square, np.ndarray] = {}
        self._versions: dict[Square, int] = {}
        self._lock = threading.Lock()

    def __setitem__(self, index: tuple[Any, ...], values: np.ndarray) -> None:
        """Write a rectangle of one plane: an integer per axis before Y and X, then two slices."""
        position = tuple(int(i) for i in index[:-2])
        rows, columns = (range(*part.indices(n)) for part, n in zip(index[-2:], self.shape[-2:], strict=True))
        for (i, j), inside, taken in _squares(rows, columns, self._side):
            square = position, i, j
            # only the thread that writes here adds squares, so that this needs no lock
            before = None if square in self._squares else self._stored(position, *self._extent(i, j))
            with self._lock:
                if before is not None:
                    self._squares[square] = before
                self._squares[square][inside] = values[taken]
                self._versions[square] = self._versions.get(square, 0) + 1

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return sum(square.nbytes for square in self._squares.values())

    def store(self, position: tuple[int, ...] | None = None) -> None:
        """Move a plane from memory to the OME-Zarr, or all planes where None; without a file, do nothing.

        Returns at once, unless planes come faster than they can be written.
        """
        if self.file is not None:
            squares = [square for square in self._squares if position in (None, square[0])]
            self.file.submit(partial(self._write, squares))

    def _write(self, squares: list[Square]) -> None:
        assert self.file is not None
        for square in squares:
            with self._lock:
                if square not in self._squares:
                    continue
                values, version = self._squares[square], self._versions[square]
            position, i, j = square
            self.file.put(self._index(position, *self._extent(i, j)), values if self._y_first else values.T)
            with self._lock:
                # what was written to meanwhile stays, for it will be stored once more
                if self._versions[square] == version:
                    del self._squares[square], self._versions[square]

    def _part(self, position: tuple[int, ...], within: Within) -> np.ndarray:
        parts = [slice(part, part + 1) if isinstance(part, int) else part for part in within]
        # a slice with steps may end after the last pixel
        rows, columns = (range(part.start, min(part.stop, n)) for part, n in zip(parts, self.shape[-2:], strict=True))
        with self._lock:
            held = [
                (taken, self._squares[position, i, j][inside] if (position, i, j) in self._squares else None)
                for (i, j), inside, taken in _squares(rows, columns, self._side)
            ]
        if all(values is None for _, values in held):
            box = self._stored(position, rows, columns)
        else:
            box = np.zeros((len(rows), len(columns)), self.dtype)
            for taken, values in held:
                # a square that is in memory may be on its way into the file, and is not read there meanwhile
                box[taken] = values if values is not None else self._stored(position, rows[taken[0]], columns[taken[1]])
        steps = tuple(0 if isinstance(part, int) else slice(None, None, part.step) for part in within)
        return box[steps]

    def _stored(self, position: tuple[int, ...], rows: range, columns: range) -> np.ndarray:
        if self.file is None:
            return np.zeros((len(rows), len(columns)), self.dtype)
        values = self.file.get(self._index(position, rows, columns))
        return values if self._y_first else values.T

    def _extent(self, i: int, j: int) -> tuple[range, range]:
        height, width = self.shape[-2:]
        side = self._side
        return range(i * side, min((i + 1) * side, height)), range(j * side, min((j + 1) * side, width))

    def _index(self, position: tuple[int, ...], rows: range, columns: range) -> dict[str, int | slice]:
        parts: tuple[int | slice, ...] = (*position, slice(rows.start, rows.stop), slice(columns.start, columns.stop))
        return {"C": self._channel, **dict(zip(self._letters, parts, strict=True))}

    @property
    def _y_first(self) -> bool:
        return self._letters.endswith("YX")


def _squares(
    rows: range, columns: range, side: int
) -> Iterator[tuple[tuple[int, int], tuple[slice, slice], tuple[slice, slice]]]:
    """Yield the squares that a rectangle meets: which, the part inside it, and what part of the rectangle that is."""
    for i in range(rows.start // side, -(-rows.stop // side)):
        for j in range(columns.start // side, -(-columns.stop // side)):
            inside, taken = [], []
            for part, first in ((rows, i * side), (columns, j * side)):
                low, high = max(part.start, first), min(part.stop, first + side)
                inside.append(slice(low - first, high - first))
                taken.append(slice(low - part.start, high - part.start))
            yield (i, j), (inside[0], inside[1]), (taken[0], taken[1])


class ResultFile:
    """An OME-Zarr that is written while a translation runs; its provenance says partial until that is replaced.

    Parameters
    ----------
    path
        The new folder; it must not exist.
    image
        The image that it will be like; its pixels are not read.
    dtype
        Of the new pixels.
    role
        What the pixels are, as in "translated".
    provenance
        What is written beside the pixels, with the role.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """

    def __init__(
        self, path: Path, image: Image, dtype: np.dtype | type, role: str, provenance: Mapping[str, Any]
    ) -> None:
        from napari_phenotrans.io.write_zarr import create_ome_zarr, zarr_order
        from napari_phenotrans.io.zarr_chunks import SPARSE

        self.path, self.dtype = path, np.dtype(dtype)
        self._role = role
        # of each channel, and what is noted of them
        self._ahead = AHEAD * (len(image.channels) + 1)
        self._order = zarr_order(image)
        self._waiting: deque[Future[None]] = deque()
        #: Why writing failed; empty where it did not.
        self.problem = ""
        try:
            path.mkdir(parents=True)
            image = image.replace(display=())
            self._array = create_ome_zarr(
                image,
                path,
                dtype=self.dtype,
                metadata={**provenance, "kind": role},
                name=path.name.removesuffix(".ome.zarr"),
            )[0]
            # planes come as the user asks for them: what is not there yet is zero, and was not lost
            self._array.attrs[SPARSE] = True
            self._image = image.replace(pixels=self._array, axes=self._order, pyramid=())
        except OSError as error:
            raise InputError(
                f"{path} could not be written: {error.strerror or error}. Choose a folder that may be written to."
            ) from error

    def put(self, index: Mapping[str, int | slice], values: np.ndarray) -> None:
        """Write values (Y, X) at an integer or a slice per axis."""
        self._array[tuple(index[letter] for letter in self._order)] = values

    def get(self, index: Mapping[str, int | slice]) -> np.ndarray:
        """Read the values (Y, X) at an integer or a slice per axis."""
        return np.asarray(self._array[tuple(index[letter] for letter in self._order)])

    def write_provenance(self, provenance: Mapping[str, Any], shown: Sequence[tuple[float, float]]) -> None:
        """Replace the provenance and the ranges that channels are shown in, after the planes that wait."""
        from napari_phenotrans.io.write_zarr import note_provenance, note_windows

        def note() -> None:
            note_provenance(self.path, {**provenance, "kind": self._role})
            note_windows(self.path, self._image, self._role, shown)

        self.submit(note)

    def submit(self, write: Callable[[], None]) -> None:
        """Let the writing thread call a function; waits where too many are waiting."""
        while self._waiting and (self._waiting[0].done() or len(self._waiting) >= self._ahead):
            self._waiting.popleft().result()
        self._waiting.append(_writer().submit(self._try, write))

    def wait(self) -> None:
        """Return when all is written."""
        while self._waiting:
            self._waiting.popleft().result()

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            # the planes stay in memory, so that they can still be saved elsewhere
            self.problem = (
                f"{self.path} could not be written: {error.strerror or error}. What is translated stays in memory; "
                f"make room on the disk, or save to another folder."
            )


@cache
def _writer() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "phenotrans-writer")
