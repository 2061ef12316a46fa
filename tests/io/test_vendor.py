import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io import read

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("suffix", "library"), [("nd2", "nd2"), ("lif", "liffile"), ("czi", "pylibCZIrw.czi")])
def test_a_missing_library_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, library: str
) -> None:
    (tmp_path / f"a.{suffix}").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=r"pip install napari-phenotrans\[formats\]"):
        read(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize(("suffix", "library"), [("nd2", "nd2"), ("lif", "liffile"), ("czi", "pylibCZIrw.czi")])
def test_a_damaged_file_is_named(tmp_path: Path, suffix: str, library: str) -> None:
    pytest.importorskip(library, reason=f"{library} comes with the extra formats, which is not installed")
    (tmp_path / f"a.{suffix}").write_bytes(b"this is no image" * 100)
    with pytest.raises(InputError, match=rf"a\.{suffix} could not be read"):
        read(tmp_path / f"a.{suffix}")


def _write_lif(path: Path, pixels: np.ndarray) -> None:
    """Write (T, Z, C, Y, X) as Leica's LAS X does, version 2."""
    t, z, c, y, x = pixels.shape
    size = pixels.itemsize
    channels = "".join(
        f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="16" NameOfMeasuredQuantity="" Min="0" Max="1" '
        f'Unit="" LUTName="{lut}" IsLUTInverted="0" BytesInc="{i * y * x * size}" BitInc="0"/>'
        for i, lut in enumerate(("Blue", "Green")[:c])
    )
    place = '<Attachment Name="TileScanInfo"><Tile FieldX="0" FieldY="0" PosX="0.002" PosY="-0.001"/></Attachment>'
    steps = [
        (1, x, 5e-7, size),
        (2, y, 5e-7, size * x),
        (3, z, 1e-6, size * x * y * c),
        (4, t, 10, size * x * y * c * z),
    ]
    dimensions = "".join(
        f'<DimensionDescription DimID="{i}" NumberOfElements="{n}" Origin="0" Length="{step * (n - 1)}" Unit="m" '
        f'BitInc="0" BytesInc="{increment}"/>'
        for i, n, step, increment in steps
    )
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="project" UniqueID="a"><Data/><Memory Size="0" '
        'MemoryBlockID="MemBlock_0"/><Children><Element Name="well" UniqueID="b"><Data><Image><ImageDescription>'
        f"<Channels>{channels}</Channels><Dimensions>{dimensions}</Dimensions></ImageDescription>{place}</Image></Data>"
        f'<Memory Size="{pixels.nbytes}" MemoryBlockID="MemBlock_1"/><Children/></Element></Children></Element>'
        "</LMSDataContainerHeader>"
    )
    name = "MemBlock_1"
    head = struct.pack("<IIBI", 0x70, 5 + 2 * len(xml), 0x2A, len(xml)) + xml.encode("utf-16-le")
    block = struct.pack("<IIBQBI", 0x70, 14 + 2 * len(name), 0x2A, pixels.nbytes, 0x2A, len(name))
    path.write_bytes(head + block + name.encode("utf-16-le") + pixels.tobytes())


def test_lif(tmp_path: Path) -> None:
    pytest.importorskip("liffile", reason="liffile comes with the extra formats, which is not installed")
    pixels = RNG.integers(0, 60000, (2, 3, 2, 20, 30)).astype("<u2")
    _write_lif(tmp_path / "a.lif", pixels)
    image = read(tmp_path / "a.lif")
    assert (image.axes, image.colors) == ("TZCYX", ("#0000ff", "#00ff00"))
    assert (image.pixel_size_um, image.z_step_um) == (pytest.approx(0.5), pytest.approx(1))
    assert image.frame_interval_s == pytest.approx(10)
    # the stage stood at the center of 30 × 20 pixels
    assert image.origin_um == pytest.approx({"X": 2000 - 14.5 * 0.5, "Y": -1000 - 9.5 * 0.5})
    np.testing.assert_array_equal(image.pixels, pixels)
    np.testing.assert_array_equal(image.pixels[1, 2, :, 3:9:2], pixels[1, 2, :, 3:9:2])
    (tmp_path / "a.lif").write_bytes((tmp_path / "a.lif").read_bytes()[:-2000])
    with pytest.raises(InputError, match=r"a\.lif could not be read"):
        read(tmp_path / "a.lif").plane(t=1, z=2)


def test_czi(tmp_path: Path) -> None:
    czi = pytest.importorskip(
        "pylibCZIrw.czi", reason="pylibCZIrw comes with the extra formats, which is not installed"
    )
    pixels = RNG.integers(0, 60000, (2, 3, 2, 20, 30)).astype(np.uint16)
    with czi.create_czi(str(tmp_path / "a.czi")) as file:
        for t, z, c in np.ndindex(2, 3, 2):
            file.write(pixels[t, z, c], plane={"T": t, "Z": z, "C": c})
        blue = czi.ChannelDisplaySettingsDataClass(True, czi.TintingMode.Color, czi.Rgb8Color(0, 0, 255), 0.0, 1.0)
        file.write_metadata(
            "well",
            channel_names={0: "DAPI", 1: "GFP"},
            scale_x=2.5e-7,
            scale_y=2.5e-7,
            scale_z=1e-6,
            display_settings={0: blue},
        )
    image = read(tmp_path / "a.czi")
    assert (image.axes, image.channels, image.colors) == ("TZCYX", ("DAPI", "GFP"), ("#0000ff", None))
    assert (image.pixel_size_um, image.z_step_um, image.unit) == (pytest.approx(0.25), pytest.approx(1), "µm")
    np.testing.assert_array_equal(image.pixels, pixels)
    np.testing.assert_array_equal(image.pixels[1, 2, 0, 3:9:2, 7], pixels[1, 2, 0, 3:9:2, 7])
    with pytest.raises(InputError, match="holds 1 scenes; number 1 was asked for"):
        read(tmp_path / "a.czi", series=1)


def test_scenes_of_a_czi_lie_where_they_were_on_the_slide(tmp_path: Path) -> None:
    czi = pytest.importorskip(
        "pylibCZIrw.czi", reason="pylibCZIrw comes with the extra formats, which is not installed"
    )
    planes = RNG.integers(0, 60000, (2, 20, 30)).astype(np.uint16)
    with czi.create_czi(str(tmp_path / "a.czi")) as file:
        for scene, place in enumerate(((100, 40), (400, 240))):
            file.write(planes[scene], location=place, scene=scene, plane={"C": 0})
        file.write_metadata("slide", channel_names={0: "DAPI"}, scale_x=5e-7, scale_y=5e-7)
    for scene, origin in enumerate(({"X": 50, "Y": 20}, {"X": 200, "Y": 120})):
        image = read(tmp_path / "a.czi", series=scene)
        assert (image.axes, image.channels, image.sizes) == ("YX", ("DAPI",), {"Y": 20, "X": 30})
        assert image.origin_um == pytest.approx(origin)
        assert "holds 2 scenes" in image.notes[0]
        np.testing.assert_array_equal(image.plane()[0], planes[scene])


def test_a_real_nd2() -> None:
    """A Nikon A1's stack over time; `tools/real_files.sh` fetches it out of another reader's sources."""
    nd2 = pytest.importorskip("nd2", reason="nd2 comes with the extra formats, which is not installed")
    path = Path(__file__).parents[2] / ".tox" / "real" / "cluster.nd2"
    if not path.exists():
        pytest.skip("the file is not here (tools/real_files.sh fetches it)")
    image = read(path)
    assert (image.axes, image.dtype) == ("TZCYX", np.uint16)
    assert image.sizes == {"T": 3, "Z": 10, "C": 2, "Y": 31, "X": 38}
    assert image.channels == ("5-FAM/pH 9.0", "FM 4-64/2% CHAPS")
    assert image.colors == ("#78e90f", "#fe0100")
    assert (image.pixel_size_um, image.z_step_um) == (pytest.approx(0.167809, abs=1e-6), 0.5)
    # the stage stood at -26056.95, -4155.46 µm, at the center of the field
    assert image.origin_um == pytest.approx({"X": -26056.951 - 18.5 * 0.167809, "Y": -4155.463 - 15 * 0.167809})
    with nd2.ND2File(path) as file:
        expected = file.asarray()
    for t, z in image.positions():
        np.testing.assert_array_equal(image.plane(t, z), expected[t, z])
