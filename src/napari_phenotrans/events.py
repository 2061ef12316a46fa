"""What translating and training say while they run: small frozen records, for whoever asked to draw, print or write."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Notice:
    """Something the user should know and that stops nothing, in one sentence or two."""

    text: str


@dataclass(frozen=True)
class Progressed:
    """Work that comes in equal parts: ``done`` of ``total``, and in a few words what it is."""

    what: str
    done: int
    total: int


# ---- translating


@dataclass(frozen=True)
class EvaluationDone:
    """One network evaluation of one tile; ``done`` of ``total`` for the current plane."""

    t: int
    z: int
    done: int
    total: int


@dataclass(frozen=True, eq=False)
class TileDone:
    """A rectangle of the translated plane that is as good as it will get until its neighbors come.

    ``translated`` is (C, h, w) in the image's own units and dtype; ``top`` and ``left`` are its place in the plane.
    A glimpse, which may come before the first tile, is 0 of ``total``.
    """

    t: int
    z: int
    top: int
    left: int
    translated: np.ndarray
    done: int
    total: int


@dataclass(frozen=True, eq=False)
class _Finished:
    """Pixels that are finished: ``translated`` (C, Y, X) in the image's units and dtype, ``difference`` float32.

    ``difference`` is translated - real before rounding to the dtype. ``clipped`` counts per channel the pixels that
    the dtype could not hold. ``top`` and ``left`` are the place in the plane, of which ``done`` are finished.
    """

    t: int
    z: int
    translated: np.ndarray
    difference: np.ndarray
    clipped: tuple[int, ...]
    done: int
    total: int
    top: int = 0
    left: int = 0

    @property
    def planes(self) -> float:
        """How many planes' worth is finished."""
        return self.done


@dataclass(frozen=True, eq=False)
class PlaneDone(_Finished):
    """One plane, or of each plane the region that was asked for."""


@dataclass(frozen=True, eq=False)
class RegionDone(_Finished):
    """A rectangle of a plane that does not come whole, as a `PlaneDone`; ``share`` of that (0 to 1) is finished."""

    share: float = 1.0

    @property
    def planes(self) -> float:
        # with its last rectangle a plane is among those that are done
        return self.done + self.share % 1


@dataclass(frozen=True, eq=False)
class ErrorDone:
    """What an engine gets wrong by itself in a plane, or in a region of one whose place is ``top`` and ``left``.

    ``round_trip`` is source → target → source minus real, signed; ``engine_error`` its local amount, at least 0 (see
    `trust.check_translation`). Both float32 (C, h, w) in the image's units.
    """

    t: int
    z: int
    top: int
    left: int
    round_trip: np.ndarray
    engine_error: np.ndarray


# ---- training


@dataclass(frozen=True)
class Started:
    """Training begins at ``step`` of ``steps``, with what was decided."""

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
    """Scores on held-out fields at ``step``; ``best`` says that no median of five came out better so far.

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


def to_json(event: Any) -> str:
    """Return one line of ``events.jsonl``: the event's class name, its fields and the time (seconds since 1970)."""
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    return json.dumps({"event": type(event).__name__, **fields, "time": round(time.time(), 3)}, allow_nan=True)
