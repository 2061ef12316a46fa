"""Many images on the command line: what is typed, what is printed at the end, and the exit code."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner, Result

from napari_phenotrans.cli.main import phenotrans
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 200, (2, 33, 36)).astype(np.uint8)
        write(Image(pixels, "CYX", ("marker 0", "marker 1"), pixel_size_um=0.4), tmp_path / f"in/A{number}.ome.tif")
    return tmp_path / "in"


@pytest.fixture
def run(make_checkpoint: Callable[..., Checkpoint], tmp_path: Path) -> Callable[..., Result]:
    checkpoint = make_checkpoint().save(tmp_path / "engine.safetensors")
    how = ["--checkpoint", checkpoint, "--source", "untreated", "--target", "treated", "--out", tmp_path / "out"]

    def run(*inputs: object, stdin: str | None = None) -> Result:
        return CliRunner().invoke(phenotrans, [*map(str, ("translate", *inputs, *how))], input=stdin)

    return run


def results(folder: Path) -> list[str]:
    return sorted(path.name.removesuffix("_translated.ome.tif") for path in folder.glob("*_translated.ome.tif"))


@pytest.mark.parametrize("typed", ["folder", "pattern", "list", "stdin"])
def test_images_are_named_in_four_ways(typed: str, run: Callable[..., Result], plate: Path, tmp_path: Path) -> None:
    listed = "".join(f"{path}\n" for path in sorted(plate.iterdir()))
    (tmp_path / "list.txt").write_text(listed)
    inputs, stdin = {
        "folder": ([plate], None),
        "pattern": ([plate.parent / "**" / "A?.ome.tif"], None),
        "list": (["--list", tmp_path / "list.txt"], None),
        "stdin": (["--list", "-"], listed),
    }[typed]
    done = run(*inputs, stdin=stdin)
    assert done.exit_code == 0, done.output
    assert results(tmp_path / "out") == ["A0", "A1", "A2"]
    lines = [line for line in done.stderr.splitlines() if line]
    assert lines[-1] == "3 images: 3 translated."
    assert lines[-5].split() == ["image", "state", "seconds", "why"]
    # what is written is all that goes to the standard output
    assert len(done.stdout.splitlines()) == 6
    again = run(*inputs, "--skip-existing", stdin=stdin)
    assert (again.exit_code, again.stdout) == (0, "")
    assert again.stderr.splitlines()[-1] == "3 images: 3 skipped."


def test_parts_of_an_array_job(run: Callable[..., Result], plate: Path, tmp_path: Path) -> None:
    assert run(plate, "--shard", "2/2").exit_code == 0
    assert results(tmp_path / "out") == ["A1"]
    assert run(plate, "--shard", "1/2").exit_code == 0
    assert results(tmp_path / "out") == ["A0", "A1", "A2"]
    nothing = run(plate, "--shard", "4/4")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert "part 4 of 4: 0 of 3 images" in nothing.stderr


@pytest.mark.parametrize("shard", ["0/3", "4/3", "3", "a/b", "-1/3", "1/0", "1/3/4"])
def test_what_is_no_part_is_refused(shard: str, run: Callable[..., Result], plate: Path) -> None:
    refused = run(plate, "--shard", shard)
    assert refused.exit_code == 2
    assert "expected one such as 3/64" in refused.stderr
    assert ("count from 1" in refused.stderr) == (shard == "0/3")


def test_exit_codes_tell_some_from_all(run: Callable[..., Result], plate: Path, tmp_path: Path) -> None:
    (plate / "broken.tif").write_bytes(b"no TIFF")
    some = run(plate)
    assert some.exit_code == 1
    assert "4 images: 3 translated, 1 failed." in some.stderr
    assert some.stderr.splitlines()[-1] == f"1 of 4 images failed: {plate / 'broken.tif'}"
    all_of_them = run(plate)
    assert all_of_them.exit_code == 2
    assert "4 images: 4 failed." in all_of_them.stderr
    # skipped ones are as good as done
    assert run(plate, "--skip-existing").exit_code == 1


@pytest.mark.parametrize("typed", [[], ["none*.tif"], ["--list", "none.txt"]])
def test_what_names_nothing_ends_at_once(typed: list[str], run: Callable[..., Result], tmp_path: Path) -> None:
    refused = run(*typed)
    assert refused.exit_code != 0
    assert not (tmp_path / "out").exists()
    # as the command ends: a message and exit code 2
    command = [sys.executable, "-m", "napari_phenotrans", "translate", *typed, "--checkpoint", "bbbc013-flow"]
    command += ["--source", "untreated", "--target", "wortmannin", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
