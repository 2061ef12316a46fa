from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
from napari_phenotrans.cli.main import phenotrans
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.io import provenance, read, write
from napari_phenotrans.metrics.agreement import Agreement
from napari_phenotrans.translation.batch import FileDone, FilesRequest, read_result, translate_files
from napari_phenotrans.translation.events import Event, PlaneDone, SampleDone, SpreadDone
from napari_phenotrans.translation.inputs import images_in
from napari_phenotrans.translation.limits import USUAL_LIMITS
from napari_phenotrans.translation.provenance import translate_command
from napari_phenotrans.translation.request import Answers, TranslationRequest
from napari_phenotrans.translation.spread import Spread
from napari_phenotrans.translation.translate import Translation, Translator, translate_image
from napari_phenotrans.translation.trust import check_translation, local_error

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("DNA", "GFP")
WAY = {"source": "untreated", "target": "treated"}


def flow(*kept: str, **card: Any) -> Checkpoint:
    torch.manual_seed(0)
    entry = ENGINES["flow"]
    settings = entry.settings.make(crop=32, width=8, levels=3, kept=kept, channels=NAMES)
    engine = entry.load()(settings, 2, ("untreated", "treated"))
    said = {"low": (0.0, 0.0), "high": (60_000.0, 60_000.0), "crop": 32, "translation": {"evaluations": 4}}
    return Checkpoint.of(
        engine,
        Card(
            engine="flow",
            settings=settings.model_dump(mode="json"),
            conditions=("untreated", "treated"),
            channels=NAMES,
            **(said | card),
        ),
    )


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return flow("DNA")


def image_of(*shape: int, axes: str = "CYX", seed: int = 0) -> Image:
    values = np.random.default_rng(seed).integers(10_000, 50_000, (2, *shape)).astype(np.uint16)
    return Image(values, axes, NAMES)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_samples_differ_where_something_moves_and_nowhere_else(checkpoint: Checkpoint, dtype: type) -> None:
    # a dtype that holds whatever an untrained network makes
    image = image_of(70, 50)
    image = image.replace(pixels=image.pixels.astype(dtype))
    plain = translate_image(image, checkpoint, **WAY)
    result = translate_image(image, checkpoint, **WAY, samples=3, redraw=0.5, seed=4)
    np.testing.assert_array_equal(result.translated.pixels, plain.translated.pixels)
    assert len(result.samples) == 3
    assert plain.samples == ()
    assert plain.mean is plain.spread is None
    assert result.mean is not None
    assert result.spread is not None
    stack = np.stack([sample.pixels for sample in result.samples])
    assert stack.dtype == result.mean.pixels.dtype == dtype
    for sample in stack:
        np.testing.assert_array_equal(sample[0], image.pixels[0])
        assert np.abs(sample[1].astype(float) - result.translated.pixels[1]).max() > 10
    np.testing.assert_array_equal(result.mean.pixels[0], image.pixels[0])
    assert (result.spread.pixels[0] == 0).all()
    assert result.spread.pixels.dtype == np.float32
    np.testing.assert_allclose(result.mean.pixels[1], stack[:, 1].mean(axis=0), atol=1)
    np.testing.assert_allclose(result.spread.pixels[1], stack[:, 1].std(axis=0, ddof=1), atol=1)
    assert result.spread.pixels[1].min() > 0


def test_a_sample_is_the_same_however_many_are_made(checkpoint: Checkpoint) -> None:
    image = image_of(40, 40)
    two, three = (translate_image(image, checkpoint, **WAY, samples=n, seed=7) for n in (2, 3))
    for one, other in zip(two.samples, three.samples, strict=False):
        np.testing.assert_array_equal(one.pixels, other.pixels)
    elsewhere = translate_image(image, checkpoint, **WAY, samples=2, seed=8)
    assert not np.array_equal(two.samples[0].pixels, elsewhere.samples[0].pixels)


def test_all_planes_of_a_stack_get_the_same_noise(checkpoint: Checkpoint) -> None:
    plane = image_of(40, 48).pixels
    stack = Image(np.repeat(plane[:, None], 2, axis=1), "CZYX", NAMES)
    result = translate_image(stack, checkpoint, **WAY, samples=2)
    for sample in result.samples:
        np.testing.assert_array_equal(sample.pixels[:, 0], sample.pixels[:, 1])


def test_a_region_gets_the_answers_of_the_whole_plane(checkpoint: Checkpoint) -> None:
    """Where the denoiser sees one pixel: only noise in its own place gives the same."""

    class Pointwise(torch.nn.Module):
        def forward(self, x: torch.Tensor, time: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return 0.3 * x[:, 1:] + x[:, :1] * labels[:, None, None, None] - 0.2

    translator = Translator(checkpoint)
    translator.engine.networks_to("treated").forward = Pointwise().forward  # type: ignore[method-assign]
    image, region = image_of(150, 140), Region(80, 64, 30, 40)
    whole = translate_image(image, translator, **WAY, samples=2, redraw=1.0)
    part = translate_image(image, translator, **WAY, samples=2, redraw=1.0, region=region)
    for one, other in zip(whole.samples, part.samples, strict=True):
        inside = one.pixels[:, *region.slices].astype(float)
        assert inside[1].std() > 1000
        np.testing.assert_allclose(other.pixels, inside, atol=30)


def test_the_inversion_is_computed_once(checkpoint: Checkpoint) -> None:
    translator = Translator(checkpoint)
    asked = []
    apply = translator._driver.apply

    def counting(*arguments: Any) -> Any:
        asked.append(1)
        return apply(*arguments)

    translator._driver.apply = counting  # type: ignore[method-assign]
    image = image_of(32, 32)
    translate_image(image, translator, **WAY)
    one_way = len(asked) // 2
    asked.clear()
    translator.forget()
    translate_image(image, translator, **WAY, samples=3)
    assert len(asked) == one_way * (1 + 1 + 3)


def test_events_say_how_much_is_to_come(checkpoint: Checkpoint) -> None:
    request = TranslationRequest(**WAY, answers=Answers(3))
    events: list[Event] = list(Translator(checkpoint).translate(image_of(2, 32, 32, axes="CZYX"), request))
    shares = [event.planes / event.total for event in events if isinstance(event, PlaneDone | SampleDone)]
    assert shares == pytest.approx([(plane + part / 4) / 2 for plane in (0, 1) for part in (1, 2, 3, 4)])
    assert [event.z for event in events if isinstance(event, SpreadDone)] == [0, 1]


def test_large_planes_come_in_regions_with_their_answers(checkpoint: Checkpoint) -> None:
    limits = replace(USUAL_LIMITS, large_plane=32 * 32, square=48)
    image = image_of(90, 60)
    result = translate_image(image, Translator(checkpoint, limits=limits), **WAY, samples=2)
    for sample in result.samples:
        np.testing.assert_array_equal(sample.pixels[0], image.pixels[0])
        assert (sample.pixels[1] != image.pixels[1]).mean() > 0.9
    assert result.spread is not None
    assert (result.spread.pixels[1] > 0).mean() > 0.99


def test_other_engines_and_impossible_numbers_are_refused(
    checkpoint: Checkpoint,
) -> None:
    with pytest.raises(InputError, match=r"--redraw 1\.5: expected 0 to 1"):
        translate_image(image_of(32, 32), checkpoint, **WAY, samples=2, redraw=1.5)
    with pytest.raises(InputError, match=r"--samples 101: expected 1 to 100; --seed -1"):
        Answers(101, seed=-1)
    torch.manual_seed(0)
    entry = ENGINES["phendiff"]
    settings = entry.settings.make(crop=32, width=8, levels=3)
    other = flow().card.model_copy(
        update={"engine": "phendiff", "settings": settings.model_dump(mode="json"), "translation": {}}
    )
    phendiff = Checkpoint.of(entry.load()(settings, 2, ("untreated", "treated")), other)
    with pytest.raises(InputError, match="phendiff of this checkpoint gives one answer only"):
        translate_image(image_of(32, 32), phendiff, **WAY, samples=2)


def test_a_check_is_of_the_translation_without_chance(checkpoint: Checkpoint) -> None:
    image, translator = image_of(32, 32), Translator(checkpoint)
    result = translate_image(image, translator, **WAY, samples=2)
    request = TranslationRequest(**WAY, answers=Answers(2))
    events = list(check_translation(translator, image, request, result.difference.pixels))
    assert not [event for event in events if isinstance(event, SampleDone)]


def test_provenance_and_command_repeat_the_samples(checkpoint: Checkpoint, tmp_path: Path) -> None:
    write(image_of(32, 32), tmp_path / "well.ome.tif")
    saved = Checkpoint.load(checkpoint.save(tmp_path / "flow.safetensors"))
    image = read(tmp_path / "well.ome.tif")
    result = translate_image(image, saved, **WAY, samples=2, seed=5)
    about = result.provenance
    assert (about["samples"], about["redraw"], about["seed"]) == (2, Translator(saved).engine.redraw, 5)
    assert f"--samples 2 --redraw {about['redraw']} --seed 5" in translate_command(about)
    plain = translate_image(image, saved, **WAY).provenance
    assert not {"samples", "redraw", "seed"} & set(plain)
    assert "--samples" not in translate_command(plain)


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_files_of_samples(checkpoint: Checkpoint, tmp_path: Path, suffix: str) -> None:
    image, path = image_of(40, 40), tmp_path / f"well{suffix}"
    write(image, path)
    request = FilesRequest([path], tmp_path / "out", TranslationRequest(**WAY, answers=Answers(2, 0.5, 3)))
    (done,) = (e for e in translate_files(request, Translator(checkpoint)) if isinstance(e, FileDone))
    names = [each.name.removesuffix(suffix) for each in done.answers]
    assert names == ["well_sample-1", "well_sample-2", "well_samples-mean", "well_samples-spread"]
    expected = translate_image(image, checkpoint, **WAY, samples=2, redraw=0.5, seed=3)
    back = read_result(done)
    assert isinstance(back, Translation)
    for made, wanted in zip(back.images, expected.images, strict=True):
        np.testing.assert_array_equal(made.plane(), wanted.plane())
        assert made.dtype == wanted.dtype
        assert made.channels == NAMES
    assert [str(provenance(each)["sample"]) for each in done.answers] == [
        "1 of 2",
        "2 of 2",
        "mean of all",
        "spread of all (SD)",
    ]
    # none of it is taken for an image to translate
    write(image, tmp_path / "out" / f"other{suffix}")
    inside = images_in(tmp_path / "out")
    assert [each.name for each in inside.images] == [f"other{suffix}"]
    assert len(inside.results) == 6


def test_samples_agree_above_the_error_of_source_to_source(checkpoint: Checkpoint) -> None:
    image = image_of(40, 40)
    made = translate_image(image, checkpoint, **WAY, samples=3, redraw=0.3, agreement=True)
    assert translate_image(image, checkpoint, **WAY, samples=3, redraw=0.3).agreement is None
    same = translate_image(image, checkpoint, source="untreated", target="untreated").difference.plane()
    error = local_error(same, checkpoint.card, 2.0)
    found = Agreement()
    for sample in made.samples:
        found.add(np.asarray(sample.pixels, np.float32) - image.pixels, error)
    assert made.agreement is not None
    # but for rounding of what lies at the limit
    assert (made.agreement.plane() == found.map).mean() > 0.99
    assert (made.agreement.plane()[0] == 0).all() and made.provenance["agreement"]["DNA"] is None
    assert made.provenance["agreement"]["GFP"] > 0


def test_spread_is_mean_and_standard_deviation() -> None:
    some = np.random.default_rng(0).normal(5, 2, (6, 2, 3, 3)).astype(np.float32)
    spread = Spread()
    for each in some:
        spread.add(each)
    np.testing.assert_allclose(spread.mean, some.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(spread.sd, some.std(axis=0, ddof=1), rtol=1e-5)


def test_the_command_translates_with_samples(checkpoint: Checkpoint, tmp_path: Path) -> None:
    write(image_of(32, 32), tmp_path / "well.ome.tif")
    file = checkpoint.save(tmp_path / "flow.safetensors")
    line = ["translate", str(tmp_path / "well.ome.tif"), "--checkpoint", str(file), "--source", "untreated"]
    line += ["--target", "treated", "--out", str(tmp_path / "out"), "--samples", "2", "--redraw", "0.4", "--seed", "9"]
    done = CliRunner().invoke(phenotrans, line, catch_exceptions=False)
    assert len(done.stdout.split()) == 7
    agreed = read(tmp_path / "out" / "well_agreement.ome.tif")
    assert agreed.kind == "agreement of the change" and "Over 2 samples" in done.stderr
    expected = translate_image(
        read(tmp_path / "well.ome.tif"), Checkpoint.load(file), **WAY, samples=2, redraw=0.4, seed=9
    )
    for number, sample in enumerate(expected.samples, start=1):
        made = read(tmp_path / "out" / f"well_sample-{number}.ome.tif")
        np.testing.assert_array_equal(made.plane(), sample.plane())


# ---- a GAN that is shown noise


@pytest.fixture(scope="module")
def left_to_chance() -> Checkpoint:
    torch.manual_seed(0)
    entry = ENGINES["cyclegan"]
    settings = entry.settings.make(crop=32, width=8, blocks=1, norm="position", noise=True, channels=NAMES)
    engine = entry.load()(settings, 2, ("untreated", "treated"))
    with torch.no_grad():
        for value in engine.translators.parameters():
            value *= 2
    card = Card(
        engine="cyclegan",
        settings=settings.model_dump(mode="json"),
        conditions=("untreated", "treated"),
        channels=NAMES,
        low=(0.0, 0.0),
        high=(60_000.0, 60_000.0),
        crop=32,
    )
    return Checkpoint.of(engine, card)


def test_noise_of_a_gan_depends_on_the_place_in_the_plane_alone(left_to_chance: Checkpoint) -> None:
    """In one piece, in tiles, or a region of it: the same noise, and so the same picture."""
    image = image_of(240, 240)
    image = image.replace(pixels=image.pixels.astype(np.float32))
    whole = translate_image(image, left_to_chance, **WAY).translated.pixels
    np.testing.assert_array_equal(whole, translate_image(image, left_to_chance, **WAY).translated.pixels)
    tiled = translate_image(image, Translator(left_to_chance, tile=160, overlap=96), **WAY).translated.pixels
    np.testing.assert_allclose(tiled, whole, atol=60_000 * 1e-4)
    region = translate_image(image, left_to_chance, **WAY, region=Region(100, 120, 40, 40)).translated.pixels
    np.testing.assert_allclose(region, whole[:, 100:140, 120:160], atol=60_000 * 1e-4)


def test_samples_of_a_gan_differ_by_as_much_as_is_drawn_anew(left_to_chance: Checkpoint) -> None:
    image = image_of(64, 64)
    image = image.replace(pixels=image.pixels.astype(np.float32))
    plain = translate_image(image, left_to_chance, **WAY).translated.pixels
    off = [
        np.abs(translate_image(image, left_to_chance, **WAY, samples=2, redraw=r).samples[0].pixels - plain).mean()
        for r in (0.0, 0.2, 1.0)
    ]
    assert off[0] == 0
    assert 0 < off[1] < off[2]


def test_a_gan_completes_nothing(left_to_chance: Checkpoint) -> None:
    with pytest.raises(InputError, match="draws no channel from others"):
        translate_image(image_of(64, 64), left_to_chance, **WAY, drawn_channels=("GFP",))
