"""``phenotrans translate``: its options for engines are their translation settings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_phenotrans.cli_options import DEVICE, OVERWRITE, reading, said, setting_options
from napari_phenotrans.cli_progress import Progress
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.errors import InputError
from napari_phenotrans.settings import TranslationSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_phenotrans.image import Image
    from napari_phenotrans.results import Results
    from napari_phenotrans.translation import Event, Translator


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--checkpoint", required=True, help="A checkpoint file, or the name of a bundled one.")
@click.option("--source", required=True, help="Condition that the images show.")
@click.option("--target", required=True, help="Condition to translate to; the source itself is the identity control.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the results.")
@click.option(
    "--channel",
    "channels",
    multiple=True,
    metavar="CHECKPOINT=IMAGE",
    help="The image's name for a channel of the checkpoint where they differ, as in DAPI=Hoechst.",
)
@reading
@DEVICE
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), default="auto", show_default=True)
@click.option("--tile", type=int, help="Side of a tile in working pixels; what the engine needs where none is said.")
@click.option("--overlap", type=int, help="Pixels that tiles share; what the engine needs where none is said.")
@OVERWRITE
@setting_options({name: entry.translation for name, entry in ENGINES.items()}, TranslationSettings)
def translate(
    inputs: Sequence[Path],
    checkpoint: str,
    source: str,
    target: str,
    out: Path,
    channels: Sequence[str],
    overwrite: bool,
    device: str,
    precision: str,
    tile: int | None,
    overlap: int | None,
    axes: str | None,
    join: bool,
    pattern: str | None,
    series: int,
    **choices: Any,
) -> None:
    """Translate images and write OUT/<name>_translated.ome.tif and OUT/<name>_difference.ome.tif.

    INPUTS are image files. With several, those that fail are named at the end and the others are still done.
    """
    from napari_phenotrans.results import result_paths
    from napari_phenotrans.translation import Translator

    pairs = _pairs(channels)
    how = said({"axes": axes, "join": join, "pattern": pattern, "series": series})
    with Progress("loading torch") as progress:
        translator = Translator(
            checkpoint, device=device, precision=precision, tile=tile, overlap=overlap,
            how={name: value for name, value in choices.items() if value is not None},
        )  # fmt: skip
        places = result_paths(inputs, out)

        def one(path: Path) -> None:
            progress.say(path.name)
            _translate_one(
                path, places[path], translator, progress.show, how=how, overwrite=overwrite,
                more={"source": source, "target": target, "channels": pairs},
            )  # fmt: skip

        if len(places) == 1:
            one(inputs[0])
            return
        failed: dict[Path, str] = {}
        for path in places:
            try:
                one(path)
            except InputError as error:
                failed[path] = str(error)
                click.echo(f"{path}: failed: {error}", err=True)
    if failed:
        click.echo(f"{len(failed)} of {len(places)} images failed: {', '.join(map(str, failed))}", err=True)
        sys.exit(1)


def _translate_one(
    path: Path,
    results: Results,
    translator: Translator,
    show: Callable[[Event], None],
    *,
    how: dict[str, Any],
    overwrite: bool,
    more: dict[str, Any],
) -> None:
    from napari_phenotrans.io import read
    from napari_phenotrans.results import refuse_existing_results, write_results
    from napari_phenotrans.translation import translate_image

    refuse_existing_results(results, overwrite)
    image: Image = read(path, **how)
    for note in image.notes:
        click.echo(f"{path}: note: {note}", err=True)
    translation = translate_image(image, translator, on_event=show, **more)
    for notice in translation.notices:
        click.echo(f"{path}: note: {notice}", err=True)
    write_results(translation, results, overwrite=overwrite)
    click.echo(results.translated)
    click.echo(results.difference)


def _pairs(said: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for pair in said:
        checkpoint, equals, image = pair.partition("=")
        if not (checkpoint and equals and image):
            raise InputError(f"--channel {pair!r} cannot be read: expected CHECKPOINT=IMAGE, as in DAPI=Hoechst.")
        pairs[checkpoint] = image
    return pairs
