"""What differs between the conditions, and what the engine changes: one row per measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_phenotrans.phenotype.statistics.contrasts import LEVEL

if TYPE_CHECKING:
    from napari_phenotrans.metrics import Measured
    from napari_phenotrans.phenotype.objects.catalog import Measurement
    from napari_phenotrans.phenotype.statistics.contrasts import Contrast
    from napari_phenotrans.phenotype.statistics.null_controls import Floor

Role = Literal["source", "target", "translated", "source again", "target again", "truth"]
"""Real source and target; source → target; source → source and target → target; source as it would be in the target."""
Verdict = Literal[
    "reproduced", "within error", "missed", "wrong way", "suspected invention", "open", "unchanged", "not tested"
]


@dataclass(frozen=True)
class Effect:
    """One measurement: what differs in reality, and what the engine changed.

    Effects, errors and bars are in the measurement's unit, of means over groups; ``*_sd`` are in standard deviations
    between objects of one condition.

    Parameters
    ----------
    measurement
        What.
    source, target, translated
        Means of real source and real target over all groups, and of translated over those that were translated.
    spread
        Standard deviation between objects (or planes) within a condition.
    real, real_low, real_high, real_p
        Target - source in reality, its 95 % interval, and p corrected for all measurements; None with fewer than five
        groups per condition.
    made, made_low, made_high, made_p
        The same of translated - real source, each group with itself; p is of what goes beyond the engine's error.
    error
        The engine's own: the larger of what source → source and target → target change, as an amount.
    margin
        By how much ``made``, as an amount, must exceed ``error`` for the engine to be said to change this; None where
        that is not tested.
    floor
        Mean amount by which random halves of one condition differ.
    gap, gap_floor
        Gap closed, and what random halves of the real target reach; None where there is no gap.
    gap_seen, gap_held_out
        Gap closed by groups that training saw, and by those that it did not; None where only one kind was translated,
        or it is not known.
    verdict
        See `verdicts.judge`.
    like
        Key of a larger effect that says the same, empty where this says something of its own.
    """

    measurement: Measurement
    source: float
    target: float
    translated: float
    spread: float
    real: float
    real_low: float | None
    real_high: float | None
    real_p: float | None
    made: float
    made_low: float | None
    made_high: float | None
    made_p: float | None
    error: float
    margin: float | None
    floor: float
    gap: Measured | None = None
    gap_floor: float | None = None
    gap_seen: Measured | None = None
    gap_held_out: Measured | None = None
    verdict: Verdict = "not tested"
    like: str = ""

    @property
    def real_sd(self) -> float:
        return self.real / self.spread

    @property
    def made_sd(self) -> float:
        return self.made / self.spread

    @property
    def error_sd(self) -> float:
        return self.error / self.spread

    @property
    def changed(self) -> bool:
        """Whether the engine is said to change it."""
        return self.margin is not None and abs(self.made) > self.error + self.margin

    @property
    def differs(self) -> bool:
        """Whether real source and real target are said to differ."""
        return self.real_p is not None and self.real_p <= LEVEL


@dataclass(frozen=True, eq=False)
class Effects:
    """All effects, and how they were judged.

    Parameters
    ----------
    rows
        Of objects, then of whole fields; of each those said to differ in reality first, the largest before the others.
    real
        The contrast of real target and real source.
    floor
        Of random halves of one condition.
    source_groups, target_groups, translated_groups
        Names of the groups that were compared.
    left_out
        Measurements that could not be compared, and why, by their words.
    notes
        What is to be said of groups, in sentences.
    """

    rows: tuple[Effect, ...]
    real: Contrast
    floor: Floor
    source_groups: tuple[str, ...]
    target_groups: tuple[str, ...]
    translated_groups: tuple[str, ...]
    left_out: dict[str, str]
    notes: tuple[str, ...]

    @property
    def real_tested(self) -> bool:
        """Whether there are enough groups of each condition to say whether real source and real target differ."""
        return self.real.p is not None

    @property
    def made_tested(self) -> bool:
        """Whether enough groups were translated to say what the engine changes."""
        return any(row.margin is not None for row in self.rows)

    @property
    def differing(self) -> list[Effect]:
        """Those said to differ in reality."""
        return [row for row in self.rows if row.differs]

    @property
    def leading(self) -> list[Effect]:
        """Effects of objects, without those that a larger one comes with (see ``like``)."""
        return [row for row in self.rows if not row.like and not row.measurement.per_field]

    @property
    def of_fields(self) -> list[Effect]:
        """Those of whole fields: counts, shares and intensities."""
        return [row for row in self.rows if row.measurement.per_field]

    def of(self, verdict: Verdict) -> list[Effect]:
        """Return those of one verdict."""
        return [row for row in self.rows if row.verdict == verdict]

    def like(self, row: Effect) -> list[Effect]:
        """Return those that say the same as this one."""
        return [other for other in self.rows if other.like == row.measurement.key]
