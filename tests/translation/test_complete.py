from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import napari_phenotrans as pt
from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
from napari_phenotrans.cli.main import phenotrans
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.io import provenance, read, write
from napari_phenotrans.translation.complete import complete_image
from napari_phenotrans.translation.events import SampleDone
from napari_phenotrans.translation.provenance import translate_command

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("DAPI", "PH3", "ZO1")


def flow(*kept: str, **card: Any) -> Checkpoint:
    torch.manual_seed(0)
    entry = ENGINES["flow"]
    settings = entry.settings.make(crop=32, width=8, levels=3, kept=kept, channels=NAMES)
    engine = entry.load()(settings, 3, ("healthy", "diseased"))
    said = {"low": (0.0,) * 3, "high": (60_000.0,) * 3, "crop": 32, "translation": {"evaluations": 4}}
    return Checkpoint.of(
        engine,
        Card(
            engine="flow",
            settings=settings.model_dump(mode="json"),
            conditions=("healthy", "diseased"),
            channels=NAMES,
            **(said | card),
        ),
    )


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return flow("DAPI")


def image_of(*shape: int, axes: str = "CYX", channels: tuple[str, ...] = NAMES, seed: int = 0) -> Image:
    values = np.random.default_rng(seed).integers(0, 60_000, (len(channels), *shape)).astype(np.uint16)
    return Image(values, axes, channels, pixel_size_um=0.5, unit="µm")


def test_only_the_channel_asked_for_is_drawn(checkpoint: Checkpoint) -> None:
    image = image_of(50, 70)
    made = pt.complete_image(image, checkpoint, condition="healthy", channel="PH3").completed
    assert made.channels == NAMES
    assert made.dtype == np.uint16
    for place in (0, 2):
        np.testing.assert_array_equal(made.pixels[place], image.pixels[place])
    assert (made.pixels[1] != image.pixels[1]).mean() > 0.9


def test_nothing_of_what_moves_is_used(checkpoint: Checkpoint) -> None:
    """Neither the channel that is drawn nor another one, which the file names in another order or has not at all."""
    image = image_of(50, 70)
    expected = complete_image(image, checkpoint, condition="healthy", channel="PH3").completed.pixels[1]
    other = image_of(50, 70, seed=5)
    other.pixels[0] = image.pixels[0]
    again = complete_image(other, checkpoint, condition="healthy", channel="PH3").completed
    np.testing.assert_array_equal(again.pixels[1], expected)
    np.testing.assert_array_equal(again.pixels[2], other.pixels[2])
    turned = image.replace(pixels=image.pixels[::-1], channels=NAMES[::-1])
    np.testing.assert_array_equal(
        complete_image(turned, checkpoint, condition="healthy", channel="PH3").completed.pixels[1], expected
    )
    alone = image.part(channels=[0])
    made = complete_image(alone, checkpoint, condition="healthy", channel="PH3")
    assert made.completed.channels == ("DAPI", "PH3")
    np.testing.assert_array_equal(made.completed.pixels, np.stack([image.pixels[0], expected]))
    assert made.provenance["absent"] == ["PH3"]


def test_what_is_kept_decides(checkpoint: Checkpoint) -> None:
    image, other = image_of(50, 70), image_of(50, 70, seed=5)
    first, second = (
        complete_image(i, checkpoint, condition="healthy", channel="PH3").completed for i in (image, other)
    )
    assert not np.array_equal(first.pixels[1], second.pixels[1])


@pytest.mark.parametrize("axes", ["YX", "ZYX", "TZYX"])
def test_a_stack_of_the_kept_channel_alone(checkpoint: Checkpoint, axes: str, tmp_path: Path) -> None:
    """Lazy, without an axis C, with another name; planes of more than one tile."""
    sizes = {"T": 2, "Z": 3, "Y": 40, "X": 70}
    values = np.random.default_rng(1).integers(0, 60_000, [sizes[a] for a in axes]).astype(np.uint16)
    write(Image(values, axes, ("Hoechst",), pixel_size_um=0.5, unit="µm"), tmp_path / "stack.ome.zarr")
    image = read(tmp_path / "stack.ome.zarr")
    assert not isinstance(image.pixels, np.ndarray)
    result = complete_image(image, checkpoint, condition="healthy", channels={"DAPI": "Hoechst"}, samples=2)
    made = result.completed
    assert made.channels == NAMES
    assert len(result.samples) == 2
    for t, z in made.positions():
        np.testing.assert_array_equal(made.plane(t, z)[0], image.plane(t, z)[0])
        assert made.plane(t, z)[1:].std() > 100
    assert result.spread is not None
    assert float(np.asarray(result.spread.plane(0, 0))[0].max()) == 0


def test_a_region_and_some_planes(checkpoint: Checkpoint) -> None:
    image = image_of(3, 60, 60, axes="CZYX")
    region = Region(10, 20, 30, 25)
    made = complete_image(image, checkpoint, condition="healthy", positions=[(0, 1)], region=region).completed
    assert made.sizes == {"Z": 1, "C": 3, "Y": 30, "X": 25}
    np.testing.assert_array_equal(made.plane(0, 0)[0], image.plane(0, 1, region)[0])


def test_samples_of_a_completion(checkpoint: Checkpoint) -> None:
    image, seen = image_of(40, 40), []
    one = complete_image(image, checkpoint, condition="healthy", channel="PH3", seed=3)
    two = complete_image(image, checkpoint, condition="healthy", channel="PH3", samples=2, seed=3, on_event=seen.append)
    np.testing.assert_array_equal(one.completed.pixels, two.samples[0].pixels)
    assert not np.array_equal(two.samples[0].pixels[1], two.samples[1].pixels[1])
    assert [event.sample for event in seen if isinstance(event, SampleDone)] == [1, 2]
    assert two.spread is not None
    assert (two.spread.pixels[[0, 2]] == 0).all()
    assert two.spread.pixels[1].max() > 0
    assert (one.mean, one.spread) == (None, None)
    assert two.provenance["completion"] == "PH3 drawn from DAPI alone"
    assert [about["sample"] for about in two.provenances[:2]] == ["1 of 2", "2 of 2"]


def test_what_cannot_be_completed_is_said(checkpoint: Checkpoint) -> None:
    image = image_of(40, 40)
    with pytest.raises(InputError, match=r"DAPI cannot be drawn by this checkpoint: expected some of PH3, ZO1, which"):
        complete_image(image, checkpoint, condition="healthy", channel="DAPI")
    with pytest.raises(InputError, match="SOX2 is no channel of the checkpoint"):
        complete_image(image, checkpoint, condition="healthy", channel="SOX2")
    with pytest.raises(InputError, match="keeps no channel"):
        complete_image(image, flow(), condition="healthy", channel="PH3")
    with pytest.raises(InputError, match="the image has 1: PH3"):
        complete_image(image.part(channels=[1]), checkpoint, condition="healthy", channel="PH3")
    with pytest.raises(InputError, match="'treated' is unknown"):
        complete_image(image, checkpoint, condition="treated", channel="PH3")


def test_it_can_be_stopped(checkpoint: Checkpoint) -> None:
    calls = []

    def tick() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        complete_image(image_of(40, 40), checkpoint, condition="healthy", tick=tick)
    assert len(calls) == 3


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_the_command_and_the_command_that_repeats_it(checkpoint: Checkpoint, tmp_path: Path, suffix: str) -> None:
    image = image_of(40, 40, channels=("Hoechst", "PH3"))
    write(image, tmp_path / f"well{suffix}")
    file = checkpoint.save(tmp_path / "flow.safetensors")
    line = ["complete", str(tmp_path / f"well{suffix}"), "--checkpoint", str(file), "--condition", "healthy"]
    line += ["--channel", "PH3", "--name", "DAPI=Hoechst", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(phenotrans, [*line, "--samples", "2"], catch_exceptions=False)
    names = ["sample-1", "sample-2", "samples-mean", "samples-spread"]
    paths = [tmp_path / "out" / f"well_completed_{name}{suffix}" for name in names]
    assert done.stdout.split() == [str(path) for path in paths]
    first = read(paths[0])
    np.testing.assert_array_equal(first.plane()[0], image.plane()[0])
    assert provenance(paths[0])["completion"] == "PH3 drawn from DAPI alone"

    expected = complete_image(
        read(tmp_path / f"well{suffix}"),
        Checkpoint.load(file),
        condition="healthy",
        channel="PH3",
        channels={"DAPI": "Hoechst"},
    )
    command = translate_command(expected.provenance, str(tmp_path / "again"))
    assert command.startswith("phenotrans complete ")
    repeated = CliRunner().invoke(phenotrans, command.split()[1:], catch_exceptions=False)
    assert repeated.exit_code == 0, repeated.output
    again = read(tmp_path / "again" / f"well_completed{suffix}")
    np.testing.assert_array_equal(again.plane(), expected.completed.plane())
    np.testing.assert_array_equal(again.plane(), first.plane())


def test_completions_are_continued(checkpoint: Checkpoint, tmp_path: Path) -> None:
    for seed in range(2):
        write(image_of(40, 40, channels=("DAPI",), seed=seed), tmp_path / "in" / f"f{seed}.ome.tif")
    saved = checkpoint.save(tmp_path / "flow.safetensors")
    command = ["complete", str(tmp_path / "in"), "--checkpoint", str(saved), "--condition", "healthy"]
    command += ["--out", str(tmp_path / "out"), "--skip-existing"]
    first = CliRunner().invoke(phenotrans, [*command, "--shard", "2/2"])
    assert first.exit_code == 0, first.output
    assert "part 2 of 2: 1 of 2 images" in first.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["f1_completed.ome.tif"]
    again = CliRunner().invoke(phenotrans, command)
    assert again.exit_code == 0
    assert "2 images: 1 completed, 1 skipped." in again.output
    other = CliRunner().invoke(phenotrans, [*command, "--seed", "3"])
    assert other.exit_code == 2
    assert "seed 0, now 3" in other.output
