"""Pictures without a microscope's metadata, PNG and JPEG, and Cellomics' C01; read whole, since they are small."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io.axes import settle
from napari_phenotrans.io.lazy import naming_damage
from napari_phenotrans.io.metadata import Facts, make_image

if TYPE_CHECKING:
    from pathlib import Path

    from napari_phenotrans.core.image import Image

_RGB = ("red", "green", "blue")
_COLORS = ("#ff0000", "#00ff00", "#0000ff")


def read_picture(path: Path, axes: str | None = None, series: int = 0) -> Image:
    """Open a PNG (8 or 16 bits) or JPEG file; color pictures have the channels red, green and blue.

    Raises
    ------
    InputError
        If the file is damaged or none, or ``axes`` do not fit it.
    """
    with naming_damage(path, "a PNG or JPEG file"):
        data = path.read_bytes()
        if data[:4] == b"\x89PNG":
            pixels = imagecodecs.png_decode(data)
        elif data[:2] == b"\xff\xd8":
            # a decoder paints what is missing gray, so the mark at the end is looked for
            if b"\xff\xd9" not in data[-4096:]:
                raise EOFError("the file ends before its picture does")
            pixels = imagecodecs.jpeg_decode(data)
        else:
            raise ValueError(f"it begins with {data[:4]!r}")
    notes: tuple[str, ...] = ()
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        # transparency is no stain
        opaque = pixels[..., -1] == np.iinfo(pixels.dtype).max
        if data[:2] == b"\xff\xd8":
            raise InputError(f"{path} holds 4 printing inks (CMYK), not channels. Expected gray or RGB; convert it.")
        pixels = pixels[..., :-1] if pixels.shape[2] == 4 else pixels[..., 0]
        if not opaque.all():
            notes = ("The picture's transparency was left out.",)
    colored = pixels.ndim == 3
    letters, guessed = settle(path, "YXS" if colored else "YX", pixels.shape, axes)
    facts = Facts(_RGB, _COLORS, notes=notes) if colored and letters[-1] == "C" else Facts(notes=notes)
    return make_image(pixels, letters, facts, path, notes=guessed)


def read_c01(path: Path, axes: str | None = None, series: int = 0) -> Image:
    """Open a Cellomics C01 file: one channel of one field of view, 8 or 16 bits.

    Behind four bytes stands a zlib stream; in it, a Windows bitmap header (40 bytes, little-endian), three color masks,
    and the pixels from the top row down.

    Raises
    ------
    InputError
        If the file is damaged or none, or ``axes`` do not fit it.
    """
    with naming_damage(path, "a Cellomics C01 file"):
        data = zlib.decompress(path.read_bytes()[4:])
        _, width, height, planes, bits, packed, _, per_meter_x, per_meter_y = struct.unpack("<iiihhiiii", data[:32])
        if planes != 1 or packed or bits not in (8, 16):
            raise ValueError(f"{planes} planes of {bits} bits, packed by method {packed}")
        count = width * height
        pixels = np.frombuffer(data, np.dtype(f"<u{bits // 8}"), count, 52).reshape(height, width)
    letters, guessed = settle(path, "YX", pixels.shape, axes)
    x, y = ((1e6 / n, "µm") if n > 0 else None for n in (per_meter_x, per_meter_y))
    return make_image(pixels.astype(pixels.dtype.newbyteorder("=")), letters, Facts(x=x, y=y), path, notes=guessed)
