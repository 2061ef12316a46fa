"""Events of a training, each one line of its ``events.jsonl``."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass

from napari_phenotrans.core.events import Notice


@dataclass(frozen=True)
class Started:
    """Training begins at ``step`` of ``steps``, on a device (in words), with so many fields per condition."""

    step: int
    steps: int
    device: str
    fields: dict[str, int]
    held_out: dict[str, int]


@dataclass(frozen=True)
class Losses:
    """The losses of update number ``step``, by name."""

    step: int
    losses: dict[str, float]


@dataclass(frozen=True)
class Divided:
    """Memory ran out: from here on a batch is computed in ``parts`` of ``crops`` crops per condition."""

    step: int
    crops: int
    parts: int


@dataclass(frozen=True)
class RolledBack:
    """A step went wrong: training goes on from ``to_step``, its learning rates multiplied by ``rate`` from now on."""

    step: int
    to_step: int
    rate: float
    reason: str


@dataclass(frozen=True)
class Pace:
    """How fast training is: steps per second since the last one, and bytes of memory in use at most.

    Memory is the GPU's where there is one. Time for scoring and saving does not count.
    """

    step: int
    steps_per_second: float
    memory: int


@dataclass(frozen=True)
class Preview:
    """Fixed crops translated as training goes; ``path`` is the picture, relative to the run folder.

    ``facts`` say in numbers what the crops show, see `previews.write_preview`.
    """

    step: int
    path: str
    facts: dict[str, float]


@dataclass(frozen=True)
class Scored:
    """Scores on held-out fields at ``step``; ``best`` says that this is the best so far, see `Progress.add_scores`.

    ``floors`` and ``copy_source``, by the names of the scores, come with a run's first scores and do not change.
    """

    step: int
    scores: dict[str, float]
    best: bool
    floors: dict[str, float]
    copy_source: dict[str, float]


@dataclass(frozen=True)
class Saved:
    """A checkpoint was written; ``path`` is relative to the run folder."""

    step: int
    path: str


# The reason of a `Stopped` that the user asked for; others are as good as the last step.
BY_REQUEST = "stopped by request"


@dataclass(frozen=True)
class Stopped:
    """Training ended before its last step, with everything saved; it can be resumed."""

    step: int
    reason: str


@dataclass(frozen=True)
class Finished:
    """Training reached its last step."""

    step: int


@dataclass(frozen=True)
class Failed:
    """Training broke off with an error."""

    step: int
    error: str


Event = Started | Notice | Losses | Pace | Divided | RolledBack | Preview | Scored | Saved | Stopped | Finished | Failed


def to_json(event: Event) -> str:
    """Return one line of ``events.jsonl``: the event's class name, its fields and the time (seconds since 1970)."""
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    return json.dumps({"event": type(event).__name__, **fields, "time": round(time.time(), 3)}, allow_nan=True)
