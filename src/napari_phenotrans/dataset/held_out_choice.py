"""Choosing the held-out fields: a share of the groups, groups by name, or another folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_phenotrans.dataset.dataset import DataSet

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class HeldOutChoice:
    """Which fields are held out; a folder goes before groups, and groups before the share.

    Parameters
    ----------
    share
        Share of each condition's groups to hold out, drawn by the seed.
    groups
        Names of groups to hold out.
    folder
        A data set folder of its own, with the same conditions.
    by
        A column of ``fields.csv`` whose values count in the place of groups: whole plates, batches or days.
    """

    share: float = 0.2
    groups: tuple[str, ...] = ()
    folder: Path | None = None
    by: str | None = None

    def of_halves(self) -> HeldOutChoice:
        """Return what is held out where halves of one condition are trained on: named groups and folders hold others.

        The default share is in their place; batches and a share stay.
        """
        return HeldOutChoice() if self.groups or self.folder is not None else self

    def split(self, dataset: DataSet, seed: int) -> tuple[DataSet, DataSet]:
        """Return the fields to train on and those held out; raises as `DataSet.split` and `DataSet.open_held_out`."""
        if self.folder is not None:
            return dataset, DataSet.open_held_out(self.folder, dataset)
        return dataset.split(self.groups or self.share, seed, self.by)
