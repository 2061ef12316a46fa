"""How smooth napari stays while the dock translates, and how soon the first tile is there: ``python -m bench gui``."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import click
import torch

from bench.common.display import needs_display, play
from bench.common.paired import circumstances
from bench.common.writing import PERFORMANCE, met, publish, spread
from napari_phenotrans.checkpoints.checkpoint import Checkpoint, bundled
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.io import read, write
from napari_phenotrans.io.samples import SAMPLES

SCENE, FIRST = SAMPLES["synthetic-organoid-healthy"], SAMPLES["bbbc013-untreated"]
VIEW = 512
# What the window is held against.
RATIO, LARGEST_MS, FIRST_TILE_S = 1.3, 200.0, 1.0
HEADING = "## The window while the dock translates"
PLAYED = "bench.window.gui_scene"


@click.command()
@click.option("--seconds", type=click.FloatRange(min=0.5), default=30.0, show_default=True, help="Of each scene.")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="Turns that they are played in.")
@click.option("--engine", "only", multiple=True, help="Only this engine; may be said again.")
@click.option("--out", type=click.Path(path_type=Path), default=PERFORMANCE, show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File to write all figures to.")
def gui(seconds: float, repeats: int, only: tuple[str, ...], out: Path, json_file: Path | None) -> None:
    """Gaps of napari's event loop while each engine translates in the dock, and the time to the first tile.

    Needs a display: xvfb-run -a -s "-screen 0 1600x1200x24" python -m bench gui
    """
    needs_display("gui")
    with tempfile.TemporaryDirectory() as folder:
        engines = scene_checkpoints(Path(folder))
        if unknown := set(only) - set(engines):
            raise click.UsageError(f"There is no engine {', '.join(unknown)}; expected {', '.join(engines)}.")
        engines = {name: path for name, path in engines.items() if not only or name in only}
        orders: dict[str, Any] = {"image": str(_crop(Path(folder))), "checkpoint": FIRST.checkpoint}
        orders |= {"conditions": (FIRST.condition, FIRST.target)}
        # translated and difference of each channel
        made = 2 * len(Checkpoint.read_card(FIRST.checkpoint).channels)
        first = []
        for turn in range(repeats):
            first.append(play("first_tile", orders, Path(folder), PLAYED))
            for layers in (1, made):
                said = {"image": orders["image"], "layers": layers, "shape": (made // 2, 3)}
                first[-1][f"napari alone, {layers}"] = play("floor", said, Path(folder), PLAYED)["seconds"]
            fresh, there = (first[-1][name]["first_tile_s"] for name in ("fresh window", "layers there"))
            click.echo(
                f"round {turn + 1}, first tile: {fresh:.2f} s in a fresh window, {there:.2f} s with its layers there, "
                f"napari alone with one layer {first[-1]['napari alone, 1']:.2f} s; "
                f"importing torch: {first[-1]['import_s']:.1f} s, largest gap {first[-1]['import']['largest']:.0f} ms"
            )
        orders = {"image": str(SCENE.path), "engines": engines, "conditions": (SCENE.condition, SCENE.target)}
        orders |= {"seconds": seconds / repeats, "repeats": repeats}
        played = play("scene", orders, Path(folder), PLAYED)
    result = {"bench": "gui", "seconds": seconds, "repeats": repeats, "first tile": first, "scene": played}
    result |= circumstances() | {"napari": version("napari")}
    publish(table(result), result, out, json_file)


def scene_checkpoints(folder: Path) -> dict[str, str]:
    """Return a checkpoint for the scene's channels per engine that is bundled: its name or file, by engine.

    Where no bundled one knows the scene's channels, one is made like the bundled one of that engine, with random
    weights: what the networks learned changes nothing about how long they take.
    """
    cards = {name: Checkpoint.read_card(name) for name in bundled()}
    own = cards[SCENE.checkpoint]
    found = {own.engine: SCENE.checkpoint}
    for name, card in cards.items():
        if card.engine in found:
            continue
        torch.manual_seed(0)
        entry = engine_entry(card.engine)
        kept = {"kept": own.channels[-1:], "channels": own.channels} if card.settings.get("kept") else {}
        settings = card.settings | kept
        engine = entry.load()(entry.settings.make(**settings), len(own.channels), own.conditions)
        crops = torch.rand(4, len(own.channels), card.crop, card.crop) * 2 - 1
        for target in own.conditions:
            engine.fix_statistics(target, [crops])
        same = own.model_dump(include={"conditions", "channels", "low", "high", "pixel_size", "pixel_unit"})
        same |= {"settings": settings, "targets": own.targets, "scores": (), "training": {}, "synthetic": True}
        if card.effect:
            same["effect"] = card.effect.model_copy(update={"sds": (1.0,) * len(own.channels)})
        made = card.model_copy(update=same)
        found[card.engine] = str(Checkpoint.of(engine, made).save(folder / f"like_{name}.safetensors"))
    return found


def _crop(folder: Path) -> Path:
    """Write the middle of a sample, as large as the view whose first tile is waited for."""
    image = read(FIRST.path)
    start = [(size - VIEW) // 2 for size in image.pixels.shape[-2:]]
    middle = image.pixels[:, start[0] : start[0] + VIEW, start[1] : start[1] + VIEW]
    path = folder / FIRST.condition / "middle.ome.tif"
    write(image.replace(pixels=middle, pyramid=()), path)
    return path


# ---- the table


def table(result: dict[str, Any]) -> list[str]:
    """Return the section of the documentation."""
    rounds, first = result["scene"]["rounds"], result["first tile"]
    turns = f"{result['repeats']} turns" if result["repeats"] > 1 else "one turn"
    lines = [
        HEADING,
        "",
        f"`python -m bench gui` (napari {result['napari']} under Xvfb, {result['scene']['layers']} layers in the grid, "
        f"panned every 100 ms; a timer of 5 ms; milliseconds between its firings; each scene {result['seconds']:.0f} s "
        f"in {turns}: medians, the largest of all). The other process computes the same translation "
        "with the same number of threads at the same priority. SCGAN and PhenDiff have the bundled checkpoints' "
        "settings, three channels and random weights.",
        "",
        "| | p50 | p99 | largest | p99 over that beside the other process |",
        "|---|---|---|---|---|",
        row("the scene alone", [played["alone"] for played in rounds]),
    ]
    ratios, largest = {}, {}
    for name in rounds[0]["while"]:
        beside, within = ([played[how][name] for played in rounds] for how in ("beside", "while"))
        each = [ours["p99"] / theirs["p99"] for ours, theirs in zip(within, beside, strict=True)]
        ratios[name], largest[name] = median(each), max(one["largest"] for one in within)
        lines.append(row(f"beside another process: {name}", beside))
        lines.append(row(f"while the dock translates: {name}", within, spread(each)))
    slow = [name for name, value in ratios.items() if value > RATIO]
    long = [name for name, value in largest.items() if value >= LARGEST_MS]
    lines += [
        "",
        f"Wanted: at most {RATIO} times ({met(slow)}), no gap of {LARGEST_MS:.0f} ms ({met(long)}).",
        "",
        f"| {FIRST.checkpoint}, a view of {VIEW} × {VIEW} | |",
        "|---|---|",
    ]
    for name, words in (("fresh window", "in a fresh window"), ("layers there", "again, with its layers there")):
        seconds = [one[name]["first_tile_s"] for one in first]
        met_it = met([] if median(seconds) < FIRST_TILE_S else ["it"])
        lines.append(
            f"| from the click to the first tile on the screen, torch and engine loaded, {words} | {spread(seconds)} s "
            f"(wanted: under {FIRST_TILE_S:.0f} s: {met_it}) |"
        )
    for name in first[0]:
        if name.startswith("napari alone"):
            count = int(name.split()[-1])
            ratio = [one["fresh window"]["first_tile_s"] / one[name] for one in first]
            lines.append(
                f"| napari alone: adding {f'{count} layers' if count > 1 else 'one layer'} like these in a grid, "
                f"until the picture is drawn | {spread([one[name] for one in first])} s; the first tile in a fresh "
                f"window takes {spread(ratio)} times that |"
            )
    building = [one["fresh window"]["gaps"]["largest"] for one in first]
    importing = [one["import"]["largest"] for one in first]
    lines += [
        f"| largest gap of the first results, until all of a grid of six is there | {spread(building, 0)} ms |",
        f"| the same, a grid of nine | {result['scene']['building']['largest']:.0f} ms |",
        *(
            f"| largest gap of a change of the view, to {view} | "
            f"{spread([one['views'][view]['largest'] for one in first], 0)} ms |"
            for view in first[0]["views"]
        ),
        f"| importing torch, once, when the dock opens | {spread([one['import_s'] for one in first], 1)} s |",
        f"| largest gap meanwhile | {spread(importing, 0)} ms |",
        "",
        f"{result['cpu']}, {result['cores']} cores, {result['threads']} threads, torch {result['torch']}, "
        f"{str(result['date'])[:10]}, commit {result['commit']}.",
    ]
    return lines


def row(name: str, some: list[dict[str, float]], ratio: str = "") -> str:
    p50, p99 = (median(one[which] for one in some) for which in ("p50", "p99"))
    return f"| {name} | {p50:.1f} | {p99:.1f} | {max(one['largest'] for one in some):.0f} | {ratio} |"
