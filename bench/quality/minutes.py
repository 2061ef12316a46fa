"""What an engine shows of the phenotype after how many minutes: ``python -m bench minutes``.

One run on the wells of BBBC013's rows A to C; whenever so many minutes were trained, what there is translates the wells
of row D. Minutes are the process's own computing time, so that other work on the machine does not count.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from bench.common.paired import circumstances
from bench.quality.bundle import RECIPES
from bench.quality.phenotype import gap_closed, log_ratios
from bench.quality.scores import HELD_OUT, translate_plane
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.io import read
from napari_phenotrans.training.events import Saved
from napari_phenotrans.training.run import Run
from napari_phenotrans.translation.translate import Translator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_phenotrans.dataset.dataset import DataSet

TRANSLATED = 1  # the channel that is measured in nuclei and rings


@dataclass(frozen=True)
class Mark:
    """What a run had reached: gap closed both ways, what source → source changes (% of the range), CPU seconds."""

    minutes: float
    steps: int
    there: float
    back: float
    engine_error: float
    seconds: float


@click.command()
@click.option("--recipe", type=click.Choice([name for name in RECIPES if name.startswith("bbbc013")]), required=True)
@click.option("--at", default="1,3,10,30", show_default=True, help="Minutes at which to look, rising.")
@click.option("--steps", type=int, required=True, help="Steps of the whole run: learning rates fall towards the last.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the training.")
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Folder for images and the run.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write everything down here.")
def minutes(recipe: str, at: str, steps: int, seed: int, work: Path, out: Path | None) -> None:
    """Gap closed on unseen wells after so many minutes of training, there and back."""
    chosen = RECIPES[recipe]
    said = {"steps": steps, "seed": seed, "save_every": 50}
    settings = engine_entry(chosen.engine).settings.make(**(chosen.common | said))
    dataset = chosen.prepare(work / "images")
    training, held_out = dataset.split(sorted({f.group for f in dataset.fields if chosen.held_out(f.group)}))
    run = Run(work / "run", training, chosen.engine, settings)
    found = []
    for mark in marks(run, planes_of(held_out), [float(each) for each in at.split(",")], chosen.translation):
        found.append(mark)
        click.echo(row(mark))
    if out:
        out.write_text(json.dumps({"circumstances": circumstances(), "marks": [asdict(mark) for mark in found]}))


def marks(
    run: Run, planes: Mapping[str, Sequence[np.ndarray]], at: Sequence[float], how: Mapping[str, Any]
) -> Iterator[Mark]:
    """Train until the last of so many minutes, or the last step; look at what is saved first after each of them."""
    left = list(at)
    looking, started = 0.0, time.process_time()
    for event in run.events():
        spent = (time.process_time() - started - looking) / 60
        if not isinstance(event, Saved) or event.path != "last.safetensors":
            continue
        if event.step < run.settings.steps and not (left and spent >= left[0]):
            continue
        left = [each for each in left if each > spent]
        before = time.process_time()
        yield look(run.folder / event.path, planes, spent, event.step, how)
        looking += time.process_time() - before
        if not left:
            return


def look(
    checkpoint: Path, planes: Mapping[str, Sequence[np.ndarray]], spent: float, steps: int, how: Mapping[str, Any]
) -> Mark:
    """Translate planes of both conditions there, back, and to themselves."""
    translator = Translator(checkpoint, how=how)
    one, other = planes
    real = {condition: np.concatenate([log_ratios(plane) for plane in some]) for condition, some in planes.items()}
    gaps, errors, started = [], [], time.process_time()
    for source, target in ((one, other), (other, one)):
        made = [translate_plane(plane, translator, source, target) for plane in planes[source]]
        gaps.append(gap_closed(np.concatenate([log_ratios(plane) for plane in made]), real[target], real[source]))
        same = [translate_plane(plane, translator, source, source) for plane in planes[source]]
        errors += [
            np.abs(a[TRANSLATED] - b[TRANSLATED].astype(float)).mean()
            for a, b in zip(same, planes[source], strict=True)
        ]
    seconds = (time.process_time() - started) / (2 * sum(map(len, planes.values())))
    span = float(translator.card.intensity.range[TRANSLATED, 0, 0])
    return Mark(spent, steps, gaps[0], gaps[1], 100 * float(np.mean(errors)) / span, seconds)


def planes_of(held_out: DataSet) -> dict[str, list[np.ndarray]]:
    """Return the held-out planes of each condition."""
    return {
        condition: [read(field.path).plane() for field in held_out.fields if field.condition == condition]
        for condition in HELD_OUT
    }


def row(mark: Mark) -> str:
    """Say a mark in one line."""
    return (
        f"{mark.minutes:6.1f} min {mark.steps:6d} steps   gap closed {mark.there:.2f} there, {mark.back:.2f} back   "
        f"source → source {mark.engine_error:.2f} % of the range   {mark.seconds:.0f} s per plane"
    )
