"""One training step of ours against a plain eager loop: ``python -m bench training``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click
import torch
from torch import Tensor, nn

from bench.common.ceilings import ceilings, describe, distance, shares_of, wait_for, work_of
from bench.common.paired import circumstances, run
from bench.common.writing import publish, spread
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.engines.device import choose_device
from napari_phenotrans.engines.update import BatchPart, Update
from napari_phenotrans.training.loop import train

if TYPE_CHECKING:
    from napari_phenotrans.engines.base import Engine

NAMES = ("cyclegan", "scgan", "phendiff")
CONDITIONS = ("healthy", "diseased")
CHANNELS = 3
SIZES = {"cpu": {"width": 32, "crop": 128, "batch": 4}, "cuda": {"width": 64, "crop": 256, "batch": 8}}
WANTED = {"cpu": 1.4, "cuda": 3.0}
HEADING = "## Training"
REFERENCES = {
    "cyclegan": "torch's layers, one network call per use, torch.optim.Adam",
    "scgan": "the same, discriminators with torch's spectral norm",
    "phendiff": "diffusers' UNet2DModel, torch.optim.AdamW, gradients clipped at 1",
}


@dataclass(frozen=True)
class Options:
    """What the engines of one table have in common: sizes are the networks' width, the crops' side and how many."""

    sizes: dict[str, int]
    device: torch.device
    channels: int
    repeats: int
    steps: int
    precision: str


@click.command()
@click.option("--engine", "names", type=click.Choice(NAMES), multiple=True, help="All where none is said.")
@click.option("--width", type=click.IntRange(4), help="32 on a processor, 64 on a GPU.")
@click.option("--crop", type=click.IntRange(32), help="128 on a processor, 256 on a GPU.")
@click.option("--batch", type=click.IntRange(1), help="Crops per condition: 4 on a processor, 8 on a GPU.")
@click.option("--channels", type=click.IntRange(1), default=CHANNELS, show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True, help="Timed rounds of each.")
@click.option("--steps", type=click.IntRange(1), default=1, show_default=True, help="Training steps in a round.")
@click.option("--device", default="cpu", show_default=True, help="Device of both: cpu, cuda, mps or auto.")
@click.option(
    "--precision", default="32-true", type=click.Choice(["32-true", "bf16-mixed"]), show_default=True, help="Of ours."
)
@click.option("--out", type=click.Path(path_type=Path), help="Document in which to put the table.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File to write all figures to.")
def training(
    names: tuple[str, ...],
    width: int | None,
    crop: int | None,
    batch: int | None,
    device: str,
    out: Path | None,
    json_file: Path | None,
    **said: Any,
) -> None:
    """Seconds of a training step, against plain eager loops of library calls in float32."""
    where = choose_device(device)
    usual = SIZES.get(where.type, SIZES["cpu"])
    sizes = {name: value or usual[name] for name, value in (("width", width), ("crop", crop), ("batch", batch))}
    options = Options(sizes, where, **said)
    limits = ceilings(where)
    result = {
        "bench": "training",
        **sizes,
        "channels": options.channels,
        "device": where.type,
        "precision": options.precision,
        "repeats": options.repeats,
        "steps": options.steps,
        "rows": [measure(name, options, limits) for name in names or NAMES],
        "ceilings": limits,
        "limits": describe(limits),
        **circumstances(),
    }
    publish(table(result), result, out, json_file)


def measure(name: str, options: Options, limits: dict[str, float]) -> dict[str, Any]:
    """Time steps of one engine and of its reference, in turns, on the same crops and from the same weights."""
    sizes, device, steps = options.sizes, options.device, options.steps
    engine, reference = pair(name, sizes, options.channels, device)
    crops = fixed_crops(sizes, options.channels, device)
    update = update_in(options.precision, device)

    def draw(condition: str, chance: KeyedRandom) -> Tensor:
        return crops[condition][chance.first : chance.first + chance.count]

    training = train(engine, draw, engine.settings, update=update)

    def ours() -> None:
        for _ in range(steps):
            next(training)
        wait_for(device)

    def counted() -> None:
        # whole and on this thread: others' operations are not seen
        for step in range(steps):
            engine.training_step(step, [BatchPart(crops, KeyedRandom(0, step, 0, sizes["batch"]))], update)
        wait_for(device)

    def plain() -> None:
        for _ in range(steps):
            reference.step([crops[condition] for condition in CONDITIONS])
        wait_for(device)

    times = run(ours, plain, options.repeats)
    work = {"ours": work_of(counted, training=True), "reference": work_of(plain, training=True)}
    seconds = {"ours": [s / steps for s in times.ours], "reference": [s / steps for s in times.reference]}
    # on a GPU torch's convolutions round float32 to TF32 by default, on both sides
    plain_arithmetic = "tf32" if device.type == "cuda" else "float32"
    arithmetic = {"ours": plain_arithmetic, "reference": plain_arithmetic}
    if options.precision == "bf16-mixed" and device.type == "cuda":
        arithmetic["ours"] = "bfloat16"
    return {
        "engine": name,
        "against": REFERENCES[name],
        "weights": parameters(reference.networks()),
        "seconds": {who: [round(s, 4) for s in some] for who, some in seconds.items()},
        "shares": {"ours": shares_of(counted, device), "reference": shares_of(plain, device)},
        "ratio": round(times.ratio, 3),
        "ratios": [round(ratio, 3) for ratio in times.ratios],
        "limit": {
            who: distance(steps * median(some), work[who], limits, arithmetic[who]) for who, some in seconds.items()
        },
    }


def pair(name: str, sizes: dict[str, int], channels: int, device: torch.device) -> tuple[Engine, Any]:
    """Build an engine and its reference, ready to train, with the same weights."""
    torch.manual_seed(0)
    entry = ENGINES[name]
    settings = entry.settings.make(**sizes)
    engine = entry.load()(settings, channels, CONDITIONS).to(device)
    engine.start_training()
    networks = trained(engine)
    said = settings.model_dump()
    if name == "phendiff":
        # here and not above: diffusers must not come into the processes of other commands, which show napari
        from bench.references.denoiser import PlainDenoiser

        reference: Any = PlainDenoiser(networks[0], said, device)
    else:
        from bench.references.gan import PlainCycleGAN, PlainSCGAN

        reference = (PlainSCGAN if name == "scgan" else PlainCycleGAN)(channels, said, device)
    for plain, own in zip(reference.networks(), networks, strict=True):
        carry(own, plain)
    reference.start_average()
    return engine, reference


def trained(engine: Any) -> list[nn.Module]:
    """Return the networks that an engine trains."""
    return [engine.live] if hasattr(engine, "live") else [*engine.generators, *engine.discriminators]


def parameters(networks: list[nn.Module]) -> int:
    """Return how many weights are trained."""
    return sum(p.numel() for network in networks for p in network.parameters())


@torch.no_grad()
def carry(own: nn.Module, plain: nn.Module) -> None:
    """Give a plain network our network's weights: by their names, or one after the other where names differ.

    Raises
    ------
    ValueError
        If they do not have the same weights: then they would not do the same work.
    """
    if own.state_dict().keys() == plain.state_dict().keys():
        plain.load_state_dict(own.state_dict())
        return
    pairs = list(zip(plain.parameters(), own.parameters(), strict=True))
    # of spectral norms; where ours alone has any, they are statistics that only translating uses
    estimates = list(plain.buffers())
    pairs += zip(estimates, own.buffers(), strict=True) if estimates else []
    for weight, value in pairs:
        if weight.shape != value.shape:
            raise ValueError(f"weights of {tuple(weight.shape)} cannot take ones of {tuple(value.shape)}")
        weight.copy_(value)


def fixed_crops(sizes: dict[str, int], channels: int, device: torch.device) -> dict[str, Tensor]:
    """Return the crops of every step."""
    chance, side = KeyedRandom(0, 0, 0, sizes["batch"]), sizes["crop"]
    return {c: (torch.from_numpy(chance.uniform(c, channels, side, side)) * 2 - 1).to(device) for c in CONDITIONS}


def update_in(precision: str, device: torch.device) -> Update:
    """Return how gradients become an update: as in the run, in its precision."""
    if precision == "32-true":
        return Update()
    from lightning.fabric import Fabric

    from napari_phenotrans.training.fabric import FabricUpdate

    return FabricUpdate(Fabric(accelerator=device.type, devices=1, precision=precision))


def table(result: dict[str, Any]) -> list[str]:
    """Return the section of the documentation."""
    wanted = WANTED.get(result["device"], WANTED["cpu"])
    lines = [
        HEADING,
        "",
        f"`python -m bench training`: one step, width {result['width']}, {result['batch']} crops of "
        f"{result['channels']} × {result['crop']} × {result['crop']} per condition, {result['device']}, "
        f"{result['precision']} against float32; seconds per step, in turns ({result['repeats']} rounds; median, least "
        "and most). The reference is a plain eager loop that starts from the same weights.",
        "",
        "| engine | reference | seconds | seconds of the reference | ratio | wanted |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        seconds = " | ".join(spread(row["seconds"][who]) for who in ("ours", "reference"))
        lines.append(f"| {row['engine']} | {row['against']} | {seconds} | {spread(row['ratios'])} | ≥ {wanted:g} |")
    lines += [
        "",
        f"Limits of the machine: {result['limits']}. Bytes of a step are three times those of its forward passes.",
    ]
    for row in result["rows"]:
        lines.append(
            f"- {row['engine']}: {row['limit']['ours']['said']}; the reference {row['limit']['reference']['said']}."
        )
    lines += [
        "",
        "Where a step's time goes, by torch's operators (ours in one part: other threads are not seen):",
        "",
        "| engine | ours | the reference |",
        "|---|---|---|",
    ]
    for row in result["rows"]:
        both = (", ".join(f"{k} {v:.0%}" for k, v in row["shares"][who].items()) for who in ("ours", "reference"))
        lines.append(f"| {row['engine']} | {' | '.join(both)} |")
    lines += [
        "",
        f"{result['cpu']}, {result['cores']} cores, {result['threads']} threads, torch {result['torch']}, "
        f"{str(result['date'])[:10]}, commit {result['commit']}.",
    ]
    return lines
