"""Hyperstacks as ImageJ opens them: by what stands in the file, and by ImageJ itself where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import provenance, read, write
from napari_phenotrans.io.formats import IMAGEJ_DTYPES
from napari_phenotrans.io.write_imagej import write_imagej

RNG = np.random.default_rng(0)
HOW = {"kind": "translated", "source": "untreated", "target": "drug", "checkpoint": "shift", "strength": 0.5}
REPOSITORY = Path(__file__).parents[2]
# `tools/imagej.sh` puts it into the first place; Debian's package libij-java into the last.
JARS = [REPOSITORY / ".tox" / "imagej" / "usr" / "share" / "java" / "ij.jar", Path("/usr/share/java/ij.jar")]


def example(axes: str = "TZCYX", dtype: str = "uint16", **more: Any) -> Image:
    sizes = {"T": 2, "Z": 3, "C": 2, "Y": 20, "X": 30}
    pixels = (RNG.random([sizes[a] for a in axes]) * 200).astype(dtype)
    count = 2 if "C" in axes else 1
    said: dict[str, Any] = {
        "channels": ("DAPI", "PH3")[:count],
        "colors": ("#0000ff", None)[:count],
        "pixel_size_um": 0.325,
        "unit": "µm",
        "z_step_um": 1.5 if "Z" in axes else None,
        "frame_interval_s": 30.0 if "T" in axes else None,
        "description": "a well\nof a plate",
        "origin_um": {"Y": 12.5, "X": -3.25},
    }
    return Image(pixels, axes, **(said | more))


@pytest.mark.parametrize("axes", ["YX", "CYX", "ZYX", "TYX", "ZCYX", "TCYX", "TZYX", "TZCYX", "YXC", "CZYX", "XCY"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_what_is_written_is_read(tmp_path: Path, axes: str, dtype: str) -> None:
    written = example(axes, dtype)
    image = read(write(written, tmp_path / "a.tif", metadata=HOW))
    assert image.dtype == written.dtype
    assert (image.channels, image.colors, image.unit) == (written.channels, written.colors, "µm")
    assert image.pixel_size_um == pytest.approx(0.325)
    assert (image.z_step_um, image.frame_interval_s) == (written.z_step_um, written.frame_interval_s)
    assert image.origin_um == pytest.approx(written.origin_um)
    assert image.description == written.description
    assert (image.kind, provenance(tmp_path / "a.tif")) == ("translated", {**HOW, "strength": "0.5"})
    assert "Not measured" in image.notes[0]
    assert image.sizes == written.sizes
    for t, z in written.positions():
        np.testing.assert_array_equal(image.plane(t=t, z=z), written.plane(t=t, z=z))


def test_axes_of_length_one_come_back(tmp_path: Path) -> None:
    pixels = np.zeros((1, 1, 1, 20, 30), np.uint8)
    assert read(write(Image(pixels, "TZCYX"), tmp_path / "a.tif")).axes == "TZCYX"


@pytest.mark.parametrize("dtype", IMAGEJ_DTYPES)
def test_pixel_types_that_imagej_has_not_become_others_without_a_loss(tmp_path: Path, dtype: str) -> None:
    kind = np.dtype(dtype)
    ends = [0, 1] if dtype == "bool" else [np.iinfo(kind).min, np.iinfo(kind).max] if kind.kind in "iu" else [-2.5, 7]
    pixels = np.resize(np.array(ends, kind), (4, 6))
    image = read(write(Image(pixels, "YX"), tmp_path / "a.tif"))
    assert image.dtype == IMAGEJ_DTYPES[dtype]
    np.testing.assert_array_equal(image.pixels, pixels.astype(np.float64))


@pytest.mark.parametrize("dtype", ["float64", "int32", "uint32", "int64", "complex64"])
def test_other_pixel_types_are_refused_with_the_format_that_holds_them(tmp_path: Path, dtype: str) -> None:
    able = "ome-zarr" if dtype in ("int64", "complex64") else "ome-tiff"
    with pytest.raises(InputError, match=rf"cannot hold pixels of type {dtype} without a loss.*--format {able}\)"):
        write(Image(np.zeros((4, 6), dtype), "YX"), tmp_path / "a.tif")
    assert list(tmp_path.iterdir()) == []


def test_it_opens_as_one_in_composite_colors_and_with_ranges(tmp_path: Path) -> None:
    with tifffile.TiffFile(write(example(), tmp_path / "a.tif")) as tif:
        said = tif.imagej_metadata
        assert tif.series[0].axes == "TZCYX"
        assert {page.compression for page in tif.pages} == {1}
    assert (said["mode"], said["unit"], said["spacing"], said["finterval"]) == ("composite", "micron", 1.5, 30)
    assert said["Labels"] == ["DAPI", "PH3"] * 6
    assert said["LUTs"][0][:, -1].tolist() == [0, 0, 255] and said["LUTs"][1][:, -1].tolist() == [255, 0, 255]
    low, high, *_ = said["Ranges"]
    assert 0 <= low < 3 and 195 < high < 200


def test_what_was_shown_is_shown(tmp_path: Path) -> None:
    path = write(example("CYX", display=((10.0, 50.0), (0.5, 2.5))), tmp_path / "a.tif")
    with tifffile.TiffFile(path) as tif:
        assert tif.imagej_metadata["Ranges"] == (10, 50, 0.5, 2.5)
    assert read(path).display == ((10, 50), (0.5, 2.5))


def test_differences_are_symmetric_diverge_and_are_shown_one_by_one(tmp_path: Path) -> None:
    difference = example("CYX", "float32")
    path = write(difference, tmp_path / "a.tif", metadata={**HOW, "kind": "difference"})
    with tifffile.TiffFile(path) as tif:
        said = tif.imagej_metadata
    assert said["mode"] == "color"
    assert said["Ranges"][0] == -said["Ranges"][1]
    assert said["LUTs"][0][:, 127:129].max() <= 4 < said["LUTs"][0][:, [0, -1]].min()
    assert read(path).colors == difference.colors


def test_large_files_describe_their_first_plane_alone(tmp_path: Path) -> None:
    image = example()
    write_imagej(image, tmp_path / "a.tif", levels=0, metadata={}, name="a", classic_up_to=100)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert len(tif.pages) == 1
    np.testing.assert_array_equal(read(tmp_path / "a.tif").pixels, image.pixels)


def _described(*paths: Path) -> list[dict[str, str]]:
    """Open files in ImageJ; skips where it, or a Java that runs source files, is not here."""
    jar = next((jar for jar in JARS if jar.exists()), None)
    if jar is None or shutil.which("javac") is None:
        pytest.skip("ImageJ or a JDK is not installed (tools/imagej.sh fetches Debian's ImageJ)")
    source = Path(__file__).parent / "imagej" / "Describe.java"
    command = ["java", "-Djava.awt.headless=true", "-cp", str(jar), str(source), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"})
    lines = [line for line in done.stdout.splitlines() if line.startswith("opened=")]
    return [dict(part.split("=", 1) for part in line.split(" ")) for line in lines]


def _weighed(planes: np.ndarray) -> float:
    """Add up planes (n, Y, X) in a way in which every place counts otherwise."""
    n, height, width = planes.shape
    i, y, x = np.ogrid[:n, :height, :width]
    return float((planes.astype(np.float64) * ((x + 3 * y + 7 * i) % 11)).sum())


def test_imagej_itself_sees_the_same_image(tmp_path: Path) -> None:
    stack, eight, ome = example(), example("CYX", "uint8"), example("CYX", "int16")
    difference = example("ZCYX", "float32").replace(pixels=RNG.normal(0, 9, (3, 2, 20, 30)).astype(np.float32))
    paths = [
        write(stack, tmp_path / "stack.tif", metadata=HOW),
        write(eight, tmp_path / "eight.tif"),
        write(difference, tmp_path / "difference.tif", metadata={**HOW, "kind": "difference"}),
        write(ome, tmp_path / "planes.ome.tif"),
        tmp_path / "large.tif",
    ]
    write_imagej(stack, paths[-1], levels=0, metadata={}, name="large", classic_up_to=100)
    said = _described(*paths)
    assert len(said) == len(paths)
    for found, image in zip(said, (stack, eight, difference, ome, stack), strict=True):
        planes = np.asarray(image.pixels).reshape(-1, 20, 30)
        # ImageJ counts signed 16 bits from 0 and calibrates them
        offset = 32768.0 if image.dtype == np.int16 else 0.0
        assert float(found["sum"]) == pytest.approx(_weighed(planes + offset), rel=1e-6, abs=1e-3)
    for found in (said[0], said[-1]):
        sizes = [found[name] for name in ("channels", "slices", "frames", "bits", "mode")]
        assert sizes == ["2", "3", "2", "16", "composite"]
        assert (found["unit"], found["step"], found["interval"]) == ("micron", "1.5", "30.0")
        assert float(found["pixel"]) == pytest.approx(0.325)
        assert (float(found["x"]), float(found["y"])) == pytest.approx((-3.25, 12.5))
        assert (found["color1"], found["color2"], found["label"]) == ("#0000ff", "#ff00ff", "DAPI")
        assert float(found["min1"]) < 3 and float(found["max1"]) > 195
    assert [said[2][name] for name in ("mode", "bits", "slices")] == ["color", "32", "3"]
    assert float(said[2]["min1"]) == -float(said[2]["max1"])
