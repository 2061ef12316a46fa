"""What is computed, in counts that are the same on every machine: ``python -m bench costs``.

Tests compare them with those that were noted (tests/bench/speed/costs.json), so that a change that makes something cost
more is seen where it is made, without a clock. Where such a change is meant, ``python -m bench costs --renew`` notes
anew.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import click
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.engines.update import BatchPart, Update
from napari_phenotrans.translation.events import EvaluationDone, TileDone
from napari_phenotrans.translation.request import TranslationRequest
from napari_phenotrans.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTED = Path(__file__).parents[2] / "tests" / "bench" / "speed" / "costs.json"
CONDITIONS, CHANNELS = ("healthy", "diseased"), ("DAPI", "PH3", "ZO1")
# Settings as users train with, on crops that any processor computes in a moment.
USUAL: dict[str, dict[str, Any]] = {
    "cyclegan": {"crop": 32, "width": 32, "blocks": 6},
    "scgan": {"crop": 32, "width": 32, "blocks": 6},
    "phendiff": {"crop": 32, "width": 32, "levels": 3},
    "flow": {"crop": 32, "width": 32, "levels": 3, "channels": CHANNELS, "kept": CHANNELS[-1:]},
    "shift": {"crop": 32},
}
# How the operations of translating are counted, where that takes many evaluations that cost the same.
FEW: dict[str, dict[str, Any]] = {
    "phendiff": {"evaluations": 4, "strength": 0.5},
    "flow": {"evaluations": 4, "depth": 0.5},
}
# Sides of the planes whose tiles are counted.
PLANES = {"cyclegan": 1024, "scgan": 1024, "phendiff": 160, "flow": 160, "shift": 1024}


@click.command()
@click.option("--renew", is_flag=True, help="Note the figures in tests/bench/speed/costs.json.")
def costs(renew: bool) -> None:
    """Tiles, network evaluations, multiplications and imported modules; no times."""
    found = {
        "translating": {name: translating(name) for name in PLANES},
        "training": {name: training(name) for name in USUAL},
        "phenotrans --help": helping(),
    }
    text = json.dumps(found, indent=2, ensure_ascii=False)
    click.echo(text)
    if renew:
        NOTED.write_text(text + "\n", encoding="utf-8")


def translating(name: str) -> dict[str, int]:
    """Count what an engine takes to translate planes."""
    side, small = PLANES[name], USUAL[name]["crop"]
    translator = _translator(name, USUAL[name])
    with counted() as counter:
        one = _translated(translator, small, **FEW.get(name, {}))
    # how often a network is called does not depend on what it says
    if name != "shift":
        translator.engine.networks_to = lambda target: _Nothing(len(translator.engine.kept))
    many = _translated(translator, side)
    operations = f"multiplications for a plane of {small} × {small}, in {one['calls']} calls"
    return {
        f"tiles of a plane of {side} × {side}": many["tiles"],
        "evaluations of a tile, as translating is set by default": many["evaluations"],
        f"calls of the network for a plane of {side} × {side}": many["calls"],
        operations: counter.total,
    }


def training(name: str) -> dict[str, int]:
    """Count the multiplications of an engine's training step on two crops per condition."""
    torch.manual_seed(0)
    entry, settings = ENGINES[name], USUAL[name]
    engine = entry.load()(entry.settings.make(**settings, batch=2), len(CHANNELS), CONDITIONS)
    engine.start_training()
    chance = KeyedRandom(0, 0, 0, 2)
    side = settings["crop"]
    crops = {c: torch.from_numpy(chance.uniform(c, len(CHANNELS), side, side)) * 2 - 1 for c in CONDITIONS}
    with counted() as counter:
        engine.training_step(0, [BatchPart(crops, chance)], Update())
    return {f"multiplications of a step, 2 crops of {side} × {side}": counter.total}


class Multiplications(TorchDispatchMode):
    """Counts the multiplications of convolutions and of products of matrices that are run inside.

    The rules stand here, not in torch, whose own counter says other numbers in other versions.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, operation: Any, types: Any, inputs: Any = (), options: Any = None) -> Any:
        # in inference mode torch hands over compound operations, such as linear: what they are made of is counted
        with self:
            result = operation.decompose(*inputs, **(options or {}))
        if result is not NotImplemented:
            return result
        result = operation(*inputs, **(options or {}))
        match operation._schema.name:
            case "aten::convolution":
                self.total += _of_convolution(result if inputs[6] is False else inputs[0], inputs[1])
            case "aten::convolution_backward":
                after, before, weight, wanted = inputs[0], inputs[1], inputs[2], inputs[10]
                once = _of_convolution(before if inputs[7] else after, weight)
                self.total += once * sum(wanted[:2])  # for the input and for the weight, where they are asked for
            case "aten::mm" | "aten::bmm":
                self.total += result.numel() * inputs[0].shape[-1]
            case "aten::addmm" | "aten::baddbmm" | "aten::baddbmm_":
                self.total += result.numel() * inputs[1].shape[-1]
        return result


class _Nothing(nn.Module):
    """A network that returns what it is given but for the channels that it keeps, whatever else it is told."""

    def __init__(self, kept: int) -> None:
        super().__init__()
        self.kept = kept

    def forward(self, x: torch.Tensor, *told: torch.Tensor) -> torch.Tensor:
        return x[:, self.kept :]


@contextmanager
def counted() -> Iterator[Multiplications]:
    """Count multiplications, with attention replaced by a sum: what it is made of is torch's choice, by version."""
    plain = patch.object(F, "scaled_dot_product_attention", lambda query, key, value: query + key + value)
    with plain, Multiplications() as counter:
        yield counter


def _of_convolution(positions: torch.Tensor, weight: torch.Tensor) -> int:
    """Each position on the side that the kernel is laid on, times the kernel's numbers (either side's channels)."""
    return positions.shape[0] * positions[0, 0].numel() * weight.numel()


def helping() -> dict[str, list[str] | int]:
    """Say what ``phenotrans --help`` imports: other people's packages, and how many modules of ours."""
    code = (
        "import sys; sys.argv = ['phenotrans', '--help']\n"
        "before = set(sys.modules)\n"
        "from napari_phenotrans.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = done.stdout.splitlines()[-1].split()
    others = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names) - {"napari_phenotrans"}
    return {
        "packages": sorted(others),
        "modules of ours": sum(name.startswith("napari_phenotrans") for name in modules),
    }


def _translator(name: str, settings: dict[str, Any]) -> Translator:
    torch.manual_seed(0)
    entry, many = ENGINES[name], len(CHANNELS)
    engine = entry.load()(entry.settings.make(**settings), many, CONDITIONS)
    for target in CONDITIONS:
        engine.fix_statistics(target, [torch.rand(1, many, 32, 32) * 2 - 1])
    card = Card(
        engine=name,
        settings=settings,
        conditions=CONDITIONS,
        channels=CHANNELS,
        low=(0.0,) * many,
        high=(255.0,) * many,
        crop=settings["crop"],
    )
    return Translator(Checkpoint.of(engine, card), device="cpu", precision="fp32")


def _translated(translator: Translator, side: int, **how: Any) -> dict[str, int]:
    image = Image(np.zeros((len(CHANNELS), side, side), np.uint8), "CYX", CHANNELS)
    counts = {"tiles": 0, "evaluations": 0, "calls": 0}

    def tick() -> None:
        counts["calls"] += 1

    for event in translator.translate(image, TranslationRequest("healthy", "diseased", how=how), tick=tick):
        counts["tiles"] += isinstance(event, TileDone)
        counts["evaluations"] += isinstance(event, EvaluationDone)
    # every call says so on the way to the translation, but for those of the last evaluation, which give tiles
    last = counts["calls"] - counts["evaluations"]
    return counts | {"evaluations": counts["calls"] // last}
