"""``phenotrans train``: its options are the engines' settings."""

from __future__ import annotations

import dataclasses
import json
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_phenotrans.cli.options import Names, setting_options
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.settings import PRESETS, TrainingSettings, flag
from napari_phenotrans.engines import ENGINES, engine_entry

if TYPE_CHECKING:
    from napari_phenotrans.dataset.dataset import DataSet
    from napari_phenotrans.training.events import Event, Scored
    from napari_phenotrans.training.run import Run


_EVERY = ", ".join(f"{name} ({words})" for name, words in PRESETS.items())
_OWN = "; ".join(
    f"{name}: {', '.join(own)}"
    for name, entry in ENGINES.items()
    if (own := [preset for preset in entry.settings.presets if preset not in PRESETS])
)


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path), required=False)
@click.option("--engine", type=click.Choice(list(ENGINES)), help="[default: cyclegan]")
@click.option("--preset", help=f"Settings that belong together; options beside it go before it. {_EVERY}; {_OWN}.")
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
@click.option("--from", "from_", type=click.Path(path_type=Path), help="Take data set and settings from a run.json.")
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with this run folder; --steps may be raised.")
@click.option("--dry-run", is_flag=True, help="Check the data set, say what was decided, time a few steps, and end.")
@click.option("--report", type=click.Path(path_type=Path), help="Also write what --dry-run says into this JSON file.")
@setting_options({name: entry.settings for name, entry in ENGINES.items()}, TrainingSettings)
def train(
    dataset: Path | None,
    engine: str | None,
    preset: str | None,
    out: Path | None,
    held_out: Path | None,
    held_out_share: float,
    held_out_groups: tuple[str, ...] | None,
    from_: Path | None,
    resume: Path | None,
    dry_run: bool,
    report: Path | None,
    **said: Any,
) -> None:
    """Train an engine on DATASET, which holds one folder of images per condition, and write a run folder.

    A fields.csv in DATASET (columns file, group, and any others such as plate or day) keeps wells, patients or
    organoids together. Ctrl-C, or a file named 'stop' in the run folder, ends training with everything saved.
    """
    if report and not dry_run:
        raise InputError("--report goes with --dry-run: a training writes its own files into --out.")
    click.echo("loading torch", err=True)
    from napari_phenotrans.training.run import Run

    chosen = {name: value for name, value in said.items() if value is not None}
    if resume:
        others = [dataset, engine, preset, out, held_out, held_out_groups, from_, *(set(chosen) - {"steps"})]
        if any(other is not None for other in others):
            raise InputError("--resume goes on with the run's own data set and settings; only --steps may be raised.")
        run = Run.load(resume).for_steps(chosen.get("steps"))
    else:
        run = _new_run(dataset, engine, preset, out, held_out, held_out_groups, held_out_share, from_, chosen, dry_run)
    if dry_run:
        _say_what_was_decided(run, report)
        return
    if not resume:
        _check(run)
    _follow(run, resume=resume is not None)


def _new_run(
    dataset: Path | None,
    engine: str | None,
    preset: str | None,
    out: Path | None,
    held_out: Path | None,
    held_out_groups: tuple[str, ...] | None,
    held_out_share: float,
    from_: Path | None,
    chosen: dict[str, Any],
    dry_run: bool,
) -> Run:
    from napari_phenotrans.dataset.dataset import DataSet
    from napari_phenotrans.training.run import Run

    if out is None and not dry_run:
        raise InputError("Where to? Name the run folder to make with --out, or look first with --dry-run.")
    earlier = Run.load(from_.parent if from_.name == "run.json" else from_) if from_ else None
    engine = engine or (earlier.engine if earlier else "cyclegan")
    declared = engine_entry(engine).settings
    if preset is not None and preset not in declared.presets:
        raise InputError(f"--preset {preset}: the engine {engine} has the presets {', '.join(declared.presets)}.")
    foreign = [flag(name) for name in chosen if name not in declared.model_fields]
    if foreign:
        raise InputError(f"{', '.join(foreign)}: no setting of the engine {engine}. Leave it out.")
    before = earlier.settings.model_dump() if earlier and earlier.engine == engine else {}
    settings = declared.make(**(before | (declared.presets[preset] if preset else {}) | chosen))

    training: DataSet
    held: DataSet | None
    if dataset is None:
        if earlier is None:
            raise InputError("Which images? Name a data set folder: one folder of images per condition.")
        training, held = earlier.dataset, earlier.held_out
    else:
        opened = DataSet.open(dataset, settings.conditions)
        if held_out is not None:
            training, held = opened, DataSet.open_held_out(held_out, opened)
        else:
            training, held = opened.split(held_out_groups or held_out_share, settings.seed)
    return Run(out or Path("run"), training, engine, settings, held)


def _check(run: Run) -> None:
    """Print what is questionable about the data set, and refuse what training cannot use."""
    from napari_phenotrans.dataset.check import check

    click.echo("reading the images", err=True)
    report = check(run.dataset, run.held_out, run.settings)
    for problem in report.warnings:
        click.echo(f"warning: {problem}", err=True)
    if report.errors:
        listed = "\n".join(f"  {problem}" for problem in report.errors)
        raise InputError(f"The data set cannot be trained on:\n{listed}")


def _say_what_was_decided(run: Run, file: Path | None) -> None:
    from napari_phenotrans.dataset.check import check
    from napari_phenotrans.io.atomic import replacing
    from napari_phenotrans.training.dry_run import try_steps

    click.echo("reading the images", err=True)
    report = check(run.dataset, run.held_out, run.settings)
    click.echo(f"engine      {run.engine}")
    for line in report.lines():
        click.echo(line)
    trial = None
    if not report.errors:
        click.echo("trying a few steps", err=True)
        trial = try_steps(run)
        for line in trial.lines(run.settings.steps):
            click.echo(line)
    if file:
        whole = {
            "engine": run.engine,
            "settings": run.settings.model_dump(mode="json"),
            "check": dataclasses.asdict(report),
            "trial": dataclasses.asdict(trial) | {"steps": run.settings.steps} if trial else None,
        }
        with replacing(file, overwrite=True) as temporary:
            temporary.write_text(json.dumps(whole, indent=1), encoding="utf-8")


def _follow(run: Run, *, resume: bool) -> None:
    """Train, and print what happens."""
    from napari_phenotrans.runs.paths import STOP

    def stop(*_: object) -> None:
        click.echo("Stopping after this step; press again to break off without saving.", err=True)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # a folder that is gone ends training by itself
        with suppress(OSError):
            (run.folder / STOP).touch()

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number, event in enumerate(run.events(resume=resume)):
            if number == 0:
                for signal_number in before:
                    signal.signal(signal_number, stop)
            line = _line(event, run)
            if line:
                click.echo(line)
    finally:
        for signal_number, handler in before.items():
            signal.signal(signal_number, handler)


def _line(event: Event, run: Run) -> str | None:
    from napari_phenotrans.core.events import Notice
    from napari_phenotrans.training import events

    match event:
        case events.Started():
            start = f" from step {event.step}" if event.step else ""
            return f"training on {event.device}{start}: {event.fields} fields, held out {event.held_out}"
        case Notice():
            return f"note: {event.text}"
        case events.Losses() if event.step % 50 == 0 or event.step == run.settings.steps:
            losses = ", ".join(f"{name} {value:.3f}" for name, value in event.losses.items())
            return f"step {event.step} of {run.settings.steps}: {losses}"
        case events.Scored():
            return "\n".join(_score_rows(event))
        case events.Saved():
            return f"step {event.step}: {run.folder / event.path}"
        case events.Divided():
            return (
                f"step {event.step}: memory ran out; from here on a batch is computed in {event.parts} parts of "
                f"{event.crops} crops per condition"
            )
        case events.RolledBack():
            return (
                f"step {event.step}: {event.reason}; back to step {event.to_step}, learning rates now × {event.rate:g}"
            )
        case events.Stopped():
            return f"stopped at step {event.step}: {event.reason}. Go on with --resume {run.folder}"
        case events.Finished():
            return f"finished after {event.step} steps"
    return None


def _score_rows(event: Scored) -> list[str]:
    """Return one table row per direction; every score, with intervals and floors, is in the run folder's events."""
    held_out = f"step {event.step}, held-out{' (best so far)' if event.best else ''}"
    prefix = "kid "
    directions = [
        name.removeprefix(prefix)
        for name in event.scores
        if name.startswith(prefix) and not name.startswith(("kid low ", "kid high "))
    ]
    gap = "gap closed {}: "
    channels = list(
        dict.fromkeys(
            name.removeprefix(gap.format(direction))
            for direction in directions
            for name in event.scores
            if name.startswith(gap.format(direction))
        )
    )
    rows = [[held_out, "KID", *(f"gap closed, {channel}" for channel in channels), "round trip", "identity"]]
    for direction in directions:
        source = direction.partition(" → ")[0]
        rows.append(
            [
                f"  {direction}",
                f"{event.scores[prefix + direction]:.3f}",
                *(_two_digits(event.scores.get(gap.format(direction) + channel)) for channel in channels),
                _mean_share(event.scores, f"round trip {direction}: "),
                _mean_share(event.scores, f"identity {source} → {source}: "),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def _two_digits(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _mean_share(scores: dict[str, float], prefix: str) -> str:
    """Average a score over the channels, as a percentage of the intensity limits' range."""
    values = [value for name, value in scores.items() if name.startswith(prefix)]
    return f"{100 * sum(values) / len(values):.2f} %" if values else "-"
