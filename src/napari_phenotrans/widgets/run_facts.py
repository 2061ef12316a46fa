"""A run in a few words and numbers, as lists and headings show it. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_phenotrans.run_files import LAST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.watching import CheckpointFile
    from napari_phenotrans.widgets.run_look import RunLook


@dataclass(frozen=True)
class Look:
    """How a state looks: a sign, a color that both of napari's themes bear, and a word."""

    sign: str
    color: str
    word: str


STATES = {
    "starting": Look("◔", "#4e9af1", "starting"),
    "running": Look("▶", "#3fa66b", "running"),
    "silent": Look("?", "#d4a017", "silent"),
    "died": Look("✝", "#e15759", "died"),
    "failed": Look("✖", "#e15759", "failed"),
    "stopped": Look("■", "#f28e2b", "stopped"),
    "finished": Look("✔", "#4e9af1", "finished"),
    "gone": Look("∅", "#9c755f", "gone"),
    "none": Look("–", "#9c755f", "no run"),
}


def pace(run: RunLook) -> str:
    """Return speed and memory, as far as they are known; the time left is among the run's own words."""
    words = []
    if run.rate_s:
        fast = run.rate_s >= 1
        words.append(f"{run.rate_s:.1f} steps per second" if fast else f"{1 / run.rate_s:.1f} seconds per step")
    if run.memory:
        words.append(f"{run.memory / 2**30:.1f} GB of memory")
    return ", ".join(words)


def offered(files: Sequence[CheckpointFile]) -> tuple[CheckpointFile, ...]:
    """Return checkpoints as they are offered: the best, the last, then those of single steps, the latest first."""
    return tuple(sorted(files, key=lambda file: (not file.best, file.path.name != LAST, -file.step)))


def checkpoint_words(file: CheckpointFile) -> str:
    """Return what a checkpoint is: "best, step 400", "last, step 1000", "step 200"."""
    kind = "best, " if file.best else "last, " if file.path.name == LAST else ""
    return f"{kind}step {file.step}"


def nearest_checkpoint(files: Sequence[CheckpointFile], step: int) -> int | None:
    """Return which checkpoint is nearest to a step; None where there is none.

    Of several of one step it is the one that stays what it is while the run goes on, which best and last do not.
    """
    if not files:
        return None
    return min(
        range(len(files)), key=lambda i: (abs(files[i].step - step), files[i].best or files[i].path.name == LAST)
    )


def different_settings(runs: Sequence[RunLook]) -> list[tuple[str, list[str]]]:
    """Return what differs between runs, one row each: its name as the command line has it, and each run's value.

    A setting that an engine has not is shown as a dash.
    """
    facts: list[dict[str, Any]] = [{"engine": run.engine, "conditions": run.conditions, **run.settings} for run in runs]
    rows = []
    for name in dict.fromkeys(name for each in facts for name in each):
        values = [_said(each[name]) if name in each else "–" for each in facts]
        if len(set(values)) > 1:
            rows.append((name.replace("_", "-"), values))
    return rows


def _said(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "not said" if value is None else str(value)
