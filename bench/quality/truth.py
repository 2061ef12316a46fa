"""Does *difference above the engine's error* cover the true change? Organoids whose counterfactual is known."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from bench.common.paired import circumstances
from bench.quality.organoid_truth import baselines, distribution
from bench.quality.organoid_truth import lines as distribution_lines
from bench.quality.scores import translate_plane
from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.dataset.synthetic import CONDITIONS, pair, write_dataset
from napari_phenotrans.features.cache import Cache
from napari_phenotrans.io import write
from napari_phenotrans.phenotype.page.text import sd
from napari_phenotrans.phenotype.report import report
from napari_phenotrans.phenotype.request import ReportRequest
from napari_phenotrans.phenotype.result import ReportDone
from napari_phenotrans.translation.translator import Translator

if TYPE_CHECKING:
    from napari_phenotrans.phenotype.result import PhenotypeReport

ENGINES = (
    "synthetic-organoids-flow",
    "synthetic-organoids-cyclegan",
    "synthetic-organoids-scgan",
    "synthetic-organoids-phendiff",
)
# Organoids of these seeds and above no bundled engine was trained on.
FIRST_SEED = 7000
SHOWN = 6
# Counts of an organoid's photograph above background from which a nucleus is in mitosis.
PH3 = 500.0


@click.command("truth")
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Folder for images, pages and results.")
@click.option("--engine", "engines", multiple=True, default=ENGINES, show_default=True, help="Checkpoints to judge.")
@click.option("--groups", default=6, show_default=True, help="Organoids per condition.")
@click.option("--size", default=160, show_default=True)
def truth(work: Path, engines: tuple[str, ...], groups: int, size: int) -> None:
    """Make a phenotype report of each engine beside the truth, and count where the truth lies within what it says."""
    images = work / "images"
    if not images.exists():
        write_dataset(images, groups, size=size, first_seed=FIRST_SEED)
        for index in range(groups):
            made = pair(FIRST_SEED + index, size=size).diseased
            write(made.image, work / "truth" / f"organoid_{index + 1:04}.ome.tif")
    dataset = DataSet.open(images, CONDITIONS)
    source, target = CONDITIONS
    rows = []
    judged_by_distribution, healthy, true = baselines(range(FIRST_SEED, FIRST_SEED + groups), size)
    for engine in engines:
        translator = Translator(Checkpoint.load(engine))
        made = [translate_plane(plane, translator, source, target) for plane in healthy]
        judged_by_distribution[Path(engine).stem] = distribution(healthy, made, true)
        request = ReportRequest(
            dataset, engine, source, target, truth=work / "truth", out=work / Path(engine).stem,
            positive={"PH3": PH3}, overwrite=True,
        )  # fmt: skip
        for event in report(request, cache=Cache(work / "cache")):
            if isinstance(event, ReportDone):
                rows.append({"engine": engine} | judged(event.report) | circumstances())
    by_distribution = {name: asdict(row) for name, row in judged_by_distribution.items()}
    (work / "truth.json").write_text(json.dumps([*rows, by_distribution], indent=1), encoding="utf-8")
    for line in [*distribution_lines(judged_by_distribution), "", *lines(rows)]:
        click.echo(line)


def judged(made: PhenotypeReport) -> dict[str, Any]:
    """Return how far an engine's effects are from the true ones, and how often the report says so."""
    against = made.truth
    assert against is not None
    of_objects = [row for row in against.effects if not row.effect.measurement.per_field]
    off = np.array([abs(row.effect.made - row.true) / row.effect.spread for row in of_objects])
    true = np.array([abs(row.true) / row.effect.spread for row in of_objects])
    return {
        "measurements": len(against.effects),
        "covered": against.covered,
        "median error, SD": float(np.median(off)),
        "median true change, SD": float(np.median(true)),
        "nearer than no change": float((off < true).mean()),
        "leading": [
            {
                "words": row.effect.measurement.words,
                "true": row.true / row.effect.spread,
                "made": row.effect.made / row.effect.spread,
                "reach": row.reach / row.effect.spread,
                "covered": row.covered,
            }
            for row in against.effects[:SHOWN]
        ],
        "channels": [vars(row) for row in against.changes],
    }


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return the tables as Markdown."""
    said = [
        "| engine | truth within what the report says | error, median | true change, median | nearer to the truth "
        "than no change |",
        "|---|---|---|---|---|",
    ]
    said += [
        f"| {row['engine']} | {row['covered']:.0%} of {row['measurements']} | {row['median error, SD']:.2f} SD | "
        f"{row['median true change, SD']:.2f} SD | {row['nearer than no change']:.0%} |"
        for row in rows
    ]
    said += [
        "",
        "| engine | channel | nuclei that truly change | found | nuclei that do not | said to change | truth within, "
        "of those that change | of the others |",
        "|---|---|---|---|---|---|---|---|",
    ]
    said += [
        f"| {row['engine']} | {of['channel']} | {of['changed']} | {_share(of['found'], of['changed'])} | "
        f"{of['unchanged']} | {_share(of['invented'], of['unchanged'])} | "
        f"{_share(of['covered_changed'], of['changed'])} | {_share(of['covered_unchanged'], of['unchanged'])} |"
        for row in rows
        for of in row["channels"]
    ]
    said += ["", "| engine | measurement | true, SD | engine, SD | may be off by, SD | truth within |"]
    said += ["|---|---|---|---|---|---|"]
    said += [
        f"| {row['engine']} | {of['words']} | {sd(of['true'])} | {sd(of['made'])} | {of['reach']:.2f} | "
        f"{'yes' if of['covered'] else 'no'} |"
        for row in rows
        for of in row["leading"]
    ]
    return said


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "–"
