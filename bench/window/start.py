"""How long a user waits before anything begins: ``python -m bench start``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import click

from bench.common.display import needs_display, play
from bench.common.paired import circumstances
from bench.common.writing import PERFORMANCE, met, publish, spread

COMMANDS = {
    "Python alone": ["-c", "pass"],
    "`import napari_phenotrans`": ["-c", "import napari_phenotrans"],
    "`phenotrans --help`": ["-m", "napari_phenotrans", "--help"],
}
DOCKS = {
    "Translate": "translate.dock:TranslateDock",
    "Train": "train.dock:TrainingDock",
    "Evaluate": "evaluate.dock:EvaluateDock",
}
# What it is held against: the import beyond Python, the help, the docks.
IMPORT_S, HELP_S, DOCK_S = 0.1, 0.3, 1.0
HEADING = "## Start"


@click.command()
@click.option("--repeats", type=click.IntRange(1), default=9, show_default=True, help="Times that each is started.")
@click.option(
    "--docks", type=click.IntRange(0), default=3, show_default=True, help="Napari's that docks are opened in."
)
@click.option("--out", type=click.Path(path_type=Path), default=PERFORMANCE, show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File to write all figures to.")
def start(repeats: int, docks: int, out: Path, json_file: Path | None) -> None:
    """Seconds until the command line answers, the package is imported and a dock is open.

    Docks need a display: xvfb-run -a -s "-screen 0 1600x1200x24" python -m bench start
    """
    if docks:
        needs_display("start")
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(repeats + 1):
        for name, words in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, capture_output=True, env=dict(os.environ))
            # the first round fills the system's cache
            if turn:
                seconds[name].append(round(time.perf_counter() - began, 4))
    opened = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(docks):
            opened.append(
                {name: play(name, {"dock": d}, Path(folder), "bench.window.start_scene") for name, d in DOCKS.items()}
            )
    result = {"bench": "start", "repeats": repeats, "seconds": seconds, "docks": opened}
    result |= circumstances() | {"napari": version("napari"), "python": sys.version.split()[0]}
    publish(table(result), result, out, json_file)


def table(result: dict[str, Any]) -> list[str]:
    """Return the section of the documentation."""
    seconds, docks = result["seconds"], result["docks"]
    alone, imported, helped = (median(each) for each in seconds.values())
    lines = [
        HEADING,
        "",
        f"`python -m bench start`: processes of their own, in turns ({result['repeats']} rounds; median, least and "
        f"most); each dock as the first one of a napari {result['napari']} whose window is there, until it is on the "
        f"screen{f' ({len(docks)} times)' if docks else ''}. Docks that translate load torch from then on.",
        "",
        "| | seconds | wanted |",
        "|---|---|---|",
    ]
    wanted = {
        "`import napari_phenotrans`": f"{IMPORT_S} more than Python: {_met(imported - alone <= IMPORT_S)}",
        "`phenotrans --help`": f"under {HELP_S}: {_met(helped < HELP_S)}",
    }
    for name, each in seconds.items():
        lines.append(f"| {name} | {spread(each, 3)} | {wanted.get(name, '')} |")
    for name in docks[0] if docks else ():
        each = [one[name]["seconds"] for one in docks]
        lines.append(f"| the {name} dock | {spread(each)} | under {DOCK_S:.0f}: {_met(median(each) < DOCK_S)} |")
    lines += [
        "",
        f"{result['cpu']}, {result['cores']} cores, Python {result['python']}, {str(result['date'])[:10]}, commit "
        f"{result['commit']}.",
    ]
    return lines


def _met(held: bool) -> str:
    return met([] if held else ["it"])
