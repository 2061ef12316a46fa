"""The gate: all measures on the translated fields of one direction, in numbers and in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.metrics.picture.field import Field
from napari_phenotrans.metrics.picture.measure import Case
from napari_phenotrans.metrics.picture.registry import MEASURES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_phenotrans.metrics.groups import Measured
    from napari_phenotrans.metrics.picture.limits import Limits
    from napari_phenotrans.metrics.picture.measure import Measure, Role

PLAIN = 0.7  # of crops that a classifier tells right, condition from condition
NOTHING = 0.05  # gap closed up to which nothing happened, where there is no interval


@dataclass(frozen=True)
class Row:
    """One measure of one channel.

    Parameters
    ----------
    value, limit, real
        See `Reading`; None where the measure does not apply, which ``why`` then explains.
    passed
        None where the measure does not apply.
    sentence
        What is wrong in plain words; empty where nothing is.
    """

    channel: str
    measure: str
    value: float | None = None
    limit: float | None = None
    real: float | None = None
    passed: bool | None = None
    sentence: str = ""
    why: str = ""
    more: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What the gate says about one direction."""

    direction: str
    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        return not self.failed

    @property
    def failed(self) -> list[Row]:
        return [row for row in self.rows if row.passed is False]

    @property
    def sentences(self) -> list[str]:
        """What is wrong, a sentence each; one that says that nothing is where all passed."""
        found = [f"{row.channel}: {row.sentence}." for row in self.failed]
        return found or ["Passes: nothing that these measures see tells it from a real picture."]

    def row(self, channel: str, measure: str) -> Row:
        """Return one row by its names."""
        return next(row for row in self.rows if (row.channel, row.measure) == (channel, measure))

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads, with the verdict itself: strings, numbers, true, false and null only."""
        rows = [asdict(row) for row in self.rows]
        return {"direction": self.direction, "passed": self.passed, "sentences": self.sentences, "rows": rows}

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(said["direction"], tuple(Row(**row) for row in said["rows"]))


@dataclass(frozen=True)
class Gate:
    """Judges translated pictures by the limits of a data set."""

    limits: Limits

    def look(self, planes: Sequence[np.ndarray]) -> list[Field]:
        """Return fields that `judge` takes in place of planes: what is found in real ones is found once only."""
        return [Field(each, self.limits.nuclei_channel) for each in planes]

    def judge(
        self,
        source: Sequence[np.ndarray | Field] | None,
        translated: Sequence[np.ndarray | Field],
        target: Sequence[np.ndarray | Field],
        *,
        to: str,
        kept: Sequence[str] = (),
        gaps: Mapping[str, Measured] | None = None,
        direction: str = "",
        same: bool = False,
    ) -> Verdict:
        """Judge the translated fields of one direction.

        Parameters
        ----------
        source
            Real source fields (C, H, W), each of the translated one at its place; None where they are not known, and
            measures that need them then say so.
        translated
            Translated fields, in the units and working pixels that the limits were learned in.
        target
            Real target fields.
        to
            The target's name: whose limits count.
        kept
            Channels that are to be returned bit for bit.
        gaps
            Gap closed per channel that differs between the conditions.
        direction
            As the verdict is to say it.
        same
            Whether source and target are one condition, so that nothing at all should change.

        Raises
        ------
        InputError
            If fields do not fit together or to the limits.
        """
        made, real, from_ = (
            [each if isinstance(each, Field) else Field(each, self.limits.nuclei_channel) for each in side]
            for side in (translated, target, source or ())
        )
        self._refuse_unfit(made, real, from_ if source is not None else None, kept)
        if not all(np.isfinite(each.pixels).all() for each in made):
            return Verdict(
                direction, (Row("all", "finite", passed=False, sentence="holds values that are not numbers"),)
            )
        rows = []
        for index, name in enumerate(self.limits.channels):
            still = same or name in self.limits.unchanged
            role: Role = "kept" if name in kept else "unchanged" if still else "moving"
            case = Case(index, role, made, real, from_, self.limits.of(to, name))
            rows += [_row(name, measure_name, measure, case) for measure_name, measure in MEASURES.items()]
        rows += [_nothing(name, gap) for name, gap in (gaps or {}).items() if self._has_to_change(name, kept)]
        return Verdict(direction, tuple(rows))

    def _has_to_change(self, channel: str, kept: Sequence[str]) -> bool:
        """Return whether conditions differ so plainly in a channel that a translation has to change it.

        Rare markers count, though most crops hold none and look alike.
        """
        shared = self.limits.shared[channel]
        return channel not in kept and ("marker" in shared or shared.get("differs", 1.0) >= PLAIN)

    def _refuse_unfit(
        self, made: Sequence[Field], real: Sequence[Field], from_: Sequence[Field] | None, kept: Sequence[str]
    ) -> None:
        names = self.limits.channels
        sizes = [each.pixels.shape for each in made]
        if not made or not real or (from_ is not None and [each.pixels.shape for each in from_] != sizes):
            raise InputError(
                f"The gate needs as many translated fields as source fields, of the same shapes, and a real target "
                f"field; got {len(made)} translated, {len(real)} target and "
                f"{'no' if from_ is None else len(from_)} source fields."
            )
        if any(len(each.pixels) != len(names) for each in (*made, *real)) or not set(kept) <= set(names):
            raise InputError(
                f"These limits are for the channels {', '.join(names)}; fields have others, or 'kept' has."
            )


def _row(channel: str, name: str, measure: Measure, case: Case) -> Row:
    """Read one measure of one channel."""
    if measure.paired and not case.source:
        return Row(channel, name, why="the source of each field is not known")
    found = measure.read(case)
    if found.value is None:
        return Row(channel, name, why=found.why)
    words = "" if found.passed else measure.words(found)
    return Row(channel, name, found.value, found.limit, found.real, found.passed, words, more=dict(found.more))


def _nothing(channel: str, gap: Measured) -> Row:
    """Say whether anything happened to a channel that differs between the conditions."""
    least = gap.low if gap.low is not None else gap.value - NOTHING
    words = f"changes nothing that differs (gap closed {gap.value:.2f}, not told from 0)"
    return Row(channel, "change", gap.value, passed=least > 0, sentence="" if least > 0 else words)
