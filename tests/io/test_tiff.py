from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io import read

RNG = np.random.default_rng(0)
DATA = Path(__file__).parents[1] / "data"


def noise(*shape: int, dtype: Any = np.uint16) -> np.ndarray:
    return RNG.integers(0, 250, shape).astype(dtype)


# ---- kinds of TIFF


def test_ome_tiff_with_all_that_it_says(tmp_path: Path) -> None:
    pixels = noise(2, 3, 2, 5, 7, dtype=np.int8)
    metadata = {
        "axes": "TZCYX",
        "Channel": [{"Name": "DAPI", "Color": 65535}, {"Name": "GFP"}],
        "PhysicalSizeX": 325.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 325.0,
        "PhysicalSizeYUnit": "nm",
        "PhysicalSizeZ": 0.002,
        "PhysicalSizeZUnit": "mm",
        "TimeIncrement": 2.0,
        "TimeIncrementUnit": "min",
        "Description": "organoids, day 5",
    }
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels, ome=True, metadata=metadata)
    image = read(tmp_path / "a.ome.tif")
    assert (image.axes, image.dtype) == ("TZCYX", np.int8)
    assert (image.channels, image.colors) == (("DAPI", "GFP"), ("#0000ff", None))
    assert (image.pixel_size_um, image.unit) == (pytest.approx(0.325), "nm")
    assert (image.z_step_um, image.frame_interval_s) == (pytest.approx(2), 120)
    assert image.description == "organoids, day 5"
    assert image.path == tmp_path / "a.ome.tif"
    assert image.notes == ()
    np.testing.assert_array_equal(image.plane(t=1, z=2), pixels[1, 2])


@pytest.mark.parametrize(
    ("unit", "symbol", "pixel_size"),
    [("micron", "µm", 0.5), ("\\u00B5m", "µm", 0.5), ("um", "µm", 0.5), ("nm", "nm", 5e-4), ("mm", "mm", 500)],
)
def test_imagej_hyperstack(tmp_path: Path, unit: str, symbol: str, pixel_size: float) -> None:
    path = tmp_path / "a.tif"
    pixels = noise(2, 3, 2, 5, 7)
    luts = [np.outer([0, 255, 255], np.arange(256) / 255).astype(np.uint8), noise(3, 256, dtype=np.uint8)]
    metadata = {"axes": "TZCYX", "unit": unit, "spacing": -1.5, "finterval": 30.0, "Labels": ["DNA", "PH3"] * 6}
    with tifffile.TiffWriter(path, imagej=True) as file:
        file.write(pixels, resolution=(2, 2), metadata={**metadata, "LUTs": luts, "Info": "stained"})
    image = read(path)
    assert (image.axes, image.channels) == ("TZCYX", ("DNA", "PH3"))
    assert image.colors == ("#00ffff", None)
    assert (image.pixel_size_um, image.unit) == (pytest.approx(pixel_size), symbol)
    assert image.z_step_um == pytest.approx(3 * pixel_size)
    assert image.frame_interval_s == 30
    assert image.description == "stained"
    np.testing.assert_array_equal(image.pixels, pixels)


@pytest.mark.parametrize("labels", [[f"c:{i % 2 + 1} z:{i // 2 + 1}" for i in range(6)], ["cells.tif"] * 6])
def test_imagej_labels_of_planes_are_no_channel_names(tmp_path: Path, labels: list[str]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(3, 2, 5, 7), imagej=True, metadata={"axes": "ZCYX", "Labels": labels})
    assert read(tmp_path / "a.tif").channels == ("channel 1", "channel 2")


def test_imagej_pages_that_lie_apart(tmp_path: Path) -> None:
    """tifffile takes them for one run of bytes and reads the second page's tags as pixels."""
    pixels = noise(2, 40, 50, dtype=np.uint8)
    description = "ImageJ=1.53g\nimages=2\nchannels=2\nhyperstack=true\nmode=composite\n"
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in pixels:
            file.write(page, description=description, metadata=None, software=None)
    image = read(tmp_path / "a.tif")
    assert image.axes == "CYX"
    np.testing.assert_array_equal(image.pixels, pixels)


def test_imagej_with_one_page_for_all_planes(tmp_path: Path) -> None:
    """Larger than 4 GB, ImageJ writes the tags of the first page only."""
    pixels = noise(3, 2, 5, 7)
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, truncate=True, metadata={"axes": "ZCYX"})
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert len(tif.pages) == 1
    image = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.pixels[2, 1], pixels[2, 1])
    np.testing.assert_array_equal(image.pixels[:, 1, 2:4, ::3], pixels[:, 1, 2:4, ::3])


def _lsm(path: Path, pixels: np.ndarray) -> None:
    """Write what an LSM 510 writes: (Z, C, Y, X) as separate samples, a thumbnail behind each page, three colors."""
    colors = np.array([60, 3, 3, 24, 36, 0], "<u4").tobytes() + bytes([255, 0, 0, 0, 0, 255, 0, 0, 0, 0, 255, 0])
    for name in (b"Ch1\0", b"Ch2\0", b"Ch3\0"):
        colors += np.array([len(name)], "<u4").tobytes() + name
    info = np.zeros(1, [(n or "reserved", t) for n, t in tifffile.TIFF.CZ_LSMINFO])
    for name, value in {
        "MagicNumber": 67127628, "StructureSize": info.itemsize, "DimensionX": pixels.shape[3],
        "DimensionY": pixels.shape[2], "DimensionZ": pixels.shape[0], "DimensionChannels": pixels.shape[1],
        "DimensionTime": 1, "ScanType": 0, "VoxelSizeX": 2e-7, "VoxelSizeY": 2e-7, "VoxelSizeZ": 1e-6,
    }.items():  # fmt: skip
        info[name] = value
    with tifffile.TiffWriter(path, byteorder="<") as file:
        for i, page in enumerate(pixels):
            tags = [(34412, 1, info.nbytes, info.tobytes(), True)] if i == 0 else []
            file.write(page, photometric="minisblack", planarconfig="separate", metadata=None,
                       extratags=tags)  # fmt: skip
            file.write(page[:, ::2, ::2], photometric="minisblack", planarconfig="separate", metadata=None,
                       subfiletype=1)  # fmt: skip
    # the colors stand at the end of the file; the structure says where
    data = bytearray(path.read_bytes())
    at = data.index(np.array([67127628], "<u4").tobytes())
    place = at + info.dtype.fields["OffsetChannelColors"][1]
    data[place : place + 4] = np.array([len(data)], "<u4").tobytes()
    path.write_bytes(bytes(data) + colors)


def test_lsm(tmp_path: Path) -> None:
    pixels = noise(4, 3, 6, 8)
    _lsm(tmp_path / "a.lsm", pixels)
    image = read(tmp_path / "a.lsm")
    assert (image.axes, image.channels) == ("ZCYX", ("Ch1", "Ch2", "Ch3"))
    assert image.colors == ("#ff0000", "#00ff00", "#0000ff")
    assert (image.pixel_size_um, image.z_step_um, image.unit) == (pytest.approx(0.2), pytest.approx(1), "µm")
    np.testing.assert_array_equal(image.pixels, pixels)
    np.testing.assert_array_equal(image.plane(z=1), pixels[1])


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_rgb_pages(tmp_path: Path, compression: str | None) -> None:
    pixels = noise(7, 5, 6, 3, dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", metadata=None, compression=compression)
    image = read(tmp_path / "a.tif")
    assert (image.axes, image.channels) == ("ZYXC", ("red", "green", "blue"))
    assert image.colors == ("#ff0000", "#00ff00", "#0000ff")
    np.testing.assert_array_equal(image.plane(z=4), np.moveaxis(pixels[4], -1, 0))


def test_print_resolution_is_no_pixel_size(tmp_path: Path) -> None:
    for resolution, unit, expected in ((300, "INCH", None), (10000, "CENTIMETER", 1.0), (50800, "INCH", 0.5)):
        tifffile.imwrite(
            tmp_path / "a.tif", noise(5, 7), resolution=(resolution,) * 2, resolutionunit=unit, metadata=None
        )
        assert read(tmp_path / "a.tif").pixel_size_um == (pytest.approx(expected) if expected else None)


def test_pages_of_unknown_meaning(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(2, 5, 7), metadata=None)
    assert read(tmp_path / "a.tif").axes == "CYX"
    assert "--axes" in read(tmp_path / "a.tif").notes[0]
    assert read(tmp_path / "a.tif", axes="TYX").axes == "TYX"
    assert read(tmp_path / "a.tif", axes="TYX").notes == ()
    assert read(tmp_path / "a.tif", channels=["DNA", "GFP"]).channels == ("DNA", "GFP")
    with pytest.raises(InputError, match=r"3 channel names were said .* which has 2"):
        read(tmp_path / "a.tif", channels=["a", "b", "c"])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64", "bool"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_dtypes_of_either_byte_order(tmp_path: Path, dtype: str, byteorder: Any) -> None:
    pixels = noise(2, 5, 7).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, byteorder=byteorder, photometric="minisblack")
    image = read(tmp_path / "a.tif")
    assert image.dtype == dtype
    assert image.plane().dtype.isnative
    np.testing.assert_array_equal(image.plane(), pixels)


def test_pyramid_in_sub_ifds(tmp_path: Path) -> None:
    pixels = noise(2, 64, 48)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        tiles = {"tile": (16, 16), "photometric": "minisblack"}
        file.write(pixels, subifds=2, metadata={"axes": "CYX"}, **tiles)
        file.write(pixels[:, ::2, ::2], subfiletype=1, **tiles)
        file.write(pixels[:, ::4, ::4], subfiletype=1, **tiles)
    image = read(tmp_path / "a.ome.tif")
    assert image.pixels.chunks == (1, 16, 16)
    assert [level.shape for level in image.pyramid] == [(2, 32, 24), (2, 16, 12)]
    np.testing.assert_array_equal(image.pyramid[1], pixels[:, ::4, ::4])


def test_several_images_in_one_file(tmp_path: Path) -> None:
    first, second = noise(2, 5, 7), noise(3, 4, 6)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        file.write(first, photometric="minisblack", metadata={"axes": "CYX", "Name": "left"})
        file.write(second, photometric="minisblack", metadata={"axes": "ZYX", "Name": "right", "PhysicalSizeX": 2.0})
    image = read(tmp_path / "a.ome.tif")
    assert image.axes == "CYX"
    assert "2 images (left, right)" in image.notes[0]
    other = read(tmp_path / "a.ome.tif", series=1)
    assert (other.axes, other.pixel_size_um) == ("ZYX", 2)
    np.testing.assert_array_equal(other.pixels, second)
    with pytest.raises(InputError, match="Say 0 to 1"):
        read(tmp_path / "a.ome.tif", series=2)


# ---- several files


def _companion(folder: Path) -> Path:
    """Write the metadata that the parts of a multi-file OME-TIFF refer to, and put the parts beside it."""
    parts = ""
    for z in range(5):
        name = f"multifile-Z{z + 1}.ome.tiff"
        (folder / name).write_bytes((DATA / "multifile" / name).read_bytes())
        with tifffile.TiffFile(folder / name) as tif:
            uuid = tif.ome_metadata.split('UUID="')[1].split('"')[0]
        parts += f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1"><UUID FileName="{name}">{uuid}</UUID></TiffData>'
    text = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:07504f88"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="18" SizeY="24" SizeZ="5" SizeC="1" SizeT="1" '
        f'PhysicalSizeX="0.5" PhysicalSizeY="0.5"><Channel ID="Channel:0" Name="DNA"/>{parts}</Pixels></Image></OME>'
    )
    path = folder / "multifile.companion.ome"
    path.write_text(text, encoding="utf-8")
    return path


def test_multi_file_ome_tiff(tmp_path: Path) -> None:
    companion = _companion(tmp_path)
    expected = np.stack([tifffile.imread(DATA / "multifile" / f"multifile-Z{z}.ome.tiff") for z in range(1, 6)])
    for path in (companion, tmp_path / "multifile-Z3.ome.tiff"):
        image = read(path)
        assert (image.axes, image.channels, image.pixel_size_um) == ("ZYX", ("DNA",), 0.5)
        np.testing.assert_array_equal(image.pixels, expected)
        np.testing.assert_array_equal(image.plane(z=3)[0], expected[3])


@pytest.mark.filterwarnings("ignore")
def test_a_missing_file_is_named(tmp_path: Path) -> None:
    companion = _companion(tmp_path)
    (tmp_path / "multifile-Z4.ome.tiff").unlink()
    with pytest.raises(InputError, match=r"5 planes .* 1 are missing; .*: multifile-Z4\.ome\.tiff"):
        read(companion)
    for path in tmp_path.glob("*.tiff"):
        path.unlink()
    with pytest.raises(InputError, match=r"none is beside it.*multifile-Z1\.ome\.tiff"):
        read(companion)


def test_a_part_without_its_companion_says_so() -> None:
    image = read(DATA / "multifile" / "multifile-Z2.ome.tiff")
    assert image.axes == "YX"
    assert "multifile.companion.ome" in image.notes[0]


# ---- laziness and handles


def _variants(tmp_path: Path) -> dict[str, Path]:
    pixels = noise(4, 3, 96, 80)
    paths = {}
    for name, options in {
        "stored": {},
        "strips": {"compression": "zlib", "rowsperstrip": 10, "predictor": True},
        "tiles": {"compression": "zlib", "tile": (32, 48)},
        "loose tiles": {"tile": (32, 48)},
    }.items():
        paths[name] = tmp_path / f"{name}.ome.tif"
        tifffile.imwrite(paths[name], pixels, ome=True, metadata={"axes": "ZCYX"}, photometric="minisblack", **options)
    for name, options in {"interleaved": {"planarconfig": "contig"}, "separate": {"planarconfig": "separate"}}.items():
        paths[name] = tmp_path / f"{name}.tif"
        shown = np.moveaxis(pixels, 1, -1) if name == "interleaved" else pixels
        tifffile.imwrite(paths[name], shown, photometric="rgb", metadata=None, compression="zlib", rowsperstrip=7,
                         **options)  # fmt: skip
    return paths


def test_any_part_of_any_layout(tmp_path: Path) -> None:
    for name, path in _variants(tmp_path).items():
        image = read(path)
        full = tifffile.imread(path)
        np.testing.assert_array_equal(image.pixels, full, err_msg=name)
        for part in (np.s_[::2], np.s_[1, ::2], np.s_[3:0:-1], np.s_[2, 1:3], np.s_[1, 2, 5:9], np.s_[1, 2, 5, 1]):
            np.testing.assert_array_equal(image.pixels[part], full[part], err_msg=f"{name} {part}")
        for _ in range(25):
            key: list[int | slice] = []
            for n in full.shape:
                start, stop = sorted(int(i) for i in RNG.integers(0, n + 1, 2))
                step = int(RNG.integers(1, 4))
                key.append(slice(start, stop, step) if RNG.random() < 0.8 else int(RNG.integers(n)))
            np.testing.assert_array_equal(image.pixels[tuple(key)], full[tuple(key)], err_msg=f"{name} {key}")


def test_no_file_is_open_between_reads(tmp_path: Path, open_files: Callable[[], set[str]]) -> None:
    for path in _variants(tmp_path).values():
        image = read(path)
        assert str(path) not in open_files()
        image.plane(z=1)
        image.pixels[0, ..., 3:9]
        assert str(path) not in open_files()


def test_opening_and_reading_a_plane_takes_no_more_than_a_plane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, noise(6, 2, 64, 64), ome=True, metadata={"axes": "ZCYX"}, compression="zlib")
    decoded: list[int] = []
    original = tifffile.TiffFrame.asarray

    def counting(frame: Any, **options: Any) -> np.ndarray:
        decoded.append(frame.index)
        return original(frame, **options)

    monkeypatch.setattr(tifffile.TiffFrame, "asarray", counting)
    image = read(path)
    assert decoded == []
    image.plane(z=4)
    assert decoded == [8, 9]


def test_a_corner_of_a_tiled_page_decodes_only_its_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    pixels = noise(512, 512)
    tifffile.imwrite(path, pixels, tile=(64, 64), compression="zlib", metadata=None)
    image = read(path)
    reads: list[int] = []
    original = tifffile.FileHandle.read

    def counting(handle: Any, size: int = -1, /) -> bytes:
        reads.append(size)
        return original(handle, size)

    monkeypatch.setattr(tifffile.FileHandle, "read", counting)
    np.testing.assert_array_equal(image.pixels[60:70, 60:70], pixels[60:70, 60:70])
    assert len(reads) == 4


def test_threads_may_read_at_once(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    path = tmp_path / "a.ome.tif"
    pixels = noise(20, 2, 64, 64)
    tifffile.imwrite(path, pixels, ome=True, metadata={"axes": "ZCYX"}, compression="zlib")
    image = read(path)
    with ThreadPoolExecutor(4) as pool:
        planes = list(pool.map(lambda z: image.plane(z=z), [*range(20)] * 3))
    np.testing.assert_array_equal(planes, np.concatenate([pixels] * 3))
