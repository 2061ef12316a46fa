"""Weights that other programs saved: reading them safely, and what only their user can say about them."""

from __future__ import annotations

import pickle
import struct
import warnings
import zipfile
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.intensity import Intensity
from napari_phenotrans.core.text import few

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    from napari_phenotrans.checkpoints.checkpoint import Card

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


def load_diffusers() -> ModuleType:
    """Import diffusers, which knows the defaults that its files leave out.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        return import_module("diffusers")
    except ModuleNotFoundError as error:
        raise InputError(
            "Importing and exporting the diffusion models of other programs needs the package diffusers. "
            "Install it with: pip install diffusers"
        ) from error


@dataclass(frozen=True)
class ForeignFacts:
    """Facts about a foreign file that it does not hold itself, from its user; None where not given.

    Attributes
    ----------
    limits
        Intensities that the networks saw as -1 and 1: one (low, high) for all channels, or one per channel.
    channels, conditions
        Names, in the order that the networks know.
    pixel_size_um
        Micrometers per pixel of the images that the networks were trained on.
    """

    limits: Sequence[float] | Sequence[Sequence[float]] | None = None
    channels: Iterable[str] | None = None
    conditions: Iterable[str] | None = None
    pixel_size_um: float | None = None

    def about(self, card: Card, conditions_are: str) -> Card:
        """Return the card with these facts in place of its assumptions; ``conditions_are`` explains their number.

        Raises
        ------
        InputError
            If names or limits are not as many as the network's channels and conditions, or two channels' are equal.
        """
        names = tuple(self.channels) if self.channels is not None else card.channels
        if len(names) != len(card.channels):
            raise InputError(
                f"{len(names)} channel names came: {list(names)}. The network has {len(card.channels)} channels: "
                f"say one name for each with --channels."
            )
        conditions = tuple(self.conditions) if self.conditions is not None else card.conditions
        if len(conditions) != len(card.conditions):
            raise InputError(f"{len(conditions)} conditions came: {list(conditions)}. {conditions_are}")
        if len(set(names)) != len(names):
            raise InputError(f"The channels came as {list(names)}. Different channels need different names.")
        intensity = card.intensity if self.limits is None else _limits(self.limits, len(names))
        update: dict[str, object] = {
            "channels": names,
            "conditions": conditions,
            "targets": tuple(conditions[card.conditions.index(target)] for target in card.targets),
            "low": intensity.low,
            "high": intensity.high,
        }
        if self.pixel_size_um is not None:
            update |= {"pixel_size": self.pixel_size_um, "pixel_unit": "um"}
        return card.model_copy(update=update)


def _limits(limits: Sequence[float] | Sequence[Sequence[float]], channels: int) -> Intensity:
    try:
        pairs = np.asarray(limits, dtype=float)
    except (TypeError, ValueError):
        pairs = np.empty(0)
    if pairs.shape in ((2,), (1, 2)):
        pairs = np.broadcast_to(pairs, (channels, 2))
    if pairs.shape != (channels, 2):
        raise InputError(
            f"Intensity limits came as {limits}. The network has {channels} channels: say one low and high "
            f"for all of them, or one low and high per channel, with --limits."
        )
    return Intensity(tuple(pairs[:, 0].tolist()), tuple(pairs[:, 1].tolist()))


def read_tensors(file: Path, expected: str) -> dict[str, Tensor]:
    """Read the tensors that a file holds by name, from ``.safetensors`` or what torch saved, without running code.

    Parameters
    ----------
    file
        The file.
    expected
        One sentence on what files can be read, for the messages.

    Raises
    ------
    InputError
        If the file is damaged, would run code, or holds something else than tensors by name.
    """
    _refuse_compressed(file, expected)
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        with warnings.catch_warnings():
            # what torch remarks on in a file is nothing that its user could mend
            warnings.simplefilter("ignore")
            state = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{file} is no file of tensors alone: it is damaged, not from torch, or a pickle that would run "
            f"code, which is never loaded. {expected}"
        ) from error
    except (SafetensorError, *DAMAGED) as error:
        raise InputError(f"{file} cannot be read: it is truncated, damaged or not from torch. {expected}") from error
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        content = f"a dict with {few(list(map(str, state)), 6)}" if isinstance(state, dict) else type(state).__name__
        raise InputError(f"{file} holds {content}, not bare tensors by name. {expected}")
    # a view may claim any shape over few bytes, and all of it would be made when it is copied
    claimed = [key for key, value in state.items() if value.layout == torch.strided and _claims_more_than_it_has(value)]
    if claimed:
        raise InputError(f"{file} holds fewer bytes than {few(claimed, 6)} would take: it was not saved so. {expected}")
    return state


def _claims_more_than_it_has(value: Tensor) -> bool:
    return value.numel() * value.element_size() > value.untyped_storage().nbytes()


def _refuse_compressed(file: Path, expected: str) -> None:
    """Refuse a file that would be larger in memory than on the disk: torch compresses nothing."""
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        # torch's older format is no archive; what is damaged is found when it is read
        return
    if size > file.stat().st_size:
        raise InputError(f"{file} would be {size} bytes in memory, which are not in the file. {expected}")


def refuse_unfit(
    file: Path, state: Mapping[str, Tensor], shapes: Mapping[str, Sequence[int]], network: str, expected: str
) -> None:
    """Refuse tensors that are not exactly those of a network: nothing may be missing, nothing be left over.

    Parameters
    ----------
    file, state
        The tensors by name, and the file that they come from.
    shapes
        Shapes of the network's tensors by name.
    network, expected
        The network in words, and one sentence on what files can be read, for the messages.

    Raises
    ------
    InputError
        If names or shapes differ, or values are no dense floating point numbers or not finite.
    """
    unusable = [key for key, value in state.items() if not value.is_floating_point() or value.layout != torch.strided]
    if unusable:
        raise InputError(f"{file} holds {few(unusable, 6)}, not as dense floating point numbers. {expected}")
    missing = [key for key in shapes if key not in state]
    unexpected = [key for key in sorted(state) if key not in shapes]
    odd = [
        f"{key} of shape {tuple(state[key].shape)} instead of {tuple(shape)}"
        for key, shape in shapes.items()
        if key in state and tuple(state[key].shape) != tuple(shape)
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": odd}
    problems = [f"{what}: {few(keys, 6)}" for what, keys in kinds.items() if keys]
    if problems:
        raise InputError(f"{file} is not the {network} that it looks like: {'; '.join(problems)}. {expected}")
    # float64 may hold what is infinite as float32
    not_finite = [key for key in shapes if not state[key].float().isfinite().all()]
    if not_finite:
        raise InputError(
            f"{file} holds values that are not finite in {few(not_finite, 6)}, as float32: its training diverged. "
            f"Take the file of an earlier epoch."
        )
