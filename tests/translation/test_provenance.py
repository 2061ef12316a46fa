"""The command that makes a translation again gives the same pixels."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from napari_phenotrans.cli.main import phenotrans
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region
from napari_phenotrans.io import read, write
from napari_phenotrans.translation.provenance import translate_command
from napari_phenotrans.translation.request import TranslationRequest
from napari_phenotrans.translation.translate import Translator, translate_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint

WAY = {"source": "untreated", "target": "treated"}
REQUEST = TranslationRequest(**WAY)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 200, (2, 3, 3, 50, 61)).astype(np.uint16)
    image = Image(pixels, "TZCYX", ("Hoechst 33342", "other", "marker 1"), pixel_size_um=0.4, unit="µm")
    return write(image, tmp_path / "it's a stack.ome.tif")


@pytest.mark.parametrize(
    ("engine", "more"),
    [
        ("cyclegan", {}),
        ("cyclegan", {"region": Region(7, 11, 30, 40), "positions": [(1, 0), (1, 2)]}),
        ("phendiff", {"positions": [(0, 1)], "how": {"strength": 0.7, "evaluations": 3, "guidance": 1.5}}),
    ],
)
def test_the_command_gives_the_same_pixels(
    engine: str, more: dict[str, Any], stack: Path, tmp_path: Path, make_checkpoint: Callable[..., Checkpoint]
) -> None:
    checkpoint = make_checkpoint(engine, pixel_size=0.4, pixel_unit="um").save(tmp_path / "my engine.safetensors")
    translator = Translator(checkpoint, tile=48, overlap=12)
    here = translate_image(read(stack), translator, **WAY, channels={"marker 0": "Hoechst 33342"}, **more)
    line = translate_command(here.provenance, str(tmp_path / "out"))
    program, *arguments = shlex.split(line)
    assert program == "phenotrans"
    ran = CliRunner().invoke(phenotrans, arguments, catch_exceptions=False)
    assert ran.exit_code == 0
    for kind in ("translated", "difference"):
        made = read(tmp_path / "out" / f"it's a stack_{kind}.ome.tif")
        expected = getattr(here, kind)
        assert made.channels == expected.channels == ("Hoechst 33342", "marker 1")
        # axes of length one are left out by OME-TIFF or not: places are compared
        for t, z in expected.positions():
            at = {k: v for k, v in (("t", t), ("z", z)) if k.upper() in made.axes}
            np.testing.assert_array_equal(made.plane(**at), expected.plane(t=t, z=z))


def test_what_is_not_the_default_is_said(make_checkpoint: Callable[..., Checkpoint], tmp_path: Path) -> None:
    image = Image(np.zeros((2, 3, 8, 9), np.uint8), "CZYX", ("marker 0", "marker 1"), path=tmp_path / "a.tif")
    translator = Translator("bbbc013-phendiff")
    provenance = translator.provenance(
        image.replace(channels=translator.card.channels),
        TranslationRequest(*translator.card.conditions, positions=[(0, z) for z in range(3)], how={"strength": 0.25}),
    )
    line = translate_command(provenance)
    assert f"phenotrans translate {tmp_path / 'a.tif'} --checkpoint bbbc013-phendiff " in line
    assert " --strength 0.25 " in line
    assert not any(option in line for option in ("--channel", "--region", "--t ", "--z", "--join", "--series"))
    joined = image.replace(channels=translator.card.channels, reading={"join": True, "axes": "YX", "series": 2})
    more = translate_command(translator.provenance(joined, TranslationRequest(*translator.card.conditions)))
    assert "--axes YX" in more
    assert "--series 2" in more
    assert "--join" in more


def test_what_no_command_can_repeat_is_refused(make_checkpoint: Callable[..., Checkpoint], tmp_path: Path) -> None:
    pixels = np.zeros((2, 3, 2, 8, 9), np.uint8)
    image = Image(pixels, "TZCYX", ("marker 0", "marker 1"), path=tmp_path / "a.tif")
    unsaved = Translator(make_checkpoint("shift"))
    with pytest.raises(InputError, match="checkpoint that lies in no file"):
        translate_command(unsaved.provenance(image, REQUEST))
    saved = Translator(make_checkpoint("shift").save(tmp_path / "shift.safetensors"))
    with pytest.raises(InputError, match="image that lies in no file"):
        translate_command(saved.provenance(image.replace(path=None), REQUEST))
    with pytest.raises(InputError, match="no single command for these 2 planes"):
        translate_command(saved.provenance(image, replace(REQUEST, positions=[(0, 0), (1, 2)])))
