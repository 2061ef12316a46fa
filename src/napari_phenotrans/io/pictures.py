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
from napari_phenotrans.io.size_limit import refuse_larger

if TYPE_CHECKING:
    from pathlib import Path

    from napari_phenotrans.core.image import Image

_RGB = ("red", "green", "blue")
_COLORS = ("#ff0000", "#00ff00", "#0000ff")
_PNG_SAMPLES = {0: 1, 2: 3, 3: 4, 4: 2, 6: 4}  # of a pixel, by the type of color; a palette's as they come out
_DEFLATED = 1032  # bytes that one byte can stand for at most
_C01_HEAD = 52
_SPARE = 65_536  # bytes that a file may hold beyond its pixels


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
            _refuse_large_png(path, data)
            pixels = imagecodecs.png_decode(data)
        elif data[:2] == b"\xff\xd8":
            # a decoder paints what is missing gray, so the mark at the end is looked for
            if b"\xff\xd9" not in data[-4096:]:
                raise EOFError("the file ends before its picture does")
            refuse_larger(path, "the picture", _jpeg_shape(data), 1)
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


def _refuse_large_png(path: Path, data: bytes) -> None:
    """Refuse a PNG that would be too large, or says that it is larger than its bytes can be."""
    if data[12:16] != b"IHDR":
        raise ValueError("it does not begin with its size")
    width, height, bits, color = struct.unpack(">IIBB", data[16:26])
    shape, itemsize = (height, width, _PNG_SAMPLES.get(color, 4)), max(1, bits // 8)
    refuse_larger(path, "the picture", shape, itemsize)
    # a palette and few bits are packed more closely
    if height * -(-width * bits // 8) > _DEFLATED * len(data):
        raise ValueError(f"{len(data)} bytes cannot hold {width} × {height} pixels")


def _jpeg_shape(data: bytes) -> tuple[int, int, int]:
    """Return height, width and samples of a pixel, as the frame of a JPEG says."""
    place = 2
    while place + 9 < len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width, samples = struct.unpack(">HHB", data[place + 5 : place + 10])
            return height, width, samples
        # a byte that fills, or a mark without a length
        alone = marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD9
        place += 1 if marker == 0xFF else 2 if alone else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    raise ValueError("it does not say its size")


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
        stream = zlib.decompressobj()
        head = stream.decompress(path.read_bytes()[4:], _C01_HEAD)
        _, width, height, planes, bits, packed, _, per_meter_x, per_meter_y = struct.unpack("<iiihhiiii", head[:32])
        if planes != 1 or packed or bits not in (8, 16) or width < 1 or height < 1:
            raise ValueError(f"{planes} planes of {width} × {height} pixels and {bits} bits, packed by method {packed}")
        refuse_larger(path, "the picture", (height, width), bits // 8)
        # what follows the pixels is read for the stream's checksum, and not without an end
        data = stream.decompress(stream.unconsumed_tail, width * height * bits // 8 + _SPARE)
        if not stream.eof:
            raise EOFError("its pixels do not end where their number says")
        pixels = np.frombuffer(data, np.dtype(f"<u{bits // 8}"), width * height).reshape(height, width)
    letters, guessed = settle(path, "YX", pixels.shape, axes)
    x, y = ((1e6 / n, "µm") if n > 0 else None for n in (per_meter_x, per_meter_y))
    return make_image(pixels.astype(pixels.dtype.newbyteorder("=")), letters, Facts(x=x, y=y), path, notes=guessed)
