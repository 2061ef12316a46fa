"""Which file of a run folder is called what, and which of many are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DECIDED = "run.json"
EVENTS = "events.jsonl"
STOP = "stop"
LOCK = "lock"
# Written by whoever starts a run from elsewhere, and taken away by the run itself once it trains.
STARTING = "starting.json"
OUTPUT = "output.txt"
REPORT = "report.json"
STATE = "resume.pt"
LAST, BEST = "last.safetensors", "best.safetensors"
# Folders of what there is of several steps, and the suffixes of what `files_of_steps` finds in them.
CHECKPOINTS, CHECKPOINT = "checkpoints", ".safetensors"
PREVIEWS, PREVIEW = "previews", ".tif"
COMMAND = "$ "
_STEM = "step-"
_ERROR = "phenotrans: "
_TAIL = 20_000  # bytes


def step_name(step: int) -> str:
    """Return the name of what belongs to a step, without suffix: ``step-00500``."""
    return f"{_STEM}{step:05d}"


def files_of_steps(folder: Path, suffix: str) -> dict[int, Path]:
    """Return the files of a folder that are named by `step_name`, by step; none where there is no folder."""
    found = {}
    for path in folder.glob(f"{_STEM}*{suffix}"):
        number = path.name[len(_STEM) : -len(suffix)]
        if number.isdecimal():
            found[int(number)] = path
    return dict(sorted(found.items()))


def last_words(output: Path) -> str:
    """Return what a process said last in its output: its error, over several lines, or else its last line.

    Only what follows the last line that begins with ``$``, which is the command; empty where there is nothing.
    """
    try:
        text = output.read_bytes()[-_TAIL:].decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    for number in reversed(range(len(lines))):
        if lines[number].startswith(_ERROR):
            return "\n".join(lines[number:])[len(_ERROR) :]
        if lines[number].startswith(COMMAND):
            break
    return lines[-1] if lines and not lines[-1].startswith(COMMAND) else ""


def superfluous(steps: Iterable[int], keep: int, every: int) -> list[int]:
    """Return which steps to drop, so that besides the newest at most ``keep`` stay, spread evenly.

    Steps come one after the other, multiples of ``every``, and what was dropped is gone: so the distance between those
    that stay is doubled each time that there are too many, and between half of ``keep`` and all of it remain.
    """
    *past, newest = sorted(steps)
    distance = every
    while keep and (newest - 1) // distance > keep:
        distance *= 2
    return [step for step in past if not keep or step % distance]


def thin(folder: Path, suffix: str, keep: int, every: int) -> None:
    """Remove the `superfluous` ones of a folder's `files_of_steps`."""
    files = files_of_steps(folder, suffix)
    for step in superfluous(files, keep, every) if files else ():
        files[step].unlink(missing_ok=True)
