"""Room for results: in memory while they are small, in a file that has no name where they are large."""

from __future__ import annotations

import os
import tempfile

import numpy as np

from napari_phenotrans.errors import InputError

IN_MEMORY = 512 * 2**20


def room(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array of zeros to write into; above 512 MB its pixels are on the disk.

    Raises
    ------
    InputError
        If the disk has no room for it.
    """
    if int(np.prod(shape)) * dtype.itemsize <= IN_MEMORY:
        return np.zeros(shape, dtype)
    # The file has no name and goes with the array. Its space is taken now where the system can (not on macOS): a disk
    # that fills up under a mapped file kills the process without a word.
    size = int(np.prod(shape)) * dtype.itemsize
    try:
        with tempfile.TemporaryFile() as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            return np.memmap(file, dtype, "r+", shape=shape)
    except OSError as error:
        raise InputError(
            f"The translation needs {size / 2**30:.1f} GB of room in {tempfile.gettempdir()}: {error.strerror}. "
            f"Make room there, or name another folder in the environment variable TMPDIR."
        ) from error
