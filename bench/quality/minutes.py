"""What an engine shows of the phenotype after how many minutes: ``python -m bench minutes``.

One run on the wells of BBBC013's rows A to C; whenever so many minutes were trained, what there is translates the wells
of row D, and the picture gate judges them. Minutes are the process's own computing time, so that other work on the
machine does not count; those by the clock stand beside them. ``python -m bench minutes-figure`` draws several such runs
over time.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from bench.common.paired import circumstances
from bench.quality.bundle import RECIPES
from bench.quality.phenotype import gap_closed, log_ratios
from bench.quality.picture import Fields, fields_for, judge_checkpoint
from bench.quality.scores import HELD_OUT, translate_plane
from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.core.resample import to_size
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.io import read
from napari_phenotrans.training.events import Saved
from napari_phenotrans.training.run import Run
from napari_phenotrans.translation.pictures import middle
from napari_phenotrans.translation.translate import Translator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from napari_phenotrans.dataset.dataset import DataSet

    Made = dict[str, dict[str, list[np.ndarray]]]
    Judge = Callable[[Checkpoint, Made], dict[str, str]]

TRANSLATED = 1  # the channel that is measured in nuclei and rings


@dataclass(frozen=True)
class Mark:
    """What a run had reached.

    Parameters
    ----------
    minutes, by_the_clock, steps
        Trained so far; by the clock from the start of the run.
    there, back
        Gap closed by either direction.
    engine_error
        What source → source changes, in % of the range.
    gate
        What the picture gate says against each direction; empty where it passes.
    seconds
        CPU seconds to translate a plane.
    """

    minutes: float
    by_the_clock: float
    steps: int
    there: float
    back: float
    engine_error: float
    gate: dict[str, str]
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
    training, held_out = chosen.split(dataset)
    assert held_out is not None
    run = Run(work / "run", training, chosen.engine, settings)
    found = []
    looks = [float(each) for each in at.split(",")]
    for mark in marks(run, planes_of(held_out), looks, chosen.translation, beside_real_wells()):
        found.append(mark)
        click.echo(row(mark))
    if out:
        about = {"circumstances": circumstances(), "recipe": recipe, "engine": chosen.engine, **said}
        out.write_text(json.dumps(about | {"marks": [asdict(mark) for mark in found]}, indent=1))


def beside_real_wells() -> Judge:
    """Return what judges translated wells beside all real ones, whose limits are learned once."""
    known: dict[str, Fields] = {}

    def judge(checkpoint: Checkpoint, made: Made) -> dict[str, str]:
        fields = fields_for(checkpoint, known)
        unseen = {condition: list(map(middle, some)) for condition, some in fields.unseen.items()}
        working = {
            source: {
                target: [
                    middle(to_size(plane.astype(np.float32), *before.shape[1:]))
                    for plane, before in zip(some, fields.unseen[source], strict=True)
                ]
                for target, some in others.items()
            }
            for source, others in made.items()
        }
        verdicts = judge_checkpoint(checkpoint, replace(fields, unseen=unseen), working)
        return {
            verdict.direction: "" if verdict.passed else " ".join(verdict.sentences)
            for verdict in verdicts
            if len(set(verdict.direction.split(" → "))) > 1
        }

    return judge


def marks(
    run: Run,
    planes: Mapping[str, Sequence[np.ndarray]],
    at: Sequence[float],
    how: Mapping[str, Any],
    judge: Judge,
) -> Iterator[Mark]:
    """Train until the last of so many minutes, or the last step; look at what is saved first after each of them."""
    left = list(at)
    looking, started = np.zeros(2), _clocks()
    for event in run.events():
        spent, by_the_clock = (_clocks() - started - looking) / 60
        if not isinstance(event, Saved) or event.path != "last.safetensors":
            continue
        if event.step < run.settings.steps and not (left and spent >= left[0]):
            continue
        left = [each for each in left if each > spent]
        before = _clocks()
        yield look(run.folder / event.path, planes, (float(spent), float(by_the_clock), event.step), how, judge)
        looking += _clocks() - before
        if not left:
            return


def _clocks() -> np.ndarray:
    """Return the seconds that this process has computed, and those of the clock."""
    return np.array([time.process_time(), time.monotonic()])


def look(
    checkpoint: Path,
    planes: Mapping[str, Sequence[np.ndarray]],
    trained: tuple[float, float, int],
    how: Mapping[str, Any],
    judge: Judge,
) -> Mark:
    """Translate planes of both conditions there, back, and to themselves, after so long, as of `Mark`."""
    translator = Translator(checkpoint, how=how)
    started = time.process_time()
    made = {
        source: {target: [translate_plane(plane, translator, source, target) for plane in some] for target in planes}
        for source, some in planes.items()
    }
    seconds = (time.process_time() - started) / (len(planes) * sum(map(len, planes.values())))

    there, back = gaps(planes, made)
    errors = [
        np.abs(same[TRANSLATED] - before[TRANSLATED].astype(float)).mean()
        for condition, some in planes.items()
        for same, before in zip(made[condition][condition], some, strict=True)
    ]
    span = float(translator.card.intensity.range[TRANSLATED, 0, 0])
    gate = judge(Checkpoint.load(checkpoint), made)
    return Mark(*trained, there, back, 100 * float(np.mean(errors)) / span, gate, seconds)


def gaps(planes: Mapping[str, Sequence[np.ndarray]], made: Made) -> tuple[float, float]:
    """Return the gap closed there and back by planes that were translated, ``[source][target]``."""
    one, other = planes
    ratios = {condition: _log_ratios(some) for condition, some in planes.items()}
    there, back = (
        float(gap_closed(_log_ratios(made[source][target]), ratios[target], ratios[source]))
        for source, target in ((one, other), (other, one))
    )
    return there, back


def _log_ratios(planes: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([log_ratios(plane) for plane in planes])


def planes_of(held_out: DataSet) -> dict[str, list[np.ndarray]]:
    """Return the held-out planes of each condition."""
    return {
        condition: [read(field.path).plane() for field in held_out.fields if field.condition == condition]
        for condition in HELD_OUT
    }


def row(mark: Mark) -> str:
    """Say a mark in a line, and what the picture gate says against it in further ones."""
    gate = "; ".join(f"{direction}: {words}" for direction, words in mark.gate.items() if words)
    return (
        f"{mark.minutes:6.1f} min ({mark.by_the_clock:.1f} by the clock) {mark.steps:6d} steps   "
        f"gap closed {mark.there:.2f} there, {mark.back:.2f} back   "
        f"source → source {mark.engine_error:.2f} % of the range   {mark.seconds:.0f} s per plane\n"
        f"           picture gate: {gate or 'passed both ways'}"
    )


@click.command("minutes-figure")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The picture to write.")
def minutes_figure(files: tuple[Path, ...], out: Path) -> None:
    """Draw what ``bench minutes --json`` wrote: gap closed, engine error and gate over minutes, a line per run."""
    draw([json.loads(file.read_text()) for file in files], out)


def draw(runs: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Draw runs over minutes; the marks of an engine have one color, filled where the gate passes both ways."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    gap, error = figure.subplots(1, 2)
    engines = sorted({run["engine"] for run in runs})
    for run in runs:
        color = f"C{engines.index(run['engine'])}"
        minutes = [mark["minutes"] for mark in run["marks"]]
        worse = [min(mark["there"], mark["back"]) for mark in run["marks"]]
        errors = [mark["engine_error"] for mark in run["marks"]]
        passed = [not any(mark["gate"].values()) for mark in run["marks"]]
        for axis, values in ((gap, worse), (error, errors)):
            axis.plot(minutes, values, color=color)
            axis.scatter(
                minutes, values, edgecolors=color, facecolors=[color if ok else "white" for ok in passed], zorder=3
            )
    for engine in engines:
        gap.plot([], [], color=f"C{engines.index(engine)}", marker="o", label=engine)
    gap.plot([], [], color="gray", marker="o", markerfacecolor="white", linestyle="", label="picture gate not passed")
    gap.legend(frameon=False)
    gap.set(xlabel="CPU minutes of training", ylabel="gap closed, the worse way", ylim=(min(0, *gap.get_ylim()), 1))
    error.set(xlabel="CPU minutes of training", ylabel="source → source, % of the range", yscale="log")
    figure.savefig(out, dpi=120)
