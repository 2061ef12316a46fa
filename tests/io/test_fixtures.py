"""Contract of all readers, over files that others made.

Those in ``tests/data`` come with the repository; many more are read in place where a folder beside the repository
holds them.
"""

from __future__ import annotations

import warnings
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr
from zarr.errors import ZarrUserWarning

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io import find_channel_files, read

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).parents[1] / "data"
OTHERS = Path(__file__).parents[3] / "shared" / "data" / "fixtures"
RGB = ("red", "green", "blue")

# path: (axes, shape, dtype, channels where they are named, pixel size in µm)
BUNDLED: dict[str, tuple[str, tuple[int, ...], str, tuple[str, ...] | None, float | None]] = {
    "5channel.tif": ("CYX", (5, 64, 64), "uint8", None, None),
    "MetamorphImage.tif": ("YX", (520, 696), "uint16", ("Cy5",), 0.645),
    "iamac01file.c01": ("YX", (512, 512), "uint16", None, 1.29),
    "CYX_plain_2pages.tif": ("CYX", (2, 256, 256), "uint16", None, None),
    "YXC_interleaved_2ch_plain.tif": ("YXC", (256, 256, 2), "uint16", None, None),
    "CZYX.ome.tif": ("CZYX", (2, 2, 256, 256), "uint16", ("DNA", "FKHR-EGFP"), 0.5),
    "multi-channel.ome.tif": ("CYX", (3, 167, 439), "int8", None, None),
    **{f"multifile/multifile-Z{z}.ome.tiff": ("YX", (24, 18), "uint8", None, 1.0) for z in range(1, 6)},
    **{f"channel_files/Channel_{c}.tif": ("YX", (167, 439), "uint8", None, None) for c in range(3)},
    "channel_files": ("CYX", (3, 167, 439), "uint8", ("Channel_0", "Channel_1", "Channel_2"), None),
    "metaxpress": ("CYX", (2, 256, 256), "uint16", ("FITC", "Cy3"), 13.5504),
    "xy_float__nuclei_probability.tif": ("YX", (50, 59), "float32", None, None),
    "bioformats2raw.zarr": ("TCZYX", (1, 3, 1, 167, 439), "int8", None, None),
    "blobs_image_v04.ome.zarr": ("CYX", (3, 12, 12), "float64", None, None),
    "blobs_image_v05.ome.zarr": ("CYX", (3, 12, 12), "float64", None, None),
    "plate_ones_mip.zarr/B/03/0": ("CZYX", (2, 1, 1080, 1280), "uint16", ("some-label-1", "some-label-2"), 0.1625),
}

# pattern of paths: (axes, shape, dtype); a plate is no image
ELSEWHERE: dict[str, tuple[str, tuple[int, ...], str] | None] = {
    "cellprofiler_formats/5channel.tif": ("CYX", (5, 64, 64), "uint8"),
    "cellprofiler_formats/MetamorphImage.tif": ("YX", (520, 696), "uint16"),
    "cellprofiler_formats/NikonTIF.tif": ("YXC", (731, 805, 3), "uint8"),
    "cellprofiler_formats/iamac01file.c01": ("YX", (512, 512), "uint16"),
    "derived_from_bbbc013/CYX_float32.ome.tif": ("CYX", (2, 256, 256), "float32"),
    "derived_from_bbbc013/CYX_plain_2pages.tif": ("CYX", (2, 256, 256), "uint16"),
    "derived_from_bbbc013/CZYX.ome.tif": ("CZYX", (2, 2, 256, 256), "uint16"),
    "derived_from_bbbc013/TCZYX.ome.tif": ("TCZYX", (3, 2, 2, 256, 256), "uint16"),
    "derived_from_bbbc013/TZCYX*.tif": ("TZCYX", (3, 2, 2, 256, 256), "uint16"),
    "derived_from_bbbc013/YX.ome.tif": ("YX", (256, 256), "uint16"),
    "derived_from_bbbc013/YXC_interleaved_2ch_plain.tif": ("YXC", (256, 256, 2), "uint16"),
    "derived_from_bbbc013/ZCYX.ome.tif": ("ZCYX", (2, 2, 256, 256), "uint16"),
    "derived_from_bbbc013/pyramid_tiled_CYX.ome.tif": ("CYX", (2, 640, 640), "uint16"),
    "examplehuman_3files/*.tif": ("YX", (512, 512), "uint8"),
    "imagexpress_1well_3c_zmix/*.tif": ("YX", (256, 256), "uint16"),
    "nd2/cluster.nd2": ("TZCYX", (3, 10, 2, 31, 38), "uint16"),
    "neubias/xy_calibrated_16bit__nuclear_protein_*.tif": ("YX", (1192, 1192), "uint16"),
    "neubias/xy_float__nuclei_probability.tif": ("YX", (50, 59), "float32"),
    "neubias/xyc_16bit__hela-cells.tif": ("YXC", (512, 672, 3), "uint16"),
    "neubias/xyt_calibrated_16bit__golgi_bfa_sum_projection.tif": ("TYX", (30, 137, 147), "float32"),
    "neubias/xyzc_16bit__dna_conf_wf.tif": ("ZCYX", (45, 2, 130, 133), "uint16"),
    "nf1_cellpainting_shrunken/*.tif": ("YX", (904, 1224), "uint16"),
    "ome_tiff_5d/4D-series.ome.tiff": ("TZYX", (7, 5, 167, 439), "int8"),
    "ome_tiff_5d/multi-channel-time-series.ome.tiff": ("TCYX", (7, 3, 167, 439), "int8"),
    "ome_tiff_5d/multi-channel-z-series.ome.tiff": ("CZYX", (3, 5, 167, 439), "int8"),
    "ome_tiff_5d/multi-channel.ome.tiff": ("CYX", (3, 167, 439), "int8"),
    "ome_tiff_5d/single-channel.ome.tiff": ("YX", (167, 439), "int8"),
    "ome_tiff_5d/time-series.ome.tif": ("TYX", (7, 167, 439), "int8"),
    "ome_tiff_5d/z-series.ome.tiff": ("ZYX", (5, 167, 439), "int8"),
    "ome_zarr/6001240_labels_v0.5.zarr": ("CZYX", (2, 236, 68, 67), "uint16"),
    "ome_zarr/plate_ones_mip.zarr": None,
    "ome_zarr/tubhiswt4D_sub.zarr": ("TCZYX", (3, 1, 2, 512, 512), "uint8"),
    "piximi_multichannel_tiff/16b_1c_fluorescence.tif": ("YX", (384, 384), "uint16"),
    "piximi_multichannel_tiff/16b_3c_*.tif": ("CYX", (3, 512, 512), "uint16"),
    "piximi_multichannel_tiff/16b_4c_*.tif": ("CYX", (4, 512, 512), "uint16"),
    "piximi_multichannel_tiff/8b_2c_actin-nuclei.tif": ("CYX", (2, 450, 450), "uint8"),
    "piximi_multichannel_tiff/8b_3c_*.tif": ("CYX", (3, 512, 512), "uint8"),
    "piximi_multichannel_tiff/8b_4c_*.tif": ("CYX", (4, 512, 512), "uint8"),
    "piximi_multichannel_tiff/8b_5c_*.tif": ("CYX", (5, 512, 512), "uint8"),
    "piximi_multichannel_tiff/8b_rgb_F*.tif": ("YXC", (512, 512, 3), "uint8"),
    "piximi_multichannel_tiff/8b_rgb_stack_*.tif": ("CYX", (3, 512, 512), "uint8"),
    "piximi_multichannel_tiff/9z_*.tif": ("ZYX", (9, 256, 256), "uint8"),
    "viv_ome/bioformats-zarr/data.zarr": ("TCZYX", (1, 3, 1, 167, 439), "int8"),
    "viv_ome/multi-channel.ome.tif": ("CYX", (3, 167, 439), "int8"),
    "viv_ome/multi-tiff/Channel_?.tif": ("YX", (167, 439), "uint8"),
    "viv_ome/multifile-Z?.ome.tiff": ("YX", (24, 18), "uint8"),
    "viv_ome/ome-zarr/blobs_image_v0?.ome.zarr": ("CYX", (3, 12, 12), "float64"),
}


def _listed() -> list[str]:
    table = OTHERS / "fixtures.tsv"
    return [line.split("\t")[0] for line in table.read_text().splitlines()] if table.is_file() else []


def _independently(path: Path) -> np.ndarray | None:
    """Read all pixels by the format's own library, page by page where the file has pages."""
    if path.suffix == ".zarr":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ZarrUserWarning)  # about what the writer did
            node: Any = zarr.open(path, mode="r")
            while isinstance(node, zarr.Group):
                node = node[min(name for name in node if name.isdigit())]
        return node[...]
    if path.suffix in (".tif", ".tiff"):
        with tifffile.TiffFile(path) as tif:
            pages = np.stack([page.asarray() for page in tif.pages])
            series = tif.series[0]
            return pages if pages.size == series.size else series.asarray()
    if path.suffix == ".nd2":
        nd2 = pytest.importorskip("nd2", reason="nd2 comes with the extra formats, which is not installed")
        return nd2.imread(path)
    return None


def assert_contract(
    path: Path, open_files: Callable[[], set[str]], axes: str, shape: tuple[int, ...], dtype: str
) -> None:
    """Check what holds for every image of every reader."""
    image = read(path)
    assert (image.axes, image.pixels.shape, image.dtype) == (axes, shape, dtype)
    assert len(image.channels) == len(image.colors) == image.sizes.get("C", 1)
    assert image.path is not None
    assert image.path == path or image.path.parent == path
    assert not [name for name in open_files() if name.startswith(str(path))]
    # any plane equals a slice of the whole, and is small news to the caller
    t, z = list(image.positions())[-1]
    plane = image.plane(t=t, z=z)
    assert plane.dtype == dtype
    assert plane.dtype.isnative
    index = tuple({"T": t, "Z": z}.get(letter, slice(None)) for letter in axes)
    rest = [letter for letter in axes if letter in "CYX"]
    expected = np.asarray(image.pixels)[index]
    if "C" not in rest:
        rest, expected = ["C", *rest], expected[np.newaxis]
    np.testing.assert_array_equal(plane, np.transpose(expected, [rest.index(letter) for letter in "CYX"]))
    corner = (..., slice(3, 9), slice(None, None, 3))
    np.testing.assert_array_equal(image.pixels[corner], np.asarray(image.pixels)[corner])
    whole = _independently(path)
    if whole is not None:
        np.testing.assert_array_equal(image.pixels, whole.reshape(shape))
    assert not [name for name in open_files() if name.startswith(str(path))]


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_files(name: str, open_files: Callable[[], set[str]]) -> None:
    axes, shape, dtype, channels, pixel_size = BUNDLED[name]
    assert_contract(DATA / name, open_files, axes, shape, dtype)
    image = read(DATA / name)
    assert image.channels == (channels or tuple(f"channel {i + 1}" for i in range(len(image.channels))))
    assert image.pixel_size_um == (pytest.approx(pixel_size, rel=1e-4) if pixel_size else None)
    assert (image.unit == "pixel") == (pixel_size is None)


@pytest.mark.skipif(not _listed(), reason="the larger set of files that others made is not beside the repository")
@pytest.mark.parametrize("name", _listed() or ["none"])
def test_files_read_in_place(name: str, open_files: Callable[[], set[str]]) -> None:
    expected = next(value for pattern, value in ELSEWHERE.items() if fnmatch(name, pattern))
    if expected is None:
        with pytest.raises(InputError, match="is a plate"):
            read(OTHERS / name)
        return
    if name.endswith(".nd2"):
        pytest.importorskip("nd2", reason="nd2 comes with the extra formats, which is not installed")
    assert_contract(OTHERS / name, open_files, *expected)


@pytest.mark.skipif(not _listed(), reason="the larger set of files that others made is not beside the repository")
def test_metadata_of_files_read_in_place() -> None:
    def of(name: str, *fields: str) -> tuple[Any, ...]:
        image = read(OTHERS / name)
        return tuple(getattr(image, field) for field in fields)

    name = "neubias/xyzc_16bit__dna_conf_wf.tif"
    assert of(name, "colors", "unit") == (("#ff00ff", "#00ff00"), "µm")
    assert of(name, "pixel_size_um", "z_step_um") == (
        pytest.approx(0.51188, rel=1e-4),
        pytest.approx(0.49941, rel=1e-4),
    )
    assert of("neubias/xyt_calibrated_16bit__golgi_bfa_sum_projection.tif", "frame_interval_s") == (59.86,)
    name = "piximi_multichannel_tiff/16b_3c_nueron-composite.tif"
    assert of(name, "pixel_size_um", "channels") == (0.16, ("channel 1", "channel 2", "channel 3"))
    name = "ome_zarr/6001240_labels_v0.5.zarr"
    assert of(name, "channels", "colors") == (("LaminB1", "Dapi"), ("#0000ff", "#ffff00"))
    assert of(name, "pixel_size_um", "z_step_um") == (pytest.approx(1.44159, rel=1e-4), pytest.approx(0.5002, rel=1e-4))
    assert [level.shape[-2:] for level in of("ome_zarr/tubhiswt4D_sub.zarr", "pyramid")[0]] == [(256, 256), (128, 128)]
    levels = of("derived_from_bbbc013/pyramid_tiled_CYX.ome.tif", "pyramid")[0]
    assert [level.shape for level in levels] == [(2, 320, 320), (2, 160, 160)]
    assert of("piximi_multichannel_tiff/8b_rgb_FluorescentCells.tif", "channels") == (RGB,)


@pytest.mark.skipif(not _listed(), reason="the larger set of files that others made is not beside the repository")
@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("examplehuman_3files/AS_09125_050116030001_D03f00d1.tif", ("d0", "d1", "d2")),
        ("nf1_cellpainting_shrunken/Plate_2_images/H12_01_2_1_GFP_001.tif", ("DAPI", "GFP", "RFP")),
        ("viv_ome/multi-tiff/Channel_1.tif", ("Channel_0", "Channel_1", "Channel_2")),
        (
            "imagexpress_1well_3c_zmix/1well-3C-2S-Zmix-T/2024-04-22/1697/TimePoint_1/"
            "1well-3C-2S-Zmix-T_C07_s2_w29E8DE988-C6EC-49A6-8D1B-2BC852EA11E9.tif",
            ("FITC", "Cy3", "Texas Red"),
        ),
    ],
)
def test_files_of_one_field_read_in_place(name: str, channels: tuple[str, ...]) -> None:
    image = read(OTHERS / name, join=True)
    assert (image.channels, image.axes) == (channels, "CYX")
    found = find_channel_files(OTHERS / name)[0]
    for (_, channel, _), path in found.files.items():
        index = found.channels.index(channel)
        np.testing.assert_array_equal(image.pixels[index], tifffile.imread(path))
