"""``phenotrans translate``: its options for engines are their translation settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_phenotrans.cli.files import FORMAT, chosen_files, end_with, follow_files, many_files
from napari_phenotrans.cli.options import (
    ALLOW_TRANSLATED,
    DATED,
    DEVICE,
    OVERWRITE,
    PRECISION,
    channel_names,
    pairs,
    read_arguments,
    reading,
    setting_options,
)
from napari_phenotrans.cli.progress import Progress
from napari_phenotrans.core.settings import TranslationSettings
from napari_phenotrans.engines import ENGINES

if TYPE_CHECKING:
    from napari_phenotrans.translation.batch import FilesRequest
    from napari_phenotrans.translation.translator import Translator


SAMPLES_HELP = "as many translations that chance makes differ, their mean and their spread, beside the usual results."


@click.command()
@many_files
@click.option(
    "--checkpoint",
    "checkpoints",
    required=True,
    multiple=True,
    help="A checkpoint file, the name of a bundled one, or the folder of a training with --repeats; several, and such "
    "a folder, give the mean of what they change and where they agree.",
)
@click.option("--source", required=True, help="Condition that the images show.")
@click.option("--target", required=True, help="Condition to translate to; the source itself is the identity control.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the results.")
@channel_names("The image's")
@click.option("--t", "ts", multiple=True, type=int, help="Time point to translate, from 0; may be repeated.")
@click.option("--z", "zs", multiple=True, type=int, help="Plane of the stack to translate, from 0; may be repeated.")
@click.option(
    "--region",
    nargs=4,
    type=int,
    metavar="TOP LEFT HEIGHT WIDTH",
    help="Part of each plane to translate, in pixels; the results hold this part only.",
)
@click.option("--samples", type=int, default=1, show_default=True, help="[flow] Several answers: " + SAMPLES_HELP)
@click.option(
    "--redraw", type=float, help="[flow] Share of the noise drawn anew for them, 0 to 1.  [default: as measured]"
)
@click.option("--seed", type=int, default=0, show_default=True, help="[flow] Of what is drawn.")
@click.option(
    "--turns",
    type=int,
    default=1,
    show_default=True,
    help="Translate the image in so many of its 8 flips and quarter turns, and give the mean, and how far they differ.",
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
@setting_options({name: entry.translation for name, entry in ENGINES.items()}, TranslationSettings)
def translate(**typed: Any) -> None:
    """Translate images and write OUT/<name>_translated.ome.tif and OUT/<name>_difference.ome.tif.

    With --turns also OUT/<name>_turned.ome.tif: how far translations of the turned image differ. With several
    trainings, or --samples, also OUT/<name>_agreement.ome.tif: which share of them changes a pixel the same way.
    With --samples also OUT/<name>_sample-1.ome.tif and so on, …_samples-mean and …_samples-spread.

    INPUTS are image files, folders of images, and patterns in quotes ("plates/**/*.tif"); the results of an OME-Zarr
    are OME-Zarr, unless --format says otherwise. Images may be larger than memory. Several images are worked on one
    after the other; one that fails does not stop the others, and a table at the end says what became of each. The exit
    code is then 1 where some failed, and 2 where all did or nothing could begin.
    """
    from napari_phenotrans.translation.batch import translate_files

    with Progress("loading torch") as progress:
        request, translator = _requested(**typed)
        summary = follow_files(translate_files(request, translator), request.paths, progress)
    end_with(summary, request.paths)


def _requested(**typed: Any) -> tuple[FilesRequest, Translator]:
    """Return what was typed as what to translate, and what translates; the options are popped as they are used."""
    from napari_phenotrans.core.region import Region
    from napari_phenotrans.runs.family import with_families
    from napari_phenotrans.translation.batch import FilesRequest
    from napari_phenotrans.translation.family import TranslatorFamily
    from napari_phenotrans.translation.request import Answers, TranslationRequest
    from napari_phenotrans.translation.translator import Translator

    region, checkpoints = typed.pop("region"), typed.pop("checkpoints")
    translation = TranslationRequest(
        typed.pop("source"),
        typed.pop("target"),
        pairs("--channel", typed.pop("channels"), "CHECKPOINT=IMAGE", "DAPI=Hoechst"),
        region=Region(*region) if region else None,
        answers=Answers(typed.pop("samples"), typed.pop("redraw"), typed.pop("seed"), agreement=True),
        allow_translated=typed.pop("allow_translated"),
        turns=typed.pop("turns"),
        dated=typed.pop("dated"),
    )
    how_read = {name: typed.pop(name) for name in ("axes", "join", "pattern", "series", "missing_as_zero")}
    arguments = read_arguments(how_read)
    request = FilesRequest(
        **chosen_files(typed, arguments["join"]),
        out=typed.pop("out"),
        translation=translation,
        ts=typed.pop("ts"),
        zs=typed.pop("zs"),
        reading=arguments,
        overwrite=typed.pop("overwrite"),
        format=typed.pop("format"),
    )
    computed = {name: typed.pop(name) for name in ("device", "precision", "tile", "overlap")}
    # what is left are settings of engines
    how = {name: value for name, value in typed.items() if value is not None}
    checkpoints = with_families(checkpoints)
    if len(checkpoints) > 1:
        return request, TranslatorFamily(checkpoints, **computed, how=how)
    return request, Translator(checkpoints[0], **computed, how=how)
