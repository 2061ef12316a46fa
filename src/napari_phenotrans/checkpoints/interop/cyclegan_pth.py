"""Reading generators that pytorch-CycleGAN-and-pix2pix or CUT saved (``latest_net_G_A.pth``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
from napari_phenotrans.checkpoints.interop.cyclegan_layout import Layer, generator_layers
from napari_phenotrans.checkpoints.interop.foreign_weights import ForeignFacts, read_tensors, refuse_unfit
from napari_phenotrans.checkpoints.interop.sidecar_card import read_exported
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import few
from napari_phenotrans.engines import engine_entry

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

# side of the crops that the original trains on unless told otherwise; its files do not say
CROP = 256
FILE_NAME = re.compile(r"(?P<epoch>.+)_net_G(_(?P<side>[AB]))?\.pth")
WRAPPERS = {"module", "_orig_mod"}
INSTANCE_NORM_LEFTOVERS = ("running_mean", "running_var", "num_batches_tracked")
EXPECTED = (
    "Expected the state dict of a ResNet generator (--netG resnet_9blocks or resnet_6blocks, --norm "
    "instance) as pytorch-CycleGAN-and-pix2pix saves it: latest_net_G_A.pth, latest_net_G.pth or "
    "<epoch>_net_G_A.pth."
)


def import_generators(path: Path, facts: ForeignFacts) -> Checkpoint:
    """Read a CycleGAN generator, or those of both directions, into a checkpoint that translates alike.

    Parameters
    ----------
    path
        A ``.pth`` file, or the folder that it lies in. Beside ``<epoch>_net_G_A.pth`` the other direction,
        ``<epoch>_net_G_B.pth``, is taken too where it is there, and the other way round. Of a folder the
        newest generators are taken: ``latest``, else the highest epoch. A file of any other name is one
        direction.
    facts
        What the user gave; conditions in the original's order: A, which ``G_A`` and a lone ``G`` translate from, then
        B. Limits that are not given are those of the 8-bit images that the original reads, or what the card of an
        export says that lies beside the files.

    Raises
    ------
    InputError
        If the file cannot be read or is no such generator, or if ``facts`` do not fit it.
    """
    files = _find_files(path)
    generators = {target: _read_generator(file) for target, file in files.items()}
    first = next(iter(generators.values()))
    for target, generator in generators.items():
        if generator.shape != first.shape:
            raise InputError(
                f"{files[target].name} does not belong to {files[next(iter(files))].name}: its generator has "
                f"{generator.in_words()}, the other one {first.in_words()}. Put two files of one training "
                f"side by side, or import one alone under another name."
            )

    described = ", ".join(file.name for file in files.values())
    card = Card(
        engine="cyclegan",
        settings={"width": first.width, "blocks": first.blocks, "upsampling": first.upsampling, "output": "tanh"},
        conditions=("A", "B"),
        channels=tuple(f"channel {i + 1}" for i in range(first.channels)),
        targets=tuple("AB"[target] for target in sorted(files)),
        low=(0.0,) * first.channels,
        high=(255.0,) * first.channels,
        crop=CROP,
        statistics="plane",
        about=f"Imported CycleGAN generator{'s' if len(files) > 1 else ''}: {described}.",
        training={"source": described, "format": "pytorch-CycleGAN-and-pix2pix"},
    )
    exported = read_exported(files[min(files)].parent)
    unchanged = (
        exported is not None
        and exported.is_unchanged(list(files.values()), card)
        and card.settings.items() <= exported.card.settings.items()
    )
    if exported:
        card = exported.card if unchanged else exported.names_for(card)
    card = facts.about(
        card, "A CycleGAN has two: say with --conditions what its folders A and B showed, in this order."
    )
    entry = engine_entry(card.engine)
    engine = entry.load()(entry.settings.make(**card.settings), first.channels, card.conditions)
    engine.keep_targets(card.targets)
    # the original's files have no normalization statistics; those of an export lie beside them
    state = engine.translators.state_dict()
    if exported and unchanged:
        state |= exported.statistics()
    for target, generator in generators.items():
        state |= {f"{target}.{name}": tensor for name, tensor in generator.tensors.items()}
    engine.translators.load_state_dict(state)
    return Checkpoint.of(engine, card)


# ---- which files


def _find_files(path: Path) -> dict[int, Path]:
    """Return the generators' files by the index of the condition that they translate to."""
    if path.is_dir():
        path = _newest(path)
    elif not path.is_file():
        raise InputError(f"There is no file or folder {path}. {EXPECTED}")
    name = FILE_NAME.fullmatch(path.name)
    if name is None or name["side"] is None:
        return {1: path}
    both = {target: path.with_name(f"{name['epoch']}_net_G_{side}.pth") for target, side in ((0, "B"), (1, "A"))}
    return {target: file for target, file in both.items() if file.is_file()}


def _newest(folder: Path) -> Path:
    """Return a generator's file of the newest epoch in a folder."""
    names = {file: name for file in sorted(folder.iterdir()) if (name := FILE_NAME.fullmatch(file.name))}
    epochs = {name["epoch"] for name in names.values()}
    numbers = [epoch for epoch in epochs if epoch.isdecimal()]
    newest = "latest" if "latest" in epochs else max(numbers, key=int, default=None)
    files = [file for file, name in names.items() if name["epoch"] == newest]
    if not files:
        raise InputError(f"{folder} holds no generators: no file in it is called like latest_net_G_A.pth. {EXPECTED}")
    if len({names[file]["side"] is None for file in files}) > 1:
        raise InputError(
            f"{folder} holds {', '.join(file.name for file in files)}, from two kinds of training. "
            f"Name the file to import."
        )
    return files[0]


# ---- one file


@dataclass(frozen=True, eq=False)
class _Generator:
    """A generator of a file: its sizes, inferred from the tensors' shapes, and its tensors under our names."""

    channels: int
    width: int
    blocks: int
    upsampling: Literal["transposed", "antialias"]
    tensors: dict[str, Tensor]

    @property
    def shape(self) -> tuple[object, ...]:
        return self.channels, self.width, self.blocks, self.upsampling

    def in_words(self) -> str:
        blurred = ", anti-aliased" if self.upsampling == "antialias" else ""
        return f"{self.channels} channels, width {self.width}, {self.blocks} blocks{blurred}"


def _read_generator(file: Path) -> _Generator:
    state = _load(file)
    _refuse_other_networks(file, state)

    # Sizes, from the shapes.
    first = state.get("model.1.weight")
    if first is None or first.ndim != 4:
        raise InputError(
            f"{file} has no first convolution model.1.weight; it holds {few(sorted(state), 6)}. {EXPECTED}"
        )
    width, channels = int(first.shape[0]), int(first.shape[1])
    blocks = len({key.split(".")[1] for key in state if ".conv_block." in key})
    antialias = any(key.endswith(".filt") for key in state)
    dropout = any(".conv_block.6." in key for key in state)

    # What such a generator holds: nothing may be missing, nothing be left over.
    layers = generator_layers(channels, width, blocks, antialias=antialias, dropout=dropout)
    last = state.get(f"{layers[-1].key}.weight")
    if last is not None and last.ndim == 4 and last.shape[0] != channels:
        raise InputError(
            f"{file} turns {channels} channels into {last.shape[0]}. Translation keeps the channels, so that "
            f"real and translated can be compared: expected a generator with --input_nc equal to --output_nc."
        )
    shapes = {f"{layer.key}.{part}": shape for layer in layers for part, shape in layer.parts.items()}
    looks_like = (
        f"generator ({channels} channels, width {width}, {blocks} blocks, anti-aliasing {'on' if antialias else 'off'})"
    )
    refuse_unfit(file, state, shapes, looks_like, EXPECTED)
    for layer in layers:
        if layer.line:
            _check_blur(file, layer, state[f"{layer.key}.filt"])
    tensors = {
        f"{layer.name}.{part}": state[f"{layer.key}.{part}"] for layer in layers if layer.name for part in layer.parts
    }
    return _Generator(channels, width, blocks, "antialias" if antialias else "transposed", tensors)


def _load(file: Path) -> dict[str, Tensor]:
    """Read a state dict, tensors only, without the prefixes and buffers that do not matter."""
    state = read_tensors(file, EXPECTED)
    return {
        ".".join(part for part in key.split(".") if part not in WRAPPERS): value
        for key, value in state.items()
        if not key.endswith(INSTANCE_NORM_LEFTOVERS)
    }


def _refuse_other_networks(file: Path, state: dict[str, Tensor]) -> None:
    """Refuse the other networks that the same project saves, saying which one it is."""
    kind = None
    if any(key.startswith("model.model.") for key in state):
        kind = "a UNet generator (--netG unet_128 or unet_256), whose deepest layer fits one picture size only"
    elif "model.0.weight" in state or "net.0.weight" in state:
        kind = "a discriminator, which translates nothing"
    elif any(key.endswith(".weight") and value.ndim == 1 for key, value in state.items()):
        kind = "a network whose normalization layers have weights: batch normalization (--norm batch)"
    elif "model.1.weight" in state and "model.1.bias" not in state:
        kind = "a network without instance normalization (--norm none): its first convolution has no bias"
    if kind:
        raise InputError(f"{file} holds {kind}. {EXPECTED}")


def _check_blur(file: Path, layer: Layer, kernel: Tensor) -> None:
    if not torch.allclose(kernel.float(), layer.kernel(), atol=1e-4):
        raise InputError(
            f"{file} blurs in {layer.key} with another kernel than {list(layer.line)}, the one that "
            f"anti-aliased generators have. {EXPECTED}"
        )
