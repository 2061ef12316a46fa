"""Files as users of other programs reported them, each with the value that is right, and its kind made anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io import read

CASES = Path(__file__).parents[3] / "shared" / "data" / "field_cases"
RNG = np.random.default_rng(0)
there = pytest.mark.skipif(not CASES.is_dir(), reason="the reported files are not here")


def noise(*shape: int) -> np.ndarray:
    return RNG.integers(1, 250, shape).astype(np.uint8)


# ---- the reported files


@there
@pytest.mark.parametrize("name", ["ij_inch300.tif", "org_inch96.tif", "plain_300dpi.tif"])
def test_a_print_resolution_is_no_pixel_size(name: str) -> None:
    image = read(CASES / "F01_inch" / name)
    assert (image.pixel_size_um, image.unit) == (None, "pixel")
    assert name.startswith("plain") or any("pixels per inch" in note for note in image.notes)


@there
@pytest.mark.parametrize(
    ("name", "pixel_size"), [("ome_metadataonly.ome.tif", 0.25), ("mmpos_only1/MM_Pos1.ome.tif", 0.325)]
)
def test_metadata_are_those_of_the_image_that_is_read(name: str, pixel_size: float) -> None:
    image = read(CASES / "F03_ome_image_index" / name)
    assert image.channels == ("DNA", "FKHR-EGFP")
    assert image.pixel_size_um == pytest.approx(pixel_size)


@there
def test_channels_of_one_name_are_told_apart() -> None:
    image = read(CASES / "F07_duplicate_names" / "dupnames.ome.tif")
    assert image.channels == ("DNA", "FKHR-EGFP", "DNA (2)")
    assert "called DNA" in image.notes[0]
    assert [image.plane()[i].mean() for i in (0, 2)] == [pytest.approx(28.24, abs=0.01), 7]


@there
def test_a_position_on_the_stage_is_kept() -> None:
    image = read(CASES / "F11_position_lost" / "z04.ome.zarr")
    assert image.origin_um == {"Z": 0, "Y": 100, "X": 250}


# ---- which image of a set


def _image(number: int, pixel_size: float, channels: tuple[str, ...], planes: str) -> str:
    named = "".join(f'<Channel ID="Channel:{number}:{i}" Name="{c}"/>' for i, c in enumerate(channels))
    return (
        f'<Image ID="Image:{number}" Name="Pos{number}"><Pixels ID="Pixels:{number}" DimensionOrder="XYCZT" '
        f'Type="uint8" SizeX="12" SizeY="8" SizeC="{len(channels)}" SizeZ="1" SizeT="1" PhysicalSizeX="{pixel_size}" '
        f'PhysicalSizeY="{pixel_size}">{named}{planes}</Pixels></Image>'
    )


def _ome(images: str, uuid: str = "") -> str:
    stated = f' UUID="urn:uuid:{uuid}"' if uuid else ""
    return f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"{stated}>{images}</OME>'


def _write(path: Path, xml: str, pixels: np.ndarray) -> None:
    with tifffile.TiffWriter(path) as file:
        for i, page in enumerate(pixels):
            description = xml.encode() if i == 0 else None
            file.write(page, description=description, metadata=None, photometric="minisblack")


def _in_file(name: str, uuid: str, count: int) -> str:
    return "".join(
        f'<TiffData FirstC="{i}" IFD="{i}" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{uuid}</UUID></TiffData>'
        for i in range(count)
    )


def _positions(folder: Path, count: int, uuids: bool) -> list[np.ndarray]:
    """Write a set of which each file describes all, as Micro-Manager does."""
    images = "".join(
        _image(i, 0.1 * (i + 1), (f"a{i}", f"b{i}"), _in_file(f"Pos{i}.ome.tif", f"0-{i}", 2)) for i in range(count)
    )
    pixels = [noise(2, 8, 12) for _ in range(count)]
    for i, of_position in enumerate(pixels):
        _write(folder / f"Pos{i}.ome.tif", _ome(images, f"0-{i}" if uuids else ""), of_position)
    return pixels


@pytest.mark.parametrize("uuids", [True, False])
@pytest.mark.parametrize("absent", [(), (0,), (0, 1), (2,)])
def test_a_file_of_a_set_gives_its_own_position(
    tmp_path: Path, uuids: bool, absent: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    pixels = _positions(tmp_path, 3, uuids)
    for i in absent:
        (tmp_path / f"Pos{i}.ome.tif").unlink()
    for i in set(range(3)) - set(absent):
        image = read(tmp_path / f"Pos{i}.ome.tif")
        assert (image.channels, image.pixel_size_um) == ((f"a{i}", f"b{i}"), pytest.approx(0.1 * (i + 1)))
        np.testing.assert_array_equal(image.plane(), pixels[i])
        assert any("one of a set" in note for note in image.notes)
    assert not caplog.records


@pytest.mark.parametrize("before", [1, 3])
@pytest.mark.parametrize("kind", ["<MetadataOnly/>", "", '<TiffData IFD="90" PlaneCount="2"/>'])
def test_images_without_planes_are_passed_over(tmp_path: Path, before: int, kind: str) -> None:
    lacking = "".join(_image(i, 5, ("red", "green"), kind) for i in range(before))
    pixels = noise(2, 8, 12)
    own = _image(before, 0.25, ("DNA", "GFP"), '<TiffData IFD="0" PlaneCount="2"/>')
    _write(tmp_path / "a.ome.tif", _ome(lacking + own), pixels)
    image = read(tmp_path / "a.ome.tif")
    assert (image.channels, image.pixel_size_um) == (("DNA", "GFP"), 0.25)
    np.testing.assert_array_equal(image.plane(), pixels)


@pytest.mark.parametrize(
    "name", ["/etc/other.tif", "../other.tif", "sub/../../other.tif", "C:\\data\\other.tif", "pipe.tif"]
)
def test_an_image_reads_only_itself(tmp_path: Path, name: str) -> None:
    import os

    folder = tmp_path / "images"
    folder.mkdir()
    os.mkfifo(folder / "pipe.tif")
    tifffile.imwrite(tmp_path / "other.tif", noise(8, 12))
    _write(folder / "a.ome.tif", _ome(_image(0, 1, ("a", "b"), _in_file(name, "0-9", 2)), "0-0"), noise(2, 8, 12))
    with pytest.raises(InputError, match=r"refers to .*other|refers to .*pipe"):
        read(folder / "a.ome.tif")


# ---- what the numbers mean


@pytest.mark.parametrize(("dtype", "brightest"), [("uint8", 255), ("uint16", 65535)])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_white_is_zero(tmp_path: Path, dtype: str, brightest: int, compression: str | None) -> None:
    stored = noise(2, 8, 12).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="miniswhite", compression=compression, metadata=None)
    image = read(tmp_path / "a.tif")
    assert image.dtype == dtype
    np.testing.assert_array_equal(image.plane(), brightest - stored)
    assert any("white is zero" in note for note in image.notes)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_signed_pixels_of_imagej(tmp_path: Path, compression: str | None) -> None:
    pixels = RNG.integers(-300, 300, (2, 8, 12)).astype(np.int16)
    description = "ImageJ=1.53t\nimages=2\nchannels=2\nhyperstack=true\ncf=0\nc0=-32768.0\nc1=1.0\nvunit=Gray Value\n"
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in (pixels.astype(np.int32) + 32768).astype(np.uint16):
            file.write(page, description=description, metadata=None, software=None, compression=compression)
    image = read(tmp_path / "a.tif")
    assert image.dtype == np.int16
    np.testing.assert_array_equal(image.plane(), pixels)
    assert "32768" in " ".join(image.notes)


def test_another_calibration_of_imagej_is_named(tmp_path: Path) -> None:
    stored = noise(8, 12)
    description = "ImageJ=1.53t\nimages=1\ncf=0\nc0=0.5\nc1=0.01\nvunit=OD\n"
    tifffile.imwrite(tmp_path / "a.tif", stored, description=description, metadata=None, software=None)
    image = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.plane()[0], stored)
    assert "0.5 + 0.01" in " ".join(image.notes)


# ---- pixel sizes and names


@pytest.mark.parametrize("dpi", [72, 96, 150, 300, 600])
@pytest.mark.parametrize("unit", ["inch", "cm", "micron", "mm"])
def test_print_resolutions_in_every_unit(tmp_path: Path, dpi: int, unit: str) -> None:
    per_unit = dpi / 25400 * {"inch": 25400, "cm": 1e4, "micron": 1, "mm": 1e3}[unit]
    with tifffile.TiffWriter(tmp_path / "a.tif", imagej=True) as file:
        file.write(noise(8, 12), resolution=(per_unit, per_unit), metadata={"unit": unit})
    image = read(tmp_path / "a.tif")
    assert image.pixel_size_um is None
    assert f"{dpi} pixels per inch" in " ".join(image.notes)


@pytest.mark.parametrize(
    "unit", ["µm", "um", "Micrometres", "MICRONS", "um/pixel", "µm per px", "Âµm", "&#181;m", "[um]", "micro-meter"]
)
def test_a_unit_in_other_spelling(tmp_path: Path, unit: str) -> None:
    metadata = {"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "UNIT"}
    tifffile.imwrite(tmp_path / "a.ome.tif", noise(2, 8, 12), ome=True, metadata=metadata)
    from xml.sax.saxutils import escape

    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        text = tif.ome_metadata
    assert text is not None
    _write(tmp_path / "b.ome.tif", text.replace('"UNIT"', f'"{escape(unit)}"'), noise(2, 8, 12))
    image = read(tmp_path / "b.ome.tif")
    assert (image.pixel_size_um, image.unit) == (0.5, "µm")


@pytest.mark.parametrize(
    "names",
    [
        ("0", "1"),
        ("1", "2"),
        ("c:1/2 z:1/1", "c:2/2 z:1/1"),
        ("a.tif:1", "a.tif:2"),
        ("a", "b"),
        ("Slice 1", "Slice 2"),
        ("c:1/2 - a.tif", "c:2/2 - a.tif"),
        ("a-0001", "a-0002"),
    ],
)
def test_names_that_number_planes_are_no_stains(tmp_path: Path, names: tuple[str, str]) -> None:
    metadata = {"axes": "CYX", "Channel": [{"Name": name} for name in names]}
    tifffile.imwrite(tmp_path / "a.ome.tif", noise(2, 8, 12), ome=True, metadata=metadata)
    image = read(tmp_path / "a.ome.tif")
    assert image.channels == ("channel 1", "channel 2")
    assert "name no stain" in " ".join(image.notes)


@pytest.mark.parametrize("names", [("405", "488"), ("S100", "p53"), ("Ch1", "Ch2"), ("DAPI", "CD45"), ("488 nm", "C2")])
def test_names_of_stains_stay(tmp_path: Path, names: tuple[str, str]) -> None:
    metadata = {"axes": "CYX", "Channel": [{"Name": name} for name in names]}
    tifffile.imwrite(tmp_path / "a.ome.tif", noise(2, 8, 12), ome=True, metadata=metadata)
    assert read(tmp_path / "a.ome.tif").channels == names


# ---- dtypes


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_what_is_no_intensity_is_refused(tmp_path: Path, dtype: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(2, 8, 12).astype(dtype), photometric="minisblack", metadata=None)
    with pytest.raises(InputError, match=f"pixels of type {dtype}, which are no intensities"):
        read(tmp_path / "a.tif")
