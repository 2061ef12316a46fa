"""Conditions that were recorded in different ways are named, and so are stacks; nothing is said of what is alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner

from napari_phenotrans.cli.main import phenotrans
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.settings import TrainingSettings
from napari_phenotrans.dataset.check import check
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.io import write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.dataset.check_report import Problem

CHANNELS = ("DAPI", "GFP")


def picture(seed: int) -> np.ndarray:
    """Blobs of some 3000 on 200 as a camera of 12 bits counts them, (2, 80, 80) in single gray levels."""
    rng = np.random.default_rng(seed)
    plane = np.full((2, 80, 80), 200.0)
    for y, x in rng.integers(8, 72, (14, 2)):
        plane[:, y - 5 : y + 5, x - 5 : x + 5] += rng.uniform(1500, 2800)
    return np.clip(rng.poisson(plane), 0, 4095)


def problems(folder: Path, change: Callable[[np.ndarray], np.ndarray], *, fields: int = 5) -> list[Problem]:
    for condition in ("ctrl", "drug"):
        for number in range(fields):
            pixels = picture(number + 100 * (condition == "drug"))
            pixels = change(pixels) if condition == "drug" else pixels.astype(np.uint16)
            axes = "CYX" if pixels.ndim == 3 else "ZCYX"
            write(Image(pixels, axes, CHANNELS, pixel_size_um=0.5, unit="µm"), folder / condition / f"{number}.ome.tif")
    return list(check(DataSet.open(folder), None, TrainingSettings.make(crop=64)).problems)


def one_channel(times: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pixels: (pixels * np.array([1, times])[:, None, None]).astype(np.uint16)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: (p * 16).astype(np.uint16), ["drug is many times brighter than ctrl in every channel (DAPI 1"]),
        (lambda p: (p * 16 + 3).astype(np.uint16), ["drug is many times brighter than ctrl in every channel (DAPI 1"]),
        (lambda p: (p // 16).astype(np.uint16), ["ctrl is many times brighter than drug in every channel (DAPI 1"]),
        (lambda p: (p / 4).astype(np.uint16), ["ctrl is many times brighter than drug in every channel (DAPI "]),
        (one_channel(12), ["drug is many times brighter than ctrl in GFP (GFP 1"]),
        (one_channel(1 / 12), ["ctrl is many times brighter than drug in GFP (GFP 1"]),
        (
            lambda p: (p // 16).astype(np.uint8),
            ["dtypes of their own: ctrl is uint16 and drug is uint8", "ctrl is many"],
        ),
        (
            lambda p: (p / 4095).astype(np.float32),
            ["ctrl is uint16 and drug is float32", "ctrl is many times brighter"],
        ),
        (lambda p: p.astype(np.int32), ["dtypes of their own: ctrl is uint16 and drug is int32"]),
        # stretched to the whole range and cut back, as some programs do: as bright, and in steps
        (lambda p: (p // 16 * 16).astype(np.uint16), ["GFP|DAPI in ctrl are single numbers, those of drug are multip"]),
    ],
)
def test_conditions_of_their_own_kind_are_named(
    change: Callable[[np.ndarray], np.ndarray], said: list[str], tmp_path: Path
) -> None:
    found = [p for p in problems(tmp_path, change) if "tells" not in p.what]
    assert all(problem.severity == "warning" for problem in found)
    for text in said:
        assert any(part in problem.what for problem in found for part in text.split("|"))


@pytest.mark.parametrize("times", [0.4, 1.0, 2.5])
def test_what_a_treatment_may_do_is_no_problem(times: float, tmp_path: Path) -> None:
    found = problems(tmp_path, lambda p: (p * times).astype(np.uint16))
    assert not any("brighter" in p.what or "dtype" in p.what or "multiples" in p.what for p in found)


def test_both_conditions_in_steps_are_alike(tmp_path: Path) -> None:
    for condition in ("ctrl", "drug"):
        for number in range(5):
            pixels = (picture(number + 100 * (condition == "drug")) * 16).astype(np.uint16)
            write(Image(pixels, "CYX", CHANNELS, pixel_size_um=0.5), tmp_path / condition / f"{number}.ome.tif")
    found = check(DataSet.open(tmp_path), None, TrainingSettings.make(crop=64)).problems
    assert not any("multiples" in p.what or "brighter" in p.what for p in found)


def test_stacks_are_said_to_be_taken_plane_by_plane(tmp_path: Path) -> None:
    problems(tmp_path, lambda p: np.stack([p, p + 1, p + 2]).astype(np.uint16))
    report = check(DataSet.open(tmp_path), None, TrainingSettings.make(crop=64))
    (remark,) = report.remarks
    assert remark.startswith(
        "5 fields are stacks or time series of 3 planes (Z 3 in drug/0.ome.tif), 5 others are flat. Every plane counts"
    )
    assert f"note: {remark}" in report.lines()


def test_a_dry_run_prints_it(tmp_path: Path) -> None:
    problems(tmp_path, lambda p: (p * 16).astype(np.uint16))
    done = CliRunner().invoke(phenotrans, ["train", str(tmp_path), "--dry-run", "--engine", "shift", "--crop", "64"])
    assert "drug is many times brighter than ctrl in every channel" in done.output
