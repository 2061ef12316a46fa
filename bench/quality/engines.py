"""How good the engines are, in fixed budgets on whole held-out wells: ``python -m bench quality``."""

from __future__ import annotations

import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

import click
import torch

from bench.common.paired import circumstances
from bench.quality.plan import Entry, plan, prepare, split
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.training.dry_run import try_steps
from napari_phenotrans.training.run import Run


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
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The Markdown file to write.")
@click.option("--only", help="Only trainings whose folder name holds this text, and no table.")
@click.option("--no-training", is_flag=True, help="Score what is there; trainings that are not finished are left out.")
def quality(work: Path, minutes: float, jobs: int, out: Path, only: str | None, no_training: bool) -> None:
    """Train every engine in a fixed budget, score it on held-out fields, and write a table."""
    from bench.quality.table import write_table

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
