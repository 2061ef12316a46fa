"""One choice of settings tried at small cost: ``python -m bench trial``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.common.paired import circumstances
from bench.quality.bundle import RECIPES
from bench.quality.picture import fields_for, judge_checkpoint, sheet, translate_fields
from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.training.events import Saved, Scored
from napari_phenotrans.training.run import Run

if TYPE_CHECKING:
    from napari_phenotrans.metrics.picture import Verdict


@click.command()
@click.argument("recipe", type=click.Choice(list(RECIPES)))
@click.option("--set", "choices", multiple=True, help="KEY=VALUE of the engine's settings, over the recipe's.")
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Folder for the run, its sheets and rows.")
@click.option("--images", type=click.Path(path_type=Path), required=True, help="Folder for the recipe's images.")
def trial(recipe: str, choices: tuple[str, ...], work: Path, images: Path) -> None:
    """Train a bundled recipe with other settings, and say what its scores and the picture gate make of it."""
    chosen = RECIPES[recipe]
    said = dict(choice.split("=", 1) for choice in choices)
    settings_class = engine_entry(chosen.engine).settings
    settings = settings_class.make(**(chosen.common | {k: _read(v) for k, v in said.items()}))
    dataset = chosen.prepare(images)
    training, held_out = chosen.split(dataset)
    # scored once, at the end, where the recipe holds fields out
    settings = settings.model_copy(update={"score_every": settings.steps if held_out else 0})
    before = time.process_time()
    run = Run(work / "run", training, chosen.engine, settings, held_out, synthetic=chosen.synthetic)
    kids: dict[str, float] = {}
    for event in run.events():
        if isinstance(event, Scored):
            kids = {name: value for name, value in event.scores.items() if name.startswith("kid")}
        if isinstance(event, Saved) and event.step == settings.steps:
            last = event
            break
    minutes = (time.process_time() - before) / 60

    checkpoint = Checkpoint.load(run.folder / last.path)
    scores = chosen.score(checkpoint)
    fields = fields_for(checkpoint, {})
    made = translate_fields(checkpoint, fields.unseen, None)
    verdicts = judge_checkpoint(checkpoint, fields, made)
    for source, target in ((a, b) for a in made for b in made if a != b):
        file = work / f"{source} to {target}.png"
        sheet(file, fields.unseen[source][0], made[source][target][0], fields.unseen[target][0])

    click.echo(f"{recipe} {' '.join(choices)}: {settings.steps} steps, {minutes:.1f} CPU minutes")
    for name, value in kids.items():
        click.echo(f"  {name}: {value:.3f}")
    for score in scores:
        click.echo(f"  {score.metric}, {score.direction}: {score.value} ({score.what})")
    for verdict in verdicts:
        click.echo(f"  {verdict.direction}: {' '.join(verdict.sentences)}{_fates(verdict)}")
    rows = [verdict.to_dict() for verdict in verdicts]
    result = {"circumstances": circumstances(), "recipe": recipe, "settings": said, "minutes": minutes, "rows": rows}
    result |= {"kid": kids, "scores": [score.model_dump() for score in scores]}
    (work / "trial.json").write_text(json.dumps(result, indent=1))


def _fates(verdict: Verdict) -> str:
    """Say what became of marker objects, where there are any."""
    shares = [
        f" {row.channel}: " + ", ".join(f"{row.more[fate]:.2f} {fate}" for fate in ("gone", "half", "kept"))
        for row in verdict.rows
        if row.measure == "half-gone" and "gone" in row.more
    ]
    return ";".join(shares)


def _read(value: str) -> object:
    """Return a list for ``DNA,``, a flag for true and false, else the text, which the settings turn into a number."""
    if value in ("true", "false"):
        return value == "true"
    return tuple(filter(None, value.split(","))) if "," in value else value
