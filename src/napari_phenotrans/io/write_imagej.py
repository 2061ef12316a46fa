"""Writing hyperstacks as ImageJ itself writes them: one TIFF that opens in composite colors and with ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_phenotrans.core.kinds import SIGNED, kind_of
from napari_phenotrans.io.display import lookup_table, shown_colors, windows
from napari_phenotrans.io.formats import IMAGEJ_DTYPES
from napari_phenotrans.io.imagej_info import info_text
from napari_phenotrans.io.metadata import from_micrometers
from napari_phenotrans.io.write_planes import planes_of
from napari_phenotrans.io.write_tiff import CLASSIC_TIFF

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from napari_phenotrans.core.image import Image

# What ImageJ calls units; others by their symbol.
_UNITS = {"µm": "micron", "Å": "angstrom"}


def write_imagej(
    image: Image,
    path: Path,
    *,
    levels: int,
    metadata: Mapping[str, Any] | None,
    name: str,
    classic_up_to: int = CLASSIC_TIFF,
) -> None:
    """Write an ImageJ hyperstack, in the order TZCYX and not compressed, as ImageJ reads it fastest.

    Parameters
    ----------
    image
        The image, of one of `IMAGEJ_DTYPES`; lazy pixels are read plane by plane.
    path
        The new file.
    levels
        Not used: ImageJ knows no smaller versions.
    metadata
        Provenance, which `napari_phenotrans.io.provenance` gives back; it stands in what *Show Info* shows.
    name
        Not used: ImageJ calls an image by its file.
    classic_up_to
        Bytes of pixels up to which each plane is described; larger files describe the first one alone, as ImageJ does.
    """
    order = "".join(letter for letter in "TZC" if letter in image.axes) + "YX"
    shape = tuple(image.sizes[letter] for letter in order)
    dtype = np.dtype(IMAGEJ_DTYPES[image.dtype.name])
    unit = image.unit if image.unit != "pixel" else "µm"
    options: dict[str, Any] = {}
    if image.pixel_size_um:
        per_pixel = from_micrometers(image.pixel_size_um, unit)
        options = {"resolution": (1 / per_pixel,) * 2, "resolutionunit": "NONE"}
    large = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize > classic_up_to
    with tifffile.TiffWriter(path, imagej=True) as file:
        file.write(
            _planes(image, order, dtype),
            shape=shape,
            dtype=dtype,
            photometric="minisblack",
            metadata=_imagej(image, order, unit, metadata or {}),
            truncate=large,
            **options,
        )


def _planes(image: Image, order: str, dtype: np.dtype) -> Iterator[np.ndarray]:
    for plane in planes_of(image, order):
        yield plane.astype(dtype, copy=False)


def _imagej(image: Image, order: str, unit: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return tifffile's description of what ImageJ keeps beside the pixels."""
    kind = kind_of(metadata)
    colors, shown = shown_colors(image, kind), windows(image, kind)
    positions = len(list(image.positions()))
    described: dict[str, Any] = {
        "axes": order,
        # colors of several differences add up to nothing that can be read
        "mode": "grayscale" if len(image.channels) == 1 else "color" if kind in SIGNED else "composite",
        "Info": info_text(image, metadata),
        "Labels": list(image.channels) * positions,
        "Ranges": [end for window in shown for end in window],
        "LUTs": [lookup_table(color, kind) for color in colors],
        # of the channel that is shown first
        "min": shown[0][0],
        "max": shown[0][1],
    }
    if image.pixel_size_um:
        described["unit"] = _UNITS.get(unit, unit)
        if image.z_step_um:
            described["spacing"] = from_micrometers(image.z_step_um, unit)
        steps = {"X": image.pixel_size_um, "Y": image.pixel_size_um, "Z": image.z_step_um}
        for letter, start in image.origin_um.items():
            # where the stage is at 0, in pixels
            described[f"{letter.lower()}origin"] = -start / (steps[letter] or 1.0)
    if image.frame_interval_s:
        described["finterval"] = image.frame_interval_s
    return described
