from pathlib import Path
from zlib import compress

import imagecodecs
import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io import read

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_png_keeps_every_bit(tmp_path: Path, dtype: type, shape: tuple[int, ...]) -> None:
    pixels = RNG.integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    path = tmp_path / "a.PNG"
    path.write_bytes(imagecodecs.png_encode(pixels))
    image = read(path)
    assert image.axes == ("YX" if len(shape) == 2 else "YXC")
    assert image.channels == (("channel 1",) if len(shape) == 2 else ("red", "green", "blue"))
    np.testing.assert_array_equal(image.pixels, pixels)


@pytest.mark.parametrize("channels", [2, 4])
def test_transparency_is_no_channel(tmp_path: Path, channels: int) -> None:
    pixels = RNG.integers(0, 255, (5, 7, channels)).astype(np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(pixels))
    image = read(path)
    np.testing.assert_array_equal(image.plane(), np.moveaxis(pixels[..., :-1], -1, 0))
    assert "transparency" in image.notes[0]
    pixels[..., -1] = 255
    path.write_bytes(imagecodecs.png_encode(pixels))
    assert read(path).notes == ()


def test_jpeg(tmp_path: Path) -> None:
    pixels = np.full((16, 24, 3), (200, 100, 50), np.uint8)
    path = tmp_path / "a.jpg"
    path.write_bytes(imagecodecs.jpeg8_encode(pixels, level=100))
    image = read(path)
    assert image.channels == ("red", "green", "blue")
    assert image.colors == ("#ff0000", "#00ff00", "#0000ff")
    np.testing.assert_allclose(image.pixels, pixels, atol=3)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_picture_cut_short_is_refused(tmp_path: Path, name: str) -> None:
    pixels = RNG.integers(0, 255, (64, 64)).astype(np.uint8)
    data = imagecodecs.png_encode(pixels) if name.endswith("png") else imagecodecs.jpeg8_encode(pixels)
    path = tmp_path / name
    for share in (0.9, 0.5, 0.01):
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(InputError, match=r"a\.(png|jpg) could not be read.*Expected a PNG or JPEG"):
            read(path)


def test_axes_can_be_said(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(np.zeros((5, 7, 3), np.uint8)))
    assert read(path, axes="YXZ").axes == "YXZ"


def test_c01_of_8_bits_and_damaged(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 255, (3, 5)).astype(np.uint8)
    header = np.array([40, 5, 3], "<i4").tobytes() + np.array([1, 8], "<i2").tobytes()
    header += np.array([0, 0, 500000, 500000, 0, 0, 0, 0, 0], "<i4").tobytes()
    path = tmp_path / "a.c01"
    path.write_bytes(b"\0\0\0\x10" + compress(header + pixels.tobytes()))
    image = read(path)
    assert image.pixel_size_um == 2.0
    np.testing.assert_array_equal(image.pixels, pixels)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"a\.c01 could not be read.*Cellomics"):
        read(path)
