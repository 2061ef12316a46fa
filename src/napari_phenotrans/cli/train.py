"""``phenotrans train``, whose options are the engines' settings and where the images lie."""

from __future__ import annotations

import dataclasses
import json
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_phenotrans.cli.options import Names, setting_options
from napari_phenotrans.cli.say import say
from napari_phenotrans.cli.train_options import TrainOptions
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.settings import LOOK, LOOK_MEANS, PRESETS, TrainingSettings
from napari_phenotrans.engines import ENGINES, FIRST_CHOICE
from napari_phenotrans.runs.family import Family, is_family
from napari_phenotrans.runs.parse import MOST_SEEDS

if TYPE_CHECKING:
    from napari_phenotrans.dataset.check_report import Report
    from napari_phenotrans.training.run import Run

# Exit codes beside 0 and that of errors (2): a dry run that found errors, a run that the user stopped.
UNFIT, STOPPED = 1, 3

_COMMON_PRESETS = ", ".join(f"{name} ({description})" for name, description in PRESETS.items())
_OWN_PRESETS = "; ".join(
    f"{name}: {', '.join(own)}"
    for name, entry in ENGINES.items()
    if (own := [preset for preset in entry.settings.presets if preset not in PRESETS])
)


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path), required=False)
@click.option("--engine", type=click.Choice(list(ENGINES)), help=f"[default: {FIRST_CHOICE}]")
@click.option(
    "--preset",
    help=f"Settings that belong together; options beside it go before it. {_COMMON_PRESETS}; {_OWN_PRESETS}.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The run folder to make.")
@click.option("--held-out", type=click.Path(path_type=Path), help="Data set folder of held-out fields.")
@click.option(
    "--held-out-share",
    type=click.FloatRange(0, 0.9),
    default=0.2,
    show_default=True,
    help="Share of each condition's groups to hold out, where no folder and no groups are named.",
)
@click.option("--held-out-groups", type=Names(), help="Groups that training must not see, by name.")
@click.option(
    "--split-by",
    metavar="COLUMN",
    help="Hold out whole batches: values of this column of fields.csv (plate, batch, day) count in place of groups.",
)
@click.option(
    "--repeats",
    type=click.IntRange(1, MOST_SEEDS),
    default=1,
    show_default=True,
    help="Train so often, one seed after the other, into folders of --out: what comes out again is no accident.",
)
@click.option(
    "--null",
    metavar="CONDITION",
    help="Control against control: train between two random halves of this condition's groups, where nothing differs.",
)
@click.option("--from", "from_", type=click.Path(path_type=Path), help="Take data set and settings from a run.json.")
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with this run folder; --steps may be raised.")
@click.option("--dry-run", is_flag=True, help="Check the data set, say what was decided, time a few steps, and end.")
@click.option("--report", type=click.Path(path_type=Path), help="Also write what --dry-run says into this JSON file.")
@setting_options({name: entry.settings for name, entry in ENGINES.items()}, TrainingSettings)
def train(**typed: Any) -> None:
    """Train an engine on DATASET, which holds one folder of images per condition, and write a run folder.

    A fields.csv in DATASET (columns file, group, and any others such as plate or day) keeps wells, patients or
    organoids together. Ctrl-C, or a file named 'stop' in the run folder, ends training with everything saved.
    Exit codes: 0 where it reached its end, 3 where it was stopped, 2 after an error, 1 after a dry run that found some.
    """
    options = TrainOptions.typed(typed)
    say("loading torch", err=True)
    if options.resume is not None and is_family(options.resume):
        _follow_family(Family.load(options.resume), None, options)
        return
    run = options.run()
    if options.preset == LOOK and run.settings.has_look():
        say(f"note: {LOOK_MEANS}", err=True)
    if options.dry_run:
        _dry_run(run, options.report)
        return
    if options.resume is None:
        run = _check(run)
    if options.repeats > 1:
        _follow_family(_new_family(run, options.repeats), run, options)
        return
    if _follow(run, resume=options.resume is not None):
        click.get_current_context().exit(STOPPED)


def _new_family(run: Run, repeats: int) -> Family:
    """Make the folder of so many trainings, and say where they go."""
    family = Family(run.folder, tuple(run.settings.seed + number for number in range(repeats)))
    family.write()
    return family


def _follow_family(family: Family, first: Run | None, options: TrainOptions) -> None:
    """Train what a family lacks, one training after the other, all on the same fields; ends as a single training does.

    Raises
    ------
    InputError
        If there is nothing to go on with.
    """
    from napari_phenotrans.runs.monitor import RunWatch
    from napari_phenotrans.training.run import Run

    if options.resume is not None and options.settings.keys() - {"steps"}:
        raise InputError("--resume goes on with the trainings' own data set and settings; only --steps may be raised.")
    begun = family.begun
    if first is None and not begun:
        raise InputError(f"No training of {family.folder} has begun: there is nothing to go on with. Train it anew.")
    like = first or Run.load(next(iter(begun.values())))
    steps = options.settings.get("steps")
    for number, (seed, folder) in enumerate(family.members.items(), start=1):
        say(f"training {number} of {len(family.seeds)}: {folder}", err=True)
        resumed = seed in begun
        if resumed:
            watch = RunWatch(folder)
            watch.poll()
            if watch.state == "finished" and not (steps and steps > watch.steps):
                continue
        of_seed = like.settings.model_copy(update={"seed": seed})
        run = Run.load(folder) if resumed else dataclasses.replace(like, folder=folder, settings=of_seed)
        if _follow(run.for_steps(steps), resume=resumed):
            click.get_current_context().exit(STOPPED)


def _check(run: Run) -> Run:
    """Print what is questionable about the data set, and refuse what training cannot use; return what to train."""
    from napari_phenotrans.dataset.check import check

    say("reading the images", err=True)
    report = check(run.dataset, run.held_out, run.settings)
    for problem in report.warnings:
        say(f"warning: {problem}", err=True)
    if report.errors:
        listed = "\n".join(f"  {problem}" for problem in report.errors)
        raise InputError(f"The data set cannot be trained on:\n{listed}")
    return _settle_kept(run, report)


def _settle_kept(run: Run, report: Report) -> Run:
    """Let a flow keep what the check proposes where nothing is said, and say so."""
    from napari_phenotrans.training.kept_choice import settle_kept

    run, why = settle_kept(run, report.differences)
    if why:
        say(f"note: {why} Choose others with --kept, or --kept none.", err=True)
    return run


def _dry_run(run: Run, file: Path | None) -> None:
    """Print what the run will do and what it will cost, and write it into a file where one is named."""
    from napari_phenotrans.dataset.check import check
    from napari_phenotrans.io.atomic import replacing
    from napari_phenotrans.training.dry_run import try_steps

    say("reading the images", err=True)
    report = check(run.dataset, run.held_out, run.settings)
    say(f"engine      {run.engine}")
    for line in report.lines():
        say(line)
    trial = None
    if not report.errors:
        run = _settle_kept(run, report)
        say("trying a few steps", err=True)
        trial = try_steps(run)
        for line in trial.lines(run.settings.steps):
            say(line)
    if file:
        content = {
            "engine": run.engine,
            "settings": run.settings.model_dump(mode="json"),
            "check": dataclasses.asdict(report),
            "trial": dataclasses.asdict(trial) | {"steps": run.settings.steps} if trial else None,
        }
        with replacing(file, overwrite=True) as temporary:
            temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    if report.errors:
        click.get_current_context().exit(UNFIT)


def _follow(run: Run, *, resume: bool) -> bool:
    """Train, and print what happens; returns whether the user stopped it."""
    from napari_phenotrans.cli.train_lines import event_line
    from napari_phenotrans.runs.paths import STOP
    from napari_phenotrans.training.events import BY_REQUEST, Stopped

    def stop(*_: object) -> None:
        say("Stopping after this step; press again to break off without saving.", err=True)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # a folder that is gone ends training by itself
        with suppress(OSError):
            (run.folder / STOP).touch()

    stopped = False
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number, event in enumerate(run.events(resume=resume)):
            if number == 0:
                for signal_number in before:
                    signal.signal(signal_number, stop)
            text = event_line(event, run)
            if text:
                say(text)
            stopped = isinstance(event, Stopped) and event.reason == BY_REQUEST
    finally:
        for signal_number, handler in before.items():
            signal.signal(signal_number, handler)
    return stopped
