"""Translations of the image turned: their mean, and how far they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from napari_phenotrans.cli.main import phenotrans
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region
from napari_phenotrans.core.turns import turned, turned_back
from napari_phenotrans.io import provenance, read, write
from napari_phenotrans.translation.batch import FileDone, FilesRequest, read_result, translate_files
from napari_phenotrans.translation.events import PlaneDone, RegionDone, TurnedDone
from napari_phenotrans.translation.limits import Limits
from napari_phenotrans.translation.provenance import translate_command
from napari_phenotrans.translation.request import Answers, TranslationRequest
from napari_phenotrans.translation.translate import Translator, translate_image
from napari_phenotrans.translation.trust import check_translation
from napari_phenotrans.translation.turn_test import turn_test

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint

NAMES = ("marker 0", "marker 1")
WAY = {"source": "untreated", "target": "treated"}


def image_of(height: int = 40, width: int = 56, axes: str = "CYX", planes: int = 1, seed: int = 0) -> Image:
    shape = (2, *([planes] if len(axes) == 4 else []), height, width)
    return Image(np.random.default_rng(seed).uniform(20, 180, shape).astype(np.float32), axes, NAMES)


@pytest.mark.parametrize("turns", [2, 8])
def test_the_mean_over_turns_and_how_far_they_differ(turns: int, make_checkpoint: Callable[..., Checkpoint]) -> None:
    translator, image = Translator(make_checkpoint()), image_of()
    made = translate_image(image, translator, **WAY, turns=turns)
    laid = [Image(turned(image.pixels, n), "CYX", NAMES) for n in range(turns)]
    differences = [np.asarray(translate_image(one, translator, **WAY).difference.pixels) for one in laid]
    each = [turned_back(one, n) for n, one in enumerate(differences)]
    assert np.abs(each[1] - each[0]).max() > 0.1, "the checkpoint agrees with itself: nothing is tested"
    np.testing.assert_allclose(made.difference.pixels, np.mean(each, axis=0), atol=1e-3)
    np.testing.assert_allclose(made.translated.pixels, image.pixels + made.difference.pixels, atol=1e-3)
    assert made.turned is not None
    apart = np.mean([np.abs(one - each[0]) for one in each[1:]], axis=0)
    np.testing.assert_allclose(made.turned.pixels, apart, atol=1e-3)
    assert made.turned.kind == "turned disagreement"
    assert made.images == (made.translated, made.difference, made.turned)


def test_an_engine_without_orientation_agrees_with_itself(make_checkpoint: Callable[..., Checkpoint]) -> None:
    translator = Translator(make_checkpoint("shift"))
    plain, made = (translate_image(image_of(), translator, **WAY, turns=turns) for turns in (1, 8))
    assert plain.turned is None
    np.testing.assert_allclose(made.translated.pixels, plain.translated.pixels, atol=1e-3)
    assert made.turned is not None and np.abs(made.turned.pixels).max() < 1e-3


def test_regions_stacks_and_large_planes(make_checkpoint: Callable[..., Checkpoint]) -> None:
    checkpoint, image = make_checkpoint(), image_of(130, 97, "CZYX", 2)
    whole = translate_image(image, checkpoint, **WAY, turns=2)
    region = Region(33, 20, 50, 41)
    part = translate_image(image, checkpoint, **WAY, turns=2, region=region)
    np.testing.assert_allclose(part.translated.pixels, whole.translated.pixels[..., *region.slices], atol=0.05)
    assert part.turned is not None and whole.turned is not None
    np.testing.assert_allclose(part.turned.pixels, whole.turned.pixels[..., *region.slices], atol=0.05)

    in_squares = Translator(checkpoint, limits=Limits(large_plane=60 * 60, square=64))
    events = list(in_squares.translate(image, TranslationRequest(**WAY, turns=2), in_regions=True))
    assert not any(isinstance(event, PlaneDone) for event in events)
    pieces = zip(
        (event for event in events if isinstance(event, RegionDone)),
        (event for event in events if isinstance(event, TurnedDone)),
        strict=True,
    )
    for done, apart in pieces:
        where = Region(done.top, done.left, *done.translated.shape[1:])
        assert (apart.top, apart.left, apart.z) == (done.top, done.left, done.z)
        np.testing.assert_allclose(done.translated, whole.translated.plane(z=done.z, region=where), atol=0.05)
        np.testing.assert_allclose(apart.disagreement, whole.turned.plane(z=done.z, region=where), atol=0.05)


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(InputError, match="--turns 9: expected 1 to 8"):
        TranslationRequest(**WAY, turns=9)
    with pytest.raises(InputError, match="not of samples"):
        TranslationRequest(**WAY, turns=2, answers=Answers(3))


def test_a_check_is_of_the_mean(make_checkpoint: Callable[..., Checkpoint]) -> None:
    translator, image = Translator(make_checkpoint()), image_of()
    request = TranslationRequest(**WAY, turns=2)
    made = next(event for event in translator.translate(image, request) if isinstance(event, PlaneDone))
    *_, checked = check_translation(translator, image, request, made.difference)
    back = TranslationRequest("treated", "untreated", way_back=True, turns=2)
    translated = image.replace(pixels=image.pixels + made.difference)
    undone = next(event for event in translator.translate(translated, back) if isinstance(event, PlaneDone))
    np.testing.assert_allclose(checked.round_trip, made.difference + undone.difference, atol=1e-3)


def test_one_place_is_tested_by_the_change_that_was_made_there(make_checkpoint: Callable[..., Checkpoint]) -> None:
    translator, image = Translator(make_checkpoint()), image_of()
    request = TranslationRequest(**WAY, region=Region(4, 8, 24, 32))
    made = next(event for event in translator.translate(image, request) if isinstance(event, PlaneDone))
    *_, tested = turn_test(translator, image, request, made.difference)
    both = translate_image(image, translator, **WAY, turns=2, region=request.region)
    assert both.turned is not None
    for row, apart, change in zip(tested.rows, np.asarray(both.turned.pixels), made.difference, strict=True):
        assert row.of_change == pytest.approx(apart.mean() / np.abs(change).mean(), rel=1e-3)
    assert [row.channel for row in tested.rows] == list(NAMES)


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_files_and_the_command_that_repeats_them(
    suffix: str, make_checkpoint: Callable[..., Checkpoint], tmp_path: Path
) -> None:
    path, file = tmp_path / f"A01{suffix}", tmp_path / "engine.safetensors"
    write(image_of(axes="CZYX", planes=2), path)
    make_checkpoint().save(file)
    words = ["translate", path, "--checkpoint", file, "--source", "untreated", "--target", "treated"]
    torch.manual_seed(0)
    done = CliRunner().invoke(phenotrans, [*map(str, words), "--turns", "2", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    names = [f"A01_{what}{suffix}" for what in ("translated", "difference", "turned")]
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == sorted(names)
    written = read(tmp_path / "out" / names[2])
    assert (written.kind, written.dtype, written.sizes["Z"]) == ("turned disagreement", np.float32, 2)
    noted = provenance(tmp_path / "out" / names[0])
    assert noted["turns"] == "2"

    request = FilesRequest([path], tmp_path / "again", TranslationRequest(**WAY, turns=2))
    *_, ended = translate_files(request, Translator(file))
    assert isinstance(ended, FileDone) and ended.extras[0] in ended.written
    again = read_result(ended)
    assert again.turned is not None
    np.testing.assert_array_equal(np.asarray(again.turned.pixels), np.asarray(written.pixels))
    assert "--turns 2" in translate_command(ended.provenance)


def test_results_of_other_turns_are_not_skipped(make_checkpoint: Callable[..., Checkpoint], tmp_path: Path) -> None:
    write(image_of(), tmp_path / "A01.ome.tif")
    translator = Translator(make_checkpoint("shift"))

    def ends(turns: int) -> list[Any]:
        way = TranslationRequest(**WAY, turns=turns)
        request = FilesRequest([tmp_path / "A01.ome.tif"], tmp_path / "out", way, skip_existing=True)
        return [type(event).__name__ for event in translate_files(request, translator)]

    assert ends(2)[-1] == "FileDone"
    assert ends(2)[-1] == "FileSkipped"
    assert ends(3)[-1] == "FileFailed"
