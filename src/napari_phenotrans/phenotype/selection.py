"""What a report is about: which fields, which of them training saw, which are translated, what objects look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.checkpoints.matching import match_channels
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import few
from napari_phenotrans.dataset.field_stats import DNA
from napari_phenotrans.phenotype.objects.segmentation import ObjectAppearance
from napari_phenotrans.phenotype.statistics.contrasts import LEAST_GROUPS
from napari_phenotrans.runs.paths import DECIDED, checkpoints_in
from napari_phenotrans.runs.record import fields_from, read_decided

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
    from napari_phenotrans.dataset.dataset import DataSet, Field
    from napari_phenotrans.phenotype.pipeline import Optics
    from napari_phenotrans.phenotype.statistics.effects import Role

_LOOKED_AT = 4  # planes per condition


@dataclass(frozen=True, eq=False)
class Subject:
    """Fields and groups of a report.

    Parameters
    ----------
    fields
        Of the roles source and target.
    seen
        By group whether training saw it; nothing of groups of which that is not known.
    translated
        Groups to translate.
    why
        Why these, in a sentence.
    """

    fields: dict[Role, list[Field]]
    seen: dict[str, bool]
    translated: frozenset[str]
    why: str

    def is_translated(self, field: Field) -> bool:
        """Whether a field is to be translated."""
        return field.group in self.translated

    def was_seen(self, field: Field) -> bool | None:
        """Whether training saw a field; None where that is not known."""
        return self.seen.get(field.group)


def choose(
    dataset: DataSet,
    source: str,
    target: str,
    checkpoint: Checkpoint,
    translate: str = "auto",
    held_out_groups: Sequence[str] | None = None,
) -> Subject:
    """Choose which fields to compare, and which of them to translate.

    What training saw is known where the checkpoint lies in its run folder, or where the held-out groups are said.

    Raises
    ------
    InputError
        If a condition has no field, a held-out group is unknown, or held-out fields are wanted and none are known.
    """
    fields: dict[Role, list[Field]] = {}
    sides: tuple[tuple[Role, str], ...] = (("source", source), ("target", target))
    for role, condition in sides:
        fields[role] = [field for field in dataset.fields if field.condition == condition]
        if not fields[role]:
            raise InputError(
                f"{dataset.folder} has no fields of {condition!r}: its conditions are {', '.join(dataset.conditions)}. "
                f"Choose two of these."
            )
    groups = {role: {field.group for field in of_role} for role, of_role in fields.items()}
    every = groups["source"] | groups["target"]
    seen = _seen_by_training(checkpoint, every, held_out_groups)

    # ---- what to translate
    held = {role: {group for group in of_role if seen.get(group) is False} for role, of_role in groups.items()}
    fewest = min(map(len, held.values()))
    if translate == "held-out" and not fewest:
        raise InputError(
            "No held-out fields of both conditions are known for this checkpoint. Name their groups "
            "(--held-out-groups), or translate all fields (--translate all)."
        )
    if translate == "held-out" or (translate == "auto" and fewest >= LEAST_GROUPS):
        why = "Translated were the fields that training did not see."
        return Subject(fields, seen, frozenset(held["source"] | held["target"]), why)
    if not seen:
        why = (
            "Translated were all fields. It is not known which of them training saw: an engine may do better on those "
            "than on new ones."
        )
    elif any(seen.get(group) for group in every):
        why = (
            f"Translated were all fields, also those that training saw ({sum(seen.get(g, False) for g in every)} of "
            f"{len(every)} groups): an engine may do better on those than on new ones."
        )
        if translate == "auto":
            why += f" Held-out fields alone are of {fewest} groups of a condition, too few to say what is sure."
    else:
        why = "Translated were all fields; training saw none of them."
    return Subject(fields, seen, frozenset(every), why)


def _seen_by_training(
    checkpoint: Checkpoint, groups: set[str], held_out_groups: Sequence[str] | None
) -> dict[str, bool]:
    """Return of each group whether training saw it; of those only of which it is known."""
    if held_out_groups is not None:
        unknown = set(held_out_groups) - groups
        if unknown:
            raise InputError(f"Held-out groups that the data set does not have: {', '.join(sorted(unknown))}.")
        return {group: group not in held_out_groups for group in groups}
    decided = checkpoint.path.parent / DECIDED if checkpoint.path else None
    seen: dict[str, bool] = {}
    if decided and decided.is_file():
        written = read_decided(decided)
        for part, was_seen in (("training", True), ("held-out", False)):
            of_part = fields_from(written[part], tuple(written["conditions"]))
            seen |= {field.group: was_seen for field in of_part.fields if field.group in groups}
    return seen


def find_object_channel(channels: Sequence[str], name: str | None) -> tuple[int, str]:
    """Return the index of the channel that shows the objects, and what the user should know.

    Raises
    ------
    InputError
        If the channel that was named does not exist.
    """
    if name is not None:
        if name not in channels:
            raise InputError(f"There is no channel {name!r} to find objects in, only {', '.join(channels)}. Name one.")
        return channels.index(name), ""
    named = [index for index, channel in enumerate(channels) if DNA.search(channel)]
    if named:
        return named[0], ""
    return 0, f"No channel is called after DNA; objects were looked for in the first one, {channels[0]}."


def look_at(subject: Subject, optics: Optics, channel: int, diameter: float | None) -> ObjectAppearance:
    """Measure what objects look like in up to four planes of each real condition; raises as `ObjectAppearance.of`."""
    planes: list[np.ndarray] = []
    for fields in subject.fields.values():
        for index in sorted(set(np.linspace(0, len(fields) - 1, _LOOKED_AT).astype(int).tolist())):
            of_field = [plane for _, _, plane in optics.planes(fields[index].image())]
            planes.append(of_field[len(of_field) // 2][channel])
    return ObjectAppearance.of(planes, diameter)


def check_fields(subject: Subject, card: Card, channels: Mapping[str, str]) -> tuple[float | None, list[str]]:
    """Open every field, before hours are spent on the first ones.

    Returns
    -------
    The coarsest pixel size in micrometers, None where no file states any, and what to know of pixel sizes and channels.

    Raises
    ------
    InputError
        If a field cannot be read, or lacks a channel of the checkpoint.
    """
    sizes: dict[str, float | None] = {}
    notes: dict[str, None] = {}
    for field in (field for fields in subject.fields.values() for field in fields):
        image = field.image()
        sizes[field.name] = image.pixel_size_um
        try:
            _, about = match_channels(image, card, channels)
        except InputError as error:
            raise InputError(f"{field.name}: {error}") from error
        notes |= dict.fromkeys(about)
    known = [size for size in sizes.values() if size]
    if not known:
        return None, [*notes, "No file states its pixel size: lengths are in pixels, and counts per million pixels."]
    missing = [name for name, size in sizes.items() if not size]
    if missing:
        notes[f"Files that state no pixel size are taken to have {max(known)} µm: {few(missing)}."] = None
    return max(known), list(notes)


@dataclass(frozen=True, eq=False)
class ControlRun:
    """A run that trained between two halves of one condition: its checkpoint, and the fields of both halves.

    Parameters
    ----------
    checkpoint
        The file.
    conditions
        What the halves are called.
    subject
        Training and held-out fields of the first and of the second half, all of which are translated.
    """

    checkpoint: Path
    conditions: tuple[str, str]
    subject: Subject


def control_run(path: Path) -> ControlRun:
    """Read a control from its run folder, or from a checkpoint in one.

    Raises
    ------
    InputError
        If it is no run, has no checkpoint yet, or fields of it are gone.
    """
    folder = path if path.is_dir() else path.parent
    decided = read_decided(folder / DECIDED)
    checkpoints = checkpoints_in(folder)
    if not path.is_file() and not checkpoints:
        raise InputError(f"The control run {folder} has no checkpoint yet. Wait until it has, or name another.")
    first, second, *_ = decided["conditions"]
    parts = [(fields_from(decided[part], (first, second)), part == "training") for part in ("training", "held-out")]
    sides: tuple[tuple[Role, str], ...] = (("source", first), ("target", second))
    fields = {
        role: [field for part, _ in parts for field in part.fields if field.condition == condition]
        for role, condition in sides
    }
    gone = [field.name for of_role in fields.values() for field in of_role if not field.path.exists()]
    if gone:
        raise InputError(f"Images of the control run {folder} are gone: {few(gone)}. Put them back, or train it anew.")
    seen = {field.group: was for part, was in parts for field in part.fields}
    subject = Subject(fields, seen, frozenset(seen), "Translated were all fields of both halves.")
    return ControlRun(path if path.is_file() else checkpoints[0], (first, second), subject)
