"""A few kilobytes that claim gigabytes are refused before anything is decoded."""

from __future__ import annotations

import json
import re
import struct
import time
from typing import TYPE_CHECKING
from zlib import compress, crc32

import imagecodecs
import numpy as np
import pytest
import tifffile

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import read, write
from napari_phenotrans.io.size_limit import refuse_larger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PIXELS = np.random.default_rng(0).integers(0, 200, (24, 32)).astype(np.uint8)


def png(width: int, height: int) -> bytes:
    """Return a PNG whose head says another size."""
    made = imagecodecs.png_encode(PIXELS)
    head = b"IHDR" + struct.pack(">II", width, height) + made[24:29]
    return made[:12] + head + struct.pack(">I", crc32(head)) + made[33:]


def jpeg(width: int, height: int) -> bytes:
    """Return a JPEG whose frame says another size."""
    made = imagecodecs.jpeg8_encode(PIXELS)
    place = made.index(b"\xff\xc0") + 5
    return made[:place] + struct.pack(">HH", height, width) + made[place + 4 :]


def c01(width: int, height: int) -> bytes:
    """Return a C01 whose head says another size."""
    head = struct.pack("<iiihhiiiiiiiii", 40, width, height, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    return b"\0\0\0\x10" + compress(head + bytes(24 * 32))


@pytest.mark.parametrize(("name", "made"), [("a.png", png), ("a.jpg", jpeg), ("a.c01", c01)])
def test_pictures_that_claim_too_much_are_refused_at_once(
    name: str, made: Callable[[int, int], bytes], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(made(32, 24))
    assert read(path).sizes == {"Y": 24, "X": 32}
    path.write_bytes(made(65_500, 65_500))
    began = time.perf_counter()
    with pytest.raises(InputError, match=rf"{name} says .*65500 × 65500.*4\.29 GB.*PHENOTRANS_LARGEST_GB=5"):
        read(path)
    assert time.perf_counter() - began < 1


def test_a_png_cannot_hold_more_than_deflate_packs(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(10_000, 10_000))
    with pytest.raises(InputError, match=r"a\.png could not be read .*cannot hold 10000 × 10000 pixels"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize("length", [1, 40, 100])
def test_a_c01_of_more_or_fewer_pixels_than_it_says_is_damaged(length: int, tmp_path: Path) -> None:
    whole = c01(24, 32)
    path = tmp_path / "a.c01"
    path.write_bytes(whole[:-length] if length < len(whole) else whole[:20])
    with pytest.raises(InputError, match=r"a\.c01 could not be read"):
        read(path)
    path.write_bytes(c01(4, 3)[:4] + compress(struct.pack("<iiihhiiiiiiiii", 40, 4, 3, 1, 8, *[0] * 9) + bytes(10**6)))
    with pytest.raises(InputError, match="do not end where"):
        read(path)


def zarr_that_says(path: Path, **more: object) -> Path:
    write(Image(np.stack([PIXELS] * 2), "CYX", ("a", "b"), 0.5, "µm"), path)
    head = path / "0" / ".zarray"
    head.write_text(json.dumps(json.loads(head.read_text()) | more))
    return path


def test_a_zarr_whose_chunks_claim_too_much_is_refused(tmp_path: Path) -> None:
    path = zarr_that_says(tmp_path / "a.ome.zarr", chunks=[1, 100_000, 100_000])
    with pytest.raises(InputError, match=r"a\.ome\.zarr says that a chunk is 1 × 100000 × 100000 pixels, 10 GB"):
        read(path)


@pytest.mark.parametrize("shape", [[2**31, 24, 32], [2, 2**40, 32]])
def test_a_zarr_of_more_chunks_than_anyone_counts_is_refused_at_once(shape: list[int], tmp_path: Path) -> None:
    path = zarr_that_says(tmp_path / "a.ome.zarr", shape=shape)
    began = time.perf_counter()
    with pytest.raises(InputError, match=r"a\.ome\.zarr lacks \d+ of the \d+ chunks"):
        read(path)
    if shape[0] > 2:
        with pytest.raises(InputError, match=r"holds 2147483648 channels"):
            read(path, missing_as_zero=True)
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("letter", ["T", "C", "Z"])
def test_an_ome_tiff_of_more_planes_than_anyone_has_is_refused(letter: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, np.zeros((3, 2, 2, 8, 8), np.uint8), ome=True, metadata={"axes": "TCZYX"})
    text = re.sub(f'Size{letter}="\\d+"', f'Size{letter}="{2**31 - 1}"', tifffile.tiffcomment(path))
    tifffile.tiffcomment(path, text.encode())
    with pytest.raises(InputError, match=r"a\.ome\.tif says that it holds \d{10,} planes"):
        read(path)


def test_the_limit_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_larger(tmp_path, "it", (10**9,), 4)
    monkeypatch.setenv("PHENOTRANS_LARGEST_GB", "0.5")
    with pytest.raises(InputError, match=r"1e\+09|1 GB"):
        refuse_larger(tmp_path, "it", (10**9,), 1)
    for said in ("much", "0", "-1", "nan", "inf"):
        monkeypatch.setenv("PHENOTRANS_LARGEST_GB", said)
        with pytest.raises(InputError, match="is no limit"):
            refuse_larger(tmp_path, "it", (1,), 1)
