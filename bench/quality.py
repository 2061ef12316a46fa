"""How good the engines are, in fixed budgets on whole held-out wells: ``python -m bench quality``."""

from __future__ import annotations

import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from bench.bundle import DENOISER, HALF, prepare_bbbc013, prepare_organoids
from bench.paired import circumstances
from napari_phenotrans.dataset import DataSet, Field
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.run import Run
from napari_phenotrans.trial import try_steps

OBJECTIVES = ("edm", "v", "flow")  # of PhenDiff, compared in equal minutes
ROWS = ("D", "C", "B")  # the held-out plate row of seed 0, 1, 2


@dataclass(frozen=True)
class Entry:
    """One training: an engine with its settings, on a share of the groups, for so many minutes."""

    name: str
    data: str
    engine: str
    share: float
    seed: int
    minutes: float
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        return f"{self.data}-{self.name}-{round(100 * self.share)}-{self.seed}"


ENGINES: dict[str, tuple[str, dict[str, Any]]] = {
    "CycleGAN": ("cyclegan", HALF),
    # the same identity weight for both, so that they differ in their discriminators only
    "SCGAN": ("scgan", HALF | {"identity": 5.0}),
    "CycleGAN + DiffAugment (fluorescence)": ("cyclegan", HALF | {"augment": "fluorescence"}),
    "CycleGAN + DiffAugment (original)": ("cyclegan", HALF | {"augment": "original"}),
    "PhenDiff": ("phendiff", DENOISER),
    **{f"PhenDiff ({goal})": ("phendiff", DENOISER | {"objective": goal}) for goal in OBJECTIVES},
}
PIXEL_SIZE = {"bbbc013": 2.0, "control": 2.0, "organoids": 1.3}


def plan(minutes: float) -> list[Entry]:
    """List the trainings, those first that matter most."""

    def entries(names: tuple[str, ...], share: float, seeds: range, factor: float = 1.0, data: str = "bbbc013") -> Any:
        for seed in seeds:
            for name in names:
                engine, settings = ENGINES[name]
                said = settings | {"pixel_size": PIXEL_SIZE[data]}
                yield Entry(name, data, engine, share, seed, minutes * factor, said)

    augmented = ("CycleGAN + DiffAugment (fluorescence)", "CycleGAN + DiffAugment (original)")
    return [
        *entries(("SCGAN", "CycleGAN"), 0.4, range(3)),
        *entries(("PhenDiff", "SCGAN", "CycleGAN"), 1.0, range(1), 6.0),
        *entries(augmented[:1], 0.4, range(3)),
        *entries(augmented[1:], 0.4, range(1)),
        *entries(("CycleGAN",), 1.0, range(1), data="control"),
        *entries(("SCGAN", "CycleGAN"), 0.2, range(1)),
        *entries(("PhenDiff", "SCGAN"), 1.0, range(1), 2.0, data="organoids"),
        *entries(tuple(f"PhenDiff ({goal})" for goal in OBJECTIVES), 1.0, range(1)),
    ]


def prepare(work: Path) -> dict[str, DataSet]:
    """Write the images once: BBBC013 by condition, untreated wells by plate column (the control), organoids."""
    prepared = {}
    for name, make in (("bbbc013", prepare_bbbc013), ("organoids", prepare_organoids)):
        folder = work / "images" / name
        prepared[name] = DataSet.open(folder) if folder.exists() else make(folder)
    untreated = [one for one in prepared["bbbc013"].fields if one.condition == "untreated"]
    halves = tuple(
        Field(one.path, f"column {int(one.group[1:])}", one.group) for one in sorted(untreated, key=lambda f: f.group)
    )
    prepared["control"] = DataSet(prepared["bbbc013"].folder, ("column 1", "column 2"), halves)
    return prepared


def split(dataset: DataSet, data: str, share: float, seed: int) -> tuple[DataSet, DataSet]:
    """Hold out the plate row of this seed (of organoids, a tenth of the groups), and thin the rest to a share.

    At least one group of each condition stays.
    """
    if data == "organoids":
        training, held_out = dataset.split(0.1, seed)
    else:
        training, held_out = dataset.split(sorted({f.group for f in dataset.fields if f.group[0] == ROWS[seed]}))
    rng = np.random.default_rng(seed)
    kept: set[str] = set()
    for condition in dataset.conditions:
        groups = sorted({f.group for f in training.fields if f.condition == condition})
        kept |= set(rng.permutation(groups)[: max(1, round(share * len(groups)))].tolist())
    thinned = DataSet(dataset.folder, dataset.conditions, tuple(f for f in training.fields if f.group in kept))
    return thinned, held_out


def pace_of(entry: Entry, work: Path) -> float | None:
    """Return the steps per minute that were timed for another seed or share of this entry; None where none was.

    So that all seeds make the same number of steps, whatever else the machine does meanwhile.
    """
    for other in sorted((work / "runs").glob(f"{entry.data}-{entry.name}-*/pace.json")):
        return json.loads(other.read_text())["steps per minute"]
    return None


def run_entry(entry: Entry, work: Path, threads: int) -> str:
    """Train one entry for its minutes, unless it is there already; the number of steps comes from a short trial.

    Learning rates fall towards the last step, so the number of steps has to be known before the first.
    """
    torch.set_num_threads(threads)
    folder = work / "runs" / entry.folder
    done = folder / "bench.json"
    if done.exists():
        return f"{entry.folder}: is there"
    training, held_out = split(prepare(work)[entry.data], entry.data, entry.share, entry.seed)
    resume = (folder / "resume.pt").exists()
    if resume:
        run = Run.load(folder)
    else:
        common = {"seed": entry.seed, "score_every": 0, "save_every": 100_000}
        settings = engine_entry(entry.engine).settings.make(**(entry.settings | common))
        pace = pace_of(entry, work) or (
            60 / try_steps(Run(folder, training, entry.engine, settings, held_out)).seconds_per_step
        )
        steps = max(20, round(entry.minutes * pace))
        settings = settings.model_copy(update={"steps": steps, "save_every": max(1, steps // 6)})
        run = Run(folder, training, entry.engine, settings, held_out, synthetic=entry.data == "organoids")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pace.json").write_text(json.dumps({"steps per minute": pace}))
    started = time.monotonic()
    for _ in run.events(resume=resume):
        pass
    seconds = time.monotonic() - started
    done.write_text(
        json.dumps({"entry": asdict(entry), "steps": run.settings.steps, "seconds": seconds} | circumstances())
    )
    return f"{entry.folder}: {run.settings.steps} steps in {seconds / 60:.1f} min"


@click.command()
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Folder for images and runs; kept.")
@click.option("--minutes", default=7.0, show_default=True, help="Minutes per training; at 100 % they take longer.")
@click.option("--jobs", default=2, show_default=True, help="Trainings, or scorings, at a time; they share the cores.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("docs/results.md"), show_default=True)
@click.option("--only", help="Only trainings whose folder name holds this text, and no table.")
@click.option("--no-training", is_flag=True, help="Score what is there; trainings that are not finished are left out.")
def quality(work: Path, minutes: float, jobs: int, out: Path, only: str | None, no_training: bool) -> None:
    """Train every engine in a fixed budget, score it on held-out fields, and write a table."""
    from bench.quality_table import write_table

    prepare(work)
    entries = [entry for entry in plan(minutes) if not only or only in entry.folder]
    threads = max(1, torch.get_num_threads() // jobs)
    if not no_training:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            waiting = [pool.submit(run_entry, entry, work, threads) for entry in entries]
            for one in waiting:
                click.echo(one.result())
    if not only:
        write_table(work, plan(minutes), out, jobs, threads)
        click.echo(out)
