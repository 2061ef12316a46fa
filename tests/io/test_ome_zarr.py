import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io import read

RNG = np.random.default_rng(0)
DATA = Path(__file__).parents[1] / "data"
AXES = [
    {"name": "t", "type": "time", "unit": "minute"},
    {"name": "c", "type": "channel"},
    {"name": "z", "type": "space", "unit": "nanometer"},
    {"name": "y", "type": "space", "unit": "nanometer"},
    {"name": "x", "type": "space", "unit": "nanometer"},
]
CHANNELS = [{"label": "DAPI", "color": "0000FF"}, {"label": "GFP", "color": "#00ff00"}]


def make(path: Path, version: str, **multiscale: Any) -> np.ndarray:
    """Write an image as other programs do."""
    pixels = RNG.integers(0, 200, (2, 2, 3, 8, 10)).astype(np.uint16)
    group = zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)
    for level in (0, 1):
        group.create_array(str(level), data=pixels[..., :: 2**level, :: 2**level], chunks=(1, 1, 1, 4, 5))
    scale = [{"type": "scale", "scale": [0.5, 1.0, 2000.0, 325.0, 325.0]}]
    datasets = [{"path": "0", "coordinateTransformations": scale}, {"path": "1"}]
    image = {"version": version, "axes": AXES, "datasets": datasets} | multiscale
    attributes = {"multiscales": [image], "omero": {"channels": CHANNELS}}
    group.attrs.update({"ome": {"version": "0.5", **attributes}} if version == "0.5" else attributes)
    return pixels


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_all_that_it_says(tmp_path: Path, version: str) -> None:
    pixels = make(tmp_path / "a.ome.zarr", version)
    image = read(tmp_path / "a.ome.zarr")
    assert (image.axes, image.dtype) == ("TCZYX", np.uint16)
    assert (image.channels, image.colors) == (("DAPI", "GFP"), ("#0000ff", "#00ff00"))
    assert (image.pixel_size_um, image.unit) == (pytest.approx(0.325), "nm")
    assert (image.z_step_um, image.frame_interval_s) == (pytest.approx(2), 30)
    assert [level.shape for level in image.pyramid] == [(2, 2, 3, 4, 5)]
    assert image.pixels.chunks == (1, 1, 1, 4, 5)
    np.testing.assert_array_equal(image.pixels, pixels)
    np.testing.assert_array_equal(image.plane(t=1, z=2), pixels[1, :, 2])
    np.testing.assert_array_equal(image.pixels[1, ::-1, 2, 3:7:2, 4], pixels[1, ::-1, 2, 3:7:2, 4])


def test_scales_multiply(tmp_path: Path) -> None:
    make(tmp_path / "a.zarr", "0.4", coordinateTransformations=[{"type": "scale", "scale": [4.0, 1, 1, 2, 2]}])
    image = read(tmp_path / "a.zarr")
    assert image.pixel_size_um == pytest.approx(0.65)
    assert image.frame_interval_s == 120


def test_axes_by_letters_by_name_and_of_old_versions(tmp_path: Path) -> None:
    make(tmp_path / "a.zarr", "0.3", axes=["t", "c", "z", "y", "x"])
    image = read(tmp_path / "a.zarr")
    assert (image.axes, image.pixel_size_um) == ("TCZYX", None)
    assert "no unit" in image.notes[0]
    make(tmp_path / "b.zarr", "0.2", axes=None)
    assert read(tmp_path / "b.zarr").axes == "TCZYX"
    make(tmp_path / "c.zarr", "0.4", axes=[{"name": n} for n in ("time", "channel", "z", "y", "x")])
    assert read(tmp_path / "c.zarr").axes == "TCZYX"
    make(tmp_path / "d.zarr", "0.4", axes=[{"name": n} for n in ("angle", "c", "z", "y", "x")])
    with pytest.raises(InputError, match=r"holds the axes \?CZYX"):
        read(tmp_path / "d.zarr")
    assert read(tmp_path / "d.zarr", axes="TCZYX").axes == "TCZYX"


def test_reading_a_plane_reads_its_chunks_only(tmp_path: Path) -> None:
    pixels = make(tmp_path / "a.zarr", "0.4")
    # chunk files of the other time point go; a reader that touched them would give zeros
    for path in (tmp_path / "a.zarr" / "0").glob("0.*"):
        path.write_bytes(b"damaged")
    image = read(tmp_path / "a.zarr")
    np.testing.assert_array_equal(image.plane(t=1, z=0), pixels[1, :, 0])
    with pytest.raises(InputError, match=r"a\.zarr could not be read.*OME-Zarr image"):
        image.plane(t=0, z=0)


def test_a_plate_says_what_can_be_opened() -> None:
    with pytest.raises(InputError, match=r"(?s)is a plate of 1 well.*plate_ones_mip\.zarr/B/03/0"):
        read(DATA / "plate_ones_mip.zarr")
    image = read(DATA / "plate_ones_mip.zarr" / "B" / "03" / "0")
    assert image.axes == "CZYX"


def test_a_well_says_what_can_be_opened(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_group("A/1").attrs["well"] = {"images": [{"path": "0"}, {"path": "1"}]}
    group.attrs["plate"] = {"wells": [{"path": "A/1"}]}
    for path in (tmp_path / "a.zarr", tmp_path / "a.zarr" / "A" / "1"):
        with pytest.raises(InputError, match=r"a\.zarr/A/1/0\n.*a\.zarr/A/1/1"):
            read(path)


def test_containers_of_several_images(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    make(tmp_path / "a.zarr" / "0", "0.4")
    pixels = make(tmp_path / "a.zarr" / "1", "0.4")
    assert "2 images; number 0" in read(tmp_path / "a.zarr").notes[0]
    np.testing.assert_array_equal(read(tmp_path / "a.zarr", series=1).pixels, pixels)
    with pytest.raises(InputError, match="holds the images 0, 1; 2 was asked for"):
        read(tmp_path / "a.zarr", series=2)


def test_a_bare_array_is_guessed_with_a_note(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=np.zeros((2, 8, 8), np.uint8))
    image = read(tmp_path / "a.zarr")
    assert image.axes == "CYX"
    assert "--axes" in image.notes[0]


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "a.zarr", "0.4")
    with pytest.raises(InputError, match=r"b\.zarr is a Zarr group without an OME-Zarr image"):
        zarr.open_group(tmp_path / "b.zarr", mode="w")
        read(tmp_path / "b.zarr")
    (tmp_path / "c.zarr").mkdir()
    with pytest.raises(InputError, match=r"c\.zarr could not be read"):
        read(tmp_path / "c.zarr")
    (tmp_path / "a.zarr" / ".zattrs").write_text("{")
    with pytest.raises(InputError, match=r"a\.zarr could not be read"):
        read(tmp_path / "a.zarr")
    make(tmp_path / "d.zarr", "0.4", datasets=[{"path": "missing"}])
    with pytest.raises(InputError, match=r"d\.zarr could not be read"):
        read(tmp_path / "d.zarr")
    (tmp_path / "d.zarr" / ".zattrs").write_text(json.dumps({"multiscales": [{"datasets": []}]}))
    with pytest.raises(InputError, match=r"d\.zarr could not be read"):
        read(tmp_path / "d.zarr")
