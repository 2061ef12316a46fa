"""What the bundled checkpoints do to the bundled images, which training never saw."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.quality.phenotype import find_nuclei, nucleus_over_ring, overlap
from napari_phenotrans.checkpoints.checkpoint import Checkpoint, bundled, find
from napari_phenotrans.engines.denoiser import DenoiserEngine
from napari_phenotrans.io import read
from napari_phenotrans.io.samples import SAMPLES, Sample
from napari_phenotrans.translation.translate import Translator, translate_image

every_sample = pytest.mark.parametrize("name", SAMPLES)


def one_pass(sample: Sample) -> str:
    """The bundled CycleGAN that knows a sample: its pixels depend on their surroundings only, whatever the tiles."""
    return sample.checkpoint.replace("flow", "cyclegan")


def opened(name: str, size: int = 320) -> tuple[Sample, np.ndarray, Translator]:
    sample = SAMPLES[name]
    return sample, read(sample.path).plane()[:, :size, :size].astype(np.float32), Translator(one_pass(sample))


def translated(plane: np.ndarray, sample: Sample, translator: Translator, target: str | None = None) -> np.ndarray:
    """Return real + difference, which no dtype has rounded."""
    image = read(sample.path).replace(pixels=plane)
    result = translate_image(image, translator, source=sample.condition, target=target or sample.target)
    return plane + result.difference.pixels


@every_sample
def test_tiled_equals_whole_and_borders_do_not_show(name: str) -> None:
    sample, plane, translator = opened(name)
    scale = translator.card.intensity.range
    tiler = Translator(one_pass(sample), tile=160)
    error = np.abs(translated(plane, sample, tiler) - translated(plane, sample, translator)) / scale
    foreground = plane > np.percentile(plane, 60, axis=(1, 2), keepdims=True)
    assert error[foreground].max() <= 0.001
    # tiles begin every 64 pixels: a border that shows is a line that differs from its neighbor
    assert np.diff(error.mean(axis=(0, 1))).max() <= 0.0002


@every_sample
def test_same_cells_translate_alike_in_full_dark_and_cropped_fields(name: str) -> None:
    sample, full, translator = opened(name)
    scale = translator.card.intensity.range
    dark = np.broadcast_to(np.percentile(full, 2, axis=(1, 2))[:, None, None], full.shape).copy()
    dark[:, 64:256, 64:256] = full[:, 64:256, 64:256]
    whole = translated(full, sample, translator)[:, 96:224, 96:224]
    in_dark = translated(dark, sample, translator)[:, 96:224, 96:224]
    cropped = translated(full[:, 64:256, 64:256], sample, translator)[:, 32:-32, 32:-32]
    assert (np.abs(in_dark - whole) / scale).max() <= 0.005
    assert (np.abs(cropped - whole) / scale).max() <= 0.005


@every_sample
def test_an_empty_plane_stays_empty(name: str) -> None:
    sample, plane, translator = opened(name)
    empty = np.broadcast_to(np.percentile(plane, 2, axis=(1, 2))[:, None, None], plane.shape).copy()
    change = np.abs(translated(empty, sample, translator) - empty) / translator.card.intensity.range
    assert change.max() <= 0.01


def test_wortmannin_moves_gfp_into_the_nuclei_and_cells_keep_their_places() -> None:
    sample, plane, translator = opened("bbbc013-untreated", 640)
    result = translated(plane, sample, translator)

    def ratio(picture: np.ndarray) -> float:
        background = float(np.percentile(picture[1], 5))
        return float(np.median(nucleus_over_ring(picture[1], find_nuclei(picture[0]), background)))

    assert ratio(plane) < 1.0
    assert ratio(result) > 3.5
    assert overlap(find_nuclei(plane[0]).mask, find_nuclei(result[0]).mask) > 0.8


def test_mitoses_keep_their_brightness_under_the_identity_control() -> None:
    sample, plane, translator = opened("synthetic-organoid-healthy")
    ground = np.median(plane[1])
    positive = plane[1] > ground + 500
    kept = translated(plane, sample, translator, target="healthy")
    assert positive.sum() > 300
    # the healthy side alone: the card says what the diseased one does, which is worse
    assert (kept[1][positive].mean() - ground) / (plane[1][positive].mean() - ground) == pytest.approx(1, abs=0.2)


def test_the_disease_takes_mitoses_and_leaves_the_junctions() -> None:
    sample, plane, translator = opened("synthetic-organoid-healthy")
    result = translated(plane, sample, translator)
    ground = np.median(plane[1])
    positive = plane[1] > ground + 500
    assert (result[1][positive].mean() - ground) / (plane[1][positive].mean() - ground) < 0.6
    junction = plane[2] > np.median(plane[2]) + 500
    assert result[2][junction].mean() / plane[2][junction].mean() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", bundled())
def test_every_bundled_checkpoint_translates_and_says_how_well(name: str) -> None:
    checkpoint = Checkpoint.load(name)
    card = checkpoint.card
    assert name.endswith(card.engine)
    assert card.scores
    assert all(score.groups > 0 for score in card.scores)
    assert {tensor.dtype.name for tensor in checkpoint.tensors.values()} == {"float16"}
    images = {sample.condition: read(sample.path) for sample in SAMPLES.values()}
    how = {"evaluations": 4} if card.engine in ("phendiff", "flow") else {}
    translator = Translator(checkpoint, how=how)
    one, other = card.conditions
    for source, target in ((one, other), (other, one)):
        image = images[source].replace(pixels=images[source].plane()[:, :128, :128])
        difference = translate_image(image, translator, source=source, target=target).difference.pixels
        assert np.isfinite(difference).all()
        assert np.abs(difference).mean() > 0.001 * card.intensity.range.mean()


def test_the_bundled_checkpoints_are_small_enough_to_ship() -> None:
    sizes = {name: find(name).stat().st_size for name in bundled()}
    engines = ("cyclegan", "scgan", "phendiff", "flow")
    assert set(sizes) == {f"{images}-{engine}" for images in ("bbbc013", "synthetic-organoids") for engine in engines}
    assert sum(sizes.values()) < 60e6


@pytest.mark.parametrize(
    ("name", "earlier", "now"),
    [
        ("bbbc013-phendiff", 0.36, 0.41),
        ("bbbc013-flow", 0.97, 0.99),
        ("synthetic-organoids-phendiff", 0.5, 0.77),
        ("synthetic-organoids-flow", 0.97, 0.99),
    ],
)
def test_depth_counts_in_effect_and_goes_to_the_noise_of_earlier_versions(
    name: str, earlier: float, now: float
) -> None:
    """What stood in the card before it said what each noise changes gives the same picture still."""
    card = Checkpoint.read_card(name)
    engine = Checkpoint.load(name).build_engine()
    assert isinstance(engine, DenoiserEngine)
    assert card.translation[engine.amount] == now
    usual = engine.translation_settings.make(**card.translation)
    assert engine.way(usual) == pytest.approx(earlier, abs=1e-12)
    as_then = usual.model_copy(update={engine.amount: earlier, "scale": "noise"})
    x = torch.rand(1, engine.channels, 64, 64, generator=torch.Generator().manual_seed(0)) - 0.8
    pictures = [engine.translate(x, *card.conditions[:2], how) for how in (usual, as_then)]
    torch.testing.assert_close(*pictures, rtol=0, atol=1e-6)
