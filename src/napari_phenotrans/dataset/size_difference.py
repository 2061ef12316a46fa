"""Whether nuclei differ in size between conditions, and which engines can show that."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.text import counted
from napari_phenotrans.dataset.field_stats import DNA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_phenotrans.dataset.field_stats import Survey

# Groups of each condition that are needed, all of one beyond all of the other: by chance 3 % of the time. Of the area,
# less is no difference that would be missed.
LEAST_GROUPS, LEAST = 4, 0.1
# Nuclei of a group whose median tells its size, and the share of what is bright that nuclei without a neighbor make up:
# where they touch, how many do decides how large they seem. (Cells in culture have 0.8, crowded organoids 0.0 to 0.1.)
LEAST_NUCLEI, LEAST_ALONE = 5, 0.5


@dataclass(frozen=True)
class SizeDifference:
    """Nuclei of one condition are larger than those of another, in all groups that were measured.

    Parameters
    ----------
    channel
        In which they were found.
    larger, smaller
        The conditions.
    by
        Median area over median area, less 1.
    groups
        How many of each were measured.
    """

    channel: str
    larger: str
    smaller: str
    by: float
    groups: tuple[int, int]

    def __str__(self) -> str:
        of = " and ".join(counted(n, "group") for n in self.groups)
        return f"Nuclei of {self.larger} are {100 * self.by:.0f} % larger in area than those of {self.smaller} ({of})"

    def hidden_by(self, kept: Sequence[str]) -> str:
        """Return that an engine which keeps these channels cannot show it; empty where it may."""
        if self.channel not in kept:
            return ""
        return f"{self}: with {self.channel} kept, this engine does not show size."


def size_differences(conditions: Sequence[str], surveys: Sequence[Survey]) -> tuple[SizeDifference, ...]:
    """Return between which conditions nuclei differ in size, as far as fields tell in which they were measured.

    Parameters
    ----------
    conditions
        Those of the data set.
    surveys
        Of its fields; those without nuclei, with nuclei that mostly touch, or without a channel whose name says DNA,
        tell nothing.
    """
    channel = next((name for s in surveys if s.nuclei.size for name in s.names if DNA.search(name)), None)
    if channel is None:
        return ()
    areas = {condition: _areas([s for s in surveys if s.field.condition == condition]) for condition in conditions}
    found = []
    for pair in combinations(conditions, 2):
        small, large = sorted(pair, key=lambda condition: float(np.median(areas[condition] or [0])))
        if min(len(areas[small]), len(areas[large])) < LEAST_GROUPS or max(areas[small]) >= min(areas[large]):
            continue
        by = float(np.median(areas[large]) / np.median(areas[small])) - 1
        if by >= LEAST:
            found.append(SizeDifference(channel, large, small, by, (len(areas[large]), len(areas[small]))))
    return tuple(found)


def _areas(surveys: Sequence[Survey]) -> list[float]:
    """Return the median area of each group's nuclei, in units that all groups share."""
    groups: dict[str, list[np.ndarray]] = {}
    for each in surveys:
        if each.nuclei.size and each.alone >= LEAST_ALONE:
            groups.setdefault(each.field.group, []).append((each.nuclei * (each.pixel_size_um or 1.0)) ** 2)
    joined: Mapping[str, np.ndarray] = {group: np.concatenate(parts) for group, parts in groups.items()}
    return [float(np.median(values)) for values in joined.values() if values.size >= LEAST_NUCLEI]
