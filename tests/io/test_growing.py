"""An OME-Zarr that takes what comes, in any order, and the scratch that does the same without a name."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region
from napari_phenotrans.io import provenance, read, write
from napari_phenotrans.io.scratch import Scratch, let_go, room
from napari_phenotrans.io.write_zarr import GrowingZarr, write_ome_zarr

CHUNK = 32


def example(axes: str) -> Image:
    sizes = {"T": 2, "Z": 2, "C": 2, "Y": 75, "X": 90}
    pixels = np.random.default_rng(0).integers(0, 999, [sizes[a] for a in axes]).astype(np.uint16)
    return Image(pixels, axes, pixel_size_um=0.5)


def fill(room: Any, image: Image, height: int, width: int) -> None:
    """Give the planes in rectangles, in a random order."""
    parts = [
        (t, z, Region(top, left, min(height, 75 - top), min(width, 90 - left)))
        for t, z in image.positions()
        for top in range(0, 75, height)
        for left in range(0, 90, width)
    ]
    for index in np.random.default_rng(0).permutation(len(parts)):
        t, z, region = parts[index]
        room.put(image.plane(t=t, z=z)[:, *region.slices], t, z, region.top, region.left)


@pytest.mark.parametrize(
    ("axes", "height", "width"), [("CYX", 75, 90), ("ZCYX", 32, 32), ("YX", 13, 90), ("TYX", 20, 41), ("ZYXC", 40, 45)]
)
def test_what_is_put_is_read_whatever_its_pieces(axes: str, height: int, width: int, tmp_path: Path) -> None:
    image = example(axes)
    zarr = GrowingZarr(image, tmp_path / "a.ome.zarr", image.dtype, levels=3, name="a", chunk=CHUNK)
    fill(zarr, image, height, width)
    assert zarr._begun == {}
    zarr.finish({"source": "untreated"})
    written = read(tmp_path / "a.ome.zarr")
    room = Scratch(image, image.dtype)
    fill(room, image, height, width)
    for t, z in image.positions():
        for made in (written, zarr.image(), room.image()):
            np.testing.assert_array_equal(made.plane(t=t, z=z), image.plane(t=t, z=z))
    assert room.image().axes == axes
    assert provenance(tmp_path / "a.ome.zarr") == {"source": "untreated"}
    # smaller versions are as when all is written at once
    write_ome_zarr(image, tmp_path / "b.ome.zarr", levels=3, metadata=None, name="b", chunk=CHUNK)
    for mine, theirs in zip(written.pyramid, read(tmp_path / "b.ome.zarr").pyramid, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert written.pyramid[0].shape[-2:] == (38, 45)


def test_only_begun_chunks_are_in_memory_and_whole_ones_are_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = example("CYX")
    zarr = GrowingZarr(image, tmp_path / "a.ome.zarr", image.dtype, levels=0, name="a", chunk=CHUNK)
    written: list[Region] = []
    write_one = zarr._write
    monkeypatch.setattr(
        zarr, "_write", lambda part, t, z, square: (written.append(square), write_one(part, t, z, square))
    )
    for top in range(0, 75, 10):
        rows = image.plane()[:, top : top + 10]
        zarr.put(rows, 0, 0, top, 0)
        assert len({square.top for _, _, square in zarr._begun}) <= 1
    assert len(written) == len(set(written)) == 9


def test_what_was_not_all_put_is_zero(tmp_path: Path) -> None:
    image = example("CYX")
    zarr = GrowingZarr(image, tmp_path / "a.ome.zarr", image.dtype, levels=0, name="a", chunk=CHUNK)
    zarr.put(image.plane()[:, 5:10, 7:40], 0, 0, 5, 7)
    zarr.finish({})
    expected = np.zeros_like(image.pixels)
    expected[:, 5:10, 7:40] = image.pixels[:, 5:10, 7:40]
    np.testing.assert_array_equal(read(tmp_path / "a.ome.zarr").plane(), expected)


def test_an_array_on_the_disk_leaves_memory_and_keeps_its_values() -> None:
    pixels = room((4, 500, 500), np.dtype(np.uint16), in_memory=100)
    pixels[:] = 7
    resident = []
    if Path("/proc/self/smaps").exists():
        resident.append(_resident(pixels))
    let_go(pixels[1:3, ::2])
    if resident:
        assert resident[0] >= pixels.nbytes
        assert _resident(pixels) == 0
    assert (pixels == 7).all()
    let_go(np.zeros(3))


def _resident(pixels: np.ndarray) -> int:
    """Return the bytes of a mapped array that are in this process's memory."""
    base: Any = pixels
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, mmap.mmap)
    start = f"{np.frombuffer(base, np.uint8).ctypes.data:x}-"
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    next(line for line in lines if line.startswith(start))
    return 1024 * int(next(line for line in lines if line.startswith("Rss:")).split()[1])


def test_large_tiffs_are_written_in_tiles_row_by_row(tmp_path: Path) -> None:
    class Lazy:
        shape, dtype = (2, 3000, 300), np.dtype(np.uint8)

        def __getitem__(self, key: tuple[Any, ...]) -> np.ndarray:
            rows = range(*key[1].indices(3000))
            asked.append(len(rows))
            return np.repeat((np.array(rows) % 251).astype(np.uint8)[:, None], 300, axis=1)

    asked: list[int] = []
    write(Image(Lazy(), "CYX"), tmp_path / "a.ome.tif", pyramid=True)
    assert max(asked) <= 1024
    image = read(tmp_path / "a.ome.tif")
    assert [level.shape[1] for level in image.pyramid][:2] == [1500, 750]
    np.testing.assert_array_equal(image.plane()[1, :, 0], np.arange(3000) % 251)
