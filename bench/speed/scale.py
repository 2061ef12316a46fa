"""What a translation costs as planes become larger: seconds per megapixel and memory, ``python -m bench scale``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
import torch

from bench.common.display import ROOT
from bench.common.paired import circumstances
from bench.common.writing import PERFORMANCE, met, publish, spread
from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.io.write_zarr import create_ome_zarr

CONDITIONS, CHANNELS = ("healthy", "diseased"), ("DAPI", "PH3", "ZO1")
SIZES = (1024, 2048, 4096, 8192, 16384)
WARM_UP = 64
# What the figures are held against.
APART, MEMORY_GB, GROWTH_GB = 0.15, 2.0, 0.1
HEADING = "## Scale"


@click.command()
@click.option("--sizes", default=",".join(map(str, SIZES)), show_default=True, help="Sides of the planes.")
@click.option("--planes", type=click.IntRange(2), default=20, show_default=True, help="Of the stack.")
@click.option("--repeats", type=click.IntRange(1), default=1, show_default=True, help="Rounds over all sizes.")
@click.option("--width", type=click.IntRange(4), default=16, show_default=True, help="Of the CycleGAN.")
@click.option("--blocks", type=click.IntRange(1), default=2, show_default=True, help="Of the CycleGAN.")
@click.option("--out", type=click.Path(path_type=Path), default=PERFORMANCE, show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File to write all figures to.")
@click.option("--work", type=click.Path(path_type=Path), help="Folder for images and results; a temporary one if none.")
def scale(
    sizes: str, planes: int, repeats: int, width: int, blocks: int, out: Path, json_file: Path | None, work: Path | None
) -> None:
    """Seconds per megapixel and peak memory from OME-Zarr to OME-Zarr, as planes and stacks become larger."""
    try:
        sides = [int(side) for side in sizes.split(",")]
    except ValueError as error:
        raise click.UsageError(f"--sizes {sizes} cannot be read: expected numbers, as in 1024,2048.") from error
    with tempfile.TemporaryDirectory(dir=work) as folder:
        result = measure(Path(folder), sides, planes, repeats, width, blocks)
    publish(table(result), result, out, json_file)


def measure(folder: Path, sides: list[int], planes: int, repeats: int, width: int, blocks: int) -> dict[str, Any]:
    """Translate every image in a process of its own, round by round; see the command's options."""
    network = make_checkpoint(folder / "network.safetensors", "cyclegan", width=width, blocks=blocks)
    alone = make_checkpoint(folder / "shift.safetensors", "shift")
    first = make_image(folder / "first.ome.zarr", WARM_UP)
    cases = {f"{side} × {side}": (make_image(folder / f"{side}.ome.zarr", side), network, side**2) for side in sides}
    stack = make_image(folder / "stack.ome.zarr", sides[0], "Z", planes)
    cases[f"Z-stack of {planes} × {sides[0]} × {sides[0]}"] = stack, network, planes * sides[0] ** 2
    series = make_image(folder / "series.ome.zarr", sides[0], "T", planes)
    cases[f"time series of {planes} × {sides[0]} × {sides[0]}"] = series, network, planes * sides[0] ** 2
    middle = sides[len(sides) // 2]
    # an engine that adds a number: what is left is reading, blending and writing
    cases[f"{middle} × {middle}, no network"] = folder / f"{middle}.ome.zarr", alone, middle**2
    found: dict[str, dict[str, list[float]]] = {name: {"seconds_per_megapixel": [], "memory_gb": []} for name in cases}
    nothing = []
    for turn in range(repeats):
        nothing.append(_translate(folder, first, first, network)["memory_gb"])
        for name, (image, checkpoint, pixels) in cases.items():
            one = _translate(folder, first, image, checkpoint)
            figures = {"seconds_per_megapixel": one["seconds"] * 1e6 / pixels, "memory_gb": one["memory_gb"]}
            for which, value in figures.items():
                found[name][which].append(round(value, 4))
            click.echo(f"round {turn + 1}, {name}: " + ", ".join(f"{k} {v:.3f}" for k, v in figures.items()))
    return {
        "bench": "scale",
        "sizes": sides,
        "planes": planes,
        "channels": len(CHANNELS),
        "width": width,
        "blocks": blocks,
        "repeats": repeats,
        "memory_gb of a plane of 64 × 64": nothing,
        "cases": found,
        **circumstances(),
    }


def make_checkpoint(path: Path, engine: str, **settings: Any) -> Path:
    """Write a checkpoint with random weights: what a network learned changes nothing about its cost."""
    torch.manual_seed(0)
    entry = engine_entry(engine)
    made = entry.load()(entry.settings.make(**settings), len(CHANNELS), CONDITIONS)
    crops = [torch.rand(4, len(CHANNELS), 64, 64) * 2 - 1]
    for target in CONDITIONS:
        made.fix_statistics(target, crops)
    card = Card(
        engine=engine,
        settings=settings,
        conditions=CONDITIONS,
        channels=CHANNELS,
        low=(0.0,) * len(CHANNELS),
        high=(4000.0,) * len(CHANNELS),
        crop=64,
    )
    return Checkpoint.of(made, card).save(path)


class Shape:
    """Stands for pixels that are made chunk by chunk."""

    dtype = np.dtype(np.uint16)

    def __init__(self, *shape: int) -> None:
        self.shape = shape


def make_image(path: Path, side: int, letter: str = "", planes: int = 1) -> Path:
    """Write an OME-Zarr of uint16 with cells in it, chunk by chunk."""
    shape = (*((planes,) if letter == "T" else ()), len(CHANNELS), *((planes,) if letter == "Z" else ()), side, side)
    axes = "".join(a for a in "TCZYX" if a in "CYX" + letter)
    array, *_ = create_ome_zarr(Image(Shape(*shape), axes, CHANNELS), path, metadata=None, name="scale")
    rng = np.random.default_rng(0)
    for position in np.ndindex(shape[:-2]):
        for square in Region(0, 0, side, side).squares(1024):
            cells = np.kron(rng.gamma(1.0, 300.0, (64, 64)), np.ones((16, 16)))[: square.height, : square.width]
            values = cells + rng.normal(200.0, 20.0, square.shape)
            array[(*position, *square.slices)] = np.clip(values, 0, 65535).astype(np.uint16)
    return path


def _translate(folder: Path, first: Path, image: Path, checkpoint: Path) -> dict[str, float]:
    """Run the command in a process of its own, on a small image that loads all it needs, then on the one to measure."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        orders = json.dumps([str(path) for path in (first, image, checkpoint, out)])
        done = subprocess.run(
            [sys.executable, "-m", "bench.speed.scale_child", orders],
            cwd=ROOT, env=dict(os.environ), capture_output=True, text=True,
        )  # fmt: skip
    if done.returncode:
        raise click.ClickException(
            f"translating {image.name} ended with code {done.returncode}:\n{done.stderr[-3000:]}"
        )
    return json.loads(done.stdout.splitlines()[-1])


# ---- the table


def table(result: dict[str, Any]) -> list[str]:
    """Return the section of the documentation."""
    cases = result["cases"]
    turns = f"medians of {result['repeats']} rounds" if result["repeats"] > 1 else "one round"
    lines = [
        HEADING,
        "",
        f"`python -m bench scale`: `phenotrans translate` from OME-Zarr to OME-Zarr, {result['channels']} channels of "
        f"uint16 in, as many of uint16 and float32 out, with a CycleGAN of width {result['width']} and "
        f"{result['blocks']} blocks with random weights; each image in a process of its own, in which a small one came "
        f"before ({turns}). Memory is the most that the process had, torch and Python included: "
        f"{spread(result['memory_gb of a plane of 64 × 64'])} GB of it are there for a plane of {WARM_UP} × {WARM_UP}. "
        "Planes above 4096 × 4096 get a pyramid.",
        "",
        "| | seconds per megapixel | of the middle one's | peak memory, GB |",
        "|---|---|---|---|",
    ]
    names = [f"{side} × {side}" for side in result["sizes"]]
    cost = {name: median(case["seconds_per_megapixel"]) for name, case in cases.items()}
    memory = {name: max(case["memory_gb"]) for name, case in cases.items()}
    middle = (min(cost[name] for name in names) + max(cost[name] for name in names)) / 2
    for name, case in cases.items():
        share = f"{cost[name] / middle:.2f}" if name in names else ""
        lines.append(f"| {name} | {spread(case['seconds_per_megapixel'], 3)} | {share} | {spread(case['memory_gb'])} |")
    uneven = [name for name in names if abs(cost[name] / middle - 1) > APART]
    fat = [name for name in cases if memory[name] >= MEMORY_GB]
    grown = [n for n in cases if n.startswith(("Z-", "time")) and memory[n] > memory[names[0]] + GROWTH_GB]
    lines += [
        "",
        f"Wanted: cost per megapixel within ± {APART:.0%} ({met(uneven)}), memory under {MEMORY_GB:.0f} GB "
        f"({met(fat)}), no more for a stack or series than for one of its planes ({met(grown)}).",
        "",
        f"{result['cpu']}, {result['cores']} cores, {result['threads']} threads, torch {result['torch']}, "
        f"{str(result['date'])[:10]}, commit {result['commit']}.",
    ]
    return lines
