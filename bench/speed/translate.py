"""Translating one plane: megapixels per second of a CycleGAN checkpoint against a plain loop over tiles."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from bench.common.ceilings import ceilings, describe, distance, work_of
from bench.common.paired import circumstances, run
from bench.common.writing import publish
from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.translation.translate import translate_image
from napari_phenotrans.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Mapping

CONDITIONS, CHANNELS = ("untreated", "treated"), ("DAPI", "PH3", "ZO1")

# ---- the reference: plain library calls, no line shared with what it is compared to


class Residual(nn.Sequential):
    """What is added to its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


def plain_network(tensors: Mapping[str, np.ndarray], prefix: str, blocks: int, card: Card) -> nn.Sequential:
    """Build a checkpoint's generator from torch's own layers."""

    def tensor(name: str) -> Tensor:
        return torch.from_numpy(tensors[f"{prefix}.{name}"].astype(np.float32))

    def convolution(name: str, pad: int = 0, stride: int = 1, padding: int = 0) -> list[nn.Module]:
        weight = tensor(f"{name}.weight")
        layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], stride, padding)
        layer.load_state_dict({"weight": weight, "bias": tensor(f"{name}.bias")})
        return [nn.ReflectionPad2d(pad), layer] if pad else [layer]

    def norm(name: str) -> nn.Module:
        # of the several inputs that have statistics of their own, the first condition's real images are translated
        mean, variance = tensor(f"{name}.mean")[0], tensor(f"{name}.var")[0]
        if card.statistics == "plane":
            return nn.InstanceNorm2d(len(mean))
        layer = nn.BatchNorm2d(len(mean), affine=False)
        layer.load_state_dict({"running_mean": mean, "running_var": variance}, strict=False)
        return layer

    layers: list[nn.Module] = [*convolution("enter.0", pad=3), norm("enter.1"), nn.ReLU()]
    for i in range(2):
        layers += [*convolution(f"down.{i}.0", stride=2, padding=1), norm(f"down.{i}.1"), nn.ReLU()]
    for i in range(blocks):
        name = f"blocks.{i}.layers"
        first: list[nn.Module] = [*convolution(f"{name}.0", pad=1), norm(f"{name}.1"), nn.ReLU()]
        layers.append(Residual(*first, *convolution(f"{name}.3", pad=1), norm(f"{name}.4")))
    for i in range(2):
        layers += [
            nn.Upsample(scale_factor=2, mode="bilinear"),
            *convolution(f"up.{i}.1", pad=1),
            norm(f"up.{i}.2"),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, *convolution("leave", pad=3)).eval()


def limits(card: Card) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower limit and the range per channel, as (C, 1, 1)."""
    low, high = (np.asarray(limit, np.float32)[:, None, None] for limit in (card.low, card.high))
    return low, high - low


def plain_loop(
    network: nn.Module, plane: np.ndarray, card: Card, residual: bool, tile: int, overlap: int, device: torch.device
) -> np.ndarray:
    """Translate (C, Y, X) in the image's units: one tile after the other, weighted and summed."""
    low, span = limits(card)
    x = torch.from_numpy((plane - low) / span * 2 - 1).to(device)[None]
    total, weights = torch.zeros_like(x), torch.zeros_like(x)
    starts = [[*range(0, max(n - tile, 0), tile - overlap), max(n - tile, 0)] for n in plane.shape[1:]]

    def ramp(start: int, n: int) -> Tensor:
        # linear, and nothing for the outer quarter of the overlap, where the network saw its padding
        before = torch.arange(1, tile + 1) - overlap // 4 if start else torch.full((tile,), tile)
        after = torch.arange(tile, 0, -1) - overlap // 4 if start + tile < n else torch.full((tile,), tile)
        return torch.minimum(before, after).clamp(0, max(overlap // 2, 1)).float().to(device)

    with torch.inference_mode():
        for top in starts[0]:
            for left in starts[1]:
                crop = x[:, :, top : top + tile, left : left + tile]
                translated = network(crop)
                translated = crop + translated if residual else torch.tanh(translated)
                weight = ramp(top, plane.shape[1])[:, None] * ramp(left, plane.shape[2])
                total[:, :, top : top + tile, left : left + tile] += translated * weight
                weights[:, :, top : top + tile, left : left + tile] += weight
        return ((total / weights)[0].cpu().numpy() + 1) / 2 * span + low


# ---- the comparison


def random_checkpoint(blocks: int = 9, width: int = 64) -> Checkpoint:
    """Make a CycleGAN's checkpoint with random weights: what a network learned changes nothing about its cost."""
    torch.manual_seed(0)
    entry, settings = engine_entry("cyclegan"), {"width": width, "blocks": blocks}
    engine = entry.load()(entry.settings.make(**settings), len(CHANNELS), CONDITIONS)
    for name, parameter in engine.translators.named_parameters():
        if name.endswith("weight"):
            nn.init.kaiming_normal_(parameter, nonlinearity="relu")
    for target in CONDITIONS:
        engine.fix_statistics(target, [torch.rand(2, len(CHANNELS), 128, 128) * 2 - 1])
    low, high = (0.0,) * len(CHANNELS), (4000.0,) * len(CHANNELS)
    card = Card(
        engine="cyclegan",
        settings=settings,
        conditions=CONDITIONS,
        channels=CHANNELS,
        low=low,
        high=high,
        crop=128,
    )
    return Checkpoint.of(engine, card)


def smooth_plane(card: Card, size: int) -> np.ndarray:
    """Invent a float32 (C, size, size) plane within the checkpoint's limits, with structures as large as cells."""
    noise = np.random.default_rng(0).standard_normal((len(card.channels), size, size)).astype(np.float32)
    smooth = ndimage.gaussian_filter(noise, sigma=(0, 6, 6), mode="wrap")
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    low, span = limits(card)
    return low + smooth * span


@click.command()
@click.option("--checkpoint", help="Bundled name or file; random weights of a ResNet-9 of width 64 where none is said.")
@click.option("--size", type=click.IntRange(32), default=2048, show_default=True, help="Side of the plane.")
@click.option("--tile", type=click.IntRange(32), help="Side of our tiles; what ships where none is said.")
@click.option("--plain-tile", type=click.IntRange(32), default=256, show_default=True, help="The plain loop's tiles.")
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True, help="Of ours.")
@click.option("--repeats", type=click.IntRange(1), default=2, show_default=True, help="Timed rounds of each.")
@click.option("--device", default="cpu", show_default=True, help="Device of both: cpu, cuda, mps or auto.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File to write the figures to.")
def translate(
    checkpoint: str | None,
    size: int,
    tile: int | None,
    plain_tile: int,
    precision: str,
    repeats: int,
    device: str,
    json_file: Path | None,
) -> None:
    """Megapixels per second of a CycleGAN checkpoint, against a plain loop over tiles with the same weights."""
    try:
        made = Checkpoint.load(checkpoint) if checkpoint else random_checkpoint()
        result = measure(made, size, tile, plain_tile, precision, repeats, device)
    except InputError as error:
        raise click.UsageError(str(error)) from error
    publish(table(result), result, None, json_file)


def measure(
    checkpoint: Checkpoint,
    size: int,
    tile: int | None = None,
    plain_tile: int = 256,
    precision: str = "fp32",
    repeats: int = 2,
    device: str = "cpu",
) -> dict[str, Any]:
    """Run the comparison; see the command's options."""
    translator = Translator(checkpoint, device=device, precision=precision, tile=tile)
    card = translator.card
    settings = engine_entry(card.engine).settings.make(**card.settings).model_dump()
    if card.engine != "cyclegan" or settings["upsampling"] != "resize":
        raise InputError("The plain loop knows CycleGAN checkpoints of --upsampling resize only.")
    if size % translator.engine.stride:
        raise InputError(f"--size must be a multiple of {translator.engine.stride}, got {size}.")
    # a plane in working pixels: what is measured is the network and the tiles, not the resampling
    translator.card = card.model_copy(update={"pixel_size": None})

    target = card.targets[-1]
    source = next(condition for condition in card.conditions if condition != target)
    plane = smooth_plane(card, size)
    image = Image(plane, "CYX", channels=card.channels)
    network = plain_network(checkpoint.tensors, str(card.conditions.index(target)), settings["blocks"], card)
    network.to(translator.device)
    whole = card.statistics == "plane"
    plain_tile, overlap = (size, 0) if whole else (min(plain_tile, size), translator.overlap)
    residual = settings["output"] == "residual"

    made: dict[str, np.ndarray] = {}

    def ours() -> None:
        # a float32 image loses nothing where results take its dtype
        made["ours"] = translate_image(image, translator, source=source, target=target).translated.plane()

    def reference() -> None:
        made["plain"] = plain_loop(network, plane, card, residual, plain_tile, overlap, translator.device)

    machine = ceilings(translator.device)
    work = {"napari-phenotrans": work_of(ours), "plain loop": work_of(reference)}
    _, span = limits(card)
    rms = float(np.sqrt(np.mean(((made["ours"] - made["plain"]) / span) ** 2)))
    times = run(ours, reference, repeats, warm=True)
    seconds = {"napari-phenotrans": times.ours, "plain loop": times.reference}
    return {
        "bench": "translate",
        "checkpoint": checkpoint.name if checkpoint.path else "random weights",
        "channels": len(card.channels),
        "width": settings["width"],
        "blocks": settings["blocks"],
        "size": size,
        "tile": translator.tile,
        "plain tile": plain_tile,
        "overlap": overlap,
        "device": translator.device.type,
        "precision": translator.precision,
        "repeats": repeats,
        "seconds": {name: [round(s, 4) for s in values] for name, values in seconds.items()},
        "megapixels_per_second": {name: round(size**2 / 1e6 / median(values), 4) for name, values in seconds.items()},
        "ratio": round(times.ratio, 3),
        "ratio_spread": [round(min(times.ratios), 3), round(max(times.ratios), 3)],
        "rms_difference_percent": float(f"{100 * rms:.3g}"),
        "ceilings": machine,
        "distance": {name: distance(median(values), work[name], machine) for name, values in seconds.items()},
        **circumstances(),
    }


def table(result: dict[str, Any]) -> list[str]:
    """Return the figures as they stand in docs/developers/performance.md."""
    r = result
    tiles = {"napari-phenotrans": r["tile"], "plain loop": r["plain tile"]}
    rows = [
        f"| {name} | {tiles[name]} | {speed:.3f} | {r['distance'][name]['gflop'] / 1e3:.2f} | "
        f"{r['distance'][name]['gigabytes']:.0f} | {r['distance'][name]['times_the_limit']:.2f} |"
        for name, speed in r["megapixels_per_second"].items()
    ]
    low, high = r["ratio_spread"]
    return [
        f"{r['channels']} channels, {r['size']} × {r['size']} pixels, ResNet-{r['blocks']} of width {r['width']} "
        f"({r['checkpoint']}), overlap {r['overlap']}, {r['device']}, {r['precision']}:",
        "",
        "| | tile | megapixels/s | TFLOP | GB of layers | times the limit |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        f"**{r['ratio']:.2f} times the plain loop** ({low:.2f} to {high:.2f}); RMS difference "
        f"{r['rms_difference_percent']:.1e} % of the range. Ceilings: {describe(r['ceilings'])}.",
        "",
        f"{r['cpu']}, {r['cores']} cores, torch {r['torch']}, {r['date'][:10]}, commit {r['commit']}.",
    ]
