"""Writing OME-Zarr 0.4, which more programs read than 0.5."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from numcodecs import Blosc

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.region import Region
from napari_phenotrans.io.metadata import from_micrometers, unit_name
from napari_phenotrans.io.ome_zarr import ANNOTATION
from napari_phenotrans.io.write_planes import as_text, halved, planes_of
from napari_phenotrans.io.zarr_chunks import SPARSE, Chunks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_phenotrans.core.image import Image

CHUNK = 1024
_KINDS = {"T": "time", "C": "channel"}


def write_ome_zarr(
    image: Image, path: Path, *, levels: int, metadata: Mapping[str, Any] | None, name: str, chunk: int = CHUNK
) -> None:
    """Write an OME-Zarr folder, compressed without loss; axes come in the order TCZYX, which the format asks for.

    Parameters are those of `create_ome_zarr`.
    """
    arrays = create_ome_zarr(image, path, levels=levels, metadata=metadata, name=name, chunk=chunk)
    for position, plane in zip(np.ndindex(arrays[0].shape[:-2]), planes_of(image, zarr_order(image)), strict=True):
        arrays[0][position] = plane
    _fill_levels(arrays, chunk)


def refuse_dtype(dtype: np.dtype) -> None:
    """Refuse a dtype that Zarr cannot hold.

    Raises
    ------
    InputError
        If pixels are no numbers.
    """
    if dtype.kind not in "biufc":
        raise InputError(f"Zarr cannot hold pixels of type {dtype.name}. Expected numbers: convert them.")


class GrowingZarr:
    """An OME-Zarr that takes planes, or rectangles of planes, in any order; whole chunks are written at a time.

    Parameters
    ----------
    image
        What it will be like; its pixels are not read.
    path
        The new folder.
    dtype
        Of the new pixels.
    levels, name, chunk
        As of `create_ome_zarr`.
    """

    def __init__(
        self, image: Image, path: Path, dtype: np.dtype, *, levels: int, name: str, chunk: int = CHUNK
    ) -> None:
        self._arrays = create_ome_zarr(image, path, dtype=dtype, levels=levels, metadata=None, name=name, chunk=chunk)
        self._image, self._path, self._order, self._chunk = image, path, zarr_order(image), chunk
        # squares of chunks that some of is there of, and how many of their pixels are
        self._begun: dict[tuple[int, int, Region], tuple[np.ndarray, int]] = {}

    def put(self, values: np.ndarray, t: int, z: int, top: int, left: int) -> None:
        """Write (C, h, w); every pixel once."""
        region = Region(top, left, *values.shape[1:])
        height, width = self._arrays[0].shape[-2:]
        chunk = self._chunk
        first_row, first_column = (start // chunk * chunk for start in (top, left))
        reach = Region(first_row, first_column, region.bottom - first_row, region.right - first_column)
        for square in reach.squares(chunk):
            square = Region(square.top, square.left, min(chunk, height - square.top), min(chunk, width - square.left))
            common = square.common(region)
            assert common is not None
            part = values[:, *common.moved(-top, -left).slices]
            if common != square:
                whole, filled = self._begun.pop((t, z, square), (None, 0))
                if whole is None:
                    whole = np.zeros((len(values), *square.shape), values.dtype)
                whole[:, *common.moved(-square.top, -square.left).slices] = part
                filled += common.height * common.width
                if filled < square.height * square.width:
                    self._begun[t, z, square] = whole, filled
                    continue
                part = whole
            self._write(part, t, z, square)

    def finish(self, metadata: Mapping[str, Any]) -> None:
        """Write what is still to write: smaller versions and provenance."""
        for (t, z, square), (part, _) in self._begun.items():
            self._write(part, t, z, square)
        self._begun.clear()
        _fill_levels(self._arrays, self._chunk)
        for array in self._arrays:
            if Chunks(self._path, array).missing():
                array.attrs[SPARSE] = True
        note_provenance(self._path, metadata)

    def image(self) -> Image:
        """Return what was written; its pixels stay in the folder."""
        return self._image.replace(pixels=self._arrays[0], axes=self._order, pyramid=())

    def _write(self, part: np.ndarray, t: int, z: int, square: Region) -> None:
        index: dict[str, Any] = {"T": t, "Z": z, "C": slice(None), **dict(zip("YX", square.slices, strict=True))}
        values = part if "C" in self._order else part[0]
        self._arrays[0][tuple(index[letter] for letter in self._order)] = values


def _fill_levels(arrays: list[zarr.Array], chunk: int) -> None:
    """Average each version of a pyramid from the one before it, chunk by chunk."""
    for fine, coarse in pairwise(arrays):
        for position in np.ndindex(coarse.shape[:-2]):
            for square in Region(0, 0, *coarse.shape[-2:]).squares(chunk):
                from_ = Region(2 * square.top, 2 * square.left, 2 * square.height, 2 * square.width)
                coarse[(*position, *square.slices)] = halved(np.asarray(fine[(*position, *from_.slices)]), 1)


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
    chunk: int = CHUNK,
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
    metadata
        Provenance, which `napari_phenotrans.io.provenance` gives back.
    name
        Name of the image inside the folder.
    chunk
        Side of the squares that are compressed by themselves.
    """
    # of the two C types of 64 bits, whose names are the same, Zarr knows the one that a string stands for
    kind = np.dtype((image.dtype if dtype is None else dtype).str)
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
                chunks=(1,) * (len(shape) - 2) + tuple(min(n, chunk) for n in smaller),
                dtype=kind,
                compressors=Blosc("zstd", 5, Blosc.BITSHUFFLE),
                chunk_key_encoding={"name": "v2", "separator": "/"},
                # a chunk that is not there is one that was lost
                config={"write_empty_chunks": True},
            )
        )
    group.attrs["multiscales"] = [_multiscales(image, order, levels, name)]
    group.attrs["omero"] = {"channels": [_channel(image, i, kind) for i in range(len(image.channels))]}
    group.attrs[ANNOTATION] = {"description": image.description, "provenance": as_text(metadata)}
    return arrays


def _multiscales(image: Image, order: str, levels: int, name: str) -> Any:
    """Return the format's entry about axes and the size of a pixel at each level."""
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
        if level or image.origin_um:
            # an averaged pixel's center lies between those that it came from
            moved = [s * (2**level - 1) / 2 if a in "YX" else 0.0 for a, s in zip(order, scale, strict=True)]
            moved = [m + from_micrometers(image.origin_um.get(a, 0.0), unit) for a, m in zip(order, moved, strict=True)]
            steps.append({"type": "translation", "translation": moved})
        datasets.append({"path": str(level), "coordinateTransformations": steps})
    return {"version": "0.4", "name": name, "axes": axes, "datasets": datasets}


def _channel(image: Image, index: int, kind: np.dtype) -> dict[str, Any]:
    """Return a channel's entry; the format asks for a display window, so the dtype's range stands there."""
    low, high = (np.iinfo(kind).min, np.iinfo(kind).max) if kind.kind in "iu" else (0, 1)
    window = {"min": float(low), "max": float(high), "start": float(low), "end": float(high)}
    entry = {"label": image.channels[index], "active": True, "window": window}
    color = image.colors[index]
    return {**entry, "color": color.lstrip("#")} if color else entry
