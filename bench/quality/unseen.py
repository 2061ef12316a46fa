"""What the product makes of images that no one tuned it to: ``python -m bench unseen``.

As a user would: ``phenotrans train`` with a preset on a folder of two conditions, a share of whose groups is held out,
then ``phenotrans evaluate`` on these. The table says what came of it; a sheet per direction shows it.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from bench.common.paired import circumstances
from bench.quality.bundle import BBBC013_FIELDS, prepare_bbbc013
from bench.quality.picture import sheet
from napari_phenotrans.core.image import Image
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.io import read, write
from napari_phenotrans.runs.paths import checkpoints_in
from napari_phenotrans.runs.record import read_decided
from napari_phenotrans.training.run import Run
from napari_phenotrans.translation.pictures import middle
from napari_phenotrans.translation.translate import Translator, translate_image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NF1 = BBBC013_FIELDS.parent / "fixtures/nf1_cellpainting_shrunken/Plate_2_images"
NF1_WELLS = {"WT": ("D6",), "Null": ("B7", "D7", "F7", "H12")}
NF1_CHANNELS = ("DAPI", "GFP", "RFP")


def prepare_nf1(folder: Path) -> None:
    """Cut wells of Schwann cells with and without NF1, a file per channel, into quarters, which count as groups.

    There is one well of the wild type: nothing of it can be held out but a part.
    """
    for condition, wells in NF1_WELLS.items():
        for well in wells:
            files = [next(NF1.glob(f"{well}_*_{name}_*.tif")) for name in NF1_CHANNELS]
            plane = np.concatenate([read(file).plane() for file in files])
            half = [side // 2 for side in plane.shape[1:]]
            for number in range(4):
                top, left = (half[0] * (number // 2), half[1] * (number % 2))
                quarter = plane[:, top : top + half[0], left : left + half[1]]
                write(Image(quarter, "CYX", NF1_CHANNELS), folder / condition / f"{well}-{number}.ome.tif")


SETS = {"bbbc013": prepare_bbbc013, "nf1": prepare_nf1}


@click.command()
@click.argument("folders", nargs=-1, required=True)
@click.option("--engine", "engines", type=click.Choice(list(ENGINES)), multiple=True, default=("flow",))
@click.option("--preset", "presets", multiple=True, default=("look",), show_default=True)
@click.option(
    "--set", "more", multiple=True, help="Further options of phenotrans train, as in '--held-out-groups=D01'."
)
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Folder of images, runs and sheets.")
def unseen(
    folders: tuple[str, ...], engines: tuple[str, ...], presets: tuple[str, ...], more: tuple[str, ...], work: Path
) -> None:
    """Train on FOLDERS of two conditions each (or: bbbc013, nf1), and say what of held-out fields is shown."""
    found = []
    for folder in folders:
        images = Path(folder)
        if folder in SETS:
            images = work / "images" / folder
            if not images.exists():
                SETS[folder](images)
        for engine in engines:
            for preset in presets:
                run = work / f"{images.name}-{engine}-{preset}"
                result = run / "scores" / "unseen.json"
                if not result.exists():
                    result_of(images, engine, preset, more, run, result)
                found.append(json.loads(result.read_text()))
    click.echo("\n".join(table(found)))


def result_of(images: Path, engine: str, preset: str, more: Sequence[str], run: Path, out: Path) -> None:
    """Train and evaluate by the command line, draw sheets, and write down what came of it."""
    shutil.rmtree(run, ignore_errors=True)
    minutes = phenotrans("train", images, "--engine", engine, "--preset", preset, "--out", run, *more)
    phenotrans("evaluate", "--run", run, "--out", out.parent)
    scores = json.loads((out.parent / "scores.json").read_text())
    draw_sheets(run)
    about = {"circumstances": circumstances(), "images": images.name, "engine": engine, "preset": preset}
    kept = read_decided(run / "run.json")["settings"].get("kept")
    out.write_text(json.dumps(about | {"minutes": minutes, "kept": kept, "scores": scores}, indent=1))


def phenotrans(*words: object) -> float:
    """Run the command line; return the CPU minutes that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "napari_phenotrans", *map(str, words)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 60


def draw_sheets(folder: Path) -> None:
    """Draw a held-out field in every direction at full size: real, translated, and a real field of the target."""
    run = Run.load(folder)
    assert run.held_out is not None
    translator = Translator(checkpoints_in(folder)[0])
    conditions = translator.card.conditions
    first = {c: next(field for field in run.held_out.fields if field.condition == c) for c in conditions}
    for source in conditions:
        for target in (each for each in conditions if each != source):
            made = translate_image(read(first[source].path), translator, source=source, target=target)
            sides = (read(first[source].path), made.translated, read(first[target].path))
            real, translated, other = (middle(each.plane().astype(np.float32)) for each in sides)
            sheet(folder / "scores" / f"{source} to {target}.png", real, translated, other)


def table(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a Markdown table: a line per training and direction."""
    lines = [
        "| images | engine, preset | kept | CPU minutes | | gap closed by channel | picture gate |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in found:
        gaps = [row for row in one["scores"]["rows"] if row["metric"] == "gap closed" and row["channel"]]
        for verdict in one["scores"]["pictures"]:
            direction = verdict["direction"]
            mine = "; ".join(f"{row['channel']} {_with_interval(row)}" for row in gaps if row["direction"] == direction)
            gate = "passes" if verdict["passed"] else " ".join(verdict["sentences"])
            lines.append(
                f"| {one['images']} | {one['engine']}, {one['preset']} | {', '.join(one['kept'] or ()) or 'none'} | "
                f"{one['minutes']:.0f} | {direction} | {mine} | {gate} |"
            )
    return lines


def _with_interval(row: Mapping[str, Any]) -> str:
    interval = "" if row["low"] is None else f" [{row['low']:.2f}, {row['high']:.2f}]"
    return f"{row['value']:.2f}{interval}"
