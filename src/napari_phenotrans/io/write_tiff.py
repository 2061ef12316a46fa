"""Writing OME-TIFF."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_phenotrans.io.metadata import from_micrometers, with_sentence
from napari_phenotrans.io.ome_xml import AXES_NAMESPACE, NAMESPACE, ome_color
from napari_phenotrans.io.scratch import let_go
from napari_phenotrans.io.write_planes import as_text, planes_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from napari_phenotrans.core.image import Image

_TILE = 256
# what zlib adds at worst and the tags fit into the rest
CLASSIC_TIFF = 2**32 - 2**25
# What a file is known by until all that it holds is written; that stands in the head of its description.
_NO_UUID, _HEAD = str(uuid.UUID(int=0)), 4096


def write_ome_tiff(
    image: Image,
    path: Path,
    *,
    levels: int,
    metadata: Mapping[str, Any] | None,
    name: str,
    classic_up_to: int = CLASSIC_TIFF,
) -> None:
    """Write an OME-TIFF, compressed without loss.

    Axes keep their order where OME-TIFF knows it (Y, X last); otherwise T, Z and C come before them.

    Parameters
    ----------
    image
        The image; lazy pixels are read plane by plane.
    path
        The new file.
    levels
        How often Y and X are halved: with any, the image is added at half the size, a quarter and so on, in tiles.
    metadata
        Provenance, which `napari_phenotrans.io.provenance` gives back.
    name
        Name of the image inside the file.
    classic_up_to
        Bytes of pixels up to which the file is a classic TIFF; larger ones are BigTIFF.
    """
    order = "".join(letter for letter in image.axes if letter in "TZC") + "YX"
    shape = tuple(image.sizes[letter] for letter in order)
    options: dict[str, Any] = {
        "dtype": image.dtype,
        "photometric": "minisblack",
        # without a predictor: ImageJ 1.53 does not undo it under Deflate, and shows differences of neighbors as pixels
        "compression": "zlib",
    }
    if image.pixel_size_um:
        options["resolution"] = (1e4 / image.pixel_size_um,) * 2
        options["resolutionunit"] = "CENTIMETER"
    if levels:
        options["tile"] = (_TILE, _TILE)
    described = _ome(image, order, metadata, name)
    digest = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode())
    big = int(np.prod(shape, dtype=np.int64)) * image.dtype.itemsize > classic_up_to
    with tifffile.TiffWriter(path, ome=True, bigtiff=big) as file:
        for level in range(levels + 1):
            smaller = tuple(-(-n // 2**level) for n in shape[-2:])
            segments = _segments(image, order, level, tiled=levels > 0)
            only_first = {"metadata": described, "subifds": levels or None}
            file.write(
                _digested(segments, digest) if level == 0 else segments,
                shape=shape[:-2] + smaller,
                **options,
                **(only_first if level == 0 else {"subfiletype": 1, "metadata": None}),
            )
    _give_uuid(path, digest.hexdigest())


def _segments(image: Image, order: str, level: int, tiled: bool) -> Iterator[np.ndarray]:
    if not tiled:
        yield from planes_of(image, order)
        return
    for _, _, rows in rows_of(image, order, level, _TILE):
        for left in range(0, rows.shape[1], _TILE):
            yield rows[:, left : left + _TILE]
        let_go(image.pixels)


def _digested(segments: Iterator[np.ndarray], digest: hashlib._Hash) -> Iterator[np.ndarray]:
    """Pass on pixels, and add them to a digest."""
    for segment in segments:
        digest.update(np.ascontiguousarray(segment).data)
        yield segment


def _give_uuid(path: Path, digest: str) -> None:
    """Let a file be known by what is in it: the format asks for an identifier, and one by chance differs each time."""
    with tifffile.TiffFile(path) as written:
        place = written.pages.first.tags["ImageDescription"].valueoffset
    with path.open("rb+") as file:
        file.seek(place)
        place += file.read(_HEAD).index(_NO_UUID.encode())
        file.seek(place)
        file.write(str(uuid.uuid5(uuid.NAMESPACE_OID, digest)).encode())


def _ome(image: Image, order: str, metadata: Mapping[str, Any] | None, name: str) -> dict[str, Any]:
    """Return tifffile's description of the OME-XML block."""
    channels: list[dict[str, Any]] = []
    for channel, color in zip(image.channels, image.colors, strict=True):
        channels.append({"Name": _clean(channel), **({"Color": ome_color(color)} if color else {})})
    unit = image.unit if image.unit != "pixel" else "µm"
    written = "in" if unit == "inch" else unit
    sizes = {"X": image.pixel_size_um, "Y": image.pixel_size_um, "Z": image.z_step_um}
    ome: dict[str, Any] = {"UUID": _NO_UUID, "axes": order, "Name": _clean(name), "Channel": channels}
    for letter, size in sizes.items():
        if size:
            ome[f"PhysicalSize{letter}"] = from_micrometers(size, unit)
            ome[f"PhysicalSize{letter}Unit"] = written
    if image.origin_um:
        planes = int(np.prod([image.sizes.get(a, 1) for a in "TZC"]))
        ome["Plane"] = {}
        for letter, start in image.origin_um.items():
            ome["Plane"] |= {f"Position{letter}": [start] * planes, f"Position{letter}Unit": ["µm"] * planes}
    if image.frame_interval_s:
        ome.update({"TimeIncrement": image.frame_interval_s, "TimeIncrementUnit": "s"})
    if described := with_sentence(image.description, metadata or {}):
        ome["Description"] = _clean(described)
    # OME-TIFF always has five axes; which of those with one position the image had stands beside it
    shown = {"display": json.dumps(image.display)} if any(image.display) else {}
    ome["MapAnnotation"] = [{"Namespace": AXES_NAMESPACE, "Value": {"axes": order, **shown}}]
    if metadata:
        noted = {_clean(k): _clean(v) for k, v in as_text(metadata).items()}
        ome["MapAnnotation"].append({"Namespace": NAMESPACE, "Value": noted})
    return ome


def _clean(text: str) -> str:
    # XML has no way to write control characters
    return re.sub(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", " ", text)
