"""The objects behind one measurement of a report: values before and after translation, and locations. No Qt."""

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
class ObjectLocation:
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
class PairedObjects:
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
    def of(cls, report: PhenotypeReport, measurement: Measurement) -> PairedObjects:
        """Look up the values of all objects that were found again."""
        source, translated = report.tables["source"], report.tables["translated"]
        if measurement.per_field:
            plane_of = {(plane.field, plane.t, plane.z): row for row, plane in enumerate(source.places)}
            rows = np.array([plane_of[plane.field, plane.t, plane.z] for plane in translated.places], int)
            after_rows = np.arange(len(rows))
        else:
            rows, after_rows = report.pairs.before, report.pairs.after
        before, after = _values(source, measurement)[rows], _values(translated, measurement)[after_rows]
        known = np.isfinite(before) & np.isfinite(after)
        return cls(measurement, before[known], after[known], rows[known], report)

    @property
    def by_change(self) -> np.ndarray:
        """Indices into the other arrays, the largest change first."""
        return np.argsort(-np.abs(self.after - self.before), kind="stable")

    def location(self, index: int) -> ObjectLocation:
        """Return where an object is."""
        report, table = self._report, self._report.tables["source"]
        row = int(self.rows[index])
        if self.measurement.per_field:
            plane, center = table.places[row], None
        else:
            plane = table.places[table.plane[row]]
            center = float(table.centers[row, 0]), float(table.centers[row, 1])
        path = next(field.path for field in report.subject.fields["source"] if field.name == plane.field)
        scale = report.scale
        return ObjectLocation(path, plane.field, plane.t, plane.z, center, float(scale.diameter), scale.pixel_size_um)


def _values(table: Table, measurement: Measurement) -> np.ndarray:
    if measurement.per_field:
        return table.plane_values[:, table.plane_columns.index(measurement)]
    return table.values[:, table.columns.index(measurement)]
