"""Writing generators as pytorch-CycleGAN-and-pix2pix and its anti-aliased relative (CUT) load them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.numpy import save_file

from napari_phenotrans.checkpoints.interop.cyclegan_layout import Layer, generator_layers
from napari_phenotrans.checkpoints.interop.sidecar_card import (
    README_FILE,
    STATISTICS_FILE,
    limits_and_size,
    write_exported,
)
from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint

FILES = {0: "latest_net_G_B.pth", 1: "latest_net_G_A.pth"}
OTHER_NORMALIZATION = (
    "The original normalizes each picture by its own statistics, which its files cannot replace by the stored ones: "
    "there, a cell's translation depends on the rest of the picture, and differs from the one here."
)


def export_generators(checkpoint: Checkpoint, folder: Path, *, overwrite: bool = False) -> tuple[list[Path], list[str]]:
    """Write a checkpoint's generators as bare state dicts, with a readme and the card beside them.

    ``latest_net_G_A.pth`` translates from the first condition to the second, ``latest_net_G_B.pth`` back.

    Arguments, result and errors are those of `export_checkpoint`; the checkpoint is of CycleGAN or SCGAN.
    """
    card = checkpoint.card
    settings = checkpoint.build_engine().settings.model_dump()
    _refuse_inexpressible(checkpoint.name, settings, card.conditions)
    layers = generator_layers(
        len(card.channels),
        settings["width"],
        settings["blocks"],
        antialias=settings["upsampling"] == "antialias",
        dropout=False,
    )
    files: dict[str, Callable[[Path], object]] = {}
    for index, name in FILES.items():
        if card.conditions[index] in card.targets:
            state = _state(checkpoint.tensors, index, layers)
            files[name] = partial(torch.save, state)
    notices = []
    if card.statistics == "fixed":
        notices.append(OTHER_NORMALIZATION)
        stored = {
            name: np.ascontiguousarray(tensor, np.float32)
            for name, tensor in checkpoint.tensors.items()
            if name.endswith((".mean", ".var"))
        }
        files[STATISTICS_FILE] = partial(save_file, stored)
    text = _readme(card, settings, list(files), notices)
    files[README_FILE] = lambda path: path.write_text(text, encoding="utf-8")
    return write_exported(folder, card, files, overwrite=overwrite), notices


def _refuse_inexpressible(name: str, settings: dict[str, object], conditions: Sequence[str]) -> None:
    reasons = []
    if settings["output"] != "tanh":
        reasons.append(
            f"its output is {settings['output']!r}, while the original's ends in tanh: train with --output tanh"
        )
    if settings["upsampling"] not in ("transposed", "antialias"):
        reasons.append(
            f"its up-sampling is {settings['upsampling']!r}, which the original does not have: "
            f"train with --upsampling transposed or antialias"
        )
    beyond = {
        "normalization over the channels of each position (--norm position)": settings["norm"] != "crop",
        "noise beside the image (--noise)": settings["noise"],
        "a mask of what has no counterpart (--unmatched)": settings["unmatched"],
        "channels that it keeps (--kept)": settings["kept"],
    }
    reasons += [f"it has {what}, which the original does not know" for what, there in beyond.items() if there]
    if reasons:
        raise InputError(
            f"{name} cannot be expressed in the layout of pytorch-CycleGAN-and-pix2pix: {'; and '.join(reasons)}. "
            f"As it is, a package of the BioImage Model Zoo holds it: say --format bioimageio --source "
            f"{conditions[0]} --target {conditions[1]} --out model.zip."
        )


def _state(tensors: dict[str, np.ndarray], index: int, layers: list[Layer]) -> dict[str, torch.Tensor]:
    state = {}
    for layer in layers:
        for part in layer.parts:
            ours = tensors[f"{index}.{layer.name}.{part}"] if layer.name else layer.kernel().numpy()
            state[f"{layer.key}.{part}"] = torch.from_numpy(np.array(ours, np.float32))
    return state


def _readme(card: Card, settings: dict[str, object], files: list[str], notices: list[str]) -> str:
    antialias = settings["upsampling"] == "antialias"
    program = "contrastive-unpaired-translation (CUT)" if antialias else "pytorch-CycleGAN-and-pix2pix"
    blocks = settings["blocks"]
    if blocks in (6, 9):
        network = f"--netG resnet_{blocks}blocks"
    else:
        network = f"ResnetGenerator(..., n_blocks={blocks}), which no --netG names"
    norm = "--normG" if antialias else "--norm"
    ways = "\n".join(
        f"  {FILES[index]}: {card.conditions[1 - index]} -> {card.conditions[index]}"
        for index in (1, 0)
        if FILES[index] in files
    )
    notes = "".join(f"{notice}\n" for notice in notices)
    return f"""Generators in the layout of {program}, exported by napari-phenotrans.

{ways}

Options: {network} --ngf {settings["width"]} --input_nc {len(card.channels)} --output_nc {len(card.channels)} \
{norm} instance --no_dropout

{limits_and_size(card)} Heights and widths are multiples of 4.
The original reads 8-bit pictures and scales those of 0 to 255; its reader has to be replaced for other limits.
{notes}
'phenotrans import' of this folder restores the checkpoint, as long as the files are unchanged.
"""
