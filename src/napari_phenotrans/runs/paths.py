"""Names of the files in a run folder; thinning out those that come again every few steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DECIDED = "run.json"  # engine, settings and fields, decided before the first step
EVENTS = "events.jsonl"  # what happened, a line per event
STOP = "stop"  # made by whoever wants the training to end
LOCK = "lock"
# The process that is about to train, written by the one that started it; the run removes it once it trains.
STARTING = "starting.json"
OUTPUT = "output.txt"  # of a process that was started from napari
REPORT = "report.json"  # of a dry run
STATE = "resume.pt"
EARLIER_STATE = "resume.earlier.pt"  # the one before, for when the last one is damaged
LAST, BEST = "last.safetensors", "best.safetensors"
# Folders that hold files of several steps, and their suffixes; see `files_of_steps`.
CHECKPOINTS, CHECKPOINT = "checkpoints", ".safetensors"
PREVIEWS, PREVIEW = "previews", ".tif"
COMMAND = "$ "  # begins the line of the output that is the command
_STEM = "step-"
_ERROR = "phenotrans: "
_TAIL = 20_000  # bytes at the end of the output that are searched for an error


def step_name(step: int) -> str:
    """Return the file name of a step, without suffix: ``step-00500``."""
    return f"{_STEM}{step:05d}"


def checkpoints_in(folder: Path) -> list[Path]:
    """Return the checkpoints of a run folder that are there, the best one first."""
    return [folder / name for name in (BEST, LAST) if (folder / name).is_file()]


def files_of_steps(folder: Path, suffix: str) -> dict[int, Path]:
    """Return the files of a folder that are named by `step_name`, by step; none where there is no folder."""
    files = {}
    for path in folder.glob(f"{_STEM}*{suffix}"):
        number = path.name[len(_STEM) : -len(suffix)]
        if number.isdecimal():
            files[int(number)] = path
    return dict(sorted(files.items()))


def refuse_links(folder: Path) -> None:
    """Refuse a run folder in which something that is written to is a link: it may lead anywhere.

    Raises
    ------
    InputError
        If there is one.
    """
    for name in (DECIDED, EVENTS, STATE, EARLIER_STATE, OUTPUT, STOP, CHECKPOINTS, PREVIEWS):
        if (folder / name).is_symlink():
            raise InputError(
                f"{folder / name} is a link, and what a training writes stays in its folder. Put the file or folder "
                f"itself in its place, or choose another folder for --out."
            )


def last_words(output: Path) -> str:
    """Return a process's error from its output, or else its last line; empty where there is neither.

    The output may hold several processes'; the last line that begins with ``$`` is the command of the latest.
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
    """Return which steps to remove, so that besides the newest at most ``keep`` stay, spread evenly.

    Steps are multiples of ``every`` and are thinned out again and again as new ones come. So the distance between
    those that stay is doubled each time that there are too many, and from half of ``keep`` to ``keep`` remain.
    """
    *past, newest = sorted(steps)
    distance = every
    while keep and (newest - 1) // distance > keep:
        distance *= 2
    return [step for step in past if not keep or step % distance]


def thin(folder: Path, suffix: str, keep: int, every: int) -> None:
    """Remove files of `superfluous` steps from a folder."""
    files = files_of_steps(folder, suffix)
    for step in superfluous(files, keep, every) if files else ():
        files[step].unlink(missing_ok=True)
