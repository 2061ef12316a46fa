"""What measures of a picture are given and what they give."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_phenotrans.metrics.picture.field import Field

Role = Literal["kept", "unchanged", "moving"]
"""Of a channel: returned bit for bit; not acted on by the condition, as far as real fields tell; the rest."""

Numbers = dict[str, float]


@dataclass(frozen=True, eq=False)
class Case:
    """One channel of one direction, as measures see it.

    Parameters
    ----------
    channel
        Its place.
    role
        What may happen to it.
    translated, target
        Translated and real target fields.
    source
        The real source fields, each of the translated field at its place; empty where none are known.
    numbers
        What calibration found for this channel of the target.
    """

    channel: int
    role: Role
    translated: Sequence[Field]
    target: Sequence[Field]
    source: Sequence[Field]
    numbers: Mapping[str, float]

    def differences(self) -> list[np.ndarray]:
        """Return translated minus real source, (H, W) each."""
        pairs = zip(self.translated, self.source, strict=True)
        return [made.pixels[self.channel] - real.pixels[self.channel] for made, real in pairs]

    def noise(self) -> float:
        """Return the standard deviation of the source's noise, the mean over its fields."""
        return float(np.mean([each.noise(self.channel) for each in self.source]))


@dataclass(frozen=True)
class Reading:
    """What a measure found in one channel.

    Parameters
    ----------
    value
        Passes up to ``limit``; None where the measure does not apply, which ``why`` then explains.
    real
        The same of the real target, where that is comparable.
    more
        Further numbers by name, such as shares of fates.
    """

    value: float | None
    limit: float | None = None
    real: float | None = None
    why: str = ""
    more: Mapping[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.value is None or self.limit is None or self.value <= self.limit


def silent(why: str) -> Reading:
    """Return the reading of a measure that does not apply, and why."""
    return Reading(None, why=why)


@dataclass(frozen=True)
class Measure:
    """A measure of pictures: how it is read, what it learns from real fields, and what it says in words.

    Parameters
    ----------
    read
        From a `Case`.
    words
        What is wrong, for a biologist, from a reading that did not pass.
    learn
        From the real fields of one condition and a channel's place, with what was learned over all conditions, to
        numbers by name; each field is taken for a translation to the others.
    paired
        Whether it needs the source that each field was translated from.
    """

    read: Callable[[Case], Reading]
    words: Callable[[Reading], str]
    learn: Callable[[Sequence[Field], int, Mapping[str, float]], Numbers] | None = None
    paired: bool = False


def share_limit(usual: float, count: int) -> float:
    """Return up to which share chance takes one that is usually ``usual``, of ``count`` objects (two SDs)."""
    return usual + 2 * float(np.sqrt(usual * (1 - usual) / max(count, 1)))
