"""Features and networks kept from one evaluation to the next, by the content of what they were made from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io.atomic import replacing

if TYPE_CHECKING:
    from pathlib import Path

MOST = 2**30  # bytes; the files that were not used for longest go first


class Cache:
    """A folder of arrays by key. Whatever goes wrong with it costs time, never a result.

    Parameters
    ----------
    folder
        Is made when first written to; None keeps nothing.

    Attributes
    ----------
    problem
        Why something could not be kept; empty where all could.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.problem = ""

    def get(self, key: str) -> dict[str, np.ndarray] | None:
        """Return what is kept under a key; None where there is nothing, or it is damaged."""
        if self.folder is None:
            return None
        path = self._path(key)
        try:
            arrays = load_file(path)
            os.utime(path)
        except (OSError, SafetensorError):
            return None
        return arrays

    def put(self, key: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep arrays under a key."""
        if self.folder is None:
            return
        try:
            with replacing(self._path(key), overwrite=True) as temporary:
                save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)
        except (InputError, OSError, SafetensorError) as error:
            self.problem = f"Features are not kept for the next time: {error}"

    def prune(self, most: int = MOST) -> None:
        """Remove what was not used for longest until the rest is within ``most`` bytes."""
        if self.folder is None or not self.folder.is_dir():
            return
        files = []
        for path in self.folder.glob("*.safetensors"):
            try:
                files.append((path.stat().st_mtime, path.stat().st_size, path))
            except OSError:  # another process was faster
                continue
        total = 0
        for _, size, path in sorted(files, reverse=True):
            total += size
            if total > most:
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}.safetensors"


def default_folder() -> Path:
    """Return where features are kept: the user's folder for what may be deleted at any time."""
    import platformdirs

    return platformdirs.user_cache_path("napari-phenotrans") / "features"
