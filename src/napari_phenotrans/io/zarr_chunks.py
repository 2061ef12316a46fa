"""Chunks of a Zarr array in a folder: which are there, so that no pixel is invented and none comes from elsewhere."""

from __future__ import annotations

import math
import os
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import zarr

    from napari_phenotrans.io.lazy import Within

#: An array whose attribute of this name is true holds its fill value where it lacks chunks.
SPARSE = "sparse"


class Chunks:
    """The files of an array's chunks.

    Parameters
    ----------
    root
        The folder that was opened; nothing outside it is read.
    array
        An array inside it.

    Raises
    ------
    InputError
        If the array is a link out of the folder.
    """

    def __init__(self, root: Path, array: zarr.Array) -> None:
        self._root, self._inside = root, root.resolve()
        self._sizes = tuple(array.shards or array.chunks)
        self._shape = tuple(array.shape)
        metadata: Any = array.metadata
        encoding = getattr(metadata, "chunk_key_encoding", metadata)
        self._key = encoding.encode_chunk_key
        self._folder = Path(str(getattr(array.store_path.store, "root", root))) / array.path
        self._refuse_elsewhere(self._folder)

    @property
    def count(self) -> int:
        """Number of chunks that the shape asks for."""
        return math.prod(-(-n // size) for n, size in zip(self._shape, self._sizes, strict=True))

    def missing(self) -> int:
        """Count the chunks of the whole array that are not there."""
        present: set[str] = set()
        for folder, _, files in os.walk(self._folder):
            below = os.path.relpath(folder, self._folder).replace(os.sep, "/")
            present.update(name if below == "." else f"{below}/{name}" for name in files)
        grid = (range(-(-n // size)) for n, size in zip(self._shape, self._sizes, strict=True))
        return sum(self._key(position) not in present for position in product(*grid))

    def refuse_missing(self, within: Within) -> None:
        """Refuse to read a part of which chunks are not there (any more), or are no files of their own.

        Raises
        ------
        InputError
            Counting what is missing.
        """
        keys = list(self._touched(within))
        absent = 0
        for key in keys:
            path = self._folder / key
            if path.is_symlink():
                self._refuse_elsewhere(path)
            if not path.exists():
                absent += 1
            elif not path.is_file():
                raise InputError(f"{path} is no file: a chunk of pixels was expected there. Get the image anew.")
        if absent:
            raise InputError(missing_text(self._root, absent, len(keys), "that this part of it needs"))

    def _touched(self, within: Within) -> Iterable[str]:
        ranges = []
        for k, size in zip(within, self._sizes, strict=True):
            first, last = (k, k) if isinstance(k, int) else (k.start, k.stop - 1)
            ranges.append(range(first // size, last // size + 1))
        return (self._key(position) for position in product(*ranges))

    def _refuse_elsewhere(self, path: Path) -> None:
        target = path.resolve()
        if not target.is_relative_to(self._inside):
            raise InputError(
                f"{path} leads out of {self._root}, to {target}. An image reads only itself: copy what it refers to "
                f"into its folder."
            )


def missing_text(path: Path, absent: int, count: int, which: str = "that its size asks for") -> str:
    """Return the sentence about missing chunks."""
    return (
        f"{path} lacks {absent} of the {count} chunks {which}: it was copied in part, or something removed them. Get "
        f"the whole image again. If these pixels are meant to be zero, say so with --missing-as-zero "
        f"(read(…, missing_as_zero=True))."
    )
