"""Flicker: whether neighboring planes of a stack, each translated by itself, agree with each other.

What a translation adds, translated - real, has to change from plane to plane no faster than the real image does: a
nucleus that is darkened in one plane and left alone in the next is one that nobody can follow or count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Beyond it what is added changes from plane to plane so much more than the real image that a warning is due.
MOST_FLICKER = 2.0
# Standard deviation of the blur in working pixels, that of `translation.trust.WINDOW`: a camera's noise, which differs
# in every plane, is no change.
SIGMA = 2.0


@dataclass(frozen=True)
class Flicker:
    """How one channel changes between neighboring planes; root mean squares of blurred images, in their units.

    Attributes
    ----------
    real, translated
        Change of the real image, and of the translated one.
    added
        Change of translated - real.
    ratio
        `added` over what the real image lets expect: 0 where what is added does not change at all, about 1 where it
        changes as the real image does, above `MOST_FLICKER` where planes flicker.
    """

    real: float
    translated: float
    added: float
    ratio: float

    @property
    def flickers(self) -> bool:
        """Whether a warning is due."""
        return self.ratio > MOST_FLICKER


class FlickerSums:
    """Takes pairs of neighboring planes, and says how they flicker.

    Parameters
    ----------
    least
        Per channel, a change that does not matter: the real image counts as changing at least so much, so that a stack
        of equal planes needs no equal translations to the last digit.
    sigma
        Standard deviation of the blur, in pixels.
    """

    def __init__(self, least: Sequence[float], sigma: float = SIGMA) -> None:
        self._least, self._sigma = np.asarray(least, np.float64), sigma
        # per channel: squares of the changes of real, translated and added, then of what stands out in real and added
        self._sums = np.zeros((5, len(self._least)))
        self.pairs = 0

    def add(self, real: Sequence[np.ndarray], translated: Sequence[np.ndarray]) -> None:
        """Add two neighbors, each (C, Y, X)."""
        real_planes = [self._blurred(plane) for plane in real]
        added = [
            self._blurred(a.astype(np.float32) - b.astype(np.float32)) for a, b in zip(translated, real, strict=True)
        ]
        change, change_added = (pair[1] - pair[0] for pair in (real_planes, added))
        mean_square = [
            (values.astype(np.float64) ** 2).mean(axis=(1, 2))
            for values in (change, change + change_added, change_added)
        ]
        outstanding = [np.mean([plane.var(axis=(1, 2)) for plane in planes], axis=0) for planes in (real_planes, added)]
        self._sums += [*mean_square, *outstanding]
        self.pairs += 1

    def result(self) -> tuple[Flicker, ...]:
        """Return the flicker of each channel; nothing where no pair came."""
        if not self.pairs:
            return ()
        real, translated, added, contrast, amount = np.sqrt(self._sums / self.pairs)
        # where more is added than was there, it may change more by as much
        stronger = np.maximum(1, amount / np.maximum(contrast, np.finfo(np.float64).tiny))
        expected = np.maximum(real * stronger, self._least)
        ratios = [a / e if e else (math.inf if a else 0.0) for a, e in zip(added, expected, strict=True)]
        return tuple(
            Flicker(*(float(value) for value in each)) for each in zip(real, translated, added, ratios, strict=True)
        )

    def _blurred(self, plane: np.ndarray) -> np.ndarray:
        # loaded when first used: the command line starts without it
        from scipy import ndimage

        return ndimage.gaussian_filter(plane.astype(np.float32), (0, self._sigma, self._sigma))


def flicker(
    real: np.ndarray, translated: np.ndarray, *, least: float | Sequence[float] = 0.0, sigma: float = SIGMA
) -> tuple[Flicker, ...]:
    """Return how a translated stack flickers, per channel.

    With Δ the change from one plane to the next, blurred by a Gaussian of ``sigma``, and rms over pixels and pairs::

        rms Δ(translated - real) / max(rms Δ real · max(1, sd(translated - real) / sd(real)), least)

    The second maximum lets a marker that is drawn into a dark channel change as a marker does. What would fool it: a
    translation that adds the same in every plane is perfectly calm and may be perfectly wrong, and a channel that shows
    next to nothing in the real stack gives no idea of how fast its objects change.

    Parameters
    ----------
    real, translated
        (N, C, Y, X), N neighbors along Z or T in their order, in the same units, at the working pixel size.
    least
        See `FlickerSums`; one number, or one per channel.
    sigma
        Of the blur, in pixels.
    """
    count = real.shape[1]
    sums = FlickerSums([least] * count if isinstance(least, int | float) else least, sigma)
    for number in range(len(real) - 1):
        pair = slice(number, number + 2)
        sums.add([*real[pair]], [*translated[pair]])
    return sums.result()


@dataclass(frozen=True)
class FlickerRow:
    """How one channel of a stack flickers along an axis, "Z" or "T", over so many pairs of neighbors."""

    axis: str
    channel: str
    pairs: int
    flicker: Flicker
    direction: str = ""


def flicker_words(rows: Iterable[FlickerRow]) -> list[str]:
    """Say how a stack flickers: a sentence per axis with all numbers, and a warning for what flickers."""
    said = []
    by_axis: dict[tuple[str, str], list[FlickerRow]] = {}
    for row in rows:
        by_axis.setdefault((row.direction, row.axis), []).append(row)
    for (direction, axis), mine in by_axis.items():
        where = f"{direction}, " if direction else ""
        each = ", ".join(f"{row.channel} {row.flicker.ratio:.2g}" for row in mine)
        pairs = counted(mine[0].pairs, "pair")
        said.append(
            f"Flicker {where}along {axis} ({pairs} of planes): {each}. What the translation adds changes from plane to "
            f"plane so many times as much as the real image does."
        )
        worst = [row for row in mine if row.flicker.flickers]
        if worst:
            said.append(flicker_warning(worst))
    return said


def flicker_warning(rows: Sequence[FlickerRow]) -> str:
    """Return the warning that channels flicker."""
    each = ", ".join(f"{row.channel} {row.flicker.ratio:.1f} times" for row in rows)
    where = f" ({rows[0].direction})" if rows[0].direction else ""
    return (
        f"Neighboring planes do not agree along {rows[0].axis}{where}: what the translation adds changes from plane to "
        f"plane much more than the real image does ({each} as much, where {MOST_FLICKER:g} is the most). Planes were "
        f"translated one by one: do not follow or count objects through this stack."
    )
