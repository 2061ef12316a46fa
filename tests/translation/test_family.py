"""Several trainings that translate together, and samples: where they agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner

from napari_phenotrans.cli.main import phenotrans
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.io import provenance, read, write
from napari_phenotrans.translation.batch import FileDone, FilesRequest, read_result, translate_files
from napari_phenotrans.translation.family import TranslatorFamily
from napari_phenotrans.translation.provenance import translate_command
from napari_phenotrans.translation.request import TranslationRequest
from napari_phenotrans.translation.translate import Translator, translate_image
from napari_phenotrans.translation.trust import local_error

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint

NAMES = ("marker 0", "marker 1")
WAY = {"source": "untreated", "target": "treated"}


def image_of(height: int = 40, width: int = 56, planes: int = 1) -> Image:
    pixels = np.random.default_rng(0).uniform(20, 180, (2, planes, height, width)).astype(np.float32)
    return Image(pixels, "CZYX", NAMES)


@pytest.fixture
def three(make_checkpoint: Callable[..., Checkpoint]) -> list[Checkpoint]:
    # of different sizes, so that they do not change the same
    return [make_checkpoint(gain=gain) for gain in (0.3, 0.36, 0.24)]


def test_the_mean_change_and_where_it_agrees(three: list[Checkpoint]) -> None:
    image = image_of(planes=2)
    made = translate_image(image, TranslatorFamily(three), **WAY)
    each = [translate_image(image, one, **WAY).difference.pixels for one in three]
    np.testing.assert_allclose(made.difference.pixels, np.mean(each, axis=0), atol=1e-3)
    np.testing.assert_allclose(made.translated.pixels, image.pixels + made.difference.pixels, atol=1e-3)
    same = [translate_image(image, one, source="untreated", target="untreated").difference for one in three]
    assert made.agreement is not None and made.agreement.kind == "agreement of the change"
    for z in range(2):
        above = []
        for one, checkpoint, error in zip(each, three, same, strict=True):
            change = np.asarray(one)[:, z]
            above.append(np.sign(change) * (np.abs(change) > 2 * local_error(error.plane(z=z), checkpoint.card, 2.0)))
        share = np.sum(above, axis=0) / 3
        up, down = (np.sum(np.array(above) == sign, axis=0) for sign in (1, -1))
        expected = np.where(up >= 2, up / 3, np.where(down >= 2, -down / 3, 0))
        assert 0 < (expected != 0).mean() < 1 or np.abs(share).max() > 0
        np.testing.assert_allclose(made.agreement.plane(z=z), expected, atol=1e-6)
    assert set(made.provenance["agreement"]) == set(NAMES)
    assert any("Over 3 trainings the change agrees by marker 0" in note for note in made.notices)


def test_one_training_three_times_agrees_with_itself(three: list[Checkpoint]) -> None:
    made = translate_image(image_of(), TranslatorFamily([three[0]] * 3), **WAY)
    plain = translate_image(image_of(), three[0], **WAY)
    np.testing.assert_allclose(made.translated.pixels, plain.translated.pixels, atol=1e-3)
    assert made.provenance["agreement"] == dict.fromkeys(NAMES, 1.0)
    assert set(np.unique(made.agreement.pixels)) <= {-1, 0, 1}


def test_what_does_not_belong_together_is_refused(
    three: list[Checkpoint], make_checkpoint: Callable[..., Checkpoint]
) -> None:
    with pytest.raises(InputError, match="do not belong together"):
        TranslatorFamily([three[0], make_checkpoint(channels=1)])
    with pytest.raises(InputError, match="without samples and turns"):
        TranslatorFamily(three).translate(image_of(), TranslationRequest(**WAY, turns=2))


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_files_of_several_trainings(suffix: str, three: list[Checkpoint], tmp_path: Path) -> None:
    path, out = tmp_path / f"A01{suffix}", tmp_path / "out"
    write(image_of(planes=2), path)
    (tmp_path / "family").mkdir()
    (tmp_path / "family" / "family.json").write_text('{"seeds": [0, 1, 2]}')
    files = [tmp_path / "family" / f"seed-{seed}" / "best.safetensors" for seed in range(3)]
    for checkpoint, file in zip(three, files, strict=True):
        file.parent.mkdir()
        checkpoint.save(file)
    words = ["translate", path, "--checkpoint", tmp_path / "family", "--source", "untreated", "--target", "treated"]
    done = CliRunner().invoke(phenotrans, [*map(str, words), "--out", str(out)])
    assert done.exit_code == 0, done.output
    names = [f"A01_{what}{suffix}" for what in ("translated", "difference", "agreement")]
    assert sorted(each.name for each in out.iterdir()) == sorted(names)
    written = read(out / names[2])
    assert (written.kind, written.dtype) == ("agreement of the change", np.float32)
    noted = provenance(out / names[0])
    assert noted["trainings"] == "3"
    assert "seed-1/best.safetensors" in noted["training files"] and str(tmp_path) not in str(noted)

    # the same again, as it is asked for in Python, and passed over where nothing changed
    translator = TranslatorFamily(files)
    request = FilesRequest([path], out, TranslationRequest(**WAY), skip_existing=True)
    *_, ended = translate_files(request, translator)
    assert type(ended).__name__ == "FileSkipped"
    other = FilesRequest([path], tmp_path / "again", TranslationRequest(**WAY))
    *_, ended = translate_files(other, translator)
    assert isinstance(ended, FileDone)
    again = read_result(ended)
    assert again.agreement is not None
    np.testing.assert_array_equal(np.asarray(again.agreement.pixels), np.asarray(written.pixels))
    assert translate_command(ended.provenance).count("--checkpoint") == 3
    *_, refused = translate_files(request, TranslatorFamily(files[:2]))
    assert "made by another checkpoint" in str(refused.error)


def test_large_planes_come_in_regions_and_are_the_same(three: list[Checkpoint]) -> None:
    image = image_of(400, 97)
    translator = TranslatorFamily(three[:2], tile=128)
    whole = list(translator.translate(image, TranslationRequest(**WAY)))
    regions = list(translator.translate(image, TranslationRequest(**WAY), in_regions=True))
    names = [type(event).__name__ for event in regions]
    assert names.count("RegionDone") == names.count("AgreementDone") > 1
    (plane,) = [event for event in whole if type(event).__name__ == "PlaneDone"]
    for event in regions:
        if type(event).__name__ == "RegionDone":
            height, width = event.difference.shape[1:]
            where = (slice(None), slice(event.top, event.top + height), slice(event.left, event.left + width))
            np.testing.assert_allclose(event.difference, plane.difference[where], atol=0.05)


def test_a_single_translator_has_no_maps(three: list[Checkpoint]) -> None:
    assert Translator(three[0]).extras(TranslationRequest(**WAY)) == ()
