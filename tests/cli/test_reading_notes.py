"""What reading guesses or leaves out is said where it matters: by info, translate and the check of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import zarr
from click.testing import CliRunner

from napari_phenotrans.cli.main import phenotrans
from napari_phenotrans.core.settings import TrainingSettings
from napari_phenotrans.dataset.check import check
from napari_phenotrans.dataset.dataset import DataSet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 250, shape).astype(np.uint8)


def pages(path: Path, seed: int) -> None:
    tifffile.imwrite(path, noise(seed, 2, 40, 44), metadata=None, photometric="minisblack")


def white_is_zero(path: Path, seed: int) -> None:
    tifffile.imwrite(path, noise(seed, 2, 40, 44), metadata=None, photometric="miniswhite")


def positions(path: Path, seed: int) -> None:
    with tifffile.TiffWriter(path, ome=True) as file:
        for number in range(3):
            named = {"axes": "CYX", "Channel": {"Name": ["marker 0", "marker 1"]}}
            file.write(noise(seed + number, 2, 40, 44), metadata=named, photometric="minisblack")


def print_resolution(path: Path, seed: int) -> None:
    with tifffile.TiffWriter(path, imagej=True) as file:
        file.write(noise(seed, 2, 40, 44), metadata={"axes": "CYX", "unit": "inch"}, resolution=(96, 96))


def unequal_sides(path: Path, seed: int) -> None:
    named = {"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.7, "PhysicalSizeXUnit": "µm"}
    tifffile.imwrite(path, noise(seed, 2, 40, 44), ome=True, metadata={**named, "PhysicalSizeYUnit": "µm"})


def numbered_names(path: Path, seed: int) -> None:
    named = {"axes": "CYX", "Channel": {"Name": ["c:1/2", "c:2/2"]}}
    tifffile.imwrite(path, noise(seed, 2, 40, 44), ome=True, metadata=named)


def no_unit(path: Path, seed: int) -> None:
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.create_array("0", data=noise(seed, 2, 40, 44), chunks=(1, 40, 44))
    axes = [{"name": "c", "type": "channel"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    scaled = [{"type": "scale", "scale": [1, 0.5, 0.5]}]
    datasets = [{"path": "0", "coordinateTransformations": scaled}]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]


def torn_description(path: Path, seed: int) -> None:
    tifffile.imwrite(path, noise(seed, 2, 40, 44), ome=True, metadata={"axes": "CYX"})
    path.write_bytes(path.read_bytes().replace(b"</OME>", b"</OM >"))


KINDS: dict[str, tuple[Callable[[Path, int], None], str, str]] = {
    "pages": (pages, ".tif", "2 pages were taken as C"),
    "white is zero": (white_is_zero, ".tif", "white is zero"),
    "positions": (positions, ".ome.tif", "holds 3 images"),
    "print resolution": (print_resolution, ".tif", "96 pixels per inch"),
    "unequal sides": (unequal_sides, ".ome.tif", "geometric mean"),
    "numbered names": (numbered_names, ".ome.tif", "name no stain"),
    "no unit": (no_unit, ".ome.zarr", "says no unit"),
    "torn description": (torn_description, ".ome.tif", "OME metadata are damaged"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_said_where_it_matters(kind: str, make_checkpoint: Callable[..., Checkpoint], tmp_path: Path) -> None:
    make, suffix, note = KINDS[kind]
    for condition in ("ctrl", "drug"):
        (tmp_path / "set" / condition).mkdir(parents=True)
        for number in range(2):
            make(tmp_path / "set" / condition / f"{condition}{number}{suffix}", 10 * number + (condition == "drug"))
    file = tmp_path / "set" / "ctrl" / f"ctrl0{suffix}"

    told = CliRunner().invoke(phenotrans, ["info", str(file)])
    assert told.exit_code == 0 and note in told.output

    checkpoint = make_checkpoint("shift").save(tmp_path / "engine.safetensors")
    way = ["--source", "untreated", "--target", "treated", "--out", str(tmp_path / "out")]
    told = CliRunner().invoke(phenotrans, ["translate", str(file), "--checkpoint", str(checkpoint), *way])
    assert told.exit_code == 0, told.output
    assert note in told.stderr

    report = check(DataSet.open(tmp_path / "set"), None, TrainingSettings.make(crop=32))
    (problem,) = [problem for problem in report.problems if note in problem.what]
    # files of which the same is said come together
    assert (problem.severity, len(problem.files)) == ("warning", 4)
    assert any(note in line for line in report.lines())


@pytest.mark.parametrize(("size", "unit"), [(0.5, "mm"), (20, "µm"), (0.02, "µm"), (500, "nm")])
def test_extreme_scales_are_refused_before_anything_is_computed(
    size: float, unit: str, make_checkpoint: Callable[..., Checkpoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = {"axes": "CYX", "PhysicalSizeX": size, "PhysicalSizeY": size}
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        noise(0, 2, 40, 44),
        ome=True,
        metadata={**named, "PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit},
    )
    checkpoint = make_checkpoint("shift", pixel_size=0.5, pixel_unit="um").save(tmp_path / "engine.safetensors")
    way = ["--source", "untreated", "--target", "treated", "--out", str(tmp_path / "out")]
    command = ["translate", str(tmp_path / "a.ome.tif"), "--checkpoint", str(checkpoint), *way]
    if unit == "nm":
        assert CliRunner().invoke(phenotrans, command).exit_code == 0
        return

    def read_nothing(*_: object, **__: object) -> None:
        raise AssertionError("pixels were read")

    monkeypatch.setattr("napari_phenotrans.io.lazy.LazyPixels.__getitem__", read_nothing)
    done = CliRunner().invoke(phenotrans, command)
    assert "16 times apart" in str(done.exception)
