"""``phenotrans import`` and ``phenotrans export``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from click.testing import CliRunner, Result

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.cli.main import phenotrans
from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(phenotrans, [str(argument) for argument in arguments])


@pytest.fixture
def checkpoint(make_engine: Callable[..., Any], make_checkpoint: Callable[..., Checkpoint], tmp_path: Path) -> Path:
    engine = make_engine("cyclegan", output="tanh", upsampling="transposed")
    card = make_checkpoint().card.model_copy(update={"settings": engine.settings.model_dump(mode="json")})
    return Checkpoint.of(engine, card).save(tmp_path / "engine.safetensors")


def test_out_and_in_again(checkpoint: Path, tmp_path: Path) -> None:
    result = run("export", checkpoint, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.exception
    assert str(tmp_path / "out" / "latest_net_G_A.pth") in result.stdout
    assert "note: The original normalizes each picture" in result.stderr
    result = run(
        "import", tmp_path / "out", "--out", tmp_path / "back.safetensors",
        "--conditions", "dim,bright", "--channels", "DNA, GFP", "--limits", 0, 99, "--pixel-size", 0.3,
    )  # fmt: skip
    assert result.exit_code == 0, result.exception
    assert "dim, bright" in result.stdout
    card = Checkpoint.read_card(tmp_path / "back.safetensors")
    assert (card.conditions, card.channels, card.high) == (("dim", "bright"), ("DNA", "GFP"), (99, 99))
    assert (card.pixel_size, card.pixel_unit) == (0.3, "um")


def test_what_the_public_layout_cannot_hold_goes_into_a_package_and_back(
    make_checkpoint: Callable[..., Checkpoint], tmp_path: Path
) -> None:
    pytest.importorskip("bioimageio.spec", reason="pip install bioimageio.core")
    path = make_checkpoint("cyclegan").save(tmp_path / "mine.safetensors")
    result = run("export", path, "--out", tmp_path / "out")
    assert "--format bioimageio --source untreated --target treated --out model.zip" in str(result.exception)
    said = ("--source", "untreated", "--target", "treated", "--background", "engine", "--author", "A", "--author", "B")
    result = run("export", path, "--format", "bioimageio", *said, "--out", tmp_path / "model.zip")
    assert result.exit_code == 0, result.exception
    assert str(tmp_path / "model.zip") in result.stdout and "--license" in result.stderr
    result = run("import", tmp_path / "model.zip", "--out", tmp_path / "back.safetensors", "--channels", "DNA,GFP")
    assert result.exit_code == 0, result.exception
    card = Checkpoint.read_card(tmp_path / "back.safetensors")
    assert (card.targets, card.channels) == (("treated",), ("DNA", "GFP"))


def test_nothing_is_replaced_unless_said(checkpoint: Path, tmp_path: Path) -> None:
    assert run("export", checkpoint, "--out", tmp_path / "out").exit_code == 0
    for command in (
        ("export", checkpoint, "--out", tmp_path / "out"),
        ("import", tmp_path / "out", "--out", checkpoint),
    ):
        result = run(*command)
        assert isinstance(result.exception, InputError)
        assert "--overwrite" in str(result.exception)
        assert run(*command, "--overwrite").exit_code == 0


def test_bad_input_is_said(checkpoint: Path, tmp_path: Path) -> None:
    torch.save({}, tmp_path / "latest_net_G.pth")
    for command, said in (
        (("import", tmp_path / "none", "--out", tmp_path / "a.safetensors"), "no file or folder"),
        (("import", tmp_path / "latest_net_G.pth", "--out", tmp_path / "a.pth"), "--out a.safetensors"),
        (
            ("import", tmp_path / "latest_net_G.pth", "--out", tmp_path / "a.safetensors", "--null-row", 0),
            "--null-row and --scheduler belong to diffusion models",
        ),
        (("export", checkpoint, "--out", tmp_path / "out", "--format", "diffusers"), "--format cyclegan"),
        (("export", "bbbc013-cyclegan", "--out", tmp_path / "out"), "--output tanh"),
        (("export", "bbbc013-flow", "--out", tmp_path / "out", "--depth", 0.5), "Say --format bioimageio"),
    ):
        result = run(*command)
        assert isinstance(result.exception, InputError), result.output
        assert said in str(result.exception)


def test_help_names_what_can_be_read_and_written() -> None:
    assert "full_pipeline_save" in run("import", "--help").output
    assert "latest_net_G_A.pth" in run("export", "--help").output
    assert "BioImage Model Zoo" in run("export", "--help").output
    assert "BioImage Model Zoo" in run("import", "--help").output
    assert "export" in run("--help").output
