"""Writing OME-Zarr 0.4, which more programs read than 0.5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from numcodecs import Blosc

from napari_phenotrans.io.facts import from_micrometers, unit_name
from napari_phenotrans.io.ome_zarr import ANNOTATION
from napari_phenotrans.io.planes import as_text, halved, halvings, planes_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_phenotrans.image import Image

_CHUNK = 1024
_KINDS = {"T": "time", "C": "channel"}


def write_ome_zarr(image: Image, path: Path, *, pyramid: bool, metadata: Mapping[str, Any] | None, name: str) -> None:
    """Write an OME-Zarr folder, compressed without loss; axes come in the order TCZYX, which the format asks for.

    Parameters are those of `napari_phenotrans.io.write_tiff.write_ome_tiff`.
    """
    order = "".join(letter for letter in "TCZYX" if letter in image.axes)
    shape = tuple(image.sizes[letter] for letter in order)
    levels = halvings(image) if pyramid else 0
    group = zarr.open_group(path, mode="w", zarr_format=2)
    arrays = []
    for level in range(levels + 1):
        smaller = tuple(-(-n // 2**level) for n in shape[-2:])
        arrays.append(
            group.create_array(
                str(level),
                shape=shape[:-2] + smaller,
                chunks=(1,) * (len(shape) - 2) + tuple(min(n, _CHUNK) for n in smaller),
                dtype=image.dtype,
                compressors=Blosc("zstd", 5, Blosc.BITSHUFFLE),
                chunk_key_encoding={"name": "v2", "separator": "/"},
            )
        )
    for position, plane in zip(np.ndindex(shape[:-2]), planes_of(image, order), strict=True):
        for level, array in enumerate(arrays):
            array[position] = halved(plane, level)
    unit = image.unit if image.unit != "pixel" else "µm"
    sizes = {"Y": image.pixel_size_um, "X": image.pixel_size_um, "Z": image.z_step_um}
    axes: list[dict[str, str]] = []
    scale = []
    for letter in order:
        axes.append({"name": letter.lower(), "type": _KINDS.get(letter, "space")})
        size = sizes.get(letter)
        if size:
            axes[-1]["unit"] = unit_name(unit)
        if letter == "T" and image.frame_interval_s:
            axes[-1]["unit"] = "second"
        scale.append(
            from_micrometers(size, unit) if size else (image.frame_interval_s or 1.0) if letter == "T" else 1.0
        )
    datasets = []
    for level in range(levels + 1):
        enlarged = [s * 2**level if letter in "YX" else s for letter, s in zip(order, scale, strict=True)]
        steps = [{"type": "scale", "scale": enlarged}]
        if level:
            # an averaged pixel's center lies between those that it came from
            moved = [s * (2**level - 1) / 2 if a in "YX" else 0.0 for a, s in zip(order, scale, strict=True)]
            steps.append({"type": "translation", "translation": moved})
        datasets.append({"path": str(level), "coordinateTransformations": steps})
    multiscales: list[Any] = [{"version": "0.4", "name": name, "axes": axes, "datasets": datasets}]
    group.attrs["multiscales"] = multiscales
    group.attrs["omero"] = {"channels": [_channel(image, i) for i in range(len(image.channels))]}
    group.attrs[ANNOTATION] = {"description": image.description, "provenance": as_text(metadata)}


def _channel(image: Image, index: int) -> dict[str, Any]:
    """Return a channel's entry; the format asks for a display window, so the dtype's range stands there."""
    kind = image.dtype
    low, high = (np.iinfo(kind).min, np.iinfo(kind).max) if kind.kind in "iu" else (0, 1)
    window = {"min": float(low), "max": float(high), "start": float(low), "end": float(high)}
    entry = {"label": image.channels[index], "active": True, "window": window}
    color = image.colors[index]
    return {**entry, "color": color.lstrip("#")} if color else entry
