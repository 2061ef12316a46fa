"""``phenotrans import`` and ``phenotrans export``, from and to other programs' formats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.checkpoints.describe import describe_card
from napari_phenotrans.cli.options import OVERWRITE, Names
from napari_phenotrans.cli.say import say
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io.atomic import refuse_existing

if TYPE_CHECKING:
    from napari_phenotrans.checkpoints.interop import Format


@click.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The checkpoint to write.")
@click.option(
    "--limits",
    nargs=2,
    type=float,
    help="Intensities that the network sees as -1 and 1.  [default: 0 255, or what an export's own card says]",
)
@click.option("--channels", type=Names(), help="Names of the channels.")
@click.option("--conditions", type=Names(), help="Names of the conditions: A,B of a CycleGAN, or in order of labels.")
@click.option(
    "--pixel-size",
    "pixel_size_um",
    type=click.FloatRange(0, min_open=True),
    help="Micrometers per pixel it was trained on.",
)
@click.option(
    "--null-row", type=int, help="[diffusers] Class that was trained as 'no condition', from 0, where one was."
)
@click.option(
    "--scheduler",
    type=click.Path(path_type=Path),
    help="[diffusers] scheduler_config.json where it does not lie in the folder.",
)
@OVERWRITE
def import_(path: Path, out: Path, overwrite: bool, **facts: Any) -> None:
    """Make a checkpoint from other people's networks.

    PATH is a .pth file, or its folder, of generators that pytorch-CycleGAN-and-pix2pix or CUT saved; or a folder of
    a class-conditional diffusion model that PhenDiff (full_pipeline_save) or diffusers (UNet2DModel) saved.
    """
    from napari_phenotrans.checkpoints.interop import import_checkpoint

    refuse_existing(out, overwrite)
    if out.suffix != ".safetensors":
        raise InputError(
            f"A checkpoint is written as .safetensors, got {out.name!r}. Say --out {out.stem}.safetensors."
        )
    checkpoint = import_checkpoint(path, **facts)
    checkpoint.save(out, overwrite=overwrite)
    say(describe_card(str(out), checkpoint.card))


@click.command()
@click.argument("checkpoint")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the files; made if not there.")
@click.option(
    "--format",
    type=click.Choice(["cyclegan", "diffusers"]),
    help="cyclegan: latest_net_G_A.pth and …_B.pth; diffusers: a pipeline's folder.  [default: what the engine fits]",
)
@OVERWRITE
def export(checkpoint: str, out: Path, format: Format | None, overwrite: bool) -> None:
    """Write CHECKPOINT (a file, or a bundled name) so that other people's programs load its networks."""
    from napari_phenotrans.checkpoints.interop import export_checkpoint

    paths, notices = export_checkpoint(Checkpoint.load(checkpoint), out, format=format, overwrite=overwrite)
    for path in paths:
        say(path)
    for notice in notices:
        say(f"note: {notice}", err=True)
