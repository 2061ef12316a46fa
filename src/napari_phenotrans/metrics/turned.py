"""The turn test: cells upside down are the same cells, so what a translation makes of them must be the same, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.text import listed

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class TurnRow:
    """How much of a channel's translation depends on which way up the image lies.

    Attributes
    ----------
    channel, direction
        Names; the direction is empty where it is not known.
    of_range
        Mean absolute difference between the translation and the one made of the turned image, turned back, as a share
        of the range.
    of_change
        The same as a share of the mean absolute change that translating makes; None where it makes none.
    """

    channel: str
    of_range: float
    of_change: float | None
    direction: str = ""


class TurnSums:
    """Takes planes that were translated as they are and turned, and says how far the two differ.

    What would fool it: an engine that changes nothing, or always the same whatever it sees, agrees with itself
    perfectly. It sees mistakes that depend on the place in the network's grid and on learned orientations; one that is
    made whichever way up is none to it.

    Parameters
    ----------
    span
        What "of the range" means, per channel, in the planes' units.
    """

    def __init__(self, span: Sequence[float]) -> None:
        self._span = np.asarray(span, np.float64)
        # per channel: disagreement, change
        self._sums = np.zeros((2, len(self._span)))
        self._pixels = 0

    def add(self, real: np.ndarray, translated: np.ndarray, disagreement: np.ndarray) -> None:
        """Add a plane (C, Y, X): real, translated as it is, and |translated - the turned one's, turned back|."""
        change = np.abs(translated.astype(np.float32) - real)
        self._sums += [each.sum(axis=(1, 2), dtype=np.float64) for each in (disagreement, change)]
        self._pixels += real[0].size

    def rows(self, channels: Sequence[str], direction: str = "") -> list[TurnRow]:
        """Return a row per channel; none where no plane came."""
        if not self._pixels:
            return []
        off, change = self._sums / self._pixels
        return [
            TurnRow(name, float(o / s), float(o / c) if c else None, direction)
            for name, o, c, s in zip(channels, off, change, self._span, strict=True)
        ]


def turn_sentence(rows: Sequence[TurnRow], turns: int = 2) -> str:
    """Say the turn test in a sentence; nothing where there are no rows."""
    if not rows:
        return ""
    how = "upside down" if turns == 2 else f"in {turns} turns"
    each = [
        f"{row.channel} {100 * row.of_range:.2g} %" + ("" if row.of_change is None else f" ({_share(row.of_change)})")
        for row in rows
    ]
    where = f"{rows[0].direction}: t" if rows[0].direction else "T"
    return f"{where}he same {how} within, of the range: {listed(each)}."


def _share(of_change: float) -> str:
    return f"{of_change:.2f} of its change"
