"""Chunks of a Zarr array in a folder: which are there, so that no pixel is invented and none comes from elsewhere."""

from __future__ import annotations

import asyncio
import math
import os
from contextlib import suppress
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


_METADATA = (".zgroup", ".zarray", ".zattrs", ".zmetadata", "zarr.json")
_PATIENCE_S = 10.0
_MOST_COUNTED = 1_000_000  # chunks
_DEEPEST = 5  # folders of a plate: rows, columns, fields, and the arrays of a field


def refuse_foreign_metadata(root: Path, folder: Path | None = None, depth: int = 0) -> None:
    """Refuse a Zarr folder whose descriptions are no files of its own, before any of them is read.

    Zarr would wait for ever for what a pipe says, and follow a link to anywhere.

    Raises
    ------
    InputError
        Naming the first one.
    """
    folder = folder or root
    described = False
    for name in _METADATA:
        path = folder / name
        if path.is_symlink():
            refuse_elsewhere(root, path)
        if path.exists():
            described = True
            if not path.is_file():
                raise InputError(f"{path} is no file: a description was expected there. Get the image anew.")
    # the folders of an array hold chunks alone, many of them
    if not described or (folder / ".zarray").exists() or depth >= _DEEPEST:
        return
    with os.scandir(folder) as entries:
        inside = [Path(entry.path) for entry in entries if entry.is_dir()]
    for path in inside:
        if path.is_symlink():
            refuse_elsewhere(root, path)
        refuse_foreign_metadata(root, path, depth + 1)


def refuse_elsewhere(root: Path, path: Path) -> None:
    """Refuse what leads out of a folder.

    Raises
    ------
    InputError
        Saying where to.
    """
    target = path.resolve()
    if not target.is_relative_to(root.resolve()):
        raise InputError(
            f"{path} leads out of {root}, to {target}. An image reads only itself: copy what it refers to into its "
            f"folder."
        )


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

    def __init__(self, root: Path, array: zarr.Array[Any]) -> None:
        self._root = root
        self._sizes = tuple(array.shards or array.chunks)
        self._shape = tuple(array.shape)
        metadata: Any = array.metadata
        encoding = getattr(metadata, "chunk_key_encoding", metadata)
        self._key = encoding.encode_chunk_key
        self._folder = Path(str(getattr(array.store_path.store, "root", root))) / array.path
        refuse_elsewhere(root, self._folder)

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
        if self.count > _MOST_COUNTED and self.count > 2 * len(present):
            # which of so many are there would take minutes to find out; that most are not is certain
            return self.count - len(present)
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
                refuse_elsewhere(self._root, path)
            if not path.exists():
                absent += 1
            elif not path.is_file():
                raise InputError(f"{path} is no file: a chunk of pixels was expected there. Get the image anew.")
            # as a copy begins; an empty shard would be read as one without chunks
            elif path.stat().st_size == 0:
                absent += 1
        if absent:
            raise InputError(missing_text(self._root, absent, len(keys), "that this part of it needs"))

    def _touched(self, within: Within) -> Iterable[str]:
        ranges = []
        for k, size in zip(within, self._sizes, strict=True):
            first, last = (k, k) if isinstance(k, int) else (k.start, k.stop - 1)
            ranges.append(range(first // size, last // size + 1))
        return (self._key(position) for position in product(*ranges))


def finish_reading() -> None:
    """Wait until Zarr has read, or failed to read, the chunks that it began with before one of them failed.

    Else they are dropped when the process ends, and Python prints a page about each.
    """
    with suppress(ImportError, AttributeError, TimeoutError):
        from zarr.core.sync import _get_loop

        loop = _get_loop()

        async def wait() -> None:
            # two threads that wait are not to wait for each other
            waiting = {
                task for task in asyncio.all_tasks() if getattr(task.get_coro(), "cr_code", None) is wait.__code__
            }
            await asyncio.gather(*(asyncio.all_tasks() - waiting), return_exceptions=True)

        asyncio.run_coroutine_threadsafe(wait(), loop).result(timeout=_PATIENCE_S)


def missing_text(path: Path, absent: int, count: int, which: str = "that its size asks for") -> str:
    """Return the sentence about missing chunks."""
    return (
        f"{path} lacks {absent} of the {count} chunks {which}: it was copied in part, or something removed them. Get "
        f"the whole image again. If these pixels are meant to be zero, say so with --missing-as-zero "
        f"(read(…, missing_as_zero=True))."
    )
