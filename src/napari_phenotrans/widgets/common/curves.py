"""Curves over steps as they are drawn: thinned to what a screen can show, smoothed, and named. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

# Readable on napari's dark and light background, and told apart by most eyes.
COLORS = ("#4e9af1", "#f28e2b", "#3fa66b", "#e15759", "#b07aa1", "#17a2b8", "#d4a017", "#9c755f")
# Of the steps, the share that a smoothed value is the mean of.
SMOOTHED_OVER = 0.04
MOST_RAW, MOST_SMOOTHED = 800, 150
Points = tuple[np.ndarray, np.ndarray]
# What no engine can beat, and what doing nothing scores, in the words of the window.
FLOOR, COPY_SOURCE = "best possible here", "unchanged image"


@dataclass(frozen=True, eq=False)
class Curve:
    """Numbers over steps as they are drawn: ``raw`` and ``smoothed`` are steps and values, (n,) each.

    ``group`` is what is shown or hidden together, in one color; ``dash`` tells curves of a group apart: 0 is drawn
    through, 1 dashed, 2 dotted and so on.
    """

    name: str
    raw: Points
    smoothed: Points
    group: str
    color: str
    dash: int = 0

    def called(self, name: str, color: str) -> Curve:
        """Return the same numbers under another name, as a group of their own."""
        return replace(self, name=name, group=name, color=color, dash=0)


@dataclass(frozen=True)
class Level:
    """A value that does not change with the steps, drawn as a line across; ``kind`` is `FLOOR` or `COPY_SOURCE`."""

    name: str
    value: float
    kind: str
    group: str
    color: str


def thin(steps: np.ndarray, values: np.ndarray, most: int = MOST_RAW) -> tuple[np.ndarray, np.ndarray]:
    """Return at most ``most`` points that look the same: the lowest and the highest value of each stretch.

    Parameters
    ----------
    steps, values
        (n,) each; values that are no numbers are left out where a stretch has others.
    most
        At least 4.
    """
    if len(steps) <= most:
        return steps, values
    size = -(-len(steps) // (most // 2))
    stretches = -(-len(steps) // size)
    padded = np.full(stretches * size, np.nan)
    padded[: len(steps)] = values
    parts = padded.reshape(stretches, size)
    finite = np.isfinite(parts)
    begins = np.arange(stretches) * size
    lowest = begins + np.where(finite, parts, np.inf).argmin(axis=1)
    highest = begins + np.where(finite, parts, -np.inf).argmax(axis=1)
    indices = np.unique(np.concatenate([lowest, highest]))
    return steps[indices], values[indices]


def smooth(steps: np.ndarray, values: np.ndarray, most: int = MOST_SMOOTHED) -> tuple[np.ndarray, np.ndarray]:
    """Return running means of at most ``most`` stretches of steps; numbers alone count.

    A mean is over the steps before it, 4 % of all of them but at least 5, so that what was drawn does not change as the
    run goes on a little.
    """
    if len(steps) < 2:
        return steps, values
    finite = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    width = max(5, round(SMOOTHED_OVER * len(steps)))
    ends = np.unique(np.linspace(1, len(steps), min(most, len(steps))).round().astype(int))
    begins = np.maximum(ends - width, 0)
    count = counts[ends] - counts[begins]
    means = np.divide(sums[ends] - sums[begins], count, out=np.full(len(ends), np.nan), where=count > 0)
    return steps[ends - 1], means
