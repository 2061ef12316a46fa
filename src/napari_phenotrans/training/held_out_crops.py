"""Held-out fields cut into the crops that a run is scored on, and measured once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.crop_grid import center, grid, spread
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.metrics import METRICS, Features
from napari_phenotrans.metrics.groups import LEAST_GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_phenotrans.features.profile import Profile

WIDEST = 4  # crops along a piece's side
AT_ONCE = 16  # crops that an engine which depends on its tile translates at once


@dataclass(frozen=True)
class ScoringPlan:
    """Which crops of the held-out fields are translated and measured, and how many.

    Parameters
    ----------
    crop
        Side of the run's crops.
    stride, tile
        The engine's. Where it depends on its tile, pieces are single crops, because anything larger would have to
        be translated tile by tile at every evaluation.
    pieces
        Most fields per condition, spread over the groups: what scoring costs.
    crops
        Most crops per condition of an engine that depends on its tile.
    copies
        Crops per direction that are looked up in the training planes: generated from noise alone by engines that can,
        translated by others; 0 leaves the copy gauge out.
    seed
        Of the choice of fields and the intervals.

    Raises
    ------
    InputError
        If the crop is no multiple of the engine's stride.
    """

    crop: int
    stride: int = 1
    tile: int | None = None
    pieces: int = 8
    crops: int = 32
    copies: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.crop % self.stride:
            raise InputError(f"--crop is {self.crop}, but this engine's crops must be multiples of {self.stride}.")


@dataclass(frozen=True, eq=False)
class HeldOutCrops:
    """Held-out pieces of one condition as they are translated, and the crops that they are cut into.

    Parameters
    ----------
    batches
        Pieces (n, C, h, w), each side a multiple of the crop.
    groups
        Group of each crop, in the order of `crops_of`.
    features
        Features of the real crops.
    fields, used
        Number of held-out fields of the condition, and of those that the pieces come from.
    """

    batches: list[np.ndarray]
    groups: np.ndarray
    features: Features
    fields: int
    used: int

    @classmethod
    def cut(
        cls, condition: str, fields: Sequence[tuple[str, np.ndarray]], plan: ScoringPlan, profile: Profile
    ) -> HeldOutCrops:
        """Cut pieces out of (group, plane) fields, spread over the groups, and measure their crops.

        Raises
        ------
        InputError
            If fewer than two crops fit into the fields.
        """
        crop = plan.crop
        large_enough = [(group, plane) for group, plane in fields if min(plane.shape[1:]) >= crop]
        used = _one_of_each_group_first([group for group, _ in large_enough], plan)
        pieces = [(large_enough[i][0], center(large_enough[i][1], crop, WIDEST)) for i in used]
        if plan.tile is None:
            batches = [piece[None] for _, piece in pieces]
            groups = [group for group, piece in pieces for _ in range(piece[0].size // crop**2)]
        else:
            crops = [(group, single) for group, piece in pieces for single in grid(piece[None], crop)]
            measured = [crops[i] for i in spread(len(crops), plan.crops)]
            batches = [
                np.stack([single for _, single in measured[i : i + AT_ONCE]]) for i in range(0, len(measured), AT_ONCE)
            ]
            groups = [group for group, _ in measured]
        if len(groups) < METRICS["kid"].least:
            raise InputError(
                f"Scoring needs two crops of {crop} × {crop} or more of each condition's held-out fields; "
                f"{condition} has {len(fields)} fields with room for {len(groups)}. Hold out more fields, choose a "
                f"smaller --crop, or train without scores (--score-every 0)."
            )
        names = np.array(groups)
        return cls(batches, names, Features(profile(crops_of(batches, crop)), names), len(fields), len(used))

    def notes(self, condition: str) -> Iterator[str]:
        """Say what scores on these crops leave out."""
        if self.used < self.fields:
            yield f"Scores use {self.used} of {self.fields} held-out fields of {condition}."
        count = len(self.features.names)
        if count < LEAST_GROUPS:
            without = "an interval or a floor" if count < 2 else "an interval"
            yield (
                f"{condition} has {count} held-out group{'s' if count > 1 else ''}: scores come without {without}. "
                f"An interval needs {LEAST_GROUPS} groups of each condition, a floor 2 of the target."
            )


def crops_of(batches: Sequence[np.ndarray], crop: int) -> np.ndarray:
    """Cut pieces (n, C, h, w) into crops (m, C, crop, crop)."""
    return np.concatenate([grid(batch, crop) for batch in batches])


def _one_of_each_group_first(groups: Sequence[str], plan: ScoringPlan) -> list[int]:
    """Return which fields to use, at most ``plan.pieces``: drawn in turns, one of each group per turn."""
    of_group: dict[str, list[int]] = {}
    for index in np.random.default_rng(plan.seed).permutation(len(groups)):
        of_group.setdefault(groups[index], []).append(int(index))
    in_turns = [index for turn in zip_longest(*of_group.values()) for index in turn if index is not None]
    return sorted(in_turns[: plan.pieces])
