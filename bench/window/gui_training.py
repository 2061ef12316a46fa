"""How smooth napari stays while a run that it watches trains beside it: ``python -m bench gui-training``."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import click

from bench.common.display import needs_display, play
from bench.common.paired import circumstances
from bench.common.writing import PERFORMANCE, met, publish, spread
from bench.window.gui import LARGEST_MS, RATIO, row
from napari_phenotrans.io import read, write
from napari_phenotrans.io.samples import SAMPLES

SCENE = SAMPLES["synthetic-organoid-healthy"]
WELLS = SAMPLES["bbbc013-untreated"], SAMPLES["bbbc013-wortmannin"]
PARTS = 4  # fields along a well's side
HEADING = "## The window while a run trains beside it"


@click.command("gui-training")
@click.option("--seconds", type=click.FloatRange(min=0.5), default=30.0, show_default=True, help="Of each scene.")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="Turns that they are played in.")
@click.option("--width", type=click.IntRange(1), default=16, show_default=True, help="Of the networks that train.")
@click.option("--out", type=click.Path(path_type=Path), default=PERFORMANCE, show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File to write all figures to.")
def gui_training(seconds: float, repeats: int, width: int, out: Path, json_file: Path | None) -> None:
    """Gaps of napari's event loop while the training dock watches a run that trains on this machine.

    Needs a display: xvfb-run -a -s "-screen 0 1600x1200x24" python -m bench gui-training
    """
    needs_display("gui-training")
    with tempfile.TemporaryDirectory() as folder:
        orders = {"image": str(SCENE.path), "dataset": str(_fields(Path(folder))), "run": str(Path(folder) / "run")}
        orders |= {"seconds": seconds / repeats, "repeats": repeats, "width": width}
        played = play("training", orders, Path(folder), module="bench.window.gui_training_scene")
    result = {"bench": "gui-training", "seconds": seconds, "repeats": repeats, "width": width, "scene": played}
    result |= circumstances() | {"napari": version("napari")}
    publish(table(result), result, out, json_file)


def _fields(folder: Path) -> Path:
    """Cut the bundled wells into fields: a data set to train on, if not a good one."""
    for sample in WELLS:
        image = read(sample.path)
        side = image.pixels.shape[-1] // PARTS
        for number in range(PARTS**2):
            top, left = (side * place for place in divmod(number, PARTS))
            field = image.replace(pixels=image.pixels[:, top : top + side, left : left + side], pyramid=())
            write(field, folder / "images" / sample.condition / f"{sample.condition}{number:02d}.ome.tif")
    return folder / "images"


def table(result: dict[str, Any]) -> list[str]:
    """Return the section of the documentation."""
    scene = result["scene"]
    turns = f"{result['repeats']} turns" if result["repeats"] > 1 else "one turn"
    ways = {
        "the scene alone": "alone",
        "a run trains, nobody watches it": "beside",
        "a run trains, the dock watches it": "watched",
    }
    each = {key: [played[key] for played in scene["rounds"]] for key in ways.values()}
    against = [one["p99"] / other["p99"] for one, other in zip(each["watched"], each["beside"], strict=True)]
    largest = max(one["largest"] for one in each["watched"])
    ratios = {"watched": spread(against)}
    lines = [
        HEADING,
        "",
        f"`python -m bench gui-training` (napari {result['napari']} under Xvfb, {scene['layers']} layers, panned and "
        f"measured as above; each scene {result['seconds']:.0f} s in {turns}). The run is a CycleGAN of width "
        f"{result['width']}, started as the dock starts it: niceness {scene['niceness']}, napari's is "
        f"{scene['own niceness']}. The dock reads its folder once a second, draws losses and scores, and replaces the "
        f"previews that are panned ({scene['rounds'][-1]['watched']['drawn']} times in the last turn).",
        "",
        "| | p50 | p99 | largest | p99 over that of the run that nobody watches |",
        "|---|---|---|---|---|",
        *(row(name, each[key], ratios.get(key, "")) for name, key in ways.items()),
    ]
    slow, long = (["it"] if missed else [] for missed in (median(against) > RATIO, largest >= LARGEST_MS))
    lines += [
        "",
        f"Wanted: at most {RATIO} times ({met(slow)}), no gap of {LARGEST_MS:.0f} ms ({met(long)}); a niceness above "
        f"napari's ({met([] if scene['niceness'] > scene['own niceness'] else ['it'])}).",
        "",
        "| largest gap, once each | |",
        "|---|---|",
        f"| opening the Train dock | {scene['opening']['largest']:.0f} ms |",
        f"| starting the run, until it trains | {scene['starting']['largest']:.0f} ms |",
        f"| the first look at a run, which loads the plots | {scene['first look']['largest']:.0f} ms |",
        f"| showing previews, {scene['layers']} layers | {scene['showing previews']['largest']:.0f} ms |",
        "",
        f"{result['cpu']}, {result['cores']} cores, torch {result['torch']}, {str(result['date'])[:10]}, commit "
        f"{result['commit']}.",
    ]
    return lines
