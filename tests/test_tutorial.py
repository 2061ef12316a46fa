"""The tutorial's commands do what it says: on crops of the bundled wells, with tiny networks and few steps."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from click.testing import CliRunner
from skimage.io import imsave

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.cli.main import phenotrans
from napari_phenotrans.io import read
from napari_phenotrans.io.samples import SAMPLES
from napari_phenotrans.runs.monitor import RunWatch

if TYPE_CHECKING:
    import pytest

TUTORIAL = Path(__file__).parents[1] / "docs" / "training-dock.md"
DOWNLOADED = "BBBC013_v1_images_bmp"
SIDE = 160
# Options beside a preset go before it, and what is said last counts.
FASTER = shlex.split("--steps 2 --width 8 --blocks 1 --crop 32 --save-every 2 --score-every 2")


def blocks(language: str) -> list[str]:
    """Return the tutorial's code blocks of a language; those in lists are indented."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", TUTORIAL.read_text(encoding="utf-8"), re.M | re.S)
    return ["\n".join(line.removeprefix(indent) for line in block.splitlines()) for indent, block in found]


def test_from_the_downloaded_wells_to_a_translated_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    # What is downloaded, as far as the tutorial uses it: two gray pictures per well, named by row and column.
    (tmp_path / DOWNLOADED).mkdir()
    for row, well in (("A", 0), ("B", 12), ("C", 24), ("D", 36), ("E", 48)):
        for column in (1, 2, 5, 11, 12):
            sample = SAMPLES["bbbc013-untreated" if column < 5 else "bbbc013-wortmannin"]
            top, left = SIDE * (well // 12 % 4), SIDE * (column % 4)
            dna, gfp = np.asarray(read(sample.path).pixels[:, top : top + SIDE, left : left + SIDE])
            for number, pixels in ((1, gfp), (2, dna)):
                name = f"Channel{number}-{well + column:02d}-{row}-{column:02d}.BMP"
                imsave(tmp_path / DOWNLOADED / name, pixels, check_contrast=False)

    # The script.
    (script,) = blocks("python")
    exec(compile(script, str(TUTORIAL), "exec"), {})
    wells = sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "bbbc013").rglob("*.tif"))
    assert len(wells) == 16
    assert wells[0] == "bbbc013/untreated/A01.ome.tif"
    image = read(tmp_path / "bbbc013" / "wortmannin" / "D12.ome.tif")
    assert image.channels == ("DNA", "FKHR-EGFP")

    # The commands, one after the other.
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    assert all(line.startswith("phenotrans ") for line in lines)
    said = []
    for line in lines:
        words = shlex.split(line)[1:]
        if "--resume" in words:
            words += ["--steps", "3"]
        elif words[0] == "train":
            words += FASTER
        shown = CliRunner().invoke(phenotrans, words)
        assert shown.exit_code == 0, f"{line}\n{shown.output}\n{shown.exception}"
        said.append(shown.output)
    look, train, resume, translate, again = said

    # What the text says of them.
    assert "The column column of fields.csv tells the conditions apart: untreated from wortmannin, always" in look
    assert "No file states its pixel size" in look
    assert "held out {'untreated': 2, 'wortmannin': 2}" in train
    assert "from step 2" in resume
    assert "finished after 3 steps" in resume
    run = RunWatch(tmp_path / "runs" / "first")
    run.poll()
    assert (run.state, run.step) == ("finished", 3)
    assert any(name.startswith("kid untreated → wortmannin") for name in run.copy_source)
    assert run.previews
    card = Checkpoint.read_card(tmp_path / "runs" / "first" / "best.safetensors")
    assert card.conditions == ("untreated", "wortmannin")
    assert "D02" in translate
    translated = read(tmp_path / "translated" / "D02_translated.ome.tif")
    assert translated.channels == ("DNA", "FKHR-EGFP")
    assert translated.pixels.shape == (2, SIDE, SIDE)
    second = RunWatch(tmp_path / "runs" / "second")
    second.poll()
    assert "finished after 2 steps" in again
    assert {name for name in run.settings if run.settings[name] != second.settings[name]} == {"seed", "steps"}


def test_every_picture_is_there() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", TUTORIAL.read_text(encoding="utf-8"))
    assert pictures
    assert [picture for picture in pictures if not (TUTORIAL.parent / picture).exists()] == []
