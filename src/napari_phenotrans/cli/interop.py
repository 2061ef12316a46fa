"""``phenotrans import`` and ``phenotrans export``, from and to other programs' formats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.checkpoints.describe import describe_card
from napari_phenotrans.cli.options import OVERWRITE, Names, setting_options
from napari_phenotrans.cli.say import say
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.settings import TranslationSettings
from napari_phenotrans.engines import ENGINES
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

    PATH is a .pth file, or its folder, of generators that pytorch-CycleGAN-and-pix2pix or CUT saved; a folder of a
    class-conditional diffusion model that PhenDiff (full_pipeline_save) or diffusers (UNet2DModel) saved; or a package
    of the BioImage Model Zoo (.zip, or unpacked), one that 'phenotrans export' wrote or whose state dict is such a
    generator.
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
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for the files, made if not there; of bioimageio a .zip file.",
)
@click.option(
    "--format",
    type=click.Choice(["cyclegan", "diffusers", "bioimageio"]),
    help="cyclegan: latest_net_G_A.pth and …_B.pth; diffusers: a pipeline's folder; bioimageio: a package of the "
    "BioImage Model Zoo, of any engine.  [default: the one of the first two that the engine fits]",
)
@click.option("--source", help="[bioimageio] Condition that the package translates from.")
@click.option("--target", help="[bioimageio] Condition that it translates to; the way back is a second package.")
@click.option(
    "--image",
    type=click.Path(path_type=Path, exists=True),
    help="[bioimageio] Image of the source to test and show the package with.  [default: a bundled one that fits, else "
    "an invented pattern]",
)
@click.option("--author", "authors", multiple=True, help="[bioimageio] Who trained it; may be repeated.")
@click.option("--license", help="[bioimageio] Its license, an SPDX identifier such as CC-BY-4.0.")
@click.option("--cite", multiple=True, metavar="DOI", help="[bioimageio] What to cite beside the engine's paper.")
@OVERWRITE
@setting_options({name: entry.translation for name, entry in ENGINES.items()}, TranslationSettings)
def export(checkpoint: str, out: Path, format: Format | None, overwrite: bool, **typed: Any) -> None:
    """Write CHECKPOINT (a file, or a bundled name) so that other people's programs load its networks.

    A package of the BioImage Model Zoo translates one way, with the settings of the engine said here or else the
    checkpoint's own.
    """
    from napari_phenotrans.checkpoints.interop import export_checkpoint
    from napari_phenotrans.checkpoints.interop.zoo.package_card import PackageRequest

    of_package = {name: typed.pop(name) for name in ("source", "target", "image", "authors", "license", "cite")}
    how = {name: value for name, value in typed.items() if value is not None}
    package = PackageRequest(**of_package, how=how) if how or any(of_package.values()) else None
    loaded = Checkpoint.load(checkpoint)
    paths, notices = export_checkpoint(loaded, out, format=format, overwrite=overwrite, package=package)
    for path in paths:
        say(path)
    for notice in notices:
        say(f"note: {notice}", err=True)
