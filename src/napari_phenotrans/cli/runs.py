"""``phenotrans runs``: a table of run folders, what they reached, and in which settings they differ."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_phenotrans.cli.say import say
from napari_phenotrans.core.text import table
from napari_phenotrans.runs.differences import MISSING, different_settings
from napari_phenotrans.training.overview import GAP, KID, RunOverview, family_lines, find_runs, overview

if TYPE_CHECKING:
    from collections.abc import Sequence

SORTED_BY = ("latest", "gap", "name")
HEADINGS = ("run", "state", "engine", "step", "best", "gap closed", "KID", "pictures")


@click.command()
@click.argument("folders", metavar="FOLDER…", type=click.Path(path_type=Path), nargs=-1)
@click.option("--sort", type=click.Choice(SORTED_BY), default="latest", show_default=True, help="What comes first.")
@click.option("--pictures", is_flag=True, help="Also say what the gate saw in the pictures that do not pass.")
@click.option("--json", "as_json", is_flag=True, help="Print everything that is known, as JSON.")
def runs(folders: tuple[Path, ...], sort: str, pictures: bool, as_json: bool) -> None:
    """List the run folders in each FOLDER (by default the present one) and what they reached on held-out fields.

    Scores are of a run's best checkpoint: gap closed (1 is the target, 0 the unchanged image), KID (lower is better),
    and whether its pictures pass the gate. Below stand the settings in which the runs differ.
    """
    # a pattern of the shell's names files, too
    parents = [folder for folder in folders if not folder.is_file()] or list(folders) or [Path()]
    found = [overview(folder) for folder in find_runs(parents)]
    common = Path(os.path.commonpath([parent.absolute() for parent in parents]))
    names = {run.folder: _name(run.folder, common) for run in found}
    if sort == "gap":
        found.sort(key=lambda run: -math.inf if run.gap is None else run.gap, reverse=True)
    elif sort == "name":
        found.sort(key=lambda run: names[run.folder])
    if as_json:
        say(json.dumps([_as_json(run) for run in found], indent=1, ensure_ascii=False, allow_nan=False))
        return
    if not found:
        where = ", ".join(str(parent.absolute()) for parent in parents)
        say(f"There is no run in {where}. Expected folders that 'phenotrans train' made.")
    for line in overview_lines(found, names, pictures=pictures, width=_width()):
        say(line)


def overview_lines(
    found: Sequence[RunOverview], names: dict[Path, str], *, pictures: bool = False, width: int | None = None
) -> list[str]:
    """Return the lines of the table, of the settings that differ, and of what is to be known about single runs.

    Parameters
    ----------
    found
        The runs, in their order.
    names
        What each folder is called.
    pictures
        Whether to say what the gate saw.
    width
        Characters that a line may have; settings go into several tables then. None: any number.
    """
    lines: list[str] = []
    readable = [run for run in found if run.engine or run.state == "starting"]
    if readable:
        rows = [HEADINGS, *(_cells(run, names[run.folder]) for run in readable)]
        lines += [*table(rows, right=(3, 4)), *_legend(readable)]
    facts = [{"engine": run.engine, "conditions": run.conditions, **run.settings} for run in readable if run.engine]
    # the engine has a column of its own
    differing = [row for row in different_settings(facts, missing_differs=False) if row[0] != "engine"]
    if differing:
        called = [names[run.folder] for run in readable if run.engine]
        lines += ["", "Settings that differ:"]
        for columns in _folded(differing, called, width):
            lines += table(list(zip(*columns, strict=True)))
    elif len(facts) > 1:
        lines += ["", "All settings are the same."]
    notes = [
        *(f"{names[run.folder]}: {text}" for run in found for text in (*run.problems, *run.findings)),
        *family_lines(found),
    ]
    if pictures:
        notes += [
            f"{names[run.folder]}, {verdict.direction}: {' '.join(verdict.sentences)}"
            for run in readable
            for verdict in run.pictures
            if not verdict.passed
        ]
    # a sentence of a file's is one line, whatever is in it
    return [*lines, "", *(" ".join(note.split()) for note in notes)] if notes else lines


def _cells(run: RunOverview, name: str) -> list[str]:
    directions = run.directions
    return [
        name,
        run.state,
        run.engine or MISSING,
        f"{run.step}/{run.steps}",
        MISSING if run.best_step is None else str(run.best_step),
        " / ".join(_number(run.mean(GAP, direction), 2) for direction in directions) or MISSING,
        " / ".join(_number(run.mean(KID, direction), 3) for direction in directions) or MISSING,
        run.gate or MISSING,
    ]


def _legend(found: Sequence[RunOverview]) -> list[str]:
    """Return in which order the directions of a cell stand; nothing where none was scored."""
    orders = list(dict.fromkeys(run.directions for run in found if run.directions))
    return [f"gap closed, KID, pictures: {' / '.join(order)}" for order in orders]


def _folded(differing: Sequence[tuple[str, list[str]]], names: list[str], width: int | None) -> list[list[list[str]]]:
    """Return the columns of one table or several, each beginning with the runs' names, that a width holds."""
    first = ["run", *names]
    room = math.inf if width is None else width - max(map(len, first))
    tables, taken = [[first]], 0
    for name, values in differing:
        takes = 2 + max(map(len, (name, *values)))
        if taken and taken + takes > room:
            tables.append([first])
            taken = 0
        tables[-1].append([name, *values])
        taken += takes
    return tables


def _width() -> int | None:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _name(folder: Path, common: Path) -> str:
    """Return what a run is called: its path in the folder that all of those lie in that were named."""
    inside = folder.absolute().relative_to(common)
    return inside.as_posix() if inside.parts else common.name


def _number(value: float | None, decimals: int) -> str:
    return MISSING if value is None else f"{value:.{decimals}f}"


def _as_json(run: RunOverview) -> dict[str, Any]:
    gaps, kids = ({way: run.mean(metric, way) for way in run.directions} for metric in (GAP, KID))
    known = dataclasses.asdict(run) | {
        "folder": str(run.folder),
        "gap closed": gaps,
        "kid": kids,
        "scores": [score.model_dump() for score in run.scores],
        "pictures": [verdict.model_dump() for verdict in run.pictures],
    }
    finite = _finite(known)
    assert isinstance(finite, dict)
    return finite


def _finite(value: object) -> object:
    """Return a value as JSON holds it: what is no number becomes null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
