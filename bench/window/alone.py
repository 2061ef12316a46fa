"""How long napari alone, without this plugin, leaves its window blocked: ``python -m bench alone``."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import click

from bench.common.display import needs_display, play
from bench.common.paired import circumstances
from bench.common.writing import PERFORMANCE, publish, spread

# What is done, by the way's name in `alone_scene`.
WAYS = {
    "one_layer": "one layer more, no grid",
    "at_once": "four layers more and a grid of 2 × 3, under one rebuilding of the scene",
    "one_by_one": "the grid, then four layers, one per step",
    "hidden_first": "four hidden layers, one per step, then the grid and all of them visible",
    "headings": "three texts, one per step",
    "names": "the names of two layers, one per step",
    "bars": "color bars of two layers, one per step",
}
HEADING = "## napari alone"
PLAYED = "bench.window.alone_scene"


@click.command()
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="Fresh windows per way.")
@click.option("--out", type=click.Path(path_type=Path), default=PERFORMANCE, show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File to write all figures to.")
def alone(repeats: int, out: Path, json_file: Path | None) -> None:
    """Largest gap of napari's event loop while it adds layers, a grid and captions, without this plugin.

    Needs a display: xvfb-run -a -s "-screen 0 1600x1200x24" python -m bench alone
    """
    needs_display("alone")
    result: dict[str, Any] = {"bench": "alone", "repeats": repeats, "ways": {way: [] for way in WAYS}}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(repeats):
            for way in WAYS:
                result["ways"][way].append(play(way, {}, Path(folder), PLAYED))
                steps = ", ".join(f"{each:.0f}" for each in result["ways"][way][-1]["steps"])
                click.echo(f"round {turn + 1}, {WAYS[way]}: {steps} ms")
    result |= circumstances() | {"napari": version("napari")}
    publish(table(result), result, out, json_file)


def table(result: dict[str, Any]) -> list[str]:
    """Return the section of the documentation."""
    lines = [
        HEADING,
        "",
        f"`python -m bench alone`: napari {result['napari']} without this plugin, two layers of 512 × 512 in a fresh "
        f"window; the largest gap between firings of a timer of 5 ms, in milliseconds ({result['repeats']} windows; "
        "median, least and most), and the median of each step's, with 0.15 s to draw after each, and of the second "
        "after them.",
        "",
        "| what | largest | step by step |",
        "|---|---|---|",
    ]
    for way, some in result["ways"].items():
        steps = zip(*(one["steps"] for one in some), strict=True)
        each = ", ".join(f"{median(gaps):.0f}" for gaps in steps)
        lines.append(f"| {WAYS[way]} | {spread([one['largest'] for one in some], 0)} | {each} |")
    collecting = [one["collecting"] for some in result["ways"].values() for one in some]
    lines += [
        "",
        f"A full search for garbage, as napari makes one after each rebuilding: {spread(collecting, 0)} ms.",
        "",
        f"{result['cpu']}, {result['cores']} cores, {str(result['date'])[:10]}, commit {result['commit']}.",
    ]
    return lines
