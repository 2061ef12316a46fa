"""What metrics are computed from and give: features with the groups they come from, values with their interval."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from napari_phenotrans.core.errors import InputError

LEAST_GROUPS = 3  # fewer, and a bootstrap has next to nothing to draw from
COVERED = (2.5, 97.5)  # percentiles between which an interval reaches


@dataclass(frozen=True)
class Measured:
    """A metric's value and its 95 % interval over groups; None where there are too few groups for one.

    ``p`` is the permutation p of metrics that are a test: how often groups that are shuffled between real and
    translated do as well.
    """

    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None


@dataclass(frozen=True, eq=False)
class Features:
    """Features of crops or objects, and which group each row comes from.

    Rows of one group are not independent of each other: whatever is drawn at random are groups, never rows.

    Parameters
    ----------
    values
        (n, d), finite.
    groups
        (n,) names.

    Raises
    ------
    InputError
        If the shapes do not fit together, or a value is not finite.
    """

    values: np.ndarray
    groups: np.ndarray

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.groups.shape != (len(self.values),) or not len(self.values):
            raise InputError(
                f"Features need (n, d) values and n group names, n at least 1; got values {self.values.shape} and "
                f"groups {self.groups.shape}."
            )
        if not np.isfinite(self.values).all():
            raise InputError("Features hold values that are not finite. Leave those crops out, or find what made them.")

    @classmethod
    def independent(cls, values: np.ndarray) -> Self:
        """Take each row for a group of its own."""
        return cls(values, np.arange(len(values)))

    @cached_property
    def names(self) -> np.ndarray:
        """Names of the groups, sorted."""
        return np.unique(self.groups)

    @cached_property
    def codes(self) -> np.ndarray:
        """Place of each row's group in ``names``, (n,)."""
        return np.searchsorted(self.names, self.groups)

    def of(self, names: np.ndarray) -> Features:
        """Return the rows of these groups."""
        inside = np.isin(self.groups, names)
        return Features(self.values[inside], self.groups[inside])

    def rows(self, which: np.ndarray) -> Features:
        """Return some of the rows, by their places."""
        return Features(self.values[which], self.groups[which])

    def columns(self, which: slice | np.ndarray) -> Features:
        """Return some of the features, of all rows."""
        return Features(self.values[:, which], self.groups)


def refuse_other_features(what: str, one: Features, other: Features) -> None:
    """Refuse to compare features of different numbers; ``what`` begins the sentence, as in ``FID compares``.

    Raises
    ------
    InputError
        If the numbers of features differ.
    """
    sizes = one.values.shape[1], other.values.shape[1]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"{what} features of one kind; got {sizes[0]} and {sizes[1]} columns. Use the same extractor for both."
        )


def draw_groups(groups: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw groups with replacement, (resamples, groups) float64: how often each group was drawn.

    A draw that holds a single group only says nothing about the difference between groups, and is drawn anew.
    """
    drawn = rng.multinomial(groups, np.full(groups, 1 / groups), size=resamples)
    while groups > 1 and (single := (drawn == groups).any(axis=1)).any():
        drawn[single] = rng.multinomial(groups, np.full(groups, 1 / groups), size=int(single.sum()))
    return drawn.astype(np.float64)


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile of a metric's values over draws."""
    low, high = np.percentile(values, COVERED)
    return float(low), float(high)


def around(value: float, drawn: np.ndarray) -> tuple[float, float]:
    """Return the interval of a metric's values over draws, moved so that their median is the value.

    Drawing groups twice makes samples look further apart than they are (copies fill no gaps): raw percentiles would
    lie beside the value. Their spread is right.
    """
    return interval(drawn - np.median(drawn) + value)


def halves(features: Features, splits: int, rng: np.random.Generator) -> list[tuple[Features, Features]]:
    """Split rows into two random halves of their groups, ``splits`` times; none where there is one group only."""
    count = len(features.names)
    if count < 2:
        return []
    shuffled = [rng.permutation(features.names) for _ in range(splits)]
    return [(features.of(names[: count // 2]), features.of(names[count // 2 :])) for names in shuffled]
