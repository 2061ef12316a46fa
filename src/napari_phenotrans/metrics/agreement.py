"""Would it come out again? Changes of several trainings, or of several samples, held against each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

# A change counts from so many times the engine's own error: at twice 5 % of mere error passes, at once 32 %.
FACTOR = 2.0


def needed(count: int) -> int:
    """Return how many of so many have to show the same: two thirds, 2 of 3."""
    return max(2, math.ceil(2 * count / 3))


@dataclass(frozen=True, eq=False)
class AgreementSums:
    """What is needed of one place, or of several together, to say how far changes agree; (C,) each.

    Attributes
    ----------
    alike, power
        Sums over pixels of the product of two changes, averaged over pairs, and of the square of one.
    agreed, changed
        Sums of the mean change's amount where enough agree, and everywhere.
    """

    alike: np.ndarray
    power: np.ndarray
    agreed: np.ndarray
    changed: np.ndarray

    def __add__(self, other: AgreementSums) -> AgreementSums:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return AgreementSums(*(one + two for one, two in pairs))


class Agreement:
    """Takes changes of one place one by one, and says where they agree.

    What would fool it: changes that all make by the same mistake agree perfectly, such as an offset of the background
    or whatever the training images have wrong. It tells what comes out again from what does not, not true from false.
    """

    def __init__(self) -> None:
        self.count = 0
        self._up = self._down = self._sum = self._squares = np.zeros(())

    def add(self, change: np.ndarray, error: np.ndarray, factor: float = FACTOR) -> None:
        """Take in one change (C, h, w), signed, with the engine's error of the same shape, at least 0."""
        self.count += 1
        self._up = self._up + (change > factor * error)
        self._down = self._down + (change < -factor * error)
        self._sum = self._sum + change.astype(np.float64)
        self._squares = self._squares + change.astype(np.float64) ** 2

    @property
    def mean(self) -> np.ndarray:
        """The mean change, float32."""
        return (self._sum / self.count).astype(np.float32)

    @property
    def map(self) -> np.ndarray:
        """Return which share shows the same sign above the error where enough do: 1 all up, -1 all down, else 0."""
        enough = needed(self.count)
        up, down = (np.where(each >= enough, each, 0) / self.count for each in (self._up, self._down))
        return (up - down).astype(np.float32)

    @property
    def sums(self) -> AgreementSums:
        """What `AgreementRow` is computed from."""
        over = (-2, -1)
        pairs = self.count * max(1, self.count - 1)
        amount = np.abs(self._sum / self.count)
        return AgreementSums(
            (self._sum**2 - self._squares).sum(over) / pairs,
            self._squares.sum(over) / self.count,
            np.where(self.map != 0, amount, 0).sum(over),
            amount.sum(over),
        )


def outline(agreement: np.ndarray) -> np.ndarray:
    """Return the rim of areas where changes agree: pixels of them beside one that does not, or disagrees in sign.

    Parameters
    ----------
    agreement
        As `Agreement.map`, (…, Y, X). Of one pixel here and there nothing is drawn: an area is where most of a window
        of 3 × 3 agrees.

    Returns
    -------
    bool, of the same shape.
    """
    # loaded when first used: a dock opens without it
    from scipy import ndimage

    window = (1,) * (agreement.ndim - 2) + (3, 3)
    up, down = (ndimage.uniform_filter((part > 0).astype(np.float32), window) > 0.5 for part in (agreement, -agreement))
    rim = np.zeros(agreement.shape, bool)
    for area in (up, down):
        rim |= area & (ndimage.minimum_filter(area, window, mode="nearest") == 0)
    return rim


@dataclass(frozen=True)
class AgreementRow:
    """How far the changes of a channel agree.

    Attributes
    ----------
    channel
        Its name.
    again
        Product of two changes over the square of one, averaged over pixels, pairs and changes: 1 where they are the
        same, 0 where one tells nothing of another, below 0 where they contradict; None where nothing changes.
    agreed
        Share of the mean change that lies where at least two thirds show the same sign above the engine's error.
    """

    channel: str
    again: float | None
    agreed: float | None


def agreement_rows(channels: Sequence[str], sums: AgreementSums) -> list[AgreementRow]:
    """Return a row per channel."""
    return [
        AgreementRow(name, float(alike / power) if power else None, float(agreed / changed) if changed else None)
        for name, alike, power, agreed, changed in zip(channels, *vars(sums).values(), strict=True)
    ]


def agreement_sentence(rows: Sequence[AgreementRow], count: int, what: str) -> str:
    """Say how far so many trainings or samples agree; ``what`` is one of them, as a word."""
    each = [f"{row.channel} {row.again:.2f} ({100 * (row.agreed or 0):.0f} %)" for row in rows if row.again is not None]
    if not each:
        return f"Over {counted(count, what)} nothing changes."
    return (
        f"Over {counted(count, what)} the change agrees by {', '.join(each)}: 1 is the same in all, 0 tells nothing of "
        f"another. In brackets the share of it that lies where at least {needed(count)} of {count} show the same sign "
        f"above the engine's own error."
    )
