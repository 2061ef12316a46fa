"""OME-Zarr as the format's own models and other readers want it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import provenance, read, write
from napari_phenotrans.io.write_zarr import GrowingZarr

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)
VERSIONS = {"ome-zarr": "0.4", "ome-zarr-0.5": "0.5"}
HOW = {"kind": "translated", "source": "untreated", "target": "drug", "checkpoint": "shift"}


def example(axes: str = "TZCYX", dtype: str = "uint16", side: int = 20, **more: Any) -> Image:
    sizes = {"T": 2, "Z": 3, "C": 2, "Y": side, "X": side + 10}
    pixels = (RNG.random([sizes[a] for a in axes]) * 4000 - (2000 if dtype == "float32" else 0)).astype(dtype)
    count = 2 if "C" in axes else 1
    said: dict[str, Any] = {
        "channels": ("DAPI", "PH3")[:count],
        "colors": ("#0000ff", None)[:count],
        "pixel_size_um": 0.325,
        "unit": "nm",
        "z_step_um": 1.5 if "Z" in axes else None,
        "frame_interval_s": 30.0 if "T" in axes else None,
        "description": "a well",
    }
    return Image(pixels, axes, **(said | more))


def omero(path: Path) -> dict[str, Any]:
    attributes: Any = dict(zarr.open_group(path, mode="r").attrs)
    return attributes.get("ome", attributes)["omero"]


def validated(path: Path) -> Any:
    """Return the metadata as the format's own models hold them, which refuse what is none."""
    reason = "ome-zarr-models, of the test group, is not installed"
    group = zarr.open_group(path, mode="r")
    attributes: Any = dict(group.attrs)
    if "ome" in attributes:
        # the models of attributes alone: those of groups wait for a pydantic-zarr that knows pydantic 2.14
        models = pytest.importorskip("ome_zarr_models.v05.image", reason=reason)
        found = models.ImageAttrs.model_validate(attributes["ome"])
        assert (found.version, group.metadata.zarr_format) == ("0.5", 3)
    else:
        models = pytest.importorskip("ome_zarr_models.v04.image", reason=reason)
        found = models.ImageAttrs.model_validate(attributes)
        assert (found.multiscales[0].version, group.metadata.zarr_format) == ("0.4", 2)
    return found


@pytest.mark.parametrize("format", VERSIONS)
@pytest.mark.parametrize("axes", ["YX", "CYX", "ZYX", "TCYX", "TZCYX", "YXC"])
@pytest.mark.parametrize("pyramid", [False, True])
def test_the_models_of_the_format_accept_it(tmp_path: Path, format: str, axes: str, pyramid: bool) -> None:
    image = example(axes, side=600 if pyramid else 20, origin_um={"Y": 12.5, "X": -3.0})
    path = write(image, tmp_path / "a.ome.zarr", format=format, pyramid=pyramid, metadata=HOW)
    (multiscale,) = validated(path).multiscales
    assert "".join(axis.name for axis in multiscale.axes) == "".join(a for a in "tczyx" if a.upper() in axes)
    arrays = [zarr.open_array(path / dataset.path, mode="r") for dataset in multiscale.datasets]
    assert [array.shape[-2:] for array in arrays] == [(600, 610), (300, 305)][: len(arrays)] or not pyramid
    assert len(arrays) == (2 if pyramid else 1)
    if format == "ome-zarr-0.5":
        assert {array.metadata.dimension_names for array in arrays} == {tuple(axis.name for axis in multiscale.axes)}


def test_the_models_refuse_what_is_no_image(tmp_path: Path) -> None:
    """What is tested above can fail."""
    path = write(example(), tmp_path / "a.ome.zarr")
    group = zarr.open_group(path, mode="r+")
    (multiscale,) = dict(group.attrs)["multiscales"]
    group.attrs["multiscales"] = [{**multiscale, "datasets": []}]
    with pytest.raises(ValueError, match="datasets"):
        validated(path)


@pytest.mark.parametrize("axes", ["YX", "CYX", "YXC", "TZCYX", "XCZY"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64", "bool", "float16"])
def test_what_is_written_in_zarr_3_is_read(tmp_path: Path, axes: str, dtype: str) -> None:
    written = example(axes, dtype)
    path = write(written, tmp_path / "a.ome.zarr", format="ome-zarr-0.5", metadata=HOW)
    assert not (path / ".zattrs").exists()
    image = read(path)
    assert (image.dtype, image.channels, image.colors) == (written.dtype, written.channels, written.colors)
    assert (image.pixel_size_um, image.unit) == (pytest.approx(0.325), "nm")
    assert (image.z_step_um, image.frame_interval_s) == (written.z_step_um, written.frame_interval_s)
    assert (image.description, image.kind, provenance(path)) == ("a well", "translated", HOW)
    for t, z in written.positions():
        np.testing.assert_array_equal(image.plane(t=t, z=z), written.plane(t=t, z=z))


def test_missing_chunks_are_found_in_zarr_3(tmp_path: Path) -> None:
    path = write(example(), tmp_path / "a.ome.zarr", format="ome-zarr-0.5")
    (path / "0" / "c" / "1" / "0" / "2" / "0" / "0").unlink()
    with pytest.raises(InputError, match="lacks 1 of the 12 chunks"):
        read(path)


@pytest.mark.parametrize("format", VERSIONS)
def test_every_channel_has_a_color_and_a_window_that_fits(tmp_path: Path, format: str) -> None:
    image = example("CYX", channels=("DAPI", "PH3"))
    first, second = omero(write(image, tmp_path / "a.ome.zarr", format=format))["channels"]
    assert (first["color"], second["color"]) == ("0000FF", "FF00FF")
    assert (first["window"]["min"], first["window"]["max"]) == (0, 65535)
    assert 0 <= first["window"]["start"] < 50 and 3900 < first["window"]["end"] < 4000
    assert first["active"] and second["active"]
    single = omero(write(example("YX", colors=()), tmp_path / "b.ome.zarr", format=format))["channels"][0]
    assert single["color"] == "FFFFFF"


@pytest.mark.parametrize("format", VERSIONS)
def test_the_window_of_a_difference_is_symmetric(tmp_path: Path, format: str) -> None:
    image = example("CYX", "float32")
    path = write(image, tmp_path / "a.ome.zarr", format=format, metadata={**HOW, "kind": "difference"})
    found = omero(path)
    for channel in found["channels"]:
        window = channel["window"]
        assert window["start"] == -window["end"] < 0 and window["min"] == -window["max"] <= window["start"]
    # several differences, one upon the other, would be read as nothing
    assert [channel["active"] for channel in found["channels"]] == [True, False]
    assert found["rdefs"]["model"] == "greyscale"
    assert read(path).colors == ("#0000ff", None)


@pytest.mark.parametrize("version", VERSIONS.values())
def test_what_grows_has_a_window_of_what_came(tmp_path: Path, version: str) -> None:
    image = example("ZCYX")
    growing = GrowingZarr(image, tmp_path / "a.ome.zarr", np.dtype(np.float32), levels=0, name="a", version=version)
    for _, z in image.positions():
        growing.put(np.full((2, 20, 30), 5 * z - 7, np.float32), 0, z, 0, 0)
    growing.finish({**HOW, "kind": "difference"})
    assert [channel["window"]["end"] for channel in omero(tmp_path / "a.ome.zarr")["channels"]] == [7, 7]
    assert read(tmp_path / "a.ome.zarr").kind == "difference"
    validated(tmp_path / "a.ome.zarr")


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".tif"])
def test_what_was_shown_comes_back(tmp_path: Path, suffix: str) -> None:
    shown = ((10.0, 50.5), (0.0, 3.0))
    assert read(write(example("CYX", display=shown), tmp_path / f"a{suffix}")).display == shown
    # what was chosen because nothing was known is no choice of the user's
    assert read(write(example("CYX"), tmp_path / f"b{suffix}")).display == ()


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".tif"])
def test_what_is_translated_stays_translated_when_it_is_written_once_more(tmp_path: Path, suffix: str) -> None:
    first = read(write(example("CYX"), tmp_path / f"a{suffix}", metadata=HOW))
    second = read(write(first, tmp_path / f"other{suffix}"))
    assert (second.kind, second.description) == ("translated", "a well")
    assert provenance(tmp_path / f"other{suffix}") == HOW
    assert [note.startswith("Not measured, but made by an engine") for note in second.notes] == [True]


def test_the_name_inside_says_what_it_is(tmp_path: Path) -> None:
    path = write(example("CYX"), tmp_path / "mine.ome.zarr", metadata=HOW)
    assert dict(zarr.open_group(path, mode="r").attrs)["multiscales"][0]["name"] == "mine (translated)"


def test_a_format_and_a_name_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends in \.ome\.zarr"):
        write(example("CYX"), tmp_path / "a.ome.tif", format="ome-zarr-0.5")
    with pytest.raises(InputError, match="no format 'jpeg' to write: expected one of ome-tiff"):
        write(example("CYX"), tmp_path / "a.jpg", format="jpeg")
