"""A TIFF file that is not whole is refused, before or when its pixels are used."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import read, write

RNG = np.random.default_rng(0)


def noise(*shape: int, dtype: Any = np.uint16) -> np.ndarray:
    return RNG.integers(0, 250, shape).astype(dtype)


@pytest.mark.filterwarnings("ignore")
def test_a_chain_of_many_pages_that_breaks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(300, 8, 8), metadata=None, compression="zlib")
    with tifffile.TiffFile(path) as tif:
        end = tif.pages[150].offset
    path.write_bytes(path.read_bytes()[: end + 10])
    with pytest.raises(InputError, match=r"a\.tif"):
        read(path)


@pytest.mark.parametrize("share", [0.98, 0.7, 0.4, 0.02])
@pytest.mark.parametrize(
    "kind", ["ome", "ome stored", "imagej", "imagej of one page", "plain", "plain stored", "shaped"]
)
@pytest.mark.filterwarnings("ignore")
def test_a_file_cut_short_is_refused(tmp_path: Path, kind: str, share: float) -> None:
    path = tmp_path / ("a.ome.tif" if kind.startswith("ome") else "a.tif")
    pixels = noise(6, 40, 50)
    if kind.startswith("ome"):
        image = Image(pixels, "ZYX", description="long " * 40)
        if kind == "ome":
            write(image, path)
        else:
            tifffile.imwrite(path, pixels, ome=True, metadata={"axes": "ZYX"})
    elif kind.startswith("imagej"):
        tifffile.imwrite(path, pixels, imagej=True, truncate=kind != "imagej", metadata={"axes": "ZYX"})
    else:
        metadata = {} if kind == "shaped" else None
        tifffile.imwrite(path, pixels, metadata=metadata, compression="zlib" if kind == "plain" else None)
    assert read(path).pixels[...].shape == pixels.shape
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(InputError, match=path.name):
        read(path).pixels[...]


def test_damaged_pixels_are_refused_when_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(64, 64), compression="zlib", metadata=None)
    with tifffile.TiffFile(path) as tif:
        start = tif.pages[0].dataoffsets[0]
    data = bytearray(path.read_bytes())
    data[start : start + 200] = bytes(200)
    path.write_bytes(bytes(data))
    image = read(path)
    with pytest.raises(InputError, match=r"a\.tif could not be read .* Expected a TIFF file"):
        image.plane()


def test_a_file_that_went_away(tmp_path: Path) -> None:
    for options in ({}, {"compression": "zlib"}):
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, noise(8, 8), metadata=None, **options)
        image = read(path)
        path.unlink()
        with pytest.raises(InputError, match=r"a\.tif is not there"):
            image.plane()
