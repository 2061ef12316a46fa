"""A data set: one folder per condition, fields of view in it, groups that stay together."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from skimage.filters import threshold_otsu

from napari_phenotrans.errors import InputError
from napari_phenotrans.io import read, readable
from napari_phenotrans.resample import factor, rescaled_size, to_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.intensity import Intensity

FOREGROUND_SHARE = 0.005
DRAWS = 50


@dataclass(frozen=True)
class Field:
    """One field of view: its file, its condition, and the group (well, patient, organoid) that it belongs to."""

    path: Path
    condition: str
    group: str


@dataclass(frozen=True)
class DataSet:
    """Fields of view of two or more conditions.

    Parameters
    ----------
    folder
        Holds one folder of images per condition, and optionally ``fields.csv`` with the columns file and group.
    conditions
        Names of the folders, in the order that checkpoints will list them.
    fields
        All fields of these conditions.
    """

    folder: Path
    conditions: tuple[str, ...]
    fields: tuple[Field, ...]

    @classmethod
    def open(cls, folder: str | Path, conditions: Sequence[str] | None = None) -> DataSet:
        """List a data set's fields without reading their pixels.

        Raises
        ------
        InputError
            If there are fewer than two conditions, or one holds no image.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise InputError(f"There is no data set folder {folder}. Expected a folder with one folder per condition.")
        found = sorted(path.name for path in folder.iterdir() if path.is_dir() and _images(path))
        chosen = tuple(conditions) if conditions else tuple(found)
        missing = [name for name in chosen if name not in found]
        if missing or len(chosen) < 2:
            raise InputError(
                f"{folder} holds images in {len(found)} folders ({', '.join(found) or 'none'}); "
                f"{'not found: ' + ', '.join(missing) if missing else 'two or more conditions are needed'}. "
                f"Put each condition's images into a folder of its own, or name folders with --conditions."
            )
        groups = _groups(folder)
        fields = [
            Field(path, condition, groups.get(f"{condition}/{path.name}", path.name.split(".")[0]))
            for condition in chosen
            for path in _images(folder / condition)
        ]
        return cls(folder, chosen, tuple(fields))

    def split(self, held_out: Sequence[str] | float, seed: int = 0) -> tuple[DataSet, DataSet]:
        """Split into training and held-out fields; a group is never in both.

        Parameters
        ----------
        held_out
            Names of the held-out groups, or the share of each condition's groups to hold out, drawn with ``seed``.
        """
        if isinstance(held_out, float | int):
            rng = np.random.default_rng(seed)
            names: set[str] = set()
            for condition in self.conditions:
                groups = sorted({field.group for field in self.fields if field.condition == condition})
                count = min(round(held_out * len(groups)), len(groups) - 1)
                names |= set(rng.permutation(groups)[:count].tolist())
        else:
            names = set(held_out)
        unknown = names - {field.group for field in self.fields}
        if unknown:
            raise InputError(f"Held-out groups that the data set does not have: {', '.join(sorted(unknown))}.")
        parts = [
            DataSet(self.folder, self.conditions, tuple(f for f in self.fields if (f.group in names) is held))
            for held in (False, True)
        ]
        for condition in self.conditions:
            if parts[0].count()[condition] == 0:
                raise InputError(f"All fields of {condition} are held out; leave at least one group to train on.")
        return parts[0], parts[1]

    def count(self) -> dict[str, int]:
        """Return the number of fields per condition."""
        counted = Counter(field.condition for field in self.fields)
        return {condition: counted[condition] for condition in self.conditions}

    def channels(self) -> tuple[str, ...]:
        """Return the first field's channel names."""
        return read(self.fields[0].path).channels

    def pixel_size_um(self) -> float | None:
        """Return the first field's pixel size."""
        return read(self.fields[0].path).pixel_size_um

    def planes(self, channels: Sequence[str], pixel_size: float | None = None) -> dict[str, list[np.ndarray]]:
        """Read all planes into memory, float32 (C, Y, X) in the files' units at the working pixel size.

        Raises
        ------
        InputError
            If a field lacks a channel, naming the field.
        """
        planes: dict[str, list[np.ndarray]] = {condition: [] for condition in self.conditions}
        for field in self.fields:
            image = read(field.path)
            missing = [name for name in channels if name not in image.channels]
            if missing:
                raise InputError(
                    f"{field.path} has the channels {', '.join(image.channels)}, but {', '.join(missing)} was expected "
                    f"as in the other fields. Name common channels with --channels."
                )
            chosen = [image.channels.index(name) for name in channels]
            scale = factor(image.pixel_size_um or 1.0, pixel_size) if pixel_size else 1.0
            for t, z in image.positions():
                plane = image.plane(t=t, z=z)[chosen]
                planes[field.condition].append(to_size(plane, *rescaled_size(plane.shape[1], plane.shape[2], scale)))
        return planes


class Crops:
    """Random square crops of each condition, turned and mirrored.

    A crop is drawn again only where all its channels are background, by one threshold for all conditions: how
    densely cells stand may be the phenotype. How often that happened is in `rejected`.

    Parameters
    ----------
    planes
        Float32 (C, Y, X) planes of each condition, in the images' units.
    intensity
        The data set's intensity limits.
    crop
        Side of a crop in pixels.
    seed
        Seed of positions and symmetries.
    """

    def __init__(self, planes: dict[str, list[np.ndarray]], intensity: Intensity, crop: int, seed: int = 0) -> None:
        small = [p.shape[1:] for ps in planes.values() for p in ps if min(p.shape[1:]) < crop]
        if small:
            raise InputError(
                f"{len(small)} planes are smaller than a crop of {crop} × {crop}, the smallest {min(small)}. "
                f"Choose a smaller --crop or a smaller --pixel-size."
            )
        self.crop = crop
        self.planes = {c: [intensity.normalize(p) for p in ps] for c, ps in planes.items()}
        self.rng = np.random.default_rng(seed)
        everything = [p[:, ::4, ::4].reshape(p.shape[0], -1) for ps in self.planes.values() for p in ps]
        self.threshold = np.array([threshold_otsu(channel) for channel in np.concatenate(everything, axis=1)])
        self._drawn = dict.fromkeys(planes, 0)
        self._rejected = dict.fromkeys(planes, 0)

    @property
    def rejected(self) -> dict[str, float]:
        """Share of drawn crops that held nothing but background, per condition."""
        return {c: self._rejected[c] / max(1, self._drawn[c]) for c in self.planes}

    def draw(self, condition: str, count: int) -> np.ndarray:
        """Return float32 (count, C, crop, crop) in about [-1, 1]."""
        return np.stack([self._one(condition) for _ in range(count)])

    def large(self, condition: str, count: int) -> list[np.ndarray]:
        """Return (C, h, w) pieces of ``count`` planes, up to four crops wide, their sides multiples of 4.

        They hold what a crop may miss, such as a rare mitosis, in the share that planes have of it.
        """
        planes = self.planes[condition]
        chosen = [planes[i] for i in np.linspace(0, len(planes) - 1, min(count, len(planes))).astype(int)]
        height, width = (min(4 * self.crop, *(p.shape[axis] // 4 * 4 for p in chosen)) for axis in (1, 2))
        return [p[:, :height, :width] for p in chosen]

    def _one(self, condition: str) -> np.ndarray:
        for _ in range(DRAWS):
            plane = self.planes[condition][self.rng.integers(len(self.planes[condition]))]
            top = self.rng.integers(plane.shape[1] - self.crop + 1)
            left = self.rng.integers(plane.shape[2] - self.crop + 1)
            crop = plane[:, top : top + self.crop, left : left + self.crop]
            self._drawn[condition] += 1
            if ((crop > self.threshold[:, None, None]).mean(axis=(1, 2)) >= FOREGROUND_SHARE).any():
                break
            self._rejected[condition] += 1
        turned = np.rot90(crop, int(self.rng.integers(4)), axes=(1, 2))
        return np.ascontiguousarray(turned[:, :, ::-1] if self.rng.integers(2) else turned)


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if readable(path) and not path.name.startswith("."))


def _groups(folder: Path) -> dict[str, str]:
    table = folder / "fields.csv"
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if rows and not {"file", "group"} <= set(rows[0]):
        raise InputError(f"{table} has the columns {', '.join(rows[0])}; expected at least file and group.")
    return {row["file"]: row["group"] for row in rows}
