"""Fixing an engine to one direction and one way to translate."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_phenotrans.checkpoints.interop.zoo.modules import FixedDenoiser, FixedGenerator
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.tiling import padded_size
from napari_phenotrans.engines.cyclegan import CycleGAN
from napari_phenotrans.engines.flow import KeptFlow
from napari_phenotrans.engines.phendiff import PhenDiff
from napari_phenotrans.engines.settings import FlowTranslation, PhenDiffTranslation
from napari_phenotrans.networks.norm import CropNorm
from napari_phenotrans.networks.per_condition import PerCondition
from napari_phenotrans.networks.winograd import use_patches

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_phenotrans.core.settings import TranslationSettings
    from napari_phenotrans.engines.base import Engine
    from napari_phenotrans.engines.denoiser import DenoiserEngine

GENERATOR = "generator."


@dataclass(frozen=True, eq=False)
class Fixed:
    """An engine that knows one translation only.

    Attributes
    ----------
    module
        Translates (N, C, H, W) in about [-1, 1]; with the checkpoint's weights.
    arguments
        What its class is made with: names, numbers, lists and dicts.
    prefixes
        What its weights' names begin with, and the same in a checkpoint; empty where they are called alike.
    """

    module: nn.Module
    arguments: dict[str, Any]
    prefixes: tuple[str, str] = ("", "")

    def named(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return those of a checkpoint's tensors that belong to the module, under its names."""
        own, theirs = self.prefixes
        return {own + name.removeprefix(theirs): value for name, value in tensors.items() if name.startswith(theirs)}


def fix(engine: Engine, source: str, target: str, how: TranslationSettings) -> Fixed:
    """Fix an engine with weights to one direction; ``how`` is of the class that the registry names for it.

    Raises
    ------
    InputError
        If it cannot translate so, or not by a module.
    """
    side = padded_size(engine.smallest, engine.stride)
    dark = torch.zeros(1, engine.channels, side, side)
    # what an engine refuses, it refuses before its first evaluation
    if next(engine.calls(dark, source, target, how), None) is None:
        raise InputError("This translation returns the image as it is: there is nothing to write.")
    offset = list(engine.offset_of(source, target, how) or (0.0,) * engine.channels)
    if isinstance(engine, CycleGAN):
        return _fixed_generator(engine, source, target, offset)
    if isinstance(engine, KeptFlow):
        assert isinstance(how, FlowTranslation)
        guidance = None if source == target else engine.guidance_of(how)
        amounts = [] if guidance is None else guidance.flatten().tolist()
        labels = {"source": engine.index(source), "target": engine.index(target), "away": engine.index(source)}
        return _fixed_denoiser(engine, engine.levels(how, how.evaluations), labels, amounts, offset)
    assert isinstance(engine, PhenDiff) and isinstance(how, PhenDiffTranslation)
    if how.solver != "dpm":
        raise InputError(f"A package goes by the solver dpm, got {how.solver}. Say --solver dpm.")
    amounts = [] if how.guidance == 1 else [how.guidance - 1] * engine.channels
    labels = {"source": engine.index(source), "target": engine.index(target), "away": len(engine.conditions)}
    return _fixed_denoiser(
        engine, engine.levels(how, how.evaluations), labels, amounts, offset, held=list(engine.kept_by(how))
    )


def _fixed_generator(engine: CycleGAN, source: str, target: str, offset: list[float]) -> Fixed:
    s = engine.settings
    arguments: dict[str, Any] = {
        "generator": {
            "channels": engine.channels,
            "width": s.width,
            "blocks": s.blocks,
            "upsampling": s.upsampling,
            "output": s.output,
            "norm": s.norm,
            "noise": engine.channels if s.noise else 0,
            "unmatched": s.unmatched > 0,
        },
        "sets": len(engine.conditions) + 1,
        "selected": engine.index(source),
        "stored": engine.statistics_are_fixed,
        "kept": list(engine.kept),
        "offset": offset,
    }
    prefixes = GENERATOR, f"{engine.index(target)}."
    return _with_weights(FixedGenerator(**arguments), engine, arguments, prefixes)


def _fixed_denoiser(
    engine: DenoiserEngine,
    sigmas: list[float],
    labels: dict[str, int],
    guidance: list[float],
    offset: list[float],
    held: list[int] | None = None,
) -> Fixed:
    network: Any = engine.translators["denoiser"]
    separate = isinstance(network, PerCondition)
    moving = [channel for channel in range(engine.channels) if channel not in engine.kept]
    levels = []
    for sigma in sigmas:
        c = engine.objective.coefficients(torch.tensor([sigma]))
        each = {
            name: np.broadcast_to(value[0].numpy(), len(moving)).tolist()
            for name, value in (("into", c.into), ("skip", c.skip), ("out", c.out))
        }
        levels.append({"sigma": sigma, "time": float(c.time[0]), **each})
    assert engine.tile is not None
    overlap = engine.context
    tile = padded_size(engine.tile, engine.stride)
    data = engine.translators["data"].state_dict()["sd"] if "data" in engine.translators else ()
    arguments: dict[str, Any] = {
        "denoiser": _plain((network.each[0] if separate else network).config),
        "networks": len(network.each) if separate else 1,
        "channels": {
            "kept": list(engine.kept),
            "held": held or [],
            "scaled": "scale" in engine.translators,
            "data": len(data),
        },
        "tiles": {"side": tile, "step": tile - padded_size(overlap, engine.stride), "overlap": overlap},
        "labels": labels,
        "levels": levels,
        "guidance": guidance,
        "offset": offset,
    }
    return _with_weights(FixedDenoiser(**arguments), engine, arguments, ("", ""))


def _with_weights(module: nn.Module, engine: Engine, arguments: dict[str, Any], prefixes: tuple[str, str]) -> Fixed:
    fixed = Fixed(module.requires_grad_(False).eval(), arguments, prefixes)
    weights = {name: value.numpy() for name, value in engine.translators.state_dict().items()}
    module.load_state_dict({name: torch.from_numpy(value) for name, value in fixed.named(weights).items()})
    return fixed


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in config.items()
        if not name.startswith("_")
    }


# ---- TorchScript


def as_torchscript(fixed: Fixed) -> torch.jit.ScriptModule | None:
    """Return a fixed engine as a program that no source file is needed for; None where none computes the same.

    That is where noise beside the image is drawn, which is NumPy's to do.
    """
    module = copy.deepcopy(fixed.module)
    # convolutions by patches are Python
    use_patches(module, False)
    with torch.no_grad(), warnings.catch_warnings():
        # torch's advice to use torch.export, whose programs no format of a package takes
        warnings.simplefilter("ignore")
        if isinstance(module, FixedGenerator):
            if module.noise:
                return None
            _with_torchs_norms(module)
            x = torch.zeros(1, len(module.offset), 32, 32)
            return torch.jit.trace(module, x, check_trace=False)
        assert isinstance(module, FixedDenoiser)
        if hasattr(module, "data"):
            del module.data  # the levels know it already
        entering, tile = module.kept.numel() + module.moving.numel(), module.side
        asked = torch.zeros(1, entering, tile, tile), torch.ones(1), torch.zeros(1, dtype=torch.long)
        network: nn.Module = module.denoiser
        program: nn.Module = module
        if isinstance(network, PerCondition):
            each = [torch.jit.trace(one, asked, check_trace=False) for one in network.each]
            program.denoiser = _OfSourceOrTarget(each[int(module.source)], each[int(module.target)], int(module.source))
        else:
            program.denoiser = torch.jit.trace(network, asked, check_trace=False)
        return torch.jit.script(program)


def save_torchscript(program: torch.jit.ScriptModule, path: Path) -> None:
    """Write a program, without torch's advice to use another format."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(program, path)


class _OfSourceOrTarget(nn.Module):
    """The networks of two conditions, chosen by the label."""

    def __init__(self, of_source: nn.Module, of_target: nn.Module, source: int) -> None:
        super().__init__()
        self.of_source, self.of_target, self.source = of_source, of_target, source

    def forward(self, z: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        own = torch.zeros_like(labels)
        if bool((labels == self.source).all()):
            return self.of_source(z, time, own)
        return self.of_target(z, time, own)


def _with_torchs_norms(module: nn.Module) -> None:
    """Have torch normalize pictures by their own statistics where a layer of ours does: it says so in Python."""
    for name, layer in module.named_children():
        if isinstance(layer, CropNorm) and layer.mode == "instance":
            setattr(module, name, nn.InstanceNorm2d(layer.mean.shape[1], eps=layer.eps))
        else:
            _with_torchs_norms(layer)
