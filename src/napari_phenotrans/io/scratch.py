"""Arrays for results: in memory while they are small, in a file without a name where they are large."""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import gigabytes

if TYPE_CHECKING:
    from napari_phenotrans.core.image import Image

IN_MEMORY = 512 * 2**20


def room(shape: tuple[int, ...], dtype: np.dtype, in_memory: int = IN_MEMORY) -> np.ndarray:
    """Return an array of zeros to write into; of more than ``in_memory`` bytes its pixels are on the disk.

    Raises
    ------
    InputError
        If the disk has no room for it.
    """
    size = int(np.prod(shape)) * dtype.itemsize
    if size <= in_memory:
        return np.zeros(shape, dtype)
    # The file has no name and goes with the array. Its space is taken now where the system can (not on macOS): a disk
    # that fills up under a mapped file kills the process without a word.
    try:
        with tempfile.TemporaryFile() as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            return np.memmap(file, dtype, "r+", shape=shape)
    except OSError as error:
        raise InputError(
            f"The translation needs {gigabytes(size)} of room in {tempfile.gettempdir()}: {error.strerror}. "
            f"Make room there, or name another folder in the environment variable TMPDIR."
        ) from error


def let_go(pixels: np.ndarray) -> None:
    """Have what was read from or written to an array on the disk leave memory; it stays in the file."""
    file: Any = pixels
    while isinstance(file, np.ndarray):
        file = file.base
    # not on Windows, which takes such pages away by itself
    if isinstance(file, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        file.madvise(mmap.MADV_DONTNEED)


class Scratch:
    """Room for the pixels of an image like another one, which takes planes and rectangles of planes.

    Parameters
    ----------
    image
        The other one; its pixels are not read.
    dtype
        Of the new pixels.
    in_memory
        Bytes up to which they are in memory.

    Raises
    ------
    InputError
        If the disk has no room for it.
    """

    def __init__(self, image: Image, dtype: np.dtype, in_memory: int = IN_MEMORY) -> None:
        self._image = image
        self._pixels = room(image.pixels.shape, dtype, in_memory)

    def put(self, values: np.ndarray, t: int, z: int, top: int, left: int) -> None:
        """Write (C, h, w)."""
        self._image.write_plane(values, self._pixels, t, z, top, left)
        let_go(self._pixels)

    def image(self) -> Image:
        """Return what was written."""
        return self._image.replace(pixels=self._pixels, pyramid=())
