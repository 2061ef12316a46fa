"""The objects behind one measurement of a report: before against after, and where each of them is. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from napari_phenotrans.phenotype.objects.catalog import Measurement
    from napari_phenotrans.phenotype.objects.tables import Table
    from napari_phenotrans.phenotype.result import PhenotypeReport


@dataclass(frozen=True)
class Spot:
    """Where an object is.

    Parameters
    ----------
    path, field
        Its file, and the field's name.
    t, z
        Its plane.
    center
        y and x in pixels of ``pixel_size_um``; None for a whole field.
    width
        Of a typical object, in the same pixels.
    pixel_size_um
        None where it is not known: pixels are then the file's own.
    """

    path: Path
    field: str
    t: int
    z: int
    center: tuple[float, float] | None
    width: float
    pixel_size_um: float | None


@dataclass(frozen=True, eq=False)
class Paired:
    """One measurement of the same objects (of whole fields, where it is the fields') in real and translated images.

    Parameters
    ----------
    measurement
        Which.
    before, after
        (m,) finite values.
    rows
        (m,) of the table of real source; of its planes, where the measurement is the fields'.
    """

    measurement: Measurement
    before: np.ndarray
    after: np.ndarray
    rows: np.ndarray
    _report: PhenotypeReport

    @classmethod
    def of(cls, report: PhenotypeReport, measurement: Measurement) -> Paired:
        """Look up the values of all objects that were found again."""
        source, translated = report.tables["source"], report.tables["translated"]
        if measurement.per_field:
            plane_of = {(place.field, place.t, place.z): row for row, place in enumerate(source.places)}
            rows = np.array([plane_of[place.field, place.t, place.z] for place in translated.places], int)
            after_rows = np.arange(len(rows))
        else:
            rows, after_rows = report.pairs.before, report.pairs.after
        before, after = _values(source, measurement)[rows], _values(translated, measurement)[after_rows]
        known = np.isfinite(before) & np.isfinite(after)
        return cls(measurement, before[known], after[known], rows[known], report)

    @property
    def by_change(self) -> np.ndarray:
        """Places in the other arrays, the largest change first."""
        return np.argsort(-np.abs(self.after - self.before), kind="stable")

    def spot(self, index: int) -> Spot:
        """Return where an object is."""
        report, table = self._report, self._report.tables["source"]
        row = int(self.rows[index])
        if self.measurement.per_field:
            place, center = table.places[row], None
        else:
            place = table.places[table.plane[row]]
            center = float(table.centers[row, 0]), float(table.centers[row, 1])
        path = next(one.path for one in report.subject.fields["source"] if one.name == place.field)
        scale = report.scale
        return Spot(path, place.field, place.t, place.z, center, float(scale.diameter), scale.pixel_size_um)


def _values(table: Table, measurement: Measurement) -> np.ndarray:
    if measurement.per_field:
        return table.plane_values[:, table.plane_columns.index(measurement)]
    return table.values[:, table.columns.index(measurement)]
