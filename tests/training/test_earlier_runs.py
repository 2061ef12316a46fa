"""Run folders that earlier versions wrote still translate, can be watched, and go on training.

Those in ``tests/data/before_packages`` are from before the code lay in packages; its README says how they were made.
"""

from __future__ import annotations

import json
import lzma
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.cli.train import train
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import write
from napari_phenotrans.runs.monitor import RunWatch
from napari_phenotrans.training.previews import read_preview
from napari_phenotrans.translation.translate import translate_image

EARLIER = Path(__file__).parents[1] / "data" / "before_packages"
CHECKPOINTS = sorted(EARLIER.rglob("*.safetensors"))
CONDITIONS = ("untreated", "treated")


def field(condition: str, well: int) -> Image:
    """Return one of the images that the runs were trained on; resuming compares every pixel."""
    y, x = np.ogrid[:72, :72]
    number = CONDITIONS.index(condition)
    pixels = 20 + (y * y * (3 + well) + x * x * 7 + x * y * (1 + number)) % 97 + 60 * number
    return Image(pixels[None].astype(np.uint8), "CYX", ("DNA",), pixel_size_um=0.5, unit="µm")


@pytest.fixture
def copy_of_run(tmp_path: Path):
    """Copy an earlier run folder, with its images at a place of this test's."""

    def copy(name: str) -> Path:
        images, folder = tmp_path / "images", tmp_path / name
        for condition in CONDITIONS:
            for well in range(3):
                write(field(condition, well), images / condition / f"{condition}{well}.ome.tif")
        shutil.copytree(EARLIER / name, folder)
        decided = json.loads((folder / "run.json").read_text())
        for part in ("training", "held-out"):
            assert decided[part]["folder"] == "/images"
            decided[part]["folder"] = str(images)
        (folder / "run.json").write_text(json.dumps(decided))
        packed = folder / "resume.pt.xz"
        if packed.exists():
            (folder / "resume.pt").write_bytes(lzma.decompress(packed.read_bytes()))
        return folder

    return copy


@pytest.mark.parametrize(
    "path", sorted(EARLIER.rglob("*.safetensors")), ids=lambda path: str(path.relative_to(EARLIER))
)
def test_checkpoints_of_earlier_runs_translate(path: Path) -> None:
    checkpoint = Checkpoint.load(path)
    card = checkpoint.card
    assert card.engine == path.relative_to(EARLIER).parts[0]
    assert (card.channels, card.conditions, card.pixel_size, card.crop) == (("DNA",), CONDITIONS, 0.5, 32)
    assert card.training["fields"] == {"untreated": 2, "treated": 2}
    # the cyclegan's last checkpoint is of a step that was not scored
    assert {score.metric for score in card.scores} == (
        set() if card.engine == "cyclegan" else {"kid", "gap closed", "round trip", "identity"}
    )
    translated = translate_image(field("untreated", 0), path, source="untreated", target="treated")
    assert translated.translated.plane().shape == (1, 72, 72)


def test_the_history_of_earlier_runs_is_shown() -> None:
    shift, cyclegan = RunWatch(EARLIER / "shift"), RunWatch(EARLIER / "cyclegan")
    for watch in (shift, cyclegan):
        assert watch.poll()
        assert (watch.conditions, watch.channels, watch.host) == (CONDITIONS, ("DNA",), "microscope")
        assert watch.fields == {"untreated": 2, "treated": 2}
        assert set(watch.floors) <= set(watch.copy_source)
        assert any("scores come without" in note for note in watch.notes)
    assert (shift.state, shift.step, shift.engine, shift.best_step) == ("finished", 4, "shift", 4)
    assert shift.losses["mean error treated"].steps.tolist() == [1, 2, 3, 4]
    assert shift.scores["kid untreated → treated"].steps.tolist() == [2, 4]
    assert shift.facts["variety untreated → treated"].steps.tolist() == [2, 4]
    assert [file.step for file in shift.checkpoints] == [2, 4, 4, 4]
    assert read_preview(shift.previews[-1].path).crops.shape == (2, 3, 4, 1, 32, 32)
    assert (cyclegan.state, cyclegan.sentence) == ("stopped", "Stopped at step 3 of 6: stopped by request.")
    assert cyclegan.losses["adversarial treated"].steps.tolist() == [1, 2, 3]
    assert cyclegan.scores["kid untreated → treated"].steps.tolist() == [2]
    assert cyclegan.settings["learning_rate"] == 2e-4


@pytest.mark.parametrize(("name", "more", "steps"), [("shift", ("--steps", "6"), 6), ("cyclegan", (), 6)])
def test_earlier_runs_go_on(name: str, more: tuple[str, ...], steps: int, copy_of_run) -> None:
    folder = copy_of_run(name)
    watch = RunWatch(folder)
    watch.poll()
    before = watch.step
    result = CliRunner().invoke(train, ["--resume", str(folder), *more])
    assert result.exit_code == 0, (result.output, result.exception)
    assert f"from step {before}" in result.output
    assert f"finished after {steps} steps" in result.output
    watch.poll()
    assert watch.state == "finished"
    assert all(curve.steps.tolist() == list(range(1, steps + 1)) for curve in watch.losses.values())
    card = Checkpoint.load(folder / "last.safetensors").card
    assert card.training["steps"] == steps
    assert card.scores
