"""Stacks whose planes agree or do not, scored as folders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.ndimage import gaussian_filter

from napari_phenotrans.cli.main import phenotrans
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import write

if TYPE_CHECKING:
    from pathlib import Path


def stacks(folder: Path, kind: str, axis: str = "Z", name: str = "", planes: int = 4) -> None:
    """Write three stacks of blobs in two channels; as "steady" they are dimmed, as "blinking" in every other plane."""
    for number in range(3):
        rng = np.random.default_rng(number)
        blobs = gaussian_filter(rng.normal(0, 1, (planes, 2, 64, 64)), (1, 0, 4, 4))
        pixels = 1000 + 400 * blobs / blobs.std() + rng.normal(0, 20, blobs.shape)
        if kind == "steady":
            pixels *= 0.7
        elif kind == "blinking":
            pixels[1::2, 1] *= 0.2
        image = Image(np.clip(pixels, 0, 4095).astype(np.uint16), f"{axis}CYX", ("DNA", "GFP"), pixel_size_um=0.5)
        write(image, folder / f"s{number}{name}.ome.tif")


@pytest.fixture
def score(tmp_path: Path):
    def run(kind: str, axis: str = "Z", *, planes: int = 4, source: bool = True) -> tuple[str, dict]:
        stacks(tmp_path / "real", "real", axis, planes=planes)
        stacks(tmp_path / "source", "real", axis, planes=planes)
        stacks(tmp_path / "made", kind, axis, "_translated", planes)
        command = ["evaluate", "--real", tmp_path / "real", "--translated", tmp_path / "made", "--crop", 32]
        command += ["--source", tmp_path / "source"] if source else []
        command += ["--metrics", "kid", "--resamples", 0, "--no-cache", "--device", "cpu", "--out", tmp_path / "scores"]
        done = CliRunner().invoke(phenotrans, [str(part) for part in command])
        assert done.exit_code == 0, done.output
        return done.output, json.loads((tmp_path / "scores" / "scores.json").read_text())

    return run


@pytest.mark.parametrize("axis", ["Z", "T"])
def test_planes_that_do_not_agree_are_a_number_and_a_warning(score, axis: str) -> None:
    said, scores = score("blinking", axis)
    rows = {row["channel"]: row for row in scores["rows"] if row["metric"] == f"flicker along {axis}"}
    assert rows["DNA"]["value"] == 0
    assert rows["GFP"]["value"] > 2
    assert (rows["GFP"]["n"], rows["GFP"]["groups"]) == (9, 3)
    (warning,) = [note for note in scores["notes"] if "Neighboring planes do not agree" in note]
    assert f"along {axis}" in warning and "GFP" in warning and "DNA" not in warning
    assert warning in said and f"flicker along {axis}" in said


def test_planes_that_agree_are_a_number_alone(score) -> None:
    said, scores = score("steady")
    values = [row["value"] for row in scores["rows"] if row["metric"] == "flicker along Z"]
    assert len(values) == 2 and all(0 < value < 1 for value in values)
    assert "Neighboring planes do not agree" not in said


def test_flat_images_have_no_flicker_and_unknown_sources_are_said(score) -> None:
    said, scores = score("steady", planes=1)
    assert not any("flicker" in row["metric"] for row in scores["rows"])
    assert "licker" not in said
