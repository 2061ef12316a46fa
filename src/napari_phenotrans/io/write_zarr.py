"""Writing OME-Zarr: 0.4, which more programs read, or 0.5, which lies in Zarr 3."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from numcodecs import Blosc
from zarr.codecs import BloscCodec

from napari_phenotrans.core.kinds import SIGNED, kind_of
from napari_phenotrans.core.region import Region
from napari_phenotrans.io.display import notes_of, shown_colors, windows
from napari_phenotrans.io.metadata import from_micrometers, unit_name
from napari_phenotrans.io.ome_zarr import ANNOTATION
from napari_phenotrans.io.portable import portable
from napari_phenotrans.io.write_planes import as_text, halved, planes_of
from napari_phenotrans.io.zarr_chunks import SPARSE, Chunks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_phenotrans.core.image import Image

CHUNK = 1024
USUAL_VERSION = "0.4"
_KINDS = {"T": "time", "C": "channel"}


def write_ome_zarr(
    image: Image,
    path: Path,
    *,
    levels: int,
    metadata: Mapping[str, Any] | None,
    name: str,
    version: str = USUAL_VERSION,
    chunk: int = CHUNK,
) -> None:
    """Write an OME-Zarr folder, compressed without loss; axes come in the order TCZYX, which the format asks for.

    Parameters are those of `create_ome_zarr`.
    """
    arrays = create_ome_zarr(image, path, levels=levels, metadata=metadata, name=name, version=version, chunk=chunk)
    for position, plane in zip(np.ndindex(arrays[0].shape[:-2]), planes_of(image, zarr_order(image)), strict=True):
        arrays[0][position] = plane
    _fill_levels(arrays, chunk)
    # of what is in the folder now: planes that are costly to make are made once
    note_display(path, image.replace(pixels=arrays[0], axes=zarr_order(image), pyramid=()), kind_of(metadata or {}))


def write_ome_zarr_05(image: Image, path: Path, **more: Any) -> None:
    """Write an OME-Zarr 0.5, as `write_ome_zarr` writes 0.4."""
    write_ome_zarr(image, path, version="0.5", **more)


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
    more
        ``levels``, ``name``, ``version`` and ``chunk`` as of `create_ome_zarr`.
    """

    def __init__(self, image: Image, path: Path, dtype: np.dtype, *, chunk: int = CHUNK, **more: Any) -> None:
        # what was shown of the other image is no range of this one's
        image = image.replace(display=())
        self._arrays = create_ome_zarr(image, path, dtype=dtype, metadata=None, chunk=chunk, **more)
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

    def finish(self, metadata: Mapping[str, Any], *others: Image) -> None:
        """Write what is still to write: smaller versions, provenance, and what viewers are to show.

        ``others`` are images whose ranges it shares, see `display.windows`.
        """
        for (t, z, square), (part, _) in self._begun.items():
            self._write(part, t, z, square)
        self._begun.clear()
        _fill_levels(self._arrays, self._chunk)
        for array in self._arrays:
            if Chunks(self._path, array).missing():
                array.attrs[SPARSE] = True
        note_provenance(self._path, metadata)
        kind = kind_of(metadata)
        shown = windows(self.image(), kind, *others)
        note_windows(self._path, self.image(), kind, shown)
        if others:
            # a range that is shared is a choice, which is to come back
            group = zarr.open_group(self._path, mode="r+")
            noted: Any = group.attrs[ANNOTATION]
            group.attrs[ANNOTATION] = {**noted, "display": [list(window) for window in shown]}

    def image(self) -> Image:
        """Return what was written; its pixels stay in the folder."""
        return self._image.replace(pixels=self._arrays[0], axes=self._order, pyramid=())

    def _write(self, part: np.ndarray, t: int, z: int, square: Region) -> None:
        index: dict[str, Any] = {"T": t, "Z": z, "C": slice(None), **dict(zip("YX", square.slices, strict=True))}
        values = part if "C" in self._order else part[0]
        self._arrays[0][tuple(index[letter] for letter in self._order)] = values


def _fill_levels(arrays: list[zarr.Array[Any]], chunk: int) -> None:
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
    group.attrs[ANNOTATION] = {**noted, "provenance": as_text(portable(metadata))}


def note_display(path: Path, image: Image, kind: str, *others: Image) -> None:
    """Replace what viewers are to show of an OME-Zarr that this module wrote; ``image`` are its pixels.

    The other parameters are those of `display.windows`.
    """
    note_windows(path, image, kind, windows(image, kind, *others))


def note_windows(path: Path, image: Image, kind: str, shown: Sequence[tuple[float, float]]) -> None:
    """Do as `note_display` with a range for each channel that is known; no pixel is read."""
    group = zarr.open_group(path, mode="r+")
    omero = _omero(image, kind, shown)
    attributes: Any = dict(group.attrs)
    if "ome" in attributes:
        group.attrs["ome"] = {**attributes["ome"], "omero": omero}
    else:
        group.attrs["omero"] = omero


def create_ome_zarr(
    image: Image,
    path: Path,
    *,
    dtype: np.dtype | None = None,
    levels: int = 0,
    metadata: Mapping[str, Any] | None,
    name: str,
    version: str = USUAL_VERSION,
    chunk: int = CHUNK,
) -> list[zarr.Array[Any]]:
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
    version
        Of the format: "0.4" or "0.5".
    chunk
        Side of the squares that are compressed by themselves.
    """
    # of the two C types of 64 bits, whose names are the same, Zarr knows the one that a string stands for
    kept = np.dtype((image.dtype if dtype is None else dtype).str)
    order = zarr_order(image)
    shape = tuple(image.sizes[letter] for letter in order)
    old = version == USUAL_VERSION
    group = zarr.open_group(path, mode="w", zarr_format=2 if old else 3)
    layout: dict[str, Any] = {
        "compressors": Blosc("zstd", 5, Blosc.BITSHUFFLE),
        "chunk_key_encoding": {"name": "v2", "separator": "/"},
    }
    if not old:
        layout = {
            "compressors": BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle"),
            "dimension_names": list(order.lower()),
        }
    arrays = []
    for level in range(levels + 1):
        smaller = tuple(-(-n // 2**level) for n in shape[-2:])
        arrays.append(
            group.create_array(
                str(level),
                shape=shape[:-2] + smaller,
                chunks=(1,) * (len(shape) - 2) + tuple(min(n, chunk) for n in smaller),
                dtype=kept,
                # a chunk that is not there is one that was lost
                config={"write_empty_chunks": True},
                **layout,
            )
        )
    # until the pixels are there, for the format asks for a range
    low, high = (np.iinfo(kept).min, np.iinfo(kept).max) if kept.kind in "iu" else (0, 1)
    whole = [(float(low), float(high))] * len(image.channels)
    multiscales = [_multiscales(image, order, levels, name)]
    omero = _omero(image.replace(pixels=arrays[0], axes=order, pyramid=()), kind_of(metadata or {}), whole)
    if old:
        group.attrs["multiscales"] = [{"version": version, **multiscales[0]}]
        group.attrs["omero"] = omero
    else:
        group.attrs["ome"] = {"version": version, "multiscales": multiscales, "omero": omero}
    group.attrs[ANNOTATION] = {
        "description": image.description,
        # digests wait for the end: what they are of may be large
        "provenance": as_text(portable(metadata, read=False)),
        **notes_of(image),
    }
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
    return {"name": name, "axes": axes, "datasets": datasets}


def _omero(image: Image, kind: str, shown: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return the format's entry about what viewers are to show, a range for each channel given."""
    dtype, signed = image.dtype, kind in SIGNED
    channels: list[dict[str, Any]] = []
    for index, ((start, end), color) in enumerate(zip(shown, shown_colors(image, kind), strict=True)):
        span = end - start
        low, high = (start - span, end + span) if dtype.kind not in "iu" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        channels.append(
            {
                "label": image.channels[index],
                "color": color.lstrip("#").upper(),
                # grays of several differences add up to nothing that can be read
                "active": not signed or index == 0,
                "window": {"min": float(low), "max": float(high), "start": start, "end": end},
            }
        )
    return {"channels": channels, "rdefs": {"model": "greyscale" if signed else "color"}}
