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
    order = zarr_order(image)
    arrays = create_ome_zarr(image, path, levels=halvings(image) if pyramid else 0, metadata=metadata, name=name)
    for position, plane in zip(np.ndindex(arrays[0].shape[:-2]), planes_of(image, order), strict=True):
        for level, array in enumerate(arrays):
            array[position] = halved(plane, level)


def zarr_order(image: Image) -> str:
    """Return the image's axes in the order that the format asks for."""
    return "".join(letter for letter in "TCZYX" if letter in image.axes)


def note_provenance(path: Path, metadata: Mapping[str, Any]) -> None:
    """Replace the provenance in an OME-Zarr that this module wrote."""
    group = zarr.open_group(path, mode="r+")
    noted: Any = group.attrs[ANNOTATION]
    group.attrs[ANNOTATION] = {**noted, "provenance": as_text(metadata)}


def create_ome_zarr(
    image: Image,
    path: Path,
    *,
    dtype: np.dtype | None = None,
    levels: int = 0,
    metadata: Mapping[str, Any] | None,
    name: str,
) -> list[zarr.Array]:
    """Make an OME-Zarr folder that is valid and holds zeros; returns its arrays, the finest first.

    Parameters
    ----------
    image
        What the folder will be like; its pixels are not read.
    path
        The new folder.
    dtype
        Of the arrays; the image's where not said.
    levels
        How often Y and X are halved.
    metadata, name
        As of `write_ome_zarr`.
    """
    kind = image.dtype if dtype is None else dtype
    order = zarr_order(image)
    shape = tuple(image.sizes[letter] for letter in order)
    group = zarr.open_group(path, mode="w", zarr_format=2)
    arrays = []
    for level in range(levels + 1):
        smaller = tuple(-(-n // 2**level) for n in shape[-2:])
        arrays.append(
            group.create_array(
                str(level),
                shape=shape[:-2] + smaller,
                chunks=(1,) * (len(shape) - 2) + tuple(min(n, _CHUNK) for n in smaller),
                dtype=kind,
                compressors=Blosc("zstd", 5, Blosc.BITSHUFFLE),
                chunk_key_encoding={"name": "v2", "separator": "/"},
            )
        )
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
    group.attrs["omero"] = {"channels": [_channel(image, i, kind) for i in range(len(image.channels))]}
    group.attrs[ANNOTATION] = {"description": image.description, "provenance": as_text(metadata)}
    return arrays


def _channel(image: Image, index: int, kind: np.dtype) -> dict[str, Any]:
    """Return a channel's entry; the format asks for a display window, so the dtype's range stands there."""
    low, high = (np.iinfo(kind).min, np.iinfo(kind).max) if kind.kind in "iu" else (0, 1)
    window = {"min": float(low), "max": float(high), "start": float(low), "end": float(high)}
    entry = {"label": image.channels[index], "active": True, "window": window}
    color = image.colors[index]
    return {**entry, "color": color.lstrip("#")} if color else entry
