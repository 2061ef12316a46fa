"""The same object before and after translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.phenotype.objects.catalog import Measurement
    from napari_phenotrans.phenotype.objects.tables import Table

# Of the area that either covers: less, and it is taken for another object.
LEAST_OVERLAP = 0.3


@dataclass(frozen=True, eq=False)
class Match:
    """Objects of one plane before and after.

    Parameters
    ----------
    before, after
        (m,) labels of the same objects.
    overlap
        (m,) intersection over union.
    lost, gained
        Labels that nothing matches.
    """

    before: np.ndarray
    after: np.ndarray
    overlap: np.ndarray
    lost: np.ndarray
    gained: np.ndarray


def match(before: np.ndarray, after: np.ndarray) -> Match:
    """Match the objects of two label images (Y, X): those of which each overlaps the other most, by 0.3 at least."""
    areas = [np.bincount(labels.ravel()) for labels in (before, after)]
    both = (before > 0) & (after > 0)
    pairs, common = np.unique(np.stack([before[both], after[both]], axis=1).reshape(-1, 2), axis=0, return_counts=True)
    overlap = common / (areas[0][pairs[:, 0]] + areas[1][pairs[:, 1]] - common)
    best = [np.zeros(len(area)) for area in areas]
    for side in (0, 1):
        np.maximum.at(best[side], pairs[:, side], overlap)
    matched = (overlap >= LEAST_OVERLAP) & (overlap == best[0][pairs[:, 0]]) & (overlap == best[1][pairs[:, 1]])
    lost, gained = (
        np.setdiff1d(labels[labels > 0], pairs[matched, side]) for side, labels in enumerate((before, after))
    )
    return Match(pairs[matched, 0], pairs[matched, 1], overlap[matched], lost, gained)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Rows of the tables of real source and translated that are the same object, and those without a counterpart.

    Parameters
    ----------
    before, after
        (m,) rows.
    overlap
        (m,) intersection over union.
    lost, gained
        Rows of real source that are in no translated image, and of translated that were in no real one.
    """

    before: np.ndarray
    after: np.ndarray
    overlap: np.ndarray
    lost: np.ndarray
    gained: np.ndarray

    @classmethod
    def of(cls, source: Table, translated: Table, matches: Sequence[Match]) -> Pairs:
        """Turn labels into rows.

        Parameters
        ----------
        source, translated
            The tables.
        matches
            One per plane of ``translated``, in its order. An object that the plane's border cuts before or after is in
            no table, and so in no pair; it is neither lost nor gained.
        """
        plane_of = {(p.field, p.t, p.z): index for index, p in enumerate(source.places)}
        rows = [
            {(plane, label): row for row, (plane, label) in enumerate(zip(table.plane, table.labels, strict=True))}
            for table in (source, translated)
        ]
        before, after, overlap, lost, gained = [], [], [], [], []
        for index, (place, found) in enumerate(zip(translated.places, matches, strict=True)):
            origin = plane_of[place.field, place.t, place.z]
            for one, other, iou in zip(found.before, found.after, found.overlap, strict=True):
                if (origin, one) in rows[0] and (index, other) in rows[1]:
                    before.append(rows[0][origin, one])
                    after.append(rows[1][index, other])
                    overlap.append(iou)
            lost += [rows[0][origin, label] for label in found.lost if (origin, label) in rows[0]]
            gained += [rows[1][index, label] for label in found.gained if (index, label) in rows[1]]
        return cls(
            np.array(before, int), np.array(after, int), np.array(overlap), np.array(lost, int), np.array(gained, int)
        )

    def changes(self, source: Table, translated: Table, measurement: Measurement) -> np.ndarray:
        """Return how much a measurement of each object changed, (m,)."""
        column = source.columns.index(measurement)
        return translated.values[self.after, column] - source.values[self.before, column]


def largest_and_typical(changes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return places of the largest changes in the direction of most, and of those nearest to the median.

    Parameters
    ----------
    changes
        (m,), NaN where not known.
    count
        How many of each; fewer where there are not so many.
    """
    known = np.flatnonzero(np.isfinite(changes))
    if not len(known):
        return known, known
    median = np.median(changes[known])
    sign = -1 if median < 0 else 1
    largest = known[np.argsort(-sign * changes[known], kind="stable")][:count]
    rest = np.setdiff1d(known, largest)
    return largest, rest[np.argsort(np.abs(changes[rest] - median), kind="stable")][:count]
