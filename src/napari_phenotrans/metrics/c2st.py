"""Classifier two-sample test: can a classifier tell translated crops from real ones, on fields it has not seen?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.metrics.groups import (
    LEAST_GROUPS,
    Features,
    Measured,
    draw_groups,
    interval,
    refuse_other_features,
)

FOLDS = 10
PERMUTATIONS = 999
UNDECIDED = 1e-9  # of a score: nearer to the threshold is rounding
AT_ONCE = 250  # permutations, so that scores of thousands of crops fit into memory


def c2st(real: Features, translated: Features, *, seed: int = 0, resamples: int = 200) -> Measured:
    """Return how many crops a classifier tells right, real or translated (Lopez-Paz and Oquab 2017, section 3).

    0.5 where it can only guess, 1 where it is always right; the mean over both sides, so that their numbers do not
    matter. The classifier is linear, on features that stay as they are: ridge regression of ±1, its threshold midway
    between the sides. It is trained on all groups but those of one fold and judges these (one fold per group, ten at
    most): what one well looks like is no help with another.

    ``p`` is the share of permutations that do as well. They exchange the sides of whole groups, never of single crops
    (a group that has crops on both sides exchanges them), and the folds do not depend on the sides. With 4 and 4
    groups there are 70 ways, so that p is at least about 0.03.

    The interval draws groups with replacement, of those judged; the classifiers stay.

    Parameters
    ----------
    real, translated
        Two groups or more each, equal d.
    seed
        Of folds, permutations and interval.
    resamples
        Of the interval; 0 leaves p out, too.

    Raises
    ------
    InputError
        If a side has a single group, or the numbers of features differ.
    """
    refuse_other_features("A classifier compares", real, translated)
    if min(len(side.names) for side in (real, translated)) < 2:
        raise InputError(
            "A classifier has to be tried on groups that it was not trained on: it needs two groups or more on each "
            "side, got 1. Hold out more groups."
        )
    rng = np.random.default_rng(seed)

    # ---- one unit per group and side; groups of one name stay in one fold
    units = [(name, side) for side, each in enumerate((real, translated)) for name in each.names]
    unit = np.concatenate([real.codes, translated.codes + len(real.names)])
    sides = np.array([side for _, side in units])
    names = np.unique([str(name) for name, _ in units])
    name_index = np.searchsorted(names, [str(name) for name, _ in units])
    fold = rng.permutation(len(names))[name_index] % min(FOLDS, len(names))

    # ---- what every fold makes of any labels: scores are linear in them
    values, penalty = _standardized(np.concatenate([real.values, translated.values]))
    judges = [_Judge.of(values, fold[unit] == each, penalty) for each in range(int(np.max(fold)) + 1)]

    # ---- as it is
    right = _judge(judges, sides[unit][:, None])[:, 0]
    weights = np.ones((1, len(units)))
    value = float(_balanced(right[:, None], sides, unit, weights)[0])
    if not resamples:
        return Measured(value)

    # ---- permutations of the sides of groups
    reached = [
        _each_balanced(_judge(judges, permuted[unit]), permuted[unit])
        for permuted in np.split(_permuted(sides, name_index, rng), range(AT_ONCE, PERMUTATIONS, AT_ONCE), axis=1)
    ]
    p = float((1 + (np.concatenate(reached) >= value - 1e-9).sum()) / (1 + PERMUTATIONS))

    if min(len(side.names) for side in (real, translated)) < LEAST_GROUPS:
        return Measured(value, p=p)
    drawn = np.concatenate([draw_groups(len(side.names), resamples, rng) for side in (real, translated)], axis=1)
    return Measured(value, *interval(_balanced(right[:, None], sides, unit, drawn)), p)


def _standardized(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Return features (n, d) of equal spread, in no more coordinates than rows, and the penalty of their weights."""
    spread = values.std(axis=0)
    values = (values - values.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    penalty = max(1.0, values.shape[1])
    if values.shape[1] > len(values):
        # as many coordinates as rows hold all distances between them
        strengths, axes = np.linalg.eigh(values @ values.T)
        values = axes * np.sqrt(np.maximum(strengths, 0))
    return values, penalty


def _permuted(sides: np.ndarray, name_index: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Permute the sides of groups, (groups, permutations); those that both sides have are exchanged within a name."""
    shared = [np.flatnonzero(name_index == index) for index in np.unique(name_index)]
    shared = [pair for pair in shared if len(pair) == 2]
    alone = np.setdiff1d(np.arange(len(sides)), np.concatenate([[], *shared]).astype(int))
    permuted = np.repeat(sides[:, None], PERMUTATIONS, axis=1)
    permuted[alone] = rng.permuted(permuted[alone], axis=0)
    for pair in shared:
        exchanged = rng.random(PERMUTATIONS) < 0.5
        permuted[np.ix_(pair, exchanged)] = 1 - permuted[np.ix_(pair, exchanged)]
    return permuted


@dataclass(frozen=True, eq=False)
class _Judge:
    """Ridge regression on the rows outside one fold, as a matrix that turns any labels ±1 into weights of features.

    The penalty is the number of features: as much as a standardized row weighs, so that few rows are trusted little.
    """

    trained: np.ndarray  # places of rows
    judged: np.ndarray
    centered: np.ndarray  # (rows trained on, d)
    others: np.ndarray  # (rows judged, d)
    solved: np.ndarray  # (d, rows trained on)

    @classmethod
    def of(cls, values: np.ndarray, judged: np.ndarray, penalty: float) -> _Judge:
        x, others = values[~judged], values[judged]
        mean = x.mean(axis=0)
        x, others = x - mean, others - mean
        if x.shape[1] < len(x):
            solved = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T)
        else:
            solved = np.linalg.solve(x @ x.T + penalty * np.eye(len(x)), x).T
        return cls(np.flatnonzero(~judged), np.flatnonzero(judged), x, others, solved)


def _judge(judges: list[_Judge], labels: np.ndarray) -> np.ndarray:
    """Return whether each row (n, B) is told right for each column of labels 0 and 1; half right where undecided."""
    right = np.zeros(labels.shape)
    for judge in judges:
        ones = labels[judge.trained] == 1
        signs = ones * 2.0 - 1
        weights = judge.solved @ (signs - signs.mean(axis=0))
        scores = judge.centered @ weights
        # a permutation may leave one side without a row to train on
        side_means = [(scores * side).sum(axis=0) / np.maximum(side.sum(axis=0), 1) for side in (ones, ~ones)]
        off = judge.others @ weights - np.mean(side_means, axis=0)
        off[np.abs(off) < UNDECIDED] = 0
        right[judge.judged] = (np.sign(off) * (labels[judge.judged] * 2 - 1) + 1) / 2
    return right


def _each_balanced(right: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean of both labels' shares of rows told right, for each column."""
    ones = labels == 1
    return ((right * ones).sum(axis=0) / ones.sum(axis=0) + (right * ~ones).sum(axis=0) / (~ones).sum(axis=0)) / 2


def _balanced(right: np.ndarray, sides: np.ndarray, unit: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the same for units that count ``weights`` (B, units) times."""
    right_rows = np.bincount(unit, right[:, 0], minlength=len(sides))
    rows = np.bincount(unit, minlength=len(sides))
    shares = [
        (weights[:, sides == side] @ right_rows[sides == side]) / (weights[:, sides == side] @ rows[sides == side])
        for side in (0, 1)
    ]
    return np.mean(shares, axis=0)
