"""What the files of a run folder hold, parsed: whatever else is in one of them ends in a sentence that names it.

They lie where other programs, a full disk or a careful hand may change them, and another version may have written them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from typing_extensions import TypedDict

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.parsing import problem_of

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

MOST_SEEDS = 100
MOST = 2**53  # NumPy's integers and floats hold any number below it


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a character that no file's name may have")
    return text


def _with_counts(settings: dict[str, Any]) -> dict[str, Any]:
    for name in ("steps", "save_every", "score_every"):
        value = settings.get(name, 0)
        if type(value) is not int or not 0 <= value < MOST:
            raise ValueError(f"{name} should be a number of steps")
    return settings


FileName = Annotated[str, AfterValidator(_without_nul)]
# The engine's own class judges the rest.
SettingsAsWritten = Annotated[dict[str, Any], AfterValidator(_with_counts)]
Count = Annotated[int, Field(ge=0, lt=MOST)]
# Seconds since 1970, until long after anyone reads them.
Time = Annotated[float, Field(ge=0, lt=1e15, allow_inf_nan=False)]
Values = dict[str, float | None]


# ---- run.json, starting.json and the lock


class Process(BaseModel):
    """The process that wrote a file."""

    model_config = ConfigDict(frozen=True)

    host: str
    pid: int = Field(ge=1, lt=2**31, strict=True)
    started: Time = Field(alias="process started")
    born: str = ""


class Fields(BaseModel):
    """Fields of a data set: its folder, and name, condition and group of each."""

    folder: FileName
    fields: list[tuple[FileName, str, str]]


class Decided(BaseModel):
    """``run.json``: what was decided before the first step, and what else stands there."""

    model_config = ConfigDict(extra="allow")

    engine: str
    settings: SettingsAsWritten
    conditions: list[str] = Field(min_length=2)
    channels: list[str] | None = None
    training: Fields
    held_out: Fields = Field(alias="held-out")
    about: str = ""
    attribution: str = ""
    synthetic: bool = False

    @model_validator(mode="after")
    def _know_conditions(self) -> Self:
        for part in (self.training, self.held_out):
            if unknown := {condition for _, condition, _ in part.fields} - set(self.conditions):
                raise ValueError(f"fields are of {sorted(unknown)}, none of the conditions {self.conditions}")
        return self


# ---- family.json


def _all_different(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) != len(seeds):
        raise ValueError("should be different seeds")
    return seeds


class Seeds(BaseModel):
    """``family.json``: the seeds of trainings that are alike otherwise."""

    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=2**63, strict=True)], ...],
        Field(min_length=1, max_length=MOST_SEEDS),
        AfterValidator(_all_different),
    ]


# ---- events.jsonl, a line each; see `training.events`


class _Event(TypedDict):
    time: NotRequired[Time]


class _Started(_Event):
    event: Literal["Started"]
    step: Count
    steps: Count
    device: str
    fields: dict[str, Count]
    held_out: dict[str, Count]


class _Losses(_Event):
    event: Literal["Losses"]
    step: Count
    losses: Values


class _Scored(_Event):
    event: Literal["Scored"]
    step: Count
    scores: Values
    best: bool
    floors: Values
    copy_source: NotRequired[Values]


class _Preview(_Event):
    event: Literal["Preview"]
    step: Count
    facts: NotRequired[Values]


class _Saved(_Event):
    event: Literal["Saved"]
    step: Count
    path: FileName


class _Pace(_Event):
    event: Literal["Pace"]
    steps_per_second: FiniteFloat
    memory: Count


class _Notice(_Event):
    event: Literal["Notice"]
    text: str


class _Divided(_Event):
    event: Literal["Divided"]
    step: Count
    parts: Count


class _RolledBack(_Event):
    event: Literal["RolledBack"]
    step: Count
    to_step: Count
    rate: FiniteFloat
    reason: str


class _Stopped(_Event):
    event: Literal["Stopped"]
    step: Count
    reason: str


class _Finished(_Event):
    event: Literal["Finished"]
    step: Count


class _Failed(_Event):
    event: Literal["Failed"]
    step: Count
    error: str


_EVENT: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        _Started | _Losses | _Scored | _Preview | _Saved | _Pace | _Notice | _Divided | _RolledBack | _Stopped
        | _Finished | _Failed,
        Field(discriminator="event"),
    ]
)  # fmt: skip
_DECIDED = TypeAdapter(Decided)
_PROCESS = TypeAdapter(Process)
_SEEDS = TypeAdapter(Seeds)
_FOLDERS: TypeAdapter[list[str]] = TypeAdapter(list[FileName])


def parse_decided(text: bytes, path: Path) -> Decided:
    """Parse a ``run.json``; raises `InputError` that names the file and the value where it is none."""
    return _parse(_DECIDED, text, path, "the run.json of a folder that 'phenotrans train' made")


def parse_process(text: bytes, path: Path) -> Process:
    """Parse the process of a ``run.json``, a ``starting.json`` or a lock; raises as `parse_decided`."""
    return _parse(_PROCESS, text, path, "a file that 'phenotrans train' wrote")


def parse_folders(text: bytes, path: Path) -> list[str]:
    """Parse the list of run folders that were opened before; raises as `parse_decided`."""
    return _parse(_FOLDERS, text, path, "a list of folders")


def parse_seeds(text: bytes, path: Path) -> tuple[int, ...]:
    """Parse the seeds of a ``family.json``; raises as `parse_decided`."""
    return _parse(_SEEDS, text, path, "what 'phenotrans train --repeats' wrote").seeds


def parse_event(line: bytes) -> dict[str, Any] | None:
    """Parse a line of ``events.jsonl``; None for an event of another version.

    Raises
    ------
    ValueError
        If it is no event, in words.
    """
    try:
        event: dict[str, Any] = _EVENT.validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "union_tag_invalid":
            return None
        raise ValueError(problem_of(error)) from error
    return event


def _parse(adapter: TypeAdapter[T], text: bytes, path: Path, expected: str) -> T:
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        raise InputError(f"{path} cannot be read: {problem_of(error)}. Expected {expected}.") from error
