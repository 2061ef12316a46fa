"""Generators that pytorch-CycleGAN-and-pix2pix saved (``latest_net_G_A.pth``), anti-aliased ones too."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from napari_phenotrans.checkpoint import Card, Checkpoint
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.errors import InputError
from napari_phenotrans.intensity import Intensity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# side of the crops that the original trains on unless told otherwise; its files do not say
CROP = 256
FILE_NAME = re.compile(r"(?P<epoch>.+)_net_G(_(?P<side>[AB]))?\.pth")
WRAPPERS = {"module", "_orig_mod"}
INSTANCE_NORM_LEFTOVERS = ("running_mean", "running_var", "num_batches_tracked")
# what torch's reader raises, depending on where a file is damaged
DAMAGED = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    struct.error,
)
EXPECTED = (
    "Expected the state dict of a ResNet generator (--netG resnet_9blocks or resnet_6blocks, --norm "
    "instance) as pytorch-CycleGAN-and-pix2pix saves it: latest_net_G_A.pth, latest_net_G.pth or "
    "<epoch>_net_G_A.pth."
)


def import_checkpoint(
    path: str | Path,
    *,
    limits: Sequence[float] | Sequence[Sequence[float]] = (0, 255),
    channels: Iterable[str] | None = None,
    conditions: Iterable[str] | None = None,
    pixel_size_um: float | None = None,
) -> Checkpoint:
    """Read a CycleGAN generator, or those of both directions, into a checkpoint that translates alike.

    Parameters
    ----------
    path
        A ``.pth`` file, or the folder that it lies in. Beside ``<epoch>_net_G_A.pth`` the other direction,
        ``<epoch>_net_G_B.pth``, is taken too where it is there, and the other way round. Of a folder the
        newest generators are taken: ``latest``, else the highest epoch. A file of any other name is one
        direction.
    limits
        Intensities that the networks saw as -1 and 1: one (low, high) for all channels, or one per channel.
        The original reads 8-bit images, whose limits are 0 and 255.
    channels
        Names, one per channel; "channel 1", "channel 2", … where none are said.
    conditions
        Two names in the original's order: A, which ``G_A`` and a lone ``G`` translate from, then B.
    pixel_size_um
        Micrometers per pixel of the images that the networks were trained on; None where unknown.

    Raises
    ------
    InputError
        If the file cannot be read or is no such generator, or if what was said does not fit it.
    """
    files = _find_files(Path(path))
    generators = {target: _read_generator(file) for target, file in files.items()}
    first = next(iter(generators.values()))
    for target, generator in generators.items():
        if generator.shape != first.shape:
            raise InputError(
                f"{files[target].name} does not belong to {files[next(iter(files))].name}: its generator has "
                f"{generator.spoken()}, the other one {first.spoken()}. Put two files of one training "
                f"side by side, or import one alone under another name."
            )

    conditions = tuple(conditions) if conditions is not None else ("A", "B")
    if len(conditions) != 2:
        raise InputError(
            f"{len(conditions)} conditions came: {list(conditions)}. A CycleGAN has two: say with "
            f"--conditions what its folders A and B showed, in this order."
        )
    names = tuple(channels) if channels is not None else tuple(f"channel {i + 1}" for i in range(first.channels))
    if len(names) != first.channels:
        raise InputError(
            f"{len(names)} channel names came: {list(names)}. The generator has {first.channels} channels: "
            f"say one name for each with --channels."
        )
    intensity = _limits(limits, first.channels)
    described = ", ".join(file.name for file in files.values())
    card = Card(
        engine="cyclegan",
        settings={
            "width": first.width,
            "blocks": first.blocks,
            "upsampling": first.upsampling,
            "output": "tanh",
        },
        conditions=conditions,
        channels=names,
        targets=tuple(conditions[target] for target in sorted(files)),
        low=intensity.low,
        high=intensity.high,
        pixel_size=pixel_size_um,
        pixel_unit="um" if pixel_size_um is not None else "pixel",
        crop=CROP,
        statistics="plane",
        about=f"Imported CycleGAN generator{'s' if len(files) > 1 else ''}: {described}.",
        training={"source": described, "format": "pytorch-CycleGAN-and-pix2pix"},
    )
    entry = engine_entry(card.engine)
    engine = entry.load()(entry.settings.make(**card.settings), first.channels, conditions)
    engine.keep_targets(card.targets)
    for target, generator in generators.items():
        network = engine.translators[str(target)]
        # what the file does not have, the unused normalization statistics, stays as it was made
        network.load_state_dict({**network.state_dict(), **generator.tensors})
    return Checkpoint.of(engine, card)


# ---- which files


def _find_files(path: Path) -> dict[int, Path]:
    """Return the generators' files by the index of the condition that they translate to."""
    if path.is_dir():
        path = _newest(path)
    elif not path.is_file():
        raise InputError(f"There is no file or folder {path}. {EXPECTED}")
    named = FILE_NAME.fullmatch(path.name)
    if named is None or named["side"] is None:
        return {1: path}
    both = {target: path.with_name(f"{named['epoch']}_net_G_{side}.pth") for target, side in ((0, "B"), (1, "A"))}
    return {target: file for target, file in both.items() if file.is_file()}


def _newest(folder: Path) -> Path:
    found = {file: named for file in sorted(folder.iterdir()) if (named := FILE_NAME.fullmatch(file.name))}
    epochs = {named["epoch"] for named in found.values()}
    numbers = [epoch for epoch in epochs if epoch.isdecimal()]
    newest = "latest" if "latest" in epochs else max(numbers, key=int, default=None)
    files = [file for file, named in found.items() if named["epoch"] == newest]
    if not files:
        raise InputError(f"{folder} holds no generators: no file in it is called like latest_net_G_A.pth. {EXPECTED}")
    if len({found[file]["side"] is None for file in files}) > 1:
        raise InputError(
            f"{folder} holds {', '.join(file.name for file in files)}, from two kinds of training. "
            f"Name the file to import."
        )
    return files[0]


# ---- one file


@dataclass(frozen=True, eq=False)
class _Generator:
    """What a file told: sizes, inferred from the tensors' shapes, and the tensors under our names."""

    channels: int
    width: int
    blocks: int
    upsampling: Literal["transposed", "antialias"]
    tensors: dict[str, Tensor]

    @property
    def shape(self) -> tuple[object, ...]:
        return self.channels, self.width, self.blocks, self.upsampling

    def spoken(self) -> str:
        blurred = ", anti-aliased" if self.upsampling == "antialias" else ""
        return f"{self.channels} channels, width {self.width}, {self.blocks} blocks{blurred}"


def _read_generator(file: Path) -> _Generator:
    state = _load(file)
    _refuse_other_networks(file, state)

    # Sizes, from the shapes.
    first = state.get("model.1.weight")
    if first is None or first.ndim != 4:
        raise InputError(f"{file} has no first convolution model.1.weight; it holds {_some(sorted(state))}. {EXPECTED}")
    width, channels = int(first.shape[0]), int(first.shape[1])
    blocks = len({key.split(".")[1] for key in state if ".conv_block." in key})
    antialias = any(key.endswith(".filt") for key in state)
    dropout = any(".conv_block.6." in key for key in state)

    # What such a generator holds: nothing may be missing, nothing be left over.
    layers = _layout(channels, width, blocks, antialias=antialias, dropout=dropout)
    last = state.get(f"{layers[-1].key}.weight")
    if last is not None and last.ndim == 4 and last.shape[0] != channels:
        raise InputError(
            f"{file} turns {channels} channels into {last.shape[0]}. Translation keeps the channels, so that "
            f"real and translated can be compared: expected a generator with --input_nc equal to --output_nc."
        )
    expected = {f"{layer.key}.{part}": shape for layer in layers for part, shape in layer.parts.items()}
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in sorted(state) if key not in expected]
    odd = [
        f"{key} of shape {tuple(state[key].shape)} instead of {shape}"
        for key, shape in expected.items()
        if key in state and tuple(state[key].shape) != shape
    ]
    problems = [
        f"{what}: {_some(keys)}"
        for what, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", odd))
        if keys
    ]
    if problems:
        raise InputError(
            f"{file} is not the generator that it looks like ({channels} channels, width {width}, "
            f"{blocks} blocks, anti-aliasing {'on' if antialias else 'off'}): {'; '.join(problems)}. "
            f"{EXPECTED}"
        )
    for layer in layers:
        if layer.kernel is not None:
            _check_blur(file, layer, state[f"{layer.key}.filt"])
    not_finite = [key for key in expected if not state[key].isfinite().all()]
    if not_finite:
        raise InputError(
            f"{file} holds values that are not finite in {_some(not_finite)}: its training diverged. "
            f"Take the file of an earlier epoch."
        )
    tensors = {
        f"{layer.name}.{part}": state[f"{layer.key}.{part}"] for layer in layers if layer.name for part in layer.parts
    }
    return _Generator(channels, width, blocks, "antialias" if antialias else "transposed", tensors)


def _load(file: Path) -> dict[str, Tensor]:
    """Read a state dict, tensors only, without the prefixes and buffers that do not matter."""
    try:
        with warnings.catch_warnings():
            # what torch remarks on in a file is nothing that its user could mend
            warnings.simplefilter("ignore")
            state = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{file} is no file of tensors alone: it is damaged, not from torch, or a pickle that would run "
            f"code, which is never loaded. {EXPECTED}"
        ) from error
    except DAMAGED as error:
        raise InputError(f"{file} cannot be read: it is truncated, damaged or not from torch. {EXPECTED}") from error
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        held = f"a dict with {_some(list(map(str, state)))}" if isinstance(state, dict) else type(state).__name__
        raise InputError(f"{file} holds {held}, not bare tensors by name. {EXPECTED}")
    state = {
        ".".join(part for part in key.split(".") if part not in WRAPPERS): value
        for key, value in state.items()
        if not key.endswith(INSTANCE_NORM_LEFTOVERS)
    }
    unusable = [key for key, value in state.items() if not value.is_floating_point() or value.layout != torch.strided]
    if unusable:
        raise InputError(f"{file} holds {_some(unusable)}, not as dense floating point numbers. {EXPECTED}")
    return state


def _refuse_other_networks(file: Path, state: dict[str, Tensor]) -> None:
    """Say what a known network of the same project is, where it is none that can be imported."""
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


@dataclass(frozen=True)
class _Layer:
    """A layer of the original: its key, our name (none for a blur, which learns nothing), tensors' shapes."""

    key: str
    name: str | None
    parts: dict[str, tuple[int, ...]]
    kernel: tuple[int, ...] | None = None


def _layout(channels: int, width: int, blocks: int, *, antialias: bool, dropout: bool) -> list[_Layer]:
    """Walk through the original's ``nn.Sequential``; ``at`` counts its layers with and without tensors."""
    layers: list[_Layer] = []

    def convolution(key: str, name: str, taken: int, given: int, size: int, transposed: bool = False) -> None:
        ends = (taken, given) if transposed else (given, taken)
        layers.append(_Layer(key, name, {"weight": (*ends, size, size), "bias": (given,)}))

    def blur(key: str, given: int, kernel: tuple[int, ...]) -> None:
        layers.append(_Layer(key, None, {"filt": (given, 1, len(kernel), len(kernel))}, kernel))

    # padding, convolution, norm, ReLU
    convolution("model.1", "enter.0", channels, width, 7)
    at = 4
    # convolution, norm, ReLU, and the blur that then takes every second pixel
    for i, n in enumerate((width, 2 * width)):
        convolution(f"model.{at}", f"down.{i}.0", n, 2 * n, 3)
        if antialias:
            blur(f"model.{at + 3}", 2 * n, (1, 2, 1))
        at += 4 if antialias else 3
    for i in range(blocks):
        convolution(f"model.{at}.conv_block.1", f"blocks.{i}.layers.0", 4 * width, 4 * width, 3)
        second = 6 if dropout else 5
        convolution(f"model.{at}.conv_block.{second}", f"blocks.{i}.layers.3", 4 * width, 4 * width, 3)
        at += 1
    # the blur that enlarges where there is one, convolution, norm, ReLU
    for i, n in enumerate((4 * width, 2 * width)):
        if antialias:
            blur(f"model.{at}", n, (1, 3, 3, 1))
            convolution(f"model.{at + 1}", f"up.{i}.1", n, n // 2, 3)
        else:
            convolution(f"model.{at}", f"up.{i}.0", n, n // 2, 3, transposed=True)
        at += 4 if antialias else 3
    # padding, convolution, tanh
    convolution(f"model.{at + 1}", "leave", width, channels, 7)
    return layers


def _check_blur(file: Path, layer: _Layer, found: Tensor) -> None:
    line = torch.tensor(layer.kernel, dtype=torch.float32)
    kernel = torch.outer(line, line) / line.sum() ** 2
    # the enlarging blur puts zeros between the pixels, and makes up for them
    kernel = kernel * (4 if len(line) == 4 else 1)
    if not torch.allclose(found.float(), kernel.expand_as(found), atol=1e-4):
        raise InputError(
            f"{file} blurs in {layer.key} with another kernel than {list(layer.kernel or ())}, the one that "
            f"anti-aliased generators have. {EXPECTED}"
        )


def _limits(limits: Sequence[float] | Sequence[Sequence[float]], channels: int) -> Intensity:
    try:
        pairs = np.asarray(limits, dtype=float)
    except (TypeError, ValueError):
        pairs = np.empty(0)
    if pairs.shape in ((2,), (1, 2)):
        pairs = np.broadcast_to(pairs, (channels, 2))
    if pairs.shape != (channels, 2):
        raise InputError(
            f"Intensity limits came as {limits}. The generator has {channels} channels: say one low and high "
            f"for all of them, or one low and high per channel, with --limits."
        )
    return Intensity(tuple(pairs[:, 0].tolist()), tuple(pairs[:, 1].tolist()))


def _some(words: Sequence[str], most: int = 6) -> str:
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more
