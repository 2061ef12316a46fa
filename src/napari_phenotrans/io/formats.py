"""The formats that are written: their names, suffixes, writers and pixel types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np

_TIFF_DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64", "bool")
#: Pixel types of ImageJ, and what others become there without a loss.
IMAGEJ_DTYPES = {
    "uint8": "uint8",
    "uint16": "uint16",
    "float32": "float32",
    "bool": "uint8",
    "int8": "float32",
    "int16": "float32",
    "float16": "float32",
}


@dataclass(frozen=True)
class Format:
    """One of the formats.

    Attributes
    ----------
    title
        What people call it.
    suffixes
        Endings of its files, the usual one first.
    writer
        ``module:function`` in this package.
    dtypes
        Names of the pixel types that it holds without a loss; None for all numbers.
    """

    title: str
    suffixes: tuple[str, ...]
    writer: str
    dtypes: tuple[str, ...] | None = None

    @property
    def suffix(self) -> str:
        """The usual ending."""
        return self.suffixes[0]

    def holds(self, dtype: np.dtype) -> bool:
        """Return whether pixels of a type can be written."""
        return dtype.kind in "biufc" and (self.dtypes is None or dtype.name in self.dtypes)


#: By the name that a command knows each by; of several with one suffix, that suffix alone means the first.
FORMATS = {
    "ome-tiff": Format("OME-TIFF", (".ome.tif", ".ome.tiff"), "write_tiff:write_ome_tiff", _TIFF_DTYPES),
    "ome-zarr": Format("OME-Zarr", (".ome.zarr",), "write_zarr:write_ome_zarr"),
    "ome-zarr-0.5": Format("OME-Zarr 0.5", (".ome.zarr",), "write_zarr:write_ome_zarr_05"),
    "imagej": Format("ImageJ TIFF", (".tif", ".tiff"), "write_imagej:write_imagej", tuple(IMAGEJ_DTYPES)),
}
#: Suffix to ``module:function`` in this package, of the first format that has it; the longest suffix that fits wins.
WRITERS: dict[str, str] = {}
for _format in FORMATS.values():
    for _suffix in _format.suffixes:
        WRITERS.setdefault(_suffix, _format.writer)


def format_of(name: str) -> str | None:
    """Return the format that the name of a file asks for; None where it asks for none."""
    fitting = [
        (len(suffix), -place, key)
        for place, (key, format_) in enumerate(FORMATS.items())
        for suffix in format_.suffixes
        if name.lower().endswith(suffix)
    ]
    return max(fitting)[-1] if fitting else None


def refuse_dtype(dtype: np.dtype, key: str) -> None:
    """Refuse pixels that a format cannot hold; to be called before anything is computed.

    Raises
    ------
    InputError
        Saying which format can.
    """
    format_ = FORMATS[key]
    if format_.holds(dtype):
        return
    able = next((name for name, other in FORMATS.items() if other.holds(dtype)), None)
    if able is None:
        raise InputError(f"{format_.title} cannot hold pixels of type {dtype.name}. Expected numbers: convert them.")
    raise InputError(
        f"{format_.title} cannot hold pixels of type {dtype.name} without a loss. Expected one of "
        f"{', '.join(format_.dtypes or ())}: convert them, or write {FORMATS[able].title} ({FORMATS[able].suffix}; on "
        f"the command line --format {able})."
    )
