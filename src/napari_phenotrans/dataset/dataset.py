"""A data set: one folder per condition, fields of view in it, groups that stay together."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.resample import factor, refuse_extreme, rescaled_size, to_size
from napari_phenotrans.core.text import first_of
from napari_phenotrans.dataset.fields_table import read_rows
from napari_phenotrans.io import ChannelFiles, find_channel_files, read, read_joined, readable
from napari_phenotrans.io.ome_files import once_per_set
from napari_phenotrans.io.registry import suffix_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.core.image import Image


@dataclass(frozen=True)
class Field:
    """One field of view.

    Parameters
    ----------
    path
        Its file.
    condition
        The folder that it lies in.
    group
        The well, patient or organoid that it belongs to; where ``fields.csv`` names none the image that it is a crop
        of, as its name says (`image_of_crop`), else its own name.
    grouped
        Whether ``fields.csv`` names the group.
    columns
        Further columns of ``fields.csv``, such as plate, row or day, as text.
    files
        The files of its channels, where each lies in one of its own; ``path`` is the first of them.
    """

    path: Path
    condition: str
    group: str
    grouped: bool = False
    columns: dict[str, str] = dataclasses.field(default_factory=dict, hash=False)
    files: ChannelFiles | None = dataclasses.field(default=None, hash=False)

    @property
    def name(self) -> str:
        """Condition and file, as ``fields.csv`` names it: ``untreated/A01.tif``."""
        return f"{self.condition}/{self.path.name}"

    def image(self) -> Image:
        """Open the field; its channels are joined where they lie in several files."""
        return read(self.path) if self.files is None else read_joined(self.files)


@dataclass(frozen=True)
class Table:
    """Where a data set's ``fields.csv`` does not match the files.

    Parameters
    ----------
    path
        The table.
    missing
        Files that it lists and that are not there.
    ambiguous
        Bare file names that it lists and that lie in several conditions.
    repeated
        Files that it lists more than once, with different values.
    unlisted
        Fields of the data set that it does not list.
    """

    path: Path
    missing: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()


LEAST_HALVED = 4  # groups of a condition that is divided into two halves

# A name that ends with a place, as in A-01_y0128_x0512: a crop of the image A-01.
_PLACE = re.compile(r"(?P<image>.+?)[ _.-]+(y\d+[ _.-]*x\d+|x\d+[ _.-]*y\d+)", re.IGNORECASE)


def image_of_crop(path: Path) -> str:
    """Return the name of the image that a file is a crop of, as its name says; empty where it says no place."""
    found = _PLACE.fullmatch(stem(path))
    return found["image"] if found else ""


@dataclass(frozen=True)
class DataSet:
    """Fields of view of two or more conditions.

    Parameters
    ----------
    folder
        Holds one folder of images per condition, and optionally ``fields.csv`` with the columns file (condition and
        file name, or the file name alone where it is clear), group, and any others.
    conditions
        Names of the folders, in the order that checkpoints will list them.
    fields
        All fields of these conditions.
    table
        Where ``fields.csv`` does not match the files; None where there is no such file.
    """

    folder: Path
    conditions: tuple[str, ...]
    fields: tuple[Field, ...]
    table: Table | None = None

    @classmethod
    def open(cls, folder: str | Path, conditions: Sequence[str] | None = None) -> DataSet:
        """List a data set's fields without reading their pixels.

        Parameters
        ----------
        folder
            The data set.
        conditions
            Which of its folders to use, in this order; None uses all that hold images.

        Raises
        ------
        InputError
            If there are fewer than two conditions, a folder that was named is not there, or ``fields.csv`` is no table.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise InputError(f"There is no data set folder {folder}. Expected a folder with one folder per condition.")
        with_images = sorted(path.name for path in folder.iterdir() if path.is_dir() and images_in(path))
        names = tuple(dict.fromkeys(conditions)) if conditions else tuple(with_images)
        missing = [name for name in names if not (folder / name).is_dir()]
        if missing or len(names) < 2:
            raise InputError(
                f"{folder} holds images in {len(with_images)} folders ({', '.join(with_images) or 'none'}); "
                f"{'not found: ' + ', '.join(missing) if missing else 'two or more conditions are needed'}. "
                f"Put each condition's images into a folder of its own, or name folders with --conditions."
            )
        return cls._listed(folder, names)

    @classmethod
    def open_halves(cls, folder: str | Path, condition: str, seed: int = 0) -> DataSet:
        """List the fields of one condition as two: random halves of its groups, between which nothing differs.

        They are called after the condition, ``untreated half 1`` and ``untreated half 2``.

        Raises
        ------
        InputError
            If there is no such folder, or it has fewer than four groups.
        """
        folder = Path(folder)
        if not (folder / condition).is_dir():
            raise InputError(f"{folder} has no folder {condition}: there is no such condition to divide into halves.")
        whole = cls._listed(folder, (condition,))
        groups = sorted(whole.groups(condition))
        if len(groups) < LEAST_HALVED:
            raise InputError(
                f"{condition} has {len(groups)} groups (wells, patients, organoids): expected {LEAST_HALVED} or more, "
                f"for two halves with something to hold out. Add groups, or name another condition."
            )
        order = np.random.default_rng(seed).permutation(groups).tolist()
        names = tuple(f"{condition} half {number}" for number in (1, 2))
        half_of = {group: names[place >= (len(order) + 1) // 2] for place, group in enumerate(order)}
        fields = sorted((replace(f, condition=half_of[f.group]) for f in whole.fields), key=lambda f: f.condition)
        return replace(whole, conditions=names, fields=tuple(fields))

    @classmethod
    def open_held_out(cls, folder: str | Path, like: DataSet) -> DataSet:
        """List the fields of a held-out folder that has the conditions of the data set ``like``.

        A condition that the folder lacks has no fields; `napari_phenotrans.dataset.check.check` says so.

        Raises
        ------
        InputError
            If there is no such folder, it is the data set's own, or its ``fields.csv`` is no table.
        """
        folder = Path(folder)
        if not folder.is_dir() or folder.resolve() == like.folder.resolve():
            what = "is the data set that is trained on" if folder.is_dir() else "does not exist"
            raise InputError(
                f"The held-out folder {folder} {what}. Expected another folder with the folders "
                f"{', '.join(like.conditions)}."
            )
        return cls._listed(folder, like.conditions)

    @classmethod
    def _listed(cls, folder: Path, conditions: tuple[str, ...]) -> DataSet:
        every = {c: once_per_set(images_in(folder / c)) if (folder / c).is_dir() else [] for c in conditions}
        joined = {c: {min(f.files.values()): f for f in fields_of_channel_files(every[c])} for c in conditions}
        paths = {c: sorted(joined[c]) or every[c] for c in conditions}
        rows, table = read_table(folder, {f"{c}/{path.name}" for c, files in paths.items() for path in files})
        # A field without a group is a group of its own, and crops of one image are one; named by condition too where
        # names recur.
        names = Counter(stem(path) for files in paths.values() for path in files)
        images = Counter(name for files in paths.values() for name in {image_of_crop(path) for path in files})
        fields = []
        for condition, files in paths.items():
            for path in files:
                columns = dict(rows.get(f"{condition}/{path.name}", {}))
                group = columns.pop("group", "")
                alone = stem(path) if names[stem(path)] == 1 else f"{condition}/{path.name}"
                if image := image_of_crop(path):
                    alone = image if images[image] == 1 and image not in names else f"{condition}/{image}"
                fields.append(Field(path, condition, group or alone, bool(group), columns, joined[condition].get(path)))
        return cls(folder, conditions, tuple(fields), table)

    def split(self, held_out: Sequence[str] | float, seed: int = 0, by: str | None = None) -> tuple[DataSet, DataSet]:
        """Split into training and held-out fields; a group is never in both.

        Parameters
        ----------
        held_out
            Names of the held-out groups, or the share of each condition's groups to hold out, drawn with ``seed``.
        by
            A column of ``fields.csv``, such as plate or day, whose values count in the place of groups: whole batches
            are held out then.

        Raises
        ------
        InputError
            If a group is unknown, a condition would have no field left to train on or, ``by`` a column, a field has no
            value of it or a group has several.
        """
        if by:
            return self._split_by(by, held_out, seed)
        if isinstance(held_out, float | int):
            rng = np.random.default_rng(seed)
            held_out_groups: set[str] = set()
            for condition in self.conditions:
                groups = sorted(self.groups(condition))
                # a patient may have fields in both conditions, and has been drawn already then
                count = min(round(held_out * len(groups)), len(groups) - 1) - len(held_out_groups & set(groups))
                rest = [group for group in rng.permutation(groups).tolist() if group not in held_out_groups]
                held_out_groups |= set(rest[: max(0, count)])
        else:
            held_out_groups = set(held_out)
        unknown = held_out_groups - {f.group for f in self.fields}
        if unknown:
            raise InputError(f"Held-out groups that the data set does not have: {', '.join(sorted(unknown))}.")
        training, held_out_part = (
            replace(self, fields=tuple(f for f in self.fields if (f.group in held_out_groups) is apart))
            for apart in (False, True)
        )
        for condition in self.conditions:
            if self.count()[condition] and not training.count()[condition]:
                raise InputError(f"All fields of {condition} are held out; leave at least one group to train on.")
        return training, held_out_part

    def _split_by(self, column: str, held_out: Sequence[str] | float, seed: int) -> tuple[DataSet, DataSet]:
        """Split as `split` does, with the values of a column for groups."""
        values: dict[str, set[str]] = defaultdict(set)
        for field in self.fields:
            values[field.group].add(field.columns.get(column, ""))
        if without := [field.name for field in self.fields if not field.columns.get(column)]:
            known = sorted({name for field in self.fields for name in field.columns})
            raise InputError(
                f"{self.folder / 'fields.csv'} does not say the {column} of {first_of(without)}: nothing can be held "
                f"out by it. Its columns beside file and group: {', '.join(known) or 'none'}."
            )
        if several := {group: sorted(those) for group, those in values.items() if len(those) > 1}:
            group, those = next(iter(several.items()))
            raise InputError(
                f"The group {group} has fields of {column} {', '.join(those)}, so that it would be both in training "
                f"and held out. Split by groups, or name groups of different {column} differently in fields.csv."
            )
        batches = replace(self, fields=tuple(replace(f, group=f.columns[column]) for f in self.fields))
        if isinstance(held_out, float | int) and held_out:
            only = [c for c in self.conditions if len(batches.groups(c)) == 1]
            if only:
                raise InputError(
                    f"No whole {column} can be held out: {', '.join(only)} has one only, and nothing would be left to "
                    f"train on. Split by groups, and read scores as those of one {column}."
                )
            # there are few batches, and at least one is to be held out
            held_out = max(held_out, 0.51 / min(len(batches.groups(c)) for c in self.conditions))
        _, apart = batches.split(held_out, seed)
        names = {field.name for field in apart.fields}
        parts = (tuple(f for f in self.fields if (f.name in names) is held) for held in (False, True))
        training, held_out_part = (replace(self, fields=part) for part in parts)
        return training, held_out_part

    def count(self) -> dict[str, int]:
        """Return the number of fields per condition."""
        counted = Counter(f.condition for f in self.fields)
        return {condition: counted[condition] for condition in self.conditions}

    def groups(self, condition: str) -> set[str]:
        """Return the names of a condition's groups."""
        return {f.group for f in self.fields if f.condition == condition}

    def channels(self) -> tuple[str, ...]:
        """Return the first field's channel names."""
        return self.fields[0].image().channels

    def pixel_size_um(self) -> float | None:
        """Return the first field's pixel size."""
        return self.fields[0].image().pixel_size_um

    def planes(self, channels: Sequence[str], pixel_size: float | None = None) -> dict[str, list[np.ndarray]]:
        """Read all planes into memory, float32 (C, Y, X) in the files' units at the working pixel size.

        Raises
        ------
        InputError
            If a field lacks a channel, or its pixel size is far from the working one, naming the field.
        """
        planes: dict[str, list[np.ndarray]] = {condition: [] for condition in self.conditions}
        for field in self.fields:
            image = field.image()
            missing = [name for name in channels if name not in image.channels]
            if missing:
                raise InputError(
                    f"{field.path} has the channels {', '.join(image.channels)}, but {', '.join(missing)} was expected "
                    f"as in the other fields. Name common channels with --channels."
                )
            indices = [image.channels.index(name) for name in channels]
            if pixel_size and image.pixel_size_um:
                refuse_extreme(image.pixel_size_um, pixel_size, field.path)
            scale = factor(image.pixel_size_um or 1.0, pixel_size) if pixel_size else 1.0
            for t, z in image.positions():
                plane = image.plane(t=t, z=z)[indices]
                planes[field.condition].append(to_size(plane, *rescaled_size(plane.shape[1], plane.shape[2], scale)))
        return planes


def images_in(folder: Path) -> list[Path]:
    """Return the files of a folder that can be read as images, hidden ones left out."""
    return sorted(path for path in folder.iterdir() if readable(path) and not path.name.startswith("."))


def fields_of_channel_files(paths: Sequence[Path]) -> list[ChannelFiles]:
    """Return the fields of view of a folder whose files hold one channel each; none where they are whole images.

    Raises
    ------
    InputError
        If most files are such, and some fields lack a channel or some files belong to none.
    """
    if len(paths) < 2 or any(path.is_dir() for path in paths):
        return []
    try:
        found = find_channel_files(paths)
    except InputError:
        return []
    inside = {path for field in found for path in field.files.values()}
    if 2 * len(inside) <= len(paths):
        return []
    try:
        whole = any("C" in read(found[0].files[key]).axes for key in list(found[0].files)[:2])
    except InputError:
        # the check of the data set names what cannot be read
        return []
    if whole:
        return []
    channels = Counter(field.channels for field in found).most_common(1)[0][0]
    unfit = [field.name for field in found if field.channels != channels]
    unfit += [path.name for path in paths if path not in inside]
    if unfit:
        raise InputError(
            f"The files in {paths[0].parent} hold one channel each ({', '.join(channels)}, as in {found[0].name}), but "
            f"{first_of(unfit)} lack some of these channels. Add the missing files, or move these elsewhere."
        )
    return found


def stem(path: Path) -> str:
    """Return a file's name without the suffix of its format: ``A01`` of ``A01.ome.tif``."""
    return path.name.removesuffix(suffix_of(path) or "")


def read_table(folder: Path, fields: set[str]) -> tuple[dict[str, dict[str, str]], Table | None]:
    """Read a folder's ``fields.csv``: the columns of each field, and where it does not match the files.

    Parameters
    ----------
    folder
        Of the data set.
    fields
        The data set's fields, as ``condition/file``.

    Returns
    -------
    The columns of each field, group among them, by ``condition/file``; and the table, None where there is none.

    Raises
    ------
    InputError
        If it is no table.
    """
    path = folder / "fields.csv"
    if not path.is_file():
        return {}, None
    table = read_rows(path)
    paths_of_name = defaultdict(list)
    for condition_folder in filter(Path.is_dir, folder.iterdir()):
        for image in images_in(condition_folder):
            paths_of_name[image.name].append(f"{condition_folder.name}/{image.name}")
    rows: dict[str, dict[str, str]] = {}
    missing: list[str] = []
    ambiguous: list[str] = []
    repeated: list[str] = []
    for row in table:
        written = row.pop("file", "").replace("\\", "/").removeprefix("./")
        if not written:
            continue
        matching = [written] if "/" in written and (folder / written).exists() else paths_of_name.get(written, [])
        if len(matching) != 1:
            (ambiguous if matching else missing).append(written)
        elif rows.setdefault(matching[0], row) != row:
            repeated.append(matching[0])
    unlisted = sorted(fields - set(rows))
    return rows, Table(path, tuple(missing), tuple(ambiguous), tuple(dict.fromkeys(repeated)), tuple(unlisted))
