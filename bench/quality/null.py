"""Does the phenotype report hold its level: how much does it call changed where nothing differs?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench.common.paired import circumstances
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.dataset.synthetic import organoid
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.features.cache import Cache
from napari_phenotrans.io import write
from napari_phenotrans.phenotype.report import report
from napari_phenotrans.phenotype.request import ReportRequest
from napari_phenotrans.phenotype.result import ReportDone
from napari_phenotrans.runs.paths import LAST
from napari_phenotrans.training.run import Run

HALVES = ("half one", "half two")
SMALL: dict[str, dict[str, Any]] = {
    "shift": {"steps": 20, "batch": 4},
    "cyclegan": {"width": 8, "blocks": 2, "batch": 1, "ema": 0.99, "identity": 5.0},
}


@click.command("null")
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Folder for images, runs and results.")
@click.option("--engine", type=click.Choice(list(SMALL)), default="cyclegan", show_default=True)
@click.option("--seeds", default=20, show_default=True)
@click.option("--groups", default=5, show_default=True, help="Organoids in each half.")
@click.option("--size", default=96, show_default=True)
@click.option("--steps", default=100, show_default=True)
@click.option("--images", type=click.Path(path_type=Path), help="A real data set, in place of organoids.")
@click.option("--condition", default="untreated", show_default=True, help="Whose groups are divided there.")
def null(
    work: Path, engine: str, seeds: int, groups: int, size: int, steps: int, images: Path | None, condition: str
) -> None:
    """Train between two halves of one condition, seed after seed, and count what the report calls changed."""
    results = work / f"{engine}.jsonl"
    results.parent.mkdir(parents=True, exist_ok=True)
    done = [json.loads(line)["seed"] for line in results.read_text().splitlines()] if results.exists() else []
    for seed in range(seeds):
        if seed in done:
            continue
        folder = work / str(seed)
        dataset = DataSet.open_halves(images, condition, seed) if images else organoids(folder, seed, groups, size)
        row = {"seed": seed} | one_seed(folder, work / "cache", engine, dataset, steps, seed) | circumstances()
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        click.echo(row)
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    for what in ("real called", "engine called"):
        shares = np.array([row[what] for row in rows])
        click.echo(
            f"{what}: {shares.mean():.2%} of the measurements over {len(rows)} seeds; at most {shares.max():.2%} in one"
        )


def organoids(folder: Path, seed: int, groups: int, size: int) -> DataSet:
    """Make healthy organoids, once, as two conditions."""
    images = folder / "images"
    if not images.exists():
        for index in range(2 * groups):
            made = organoid(10_000 + 100 * seed + index, size=size)
            write(made.image, images / HALVES[index % 2] / f"organoid_{index:02}.ome.tif")
    return DataSet.open(images, HALVES)


def one_seed(folder: Path, cache: Path, engine: str, dataset: DataSet, steps: int, seed: int) -> dict[str, Any]:
    """Return what shares of the measurements are called changed, in reality and by an engine trained on the halves."""
    run_folder = folder / engine
    if not (run_folder / LAST).exists():
        said = {"steps": steps, "crop": 64, "save_every": steps, "score_every": 0, "seed": seed} | SMALL[engine]
        list(Run(run_folder, dataset, engine, engine_entry(engine).settings.make(**said)).events())
    request = ReportRequest(dataset, run_folder / LAST, *dataset.conditions)
    for event in report(request, cache=Cache(cache)):
        if isinstance(event, ReportDone):
            effects = event.report.effects
            return {
                "measurements": len(effects.rows),
                "real called": len(effects.differing) / len(effects.rows),
                "engine called": sum(row.changed for row in effects.rows) / len(effects.rows),
                "median change, SD": float(np.median([abs(row.made_sd) for row in effects.rows])),
                "verdicts": {v: len(effects.of(v)) for v in ("suspected invention", "open", "reproduced", "wrong way")},
            }  # fmt: skip
    raise AssertionError("a report ends with its result")
