"""What ``phenotrans translate`` writes: in every format, saying what it is, and nothing of the machine."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr
from click.testing import CliRunner

from napari_phenotrans.cli.main import phenotrans
from napari_phenotrans.core.digests import content_sha256
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import FORMATS, provenance, read, write
from napari_phenotrans.translation.made_from import pixels_digest
from napari_phenotrans.translation.translate import Translator, translate_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint

WAY = {"source": "untreated", "target": "treated"}


@pytest.fixture
def checkpoint(make_checkpoint: Callable[..., Checkpoint], tmp_path: Path) -> Path:
    return make_checkpoint("shift").save(tmp_path / "checkpoints" / "mine.safetensors")


def well(path: Path, dtype: str = "uint16", **more: Any) -> Path:
    pixels = (np.random.default_rng(0).random((2, 40, 50)) * 200).astype(dtype)
    return write(Image(pixels, "CYX", ("marker 0", "marker 1"), pixel_size_um=0.5, unit="µm"), path, **more)


def run(*words: Any) -> Any:
    return CliRunner().invoke(phenotrans, [str(word) for word in words])


def translate(image: Path, checkpoint: Path, out: Path, *more: Any) -> Any:
    way = ["--source", "untreated", "--target", "treated"]
    return run("translate", image, "--checkpoint", checkpoint, "--out", out, *way, *more)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_holds_the_same_pixels(checkpoint: Path, tmp_path: Path, format: str) -> None:
    image = well(tmp_path / "images" / "well.ome.tif")
    done = translate(image, checkpoint, tmp_path / "out", "--format", format)
    assert done.exit_code == 0, done.output
    expected = translate_image(read(image), checkpoint, **WAY)
    for kind in ("translated", "difference"):
        path = tmp_path / "out" / f"well_{kind}{FORMATS[format].suffix}"
        made, about = read(path), provenance(path)
        np.testing.assert_array_equal(made.plane(), getattr(expected, kind).plane())
        assert (made.kind, about["kind"], about["unit"]) == (kind, kind, "counts")
        assert (made.channels, made.pixel_size_um, made.unit) == (("marker 0", "marker 1"), 0.5, "µm")
        # by what is in it, not by where it lies
        assert json.loads(about["made from"])["pixels"] == pixels_digest(read(image), [(0, 0)])
        assert len(about["checkpoint sha256"]) == 64
        assert "date" not in about
    if format.startswith("ome-zarr"):
        assert (tmp_path / "out" / "well_translated.ome.zarr" / "zarr.json").exists() == (format == "ome-zarr-0.5")
    if format == "imagej":
        with tifffile.TiffFile(tmp_path / "out" / "well_translated.tif") as tif:
            assert tif.is_imagej and tif.imagej_metadata["mode"] == "composite"


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_no_folder_of_this_machine_stands_in_what_is_written(
    checkpoint: Path, tmp_path: Path, format: str, suffix: str
) -> None:
    image = well(tmp_path / "images" / f"well{suffix}")
    done = translate(image, checkpoint, tmp_path / "out", "--format", format)
    assert done.exit_code == 0, done.output
    files = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert files
    for file in files:
        content = file.read_bytes()
        # ImageJ's text has two bytes for each letter
        assert str(tmp_path).encode() not in content and str(tmp_path).encode("utf-16-le") not in content, file.name
    assert provenance(next((tmp_path / "out").iterdir()))["real"] == image.name


def test_what_is_compared_has_one_range(checkpoint: Path, tmp_path: Path) -> None:
    """Brightness may be what differs: a translation that is brighter looks so."""
    for suffix in (".ome.zarr", ".ome.tif"):
        image = well(tmp_path / f"well{suffix}")
        translate(image, checkpoint, tmp_path / "out")
        ((low, high), _) = read(tmp_path / "out" / f"well_translated{suffix}").display
        assert low <= np.percentile(read(image).plane()[0], 1) and high >= np.percentile(read(image).plane()[0], 99)
        assert read(tmp_path / "out" / f"well_difference{suffix}").display == ()
    image = tmp_path / "well.ome.zarr"
    window, real = (
        dict(zarr.open_group(path, mode="r").attrs)["omero"]["channels"][0]["window"]
        for path in (tmp_path / "out" / "well_translated.ome.zarr", image)
    )
    assert window["start"] <= real["start"] and window["end"] >= real["end"]


@pytest.mark.parametrize("dtype", ["float64", "int32"])
def test_pixels_that_the_format_cannot_hold_are_refused_before_anything_is_computed(
    checkpoint: Path, tmp_path: Path, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def computed(*_: Any, **__: Any) -> None:
        raise AssertionError("something was computed")

    monkeypatch.setattr(Translator, "translate", computed)
    done = translate(well(tmp_path / "a.ome.tif", dtype), checkpoint, tmp_path / "out", "--format", "imagej")
    assert done.exit_code == 1
    said = str(done.exception)
    assert f"cannot hold pixels of type {dtype} without a loss" in said and "--format ome-tiff" in said


@pytest.mark.parametrize("kind", ["translated", "difference"])
@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".tif"])
def test_what_was_not_measured_is_refused_unless_allowed(
    checkpoint: Path, tmp_path: Path, kind: str, suffix: str
) -> None:
    about = {"kind": kind, **WAY, "checkpoint": "mine"}
    image = well(tmp_path / f"well_{kind}{suffix}", metadata=about)
    refused = translate(image, checkpoint, tmp_path / "out")
    assert refused.exit_code == 1
    assert "was not measured" in str(refused.exception) and "--allow-translated" in str(refused.exception)
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
    allowed = translate(image, checkpoint, tmp_path / "out", "--allow-translated")
    assert allowed.exit_code == 0, allowed.output
    (made,) = (path for path in (tmp_path / "out").iterdir() if "_translated.ome" in path.name.removeprefix("well_"))
    assert provenance(made)["made of"] == kind


def test_files_of_earlier_versions_are_refused_too(checkpoint: Path, tmp_path: Path) -> None:
    image = well(tmp_path / "a.ome.tif", metadata={"translated": True, "role": "difference", **WAY})
    with pytest.raises(InputError, match="was not measured: its provenance says 'difference'"):
        translate_image(read(image), checkpoint, **WAY)
    assert translate_image(read(image), checkpoint, **WAY, allow_translated=True).provenance["made of"] == "difference"


def test_a_translation_says_what_it_is_whoever_writes_it(checkpoint: Path, tmp_path: Path) -> None:
    made = translate_image(read(well(tmp_path / "well.ome.tif")), checkpoint, **WAY)
    written = write(made.translated, tmp_path / "first.ome.tif")
    assert provenance(written)["real sha256"] == content_sha256(tmp_path / "well.ome.tif")
    for image, kind in ((made.translated, "translated"), (made.difference, "difference"), (made.real, "real")):
        assert image.kind == kind
        assert read(write(image, tmp_path / f"my {kind}.ome.tif")).kind == kind
    # the translation's provenance is that of its difference, too
    path = write(made.difference, tmp_path / "other.ome.tif", metadata=made.provenance)
    assert (read(path).kind, provenance(path)["unit"]) == ("difference", "counts")
    with tifffile.TiffFile(tmp_path / "my translated.ome.tif") as tif:
        text = tif.ome_metadata
    assert "Not measured, but made by an engine: untreated translated to treated with the checkpoint mine." in text
    assert str(tmp_path) not in text


def test_provenance_that_was_written_can_be_read_as_it_was(checkpoint: Path, tmp_path: Path) -> None:
    from napari_phenotrans.translation.provenance import decoded

    translator = Translator(checkpoint)
    made = translate_image(read(well(tmp_path / "well.ome.tif")), translator, **WAY)
    said = {**made.translated.provenance, "target": "10", "planes": [[0, 1]]}
    path = write(made.translated, tmp_path / "a.ome.tif", metadata=said)
    found = decoded(provenance(path))
    paths = {"real", "real sha256", "checkpoint file"}
    assert {name: value for name, value in found.items() if name not in paths} == json.loads(
        json.dumps({name: value for name, value in said.items() if name not in paths})
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("format", FORMATS)
def test_equal_translations_are_equal_files(checkpoint: Path, tmp_path: Path, format: str) -> None:
    image = well(tmp_path / "images" / "well.ome.tif")
    for name in ("one", "two"):
        assert translate(image, checkpoint, tmp_path / name, "--format", format).exit_code == 0
    made = contents(tmp_path / "one")
    assert len(made) >= 2
    assert made == contents(tmp_path / "two")


def test_results_are_dated_where_that_is_asked_for(checkpoint: Path, tmp_path: Path) -> None:
    image = well(tmp_path / "images" / "well.ome.tif")
    assert translate(image, checkpoint, tmp_path / "out", "--dated").exit_code == 0
    date = provenance(tmp_path / "out" / "well_difference.ome.tif")["date"]
    assert abs((datetime.now(UTC) - datetime.fromisoformat(date)).total_seconds()) < 600
    # when it was made does not make it another result
    assert "skipped" in translate(image, checkpoint, tmp_path / "out", "--skip-existing").output
