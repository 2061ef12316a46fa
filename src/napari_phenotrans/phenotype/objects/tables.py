"""Tables of measured objects and planes, and what a group of them comes to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.phenotype.objects.catalog import Measurement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_phenotrans.phenotype.objects.measure import MeasuredPlane


@dataclass(frozen=True)
class Place:
    """A plane: ``condition/file``, its group, T and Z, whether training saw it, and its area in pixels."""

    field: str
    group: str
    t: int = 0
    z: int = 0
    seen: bool | None = None
    area: int = 0


@dataclass(frozen=True, eq=False)
class Table:
    """All that was measured of one kind of image, such as real source or translated.

    Parameters
    ----------
    places
        The planes.
    plane
        (n,) place of each object in ``places``.
    labels
        (n,) of each object in its plane's label image.
    centers
        (n, 2) y and x in pixels.
    columns, values
        The d measurements of objects, and their values (n, d); NaN where one could not be made.
    plane_columns, plane_values
        The e measurements of planes, and their values (planes, e).
    """

    places: tuple[Place, ...]
    plane: np.ndarray
    labels: np.ndarray
    centers: np.ndarray
    columns: tuple[Measurement, ...]
    values: np.ndarray
    plane_columns: tuple[Measurement, ...]
    plane_values: np.ndarray

    @classmethod
    def of(cls, planes: Sequence[tuple[Place, MeasuredPlane]], columns: Sequence[Measurement]) -> Table:
        """Put planes together; ``columns`` are the objects' measurements, which an empty plane does not know."""
        return cls(
            places=tuple(place for place, _ in planes),
            plane=np.repeat(np.arange(len(planes)), [len(measured.labels) for _, measured in planes]),
            labels=np.concatenate([measured.labels for _, measured in planes]).astype(int),
            centers=np.concatenate([measured.centers for _, measured in planes]),
            columns=tuple(columns),
            values=np.concatenate([measured.values.reshape(-1, len(columns)) for _, measured in planes]),
            plane_columns=tuple(planes[0][1].field),
            plane_values=np.array([list(measured.field.values()) for _, measured in planes]),
        )

    @cached_property
    def groups(self) -> np.ndarray:
        """Name of each object's group, (n,)."""
        return np.array([place.group for place in self.places])[self.plane]

    @cached_property
    def plane_groups(self) -> np.ndarray:
        """Name of each plane's group."""
        return np.array([place.group for place in self.places])

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """Of objects, then of planes."""
        return (*self.columns, *self.plane_columns)

    def column(self, measurement: Measurement) -> tuple[np.ndarray, np.ndarray]:
        """Return a measurement's finite values, of objects or of planes, and the group of each."""
        if measurement.per_field:
            values, groups = self.plane_values[:, self.plane_columns.index(measurement)], self.plane_groups
        else:
            values, groups = self.values[:, self.columns.index(measurement)], self.groups
        finite = np.isfinite(values)
        return values[finite], groups[finite]

    def with_planes(self, added: Mapping[Measurement, np.ndarray]) -> Table:
        """Return the table with further measurements of planes."""
        values = np.column_stack([self.plane_values, *added.values()])
        return replace(self, plane_columns=(*self.plane_columns, *added), plane_values=values)

    def by_group(self, least: int = 1) -> GroupMeans:
        """Return each group's mean of every measurement; NaN where fewer than ``least`` of its objects have a value."""
        names = np.unique(self.plane_groups)
        means = np.full((len(names), len(self.measurements)), np.nan)
        for index, name in enumerate(names):
            of_objects = self.values[self.groups == name]
            known = np.isfinite(of_objects).sum(axis=0)
            total = np.nansum(of_objects, axis=0)
            means[index, : len(self.columns)] = np.where(known >= least, total / np.maximum(known, 1), np.nan)
            means[index, len(self.columns) :] = self.plane_values[self.plane_groups == name].mean(axis=0)
        return GroupMeans(tuple(names.tolist()), self.measurements, means)

    def rows(self) -> dict[str, list[Any]]:
        """Return the objects as columns of a file, places first."""
        places = [self.places[index] for index in self.plane]
        return {
            "field": [place.field for place in places],
            "group": [place.group for place in places],
            "t": [place.t for place in places],
            "z": [place.z for place in places],
            "label": self.labels.tolist(),
            "y": self.centers[:, 0].round(2).tolist(),
            "x": self.centers[:, 1].round(2).tolist(),
        } | {column.key: self.values[:, index].tolist() for index, column in enumerate(self.columns)}

    def plane_rows(self) -> dict[str, list[Any]]:
        """Return the planes as columns of a file."""
        counts = np.bincount(self.plane, minlength=len(self.places))
        rows: dict[str, list[Any]] = {
            "field": [place.field for place in self.places],
            "group": [place.group for place in self.places],
            "t": [place.t for place in self.places],
            "z": [place.z for place in self.places],
            "seen_by_training": [place.seen for place in self.places],
            "objects": counts.tolist(),
        }
        for index, column in enumerate(self.plane_columns):
            rows[column.key] = self.plane_values[:, index].tolist()
        return rows


@dataclass(frozen=True, eq=False)
class GroupMeans:
    """Means (groups, d) of measurements over the objects, or planes, of each group."""

    names: tuple[str, ...]
    measurements: tuple[Measurement, ...]
    values: np.ndarray

    def of_names(self, names: Sequence[str]) -> GroupMeans:
        """Return the rows of these groups, in this order."""
        return replace(self, names=tuple(names), values=self.values[[self.names.index(name) for name in names]])


def densities(
    table: Table, thresholds: Mapping[str, float], pixel_size_um: float | None, objects: str = "nuclei"
) -> dict[Measurement, np.ndarray]:
    """Count objects, and those that are positive in a channel, per area: one value per plane.

    Parameters
    ----------
    table
        The objects.
    thresholds
        Per channel the mean intensity, above the plane's background and as a share of the range, from which an object
        is positive.
    pixel_size_um
        Micrometers per pixel; where it is not known, counts are per million pixels.
    objects
        What they are called.
    """
    per = "mm²" if pixel_size_um else "megapixel"
    area = np.array([place.area for place in table.places]) * ((pixel_size_um or 1.0) ** 2) / 1e6

    def counted(rows: np.ndarray) -> np.ndarray:
        return np.bincount(table.plane[rows], minlength=len(table.places)).astype(float)

    every = counted(np.ones(len(table.plane), bool))
    values = {_of_field("Count_Density", f"{objects} per {per}"): every / area}
    for channel, threshold in thresholds.items():
        positive = counted(signal(table, channel) > threshold)
        what = f"{channel}-positive {objects}"
        with np.errstate(invalid="ignore"):
            share = np.where(every > 0, positive / every, 0.0)
        values[_of_field(f"Count_Positive_{channel}", f"{what}: share", channel)] = share
        values[_of_field(f"Count_PositiveDensity_{channel}", f"{what} per {per}", channel)] = positive / area
    return values


def signal(table: Table, channel: str) -> np.ndarray:
    """Return each object's mean intensity in a channel above its plane's background, as a share of the range."""
    mean = next(i for i, c in enumerate(table.columns) if c.key == f"Intensity_MeanIntensity_{channel}_nucleus")
    dark = next(i for i, c in enumerate(table.plane_columns) if c.key == f"Field_Background_{channel}")
    return table.values[:, mean] - table.plane_values[table.plane, dark]


def positive_threshold(tables: Sequence[Table], channel: str) -> float | None:
    """Return the signal that splits real objects into positive and negative by Otsu; None where they are all alike.

    Parameters
    ----------
    tables
        Real source and real target: one threshold for all, so that a share may differ.
    """
    from skimage.filters import threshold_otsu

    values = np.concatenate([signal(table, channel) for table in tables])
    values = values[np.isfinite(values)]
    return float(threshold_otsu(values)) if len(values) and values.min() < values.max() else None


def _of_field(key: str, words: str, channel: str = "") -> Measurement:
    return Measurement(key, words, "field", channel, "field", per_field=True)
