"""Which reader opens which suffix; a reader is imported when it is first used."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io.quiet import quiet_libraries

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.core.image import Image

    Reader = Callable[..., Image]

_TIFF, _ZARR, _PICTURE = "tiff:read_tiff", "ome_zarr:read_ome_zarr", "pictures:read_picture"

#: Suffix to ``module:function`` in this package; the longest suffix that fits wins. A reader is called with the path,
#: the axes that were said (or None) and the number of the image in the file.
READERS: dict[str, str] = {
    ".ome.tif": _TIFF,
    ".ome.tiff": _TIFF,
    ".ome.tf2": _TIFF,
    ".ome.tf8": _TIFF,
    ".ome.btf": _TIFF,
    ".companion.ome": _TIFF,
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".tf8": _TIFF,
    ".btf": _TIFF,
    ".lsm": _TIFF,
    ".stk": _TIFF,
    ".ome.zarr": _ZARR,
    ".zarr": _ZARR,
    ".png": _PICTURE,
    ".jpg": _PICTURE,
    ".jpeg": _PICTURE,
    ".c01": "pictures:read_c01",
    ".czi": "vendor:read_czi",
    ".nd2": "vendor:read_nd2",
    ".lif": "vendor:read_lif",
}
_ZARR_FILES = ("zarr.json", ".zgroup", ".zarray")


def suffix_of(path: str | Path) -> str | None:
    """Return the longest registered suffix of a name, as it is written there, None where none fits."""
    name = Path(path).name
    fitting = [suffix for suffix in READERS if name.lower().endswith(suffix) and len(name) > len(suffix)]
    return name[-max(map(len, fitting)) :] if fitting else None


def readable(path: str | Path) -> bool:
    """Return whether a file's or folder's name says that it can be read."""
    return suffix_of(path) is not None


def is_zarr(path: Path) -> bool:
    """Return whether a folder is a Zarr node, whatever its name; fields of a plate have none that says so."""
    return any((path / name).is_file() for name in _ZARR_FILES)


def read_one(path: Path, axes: str | None = None, series: int = 0, *, missing_as_zero: bool = False) -> Image:
    """Open one file or Zarr folder with the reader of its suffix.

    Raises
    ------
    InputError
        If there is no such file, no reader for it, or the reader refuses it.
    """
    if not path.exists():
        raise InputError(f"There is no file {path}. Check the path.")
    if not path.is_file() and not path.is_dir():
        raise InputError(f"{path} is a pipe, socket or device, not a file: it holds no image. Check the path.")
    suffix = suffix_of(path)
    reader_name = _ZARR if path.is_dir() and is_zarr(path) else READERS[suffix.lower()] if suffix else None
    if reader_name is None or (path.is_dir() and reader_name != _ZARR):
        raise InputError(
            f"{path} cannot be read: {'a folder' if path.is_dir() else 'files'} of this kind have no reader. Expected "
            f"one of {', '.join(READERS)}."
        )
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes). Get it again from where it came.")
    quiet_libraries()
    module, function = reader_name.split(":")
    reader: Reader = getattr(import_module(f"napari_phenotrans.io.{module}"), function)
    more = (missing_as_zero,) if reader_name == _ZARR else ()
    try:
        return reader(path, axes, series, *more)
    except InputError as error:
        # what an image refuses of its pixels names no file
        if path.name in str(error):
            raise
        raise InputError(f"{path} cannot be read. {error}") from error
