"""How far packages of the BioImage Model Zoo are from this program's pixels: ``python -m bench packages``."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from napari_phenotrans.checkpoints.checkpoint import Checkpoint, bundled
from napari_phenotrans.checkpoints.interop import export_checkpoint
from napari_phenotrans.checkpoints.interop.zoo.package_card import PackageRequest
from napari_phenotrans.core.image import Image
from napari_phenotrans.translation.translate import translate_image

if TYPE_CHECKING:
    from collections.abc import Iterator

AUTHORS, LICENSE = ("The napari-phenotrans developers",), "BSD-3-Clause"


@click.command("packages")
@click.argument("names", nargs=-1)
@click.option("--work", required=True, type=click.Path(path_type=Path), help="Folder for the packages.")
def packages(names: tuple[str, ...], work: Path) -> None:
    """Export each direction of checkpoints (the bundled ones where none is named), and run it in bioimageio.core.

    Whether its own test passes, and by how much of the range each channel's pixels differ from a translation here, at
    most; seconds are those of a package's test, of all its sizes and formats together.
    """
    work.mkdir(parents=True, exist_ok=True)
    click.echo("| checkpoint | direction | bioimageio test | state dict, % | TorchScript, % | MB | test, s |")
    click.echo("|---|---|---|---|---|---|---|")
    for name in names or bundled():
        checkpoint = Checkpoint.load(name)
        for source, target in permutations(checkpoint.card.conditions, 2):
            path = work / f"{checkpoint.name}_{source}-to-{target}.zip"
            request = PackageRequest(source, target, authors=AUTHORS, license=LICENSE)
            export_checkpoint(checkpoint, path, format="bioimageio", package=request, overwrite=True)
            click.echo(row(checkpoint, path, source, target))


def row(checkpoint: Checkpoint, path: Path, source: str, target: str) -> str:
    """Return a line of the table."""
    from bioimageio.core import load_model_description, test_model

    began = time.perf_counter()
    summary = test_model(path)
    seconds = time.perf_counter() - began
    if summary.status != "passed":
        click.echo(summary.format(), err=True)
    deviations = dict(deviations_of(checkpoint, load_model_description(path), source, target))
    cells = [f"{deviations[one]:.5f}" if one in deviations else "none" for one in ("pytorch_state_dict", "torchscript")]
    size = path.stat().st_size / 2**20
    return (
        f"| `{checkpoint.name}` | {source} → {target} | {summary.status} | {' | '.join(cells)} | {size:.1f} | "
        f"{seconds:.0f} |"
    )


def deviations_of(checkpoint: Checkpoint, description: Any, source: str, target: str) -> Iterator[tuple[str, float]]:
    """Give, by format of the weights, the largest difference to a translation here, in % of the range."""
    from bioimageio.core import create_prediction_pipeline
    from bioimageio.core.digest_spec import get_test_input_sample

    card = checkpoint.card
    pixels = get_test_input_sample(description).members["real"].data.to_numpy()[0]
    # the package takes working pixels, so that nothing is resampled here either
    as_working = replace(checkpoint, card=card.model_copy(update={"pixel_size": None}))
    image = Image(pixels, "CYX", card.channels)
    ours = translate_image(image, as_working, source=source, target=target, device="cpu", precision="fp32")
    for name, entry in description.weights:
        if entry is None:
            continue
        with create_prediction_pipeline(description, weight_format=name) as pipeline:
            made = pipeline.predict_sample_without_blocking(get_test_input_sample(description))
        theirs = made.members["translated"].data.to_numpy()[0]
        yield name, 100 * float((np.abs(theirs - ours.translated.pixels) / card.intensity.range).max())
