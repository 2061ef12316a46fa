"""``phenotrans complete``: a channel drawn from the kept ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_phenotrans.cli.files import FORMAT, chosen_files, end_with, follow_files, many_files
from napari_phenotrans.cli.options import (
    ALLOW_TRANSLATED,
    CHECKPOINT,
    DATED,
    DEVICE,
    OVERWRITE,
    PRECISION,
    pairs,
    read_arguments,
    reading,
)
from napari_phenotrans.cli.progress import Progress

if TYPE_CHECKING:
    from napari_phenotrans.translation.batch import CompleteFiles
    from napari_phenotrans.translation.translator import Translator


@click.command()
@many_files
@CHECKPOINT
@click.option("--condition", required=True, help="Condition to draw the channel in: usually the one that images show.")
@click.option(
    "--channel",
    "drawn",
    multiple=True,
    help="Channel of the checkpoint to draw, which images need not have; may be repeated.  [default: all that move]",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the results.")
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="CHECKPOINT=IMAGE",
    help="The image's name for a channel of the checkpoint where they differ, as in DAPI=Hoechst.",
)
@click.option(
    "--samples",
    type=int,
    default=1,
    show_default=True,
    help="How many times to draw; more also give their mean and their spread.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is drawn.")
@click.option("--evaluations", type=int, help="Network evaluations from noise to image.  [default: the checkpoint's]")
@click.option("--t", "ts", multiple=True, type=int, help="Time point to complete, from 0; may be repeated.")
@click.option("--z", "zs", multiple=True, type=int, help="Plane of the stack to complete, from 0; may be repeated.")
@click.option(
    "--region",
    nargs=4,
    type=int,
    metavar="TOP LEFT HEIGHT WIDTH",
    help="Part of each plane to complete, in pixels; the results hold this part only.",
)
@reading
@DEVICE
@PRECISION
@click.option("--tile", type=int, help="Side of a tile in working pixels; what the engine needs where none is said.")
@click.option("--overlap", type=int, help="Pixels that tiles share; what the engine needs where none is said.")
@FORMAT
@OVERWRITE
@ALLOW_TRANSLATED
@DATED
def complete(**typed: Any) -> None:
    """Draw a channel from the kept ones alone and write OUT/<name>_completed.ome.tif.

    INPUTS are image files, folders and patterns, as of translate; the images have at least the channels that the
    checkpoint keeps, and the checkpoint's engine is a flow. Nothing of an image's own channel is used where it has one;
    all other channels come back as they are. With --samples each sample is a file,
    OUT/<name>_completed_sample-1.ome.tif and so on, beside …_completed_samples-mean and …_completed_samples-spread.
    Several images are worked on one after the other, as translate does.
    """
    from napari_phenotrans.translation.batch import complete_files

    with Progress("loading torch") as progress:
        request, translator = _requested(**typed)
        summary = follow_files(complete_files(request, translator), request.paths, progress)
    end_with(summary, request.paths)


def _requested(**typed: Any) -> tuple[CompleteFiles, Translator]:
    """Return what was typed as what to complete, and what completes."""
    from napari_phenotrans.core.region import Region
    from napari_phenotrans.translation.batch import CompleteFiles
    from napari_phenotrans.translation.complete import CompletionRequest
    from napari_phenotrans.translation.request import Answers
    from napari_phenotrans.translation.translator import Translator

    region, evaluations = typed["region"], typed["evaluations"]
    completion = CompletionRequest(
        typed["condition"],
        tuple(typed["drawn"]),
        pairs("--name", typed["names"], "CHECKPOINT=IMAGE", "DAPI=Hoechst"),
        region=Region(*region) if region else None,
        answers=Answers(typed["samples"], seed=typed["seed"]),
        how={} if evaluations is None else {"evaluations": evaluations},
        allow_translated=typed["allow_translated"],
        dated=typed["dated"],
    )
    how_read = {name: typed[name] for name in ("axes", "join", "pattern", "series", "missing_as_zero")}
    arguments = read_arguments(how_read)
    request = CompleteFiles(
        **chosen_files(typed, arguments["join"]),
        out=typed["out"],
        completion=completion,
        ts=typed["ts"],
        zs=typed["zs"],
        reading=arguments,
        overwrite=typed["overwrite"],
        format=typed["format"],
    )
    computed = {name: typed[name] for name in ("checkpoint", "device", "precision", "tile", "overlap")}
    return request, Translator(**computed)
