import itertools
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import provenance, read, write
from napari_phenotrans.io.samples import SAMPLES, Sample
from napari_phenotrans.io.write_tiff import write_ome_tiff

RNG = np.random.default_rng(0)
DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64", "bool"]
ORDERS = ["YX", "XY", "CYX", "YXC", "ZYX", "TYX", "TCYX", "ZTYX", "XCY", *("".join(p) + "YX" for p in
          itertools.permutations("TZC")), "TZYXC", "TCZXY"]  # fmt: skip
SIZES = [(7, 5), (1, 9), (6, 1), (1, 1), (33, 64), (4, 3)]


def example(axes: str, dtype: str, size: tuple[int, int], **sizes: int) -> Image:
    counts = {"T": 2, "Z": 3, "C": 2, "Y": size[0], "X": size[1]} | sizes
    pixels = (RNG.random([counts[a] for a in axes]) * 4e3 - 2e3).astype(dtype)
    channels = counts["C"] if "C" in axes else 1
    return Image(
        pixels,
        axes,
        channels=tuple(f'stain {i} <&"é>' for i in range(channels)),
        colors=tuple((None, "#ff8001", "#0000ff")[i % 3] for i in range(channels)),
        pixel_size_um=0.325,
        unit="nm",
        z_step_um=1.5 if "Z" in axes else None,
        frame_interval_s=30.0 if "T" in axes else None,
        description="Synthetic: <invented> ü",
    )


def assert_same(written: Image, image: Image) -> None:
    assert image.dtype == written.dtype
    assert (image.channels, image.colors) == (written.channels, written.colors)
    assert (image.pixel_size_um, image.unit) == (pytest.approx(written.pixel_size_um), written.unit)
    assert image.z_step_um == pytest.approx(written.z_step_um)
    assert image.frame_interval_s == written.frame_interval_s
    assert image.description == written.description
    assert image.notes == ()
    assert dict(image.sizes.items()) == written.sizes
    for t, z in written.positions():
        np.testing.assert_array_equal(image.plane(t=t, z=z), written.plane(t=t, z=z))


@pytest.mark.parametrize("axes", ORDERS)
@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_what_is_written_is_read(tmp_path: Path, axes: str, suffix: str) -> None:
    """Every dtype and size for TIFF; Zarr, which is slow, takes turns."""
    for i, (dtype, size) in enumerate(itertools.product(DTYPES, SIZES)):
        if suffix == ".ome.zarr" and i % 9 != len(axes):
            continue
        written = example(axes, dtype, size)
        write(written, tmp_path / f"{i}{suffix}")
        image = read(tmp_path / f"{i}{suffix}")
        assert_same(written, image)
        if suffix == ".ome.tif" and axes.endswith("YX"):
            assert image.axes == axes


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_axes_of_length_one_come_back(tmp_path: Path, suffix: str) -> None:
    for i, sizes in enumerate(({"T": 1}, {"Z": 1}, {"C": 1}, {"T": 1, "Z": 1, "C": 1})):
        written = example("TCZYX", "uint16", (5, 7), **sizes)
        write(written, tmp_path / f"{i}{suffix}")
        image = read(tmp_path / f"{i}{suffix}")
        assert image.axes == "TCZYX"
        assert_same(written, image)


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_unknown_pixel_size_stays_unknown(tmp_path: Path, suffix: str) -> None:
    image = Image(np.zeros((2, 5, 7), np.uint8), "CYX")
    write(image, tmp_path / f"a{suffix}")
    assert_same(image, read(tmp_path / f"a{suffix}"))


@pytest.mark.parametrize("unit", ["µm", "nm", "mm", "cm", "inch", "Å"])
@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_units_come_back(tmp_path: Path, suffix: str, unit: str) -> None:
    write(Image(np.zeros((5, 7), np.uint8), "YX", pixel_size_um=0.2, unit=unit), tmp_path / f"a{suffix}")
    image = read(tmp_path / f"a{suffix}")
    assert (image.pixel_size_um, image.unit) == (pytest.approx(0.2), unit)


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_provenance_comes_back(tmp_path: Path, suffix: str) -> None:
    image = Image(np.zeros((5, 7), np.uint8), "YX")
    path = write(image, tmp_path / f"a{suffix}", metadata={"source": "untreated", "overlap": 64, "axes": "mine"})
    assert provenance(path) == {"source": "untreated", "overlap": "64", "axes": "mine"}
    path = write(image, path, overwrite=True)
    assert provenance(path) == {}


def test_other_files_have_no_provenance(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 7), np.uint8))
    assert provenance(tmp_path / "a.tif") == {}
    assert provenance(tmp_path / "a.png") == {}


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_pyramid(tmp_path: Path, suffix: str) -> None:
    pixels = RNG.integers(0, 200, (2, 1100, 703)).astype(np.uint16)
    write(Image(pixels, "CYX"), tmp_path / f"a{suffix}", pyramid=True)
    image = read(tmp_path / f"a{suffix}")
    assert [level.shape for level in image.pyramid] == [(2, 550, 352), (2, 275, 176)]
    np.testing.assert_array_equal(image.pixels, pixels)
    mean = pixels[:, :1100, :702].reshape(2, 275, 4, 702 // 2, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(
        image.pyramid[1][:, :, :100], mean[:, :, :200].reshape(2, 275, 100, 2).mean(-1), atol=1.01
    )


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_existing_outputs_are_refused_unless_said(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "deep" / f"a{suffix}"
    write(Image(np.zeros((5, 7), np.uint8), "YX"), path)
    with pytest.raises(InputError, match="exists already"):
        write(Image(np.ones((5, 7), np.uint8), "YX"), path)
    assert read(path).plane().max() == 0
    write(Image(np.ones((5, 7), np.uint8), "YX"), path, overwrite=True)
    assert read(path).plane().max() == 1
    assert [p.name for p in path.parent.iterdir()] == [path.name]


class _Lazy:
    """Pixels larger than memory, which note what is asked of them."""

    dtype = np.dtype(np.uint8)

    def __init__(self, shape: tuple[int, ...], answer: Callable[[Any], np.ndarray]) -> None:
        self.shape, self.answer = shape, answer

    def __getitem__(self, key: Any) -> np.ndarray:
        return self.answer(key)


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_lazy_pixels_are_read_plane_by_plane(tmp_path: Path, suffix: str) -> None:
    asked: list[Any] = []

    def answer(key: Any) -> np.ndarray:
        asked.append(key)
        return np.full((6, 8), key[0] * 2 + key[1], np.uint8)

    write(Image(_Lazy((5, 2, 6, 8), answer), "TCYX"), tmp_path / f"a{suffix}")
    assert [key[:2] for key in asked] == [(t, c) for t in range(5) for c in range(2)]
    assert read(tmp_path / f"a{suffix}").pixels[:, :, 0, 0].ravel().tolist() == list(range(10))


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_a_failure_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    def answer(key: Any) -> np.ndarray:
        if key[0] == 3:
            raise KeyboardInterrupt
        return np.zeros((6, 8), np.uint8)

    with pytest.raises(KeyboardInterrupt):
        write(Image(_Lazy((5, 6, 8), answer), "ZYX"), tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


def _decoded_without_predictor(page: tifffile.TiffPage, file: tifffile.FileHandle) -> np.ndarray:
    """Inflate the strips of a page and take the bytes as pixels, as ImageJ 1.53 does whatever the predictor says."""
    rows = []
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.seek(offset)
        rows.append(np.frombuffer(zlib.decompress(file.read(count)), page.dtype.newbyteorder("<")))
    return np.concatenate(rows).reshape(page.shape)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_strips_are_deflated_pixels_and_nothing_else(tmp_path: Path, dtype: str) -> None:
    written = example("CYX", dtype, (33, 64))
    write(written, tmp_path / "a.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        for page, plane in zip(tif.pages, written.pixels, strict=True):
            np.testing.assert_array_equal(_decoded_without_predictor(page, tif.filehandle), plane)


def test_tiles_of_a_pyramid_have_no_predictor(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 200, (600, 530)).astype(np.uint16)
    write(Image(pixels, "YX"), tmp_path / "a.ome.tif", pyramid=True)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert {level.predictor for level in [tif.pages[0], *tif.pages[0].pages]} == {1}


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=list(SAMPLES))
def test_the_bundled_samples_are_read_alike_with_and_without_a_predictor(sample: Sample) -> None:
    with tifffile.TiffFile(sample.path) as tif:
        for page in tif.pages:
            np.testing.assert_array_equal(_decoded_without_predictor(page, tif.filehandle), page.asarray())


@pytest.mark.parametrize("dtype", ["int64", "uint64", "float16", "complex64"])
def test_ome_tiff_refuses_what_it_cannot_hold(tmp_path: Path, dtype: str) -> None:
    with pytest.raises(InputError, match=rf"cannot hold pixels of type {dtype}.*int8, uint8"):
        write(Image(np.zeros((5, 7), dtype), "YX"), tmp_path / "a.ome.tif")
    assert list(tmp_path.iterdir()) == []


def test_large_files_are_big_tiff(tmp_path: Path) -> None:
    for name, size, big in (("small", 5, False), ("large", 11, True)):
        image, path = Image(np.zeros((size, 10), np.uint8), "YX"), tmp_path / f"{name}.ome.tif"
        write_ome_tiff(image, path, levels=0, metadata=None, name=name, classic_up_to=100)
        with tifffile.TiffFile(tmp_path / f"{name}.ome.tif") as tif:
            assert tif.is_bigtiff == big


def test_other_programs_understand_the_tiff(tmp_path: Path) -> None:
    ome_types = pytest.importorskip("ome_types", reason="ome-types is not installed")
    written = example("TCYX", "uint16", (5, 7))
    write(written, tmp_path / "a.ome.tif", metadata={"source": "untreated\x00"})
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert tif.series[0].axes == "TCYX"
        np.testing.assert_array_equal(tif.series[0].asarray(), written.pixels)
        ome = ome_types.from_xml(tif.ome_metadata)
        pixel, per = tif.pages[0].tags["XResolution"].value
    assert per / pixel * 1e4 == pytest.approx(0.325, rel=1e-4)
    image = ome.images[0]
    assert image.name == "a"
    assert image.description == written.description
    assert [channel.name for channel in image.pixels.channels] == list(written.channels)
    assert image.pixels.channels[1].color.as_hex(format="long")[:7] == "#ff8001"
    assert image.pixels.physical_size_x == 325
    assert image.pixels.physical_size_x_unit.value == "nm"
    assert image.pixels.time_increment == 30
