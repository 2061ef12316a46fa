"""Whether a person told translated crops from real ones: kept beside the checkpoint, said wherever it is chosen."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import sqrt
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from napari_phenotrans.checkpoints.checkpoint import BUNDLED, Checkpoint, find
from napari_phenotrans.checkpoints.describe import picture_words
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io.atomic import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Card

SUFFIX = ".told.json"
Z = 1.96  # of a 95 % interval


class ToldApart(BaseModel):
    """One trial: of so many crops a person told so many right.

    Attributes
    ----------
    direction
        ``source → target``.
    right, count
        Crops told right, of all that were shown; half of them were translated.
    date
        When, ISO 8601.
    checkpoint
        The digest of the checkpoint that was judged: another one of the same name is another matter.
    how
        What the engine was told, such as its depth.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    direction: str
    right: int = Field(ge=0)
    count: int = Field(ge=1)
    date: str
    checkpoint: str
    how: dict[str, Any] = {}

    @property
    def share(self) -> float:
        """Share of crops told right: 0.5 by guessing."""
        return self.right / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share, see `wilson`."""
        return wilson(self.right, self.count)


_TRIALS = TypeAdapter(list[ToldApart])


def wilson(right: int, count: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson 1927): within [0, 1], and sound for few trials, too."""
    share, squared = right / count, Z**2 / count
    half = Z * sqrt(share * (1 - share) / count + squared / (4 * count))
    low, high = ((share + squared / 2 + sign * half) / (1 + squared) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)


def describe_told(told: ToldApart) -> str:
    """Return a trial in a sentence."""
    low, high = told.interval
    how = "".join(f", {name} {value}" for name, value in told.how.items())
    return (
        f"{told.direction}{how}: a person told {told.right} of {told.count} crops apart, translated from real "
        f"({told.share:.2f} [{low:.2f}, {high:.2f}]; 0.5 is chance)."
    )


def told_apart(name_or_path: str | Path) -> list[ToldApart]:
    """Return the last trial of each direction of a checkpoint; nothing where there is none, or no checkpoint.

    A file that cannot be read counts as none.
    """
    try:
        path = find(name_or_path)
        digest = Checkpoint.read_digest(path)
    except InputError:
        return []
    own = [trial for file in _files(path, digest) for trial in _read(file) if trial.checkpoint == digest]
    return list({trial.direction: trial for trial in sorted(own, key=lambda trial: trial.date)}.values())


def known_of_pictures(
    name_or_path: str | Path, card: Card, source: str | None = None, target: str | None = None
) -> list[str]:
    """Return what is known of a checkpoint's pictures in sentences: by the gate on held-out fields, and by a person.

    Of one direction where source and target are said.
    """
    asked = f"{source} → {target}" if source and target else None
    told = [trial for trial in told_apart(name_or_path) if asked in (None, trial.direction)]
    return [*picture_words(card, source, target), *map(describe_told, told)]


def keep_told(
    name_or_path: str | Path, direction: str, right: int, count: int, how: Mapping[str, Any] | None = None
) -> tuple[ToldApart, Path]:
    """Keep a trial beside the checkpoint; in the user's data folder where that is bundled, or cannot be written to.

    Returns
    -------
    The trial, and the file that it was added to.

    Raises
    ------
    InputError
        If it can be written nowhere.
    """
    path = find(name_or_path)
    digest = Checkpoint.read_digest(path)
    date = datetime.now(UTC).isoformat(timespec="seconds")
    trial = ToldApart(direction=direction, right=right, count=count, date=date, checkpoint=digest, how=dict(how or {}))
    *first, last = _files(path, digest)
    for file in first:
        try:
            return trial, _add(file, trial)
        except InputError:  # a folder of others: the user's own will do
            continue
    return trial, _add(last, trial)


def _files(path: Path, digest: str) -> Sequence[Path]:
    """Return where trials of a checkpoint may be kept, the user's own folder last."""
    import platformdirs

    own = platformdirs.user_data_path("napari-phenotrans") / "told-apart" / f"{path.stem}-{digest[:12]}{SUFFIX}"
    return [own] if path.parent == BUNDLED else [path.with_name(path.stem + SUFFIX), own]


def _read(file: Path) -> list[ToldApart]:
    try:
        return _TRIALS.validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return []


def _add(file: Path, trial: ToldApart) -> Path:
    trials = [each.model_dump() for each in [*_read(file), trial]]
    with replacing(file, overwrite=True) as temporary:
        temporary.write_text(json.dumps(trials, indent=1, ensure_ascii=False), encoding="utf-8")
    return file
