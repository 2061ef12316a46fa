"""Importing and exporting checkpoints in other programs' formats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from napari_phenotrans.checkpoints.interop.foreign_weights import ForeignFacts
from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint
    from napari_phenotrans.checkpoints.interop.zoo.package_card import PackageRequest

__all__ = ["FORMATS", "Format", "export_checkpoint", "import_checkpoint"]

Format = Literal["cyclegan", "diffusers", "bioimageio"]
# by engine, the format that its networks can be written in beside packages of the BioImage Model Zoo
FORMATS: dict[str, Format] = {"cyclegan": "cyclegan", "scgan": "cyclegan", "phendiff": "diffusers", "flow": "diffusers"}


def import_checkpoint(
    path: str | Path,
    *,
    limits: Sequence[float] | Sequence[Sequence[float]] | None = None,
    channels: Iterable[str] | None = None,
    conditions: Iterable[str] | None = None,
    pixel_size_um: float | None = None,
    null_row: int | None = None,
    scheduler: str | Path | None = None,
) -> Checkpoint:
    """Read networks that other programs saved into a checkpoint that translates alike.

    Parameters
    ----------
    path
        A ``.pth`` file of a CycleGAN generator or the folder that it lies in, or a folder of diffusers or PhenDiff:
        a pipeline, or a class-conditional ``UNet2DModel`` alone; or a package of the BioImage Model Zoo, ``.zip`` or
        unpacked.
    limits
        Intensities that the networks saw as -1 and 1: one (low, high) for all channels, or one per channel; those
        of 8-bit images, 0 and 255, where None.
    channels
        Names, one per channel; "channel 1", "channel 2", … where None.
    conditions
        Names: of a CycleGAN two in the original's order, A, which ``G_A`` translates from, then B; of a diffusion
        model one per class, in the order of its labels.
    pixel_size_um
        Micrometers per pixel of the images that the networks were trained on; None where unknown.
    null_row
        Of a diffusion model: the class that was trained as "no condition". Where None, no condition is a
        class embedding of zeros, as PhenDiff trains it.
    scheduler
        Of a diffusion model: its ``scheduler_config.json`` where it does not lie beside the network.

    Raises
    ------
    InputError
        If no file of these formats can be read, or an argument does not fit its content.
    """
    path = Path(path)
    facts = ForeignFacts(limits, channels, conditions, pixel_size_um)
    try:
        return _import(path, facts, null_row, Path(scheduler) if scheduler else None)
    except ValidationError as error:
        problem = error.errors()[0]
        raise InputError(
            f"{path} cannot be a checkpoint: {problem['msg'].lower()} at {'.'.join(map(str, problem['loc']))}. "
            f"Expected a network for images of few channels and conditions."
        ) from error


def _import(path: Path, facts: ForeignFacts, null_row: int | None, scheduler: Path | None) -> Checkpoint:
    """Import what the path holds; parameters as of `import_checkpoint`."""
    from napari_phenotrans.checkpoints.interop.diffusers_folder import import_folder, is_diffusers_folder
    from napari_phenotrans.checkpoints.interop.zoo.read import import_package, is_package

    if is_diffusers_folder(path):
        return import_folder(path, facts, null_row=null_row, scheduler=scheduler)
    if null_row is not None or scheduler is not None:
        raise InputError(
            f"--null-row and --scheduler belong to diffusion models, and {path} is no folder of diffusers: expected "
            f"one with unet/config.json or config.json. Leave these options out to import CycleGAN generators."
        )
    if is_package(path):
        return import_package(path, facts)

    from napari_phenotrans.checkpoints.interop.cyclegan_pth import import_generators

    return import_generators(path, facts)


def export_checkpoint(
    checkpoint: Checkpoint,
    folder: str | Path,
    *,
    format: Format | None = None,
    overwrite: bool = False,
    package: PackageRequest | None = None,
) -> tuple[list[Path], list[str]]:
    """Write a checkpoint's networks so that other people's programs load them, with the card beside them.

    Parameters
    ----------
    checkpoint
        Whose networks to write.
    folder
        Where to; made if it is not there. A package is a ``.zip`` file.
    format
        ``cyclegan``: ``latest_net_G_A.pth`` and ``latest_net_G_B.pth``; ``diffusers``: a pipeline's folder;
        ``bioimageio``: a package of the BioImage Model Zoo, which holds one direction of any engine's networks. Where
        None, the one of the first two that the engine's networks fit.
    overwrite
        Whether files that exist may be replaced.
    package
        Of a package: its direction, and what the card does not say.

    Returns
    -------
    The files, and what their user should know.

    Raises
    ------
    InputError
        If the format cannot express the checkpoint's networks, or a file exists and may not be overwritten.
    """
    engine = checkpoint.card.engine
    fitting = FORMATS.get(engine)
    if fitting is None:
        raise InputError(
            f"{checkpoint.name} is of the engine {engine}, which has no networks that another program could load. "
            f"Export one of {', '.join(FORMATS)}."
        )
    if format == "bioimageio":
        from napari_phenotrans.checkpoints.interop.zoo.package_card import PackageRequest
        from napari_phenotrans.checkpoints.interop.zoo.write import write_package

        return write_package(checkpoint, Path(folder), package or PackageRequest(), overwrite=overwrite)
    if package is not None:
        raise InputError(
            "A direction, an image, authors, a license and settings of the engine belong to packages. Say --format "
            "bioimageio, or leave them out."
        )
    if format is not None and format != fitting:
        raise InputError(
            f"{checkpoint.name} is of the engine {engine}, which the format {format!r} cannot express. "
            f"Say --format {fitting}, or leave it out; --format bioimageio holds any engine's networks."
        )
    if fitting == "cyclegan":
        from napari_phenotrans.checkpoints.interop.cyclegan_export import export_generators

        return export_generators(checkpoint, Path(folder), overwrite=overwrite)

    from napari_phenotrans.checkpoints.interop.diffusers_export import export_pipeline

    return export_pipeline(checkpoint, Path(folder), overwrite=overwrite)
