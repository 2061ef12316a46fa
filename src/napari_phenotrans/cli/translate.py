"""``phenotrans translate``: its options for engines are their translation settings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_phenotrans.cli.options import DEVICE, OVERWRITE, read_arguments, reading, setting_options
from napari_phenotrans.cli.progress import Progress
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.settings import TranslationSettings
from napari_phenotrans.engines import ENGINES

if TYPE_CHECKING:
    from collections.abc import Sequence


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
@click.option("--t", "ts", multiple=True, type=int, help="Time point to translate, from 0; may be repeated.")
@click.option("--z", "zs", multiple=True, type=int, help="Plane of the stack to translate, from 0; may be repeated.")
@click.option(
    "--region",
    nargs=4,
    type=int,
    metavar="TOP LEFT HEIGHT WIDTH",
    help="Part of each plane to translate, in pixels; the results hold this part only.",
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
    ts: Sequence[int],
    zs: Sequence[int],
    region: tuple[int, int, int, int] | None,
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

    INPUTS are image files; the results of an OME-Zarr are OME-Zarr. Images may be larger than memory. With several
    inputs, those that fail are named at the end and the others are still done.
    """
    from napari_phenotrans.core.events import Notice
    from napari_phenotrans.core.region import Region
    from napari_phenotrans.translation.batch import FileDone, FileFailed, FileStarted, translate_files
    from napari_phenotrans.translation.translate import Translator

    pairs = _pairs(channels)
    paths = list(dict.fromkeys(inputs))
    failed: list[Path] = []
    with Progress("loading torch") as progress:
        translator = Translator(
            checkpoint, device=device, precision=precision, tile=tile, overlap=overlap,
            how={name: value for name, value in choices.items() if value is not None},
        )  # fmt: skip
        path = paths[0]
        for event in translate_files(
            paths, out, translator, source=source, target=target, channels=pairs, ts=ts, zs=zs,
            region=Region(*region) if region else None, overwrite=overwrite,
            reading=read_arguments({"axes": axes, "join": join, "pattern": pattern, "series": series}),
        ):  # fmt: skip
            if isinstance(event, FileStarted):
                path = event.path
                progress.say(path.name)
            elif isinstance(event, FileDone):
                click.echo(event.translated)
                click.echo(event.difference)
            elif isinstance(event, FileFailed):
                if len(paths) == 1:
                    raise event.error
                failed.append(event.path)
                click.echo(f"{event.path}: failed: {event.reason}", err=True)
            elif isinstance(event, Notice):
                click.echo(f"{path}: note: {event.text}", err=True)
            else:
                progress.show(event)
    if failed:
        click.echo(f"{len(failed)} of {len(paths)} images failed: {', '.join(map(str, failed))}", err=True)
        sys.exit(1)


def _pairs(said: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for pair in said:
        checkpoint, equals, image = pair.partition("=")
        if not (checkpoint and equals and image):
            raise InputError(f"--channel {pair!r} cannot be read: expected CHECKPOINT=IMAGE, as in DAPI=Hoechst.")
        pairs[checkpoint] = image
    return pairs
