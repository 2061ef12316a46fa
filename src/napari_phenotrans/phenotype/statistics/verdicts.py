"""Judging every measurement: does it differ in reality, does the engine change it, and does the one fit the other."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.metrics import METRICS, Features, Measured
from napari_phenotrans.metrics import floor as metric_floor
from napari_phenotrans.phenotype.statistics.contrasts import LEAST_GROUPS, contrast, corrected_p
from napari_phenotrans.phenotype.statistics.effects import Effect, Effects, Role, Verdict
from napari_phenotrans.phenotype.statistics.null_controls import floor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_phenotrans.phenotype.objects.catalog import Measurement
    from napari_phenotrans.phenotype.objects.tables import GroupMeans, Table
    from napari_phenotrans.phenotype.statistics.contrasts import Contrast
    from napari_phenotrans.phenotype.statistics.null_controls import Floor

# Two measurements of which the one tells the other within a condition say the same.
ALIKE = 0.9
HALF_WAY = 0.5
LEAST_OBJECTS = 5
# Objects that differ by no more than arithmetic rounds are alike.
ROUNDING, ALL_ALIKE = 1e-9, "the same everywhere"
_OBJECTS = 4000  # are enough to see that
_GAP_SPLITS = 5


def judge(
    tables: Mapping[Role, Table],
    *,
    least: int = LEAST_OBJECTS,
    seed: int = 0,
    tick: Callable[[], None] | None = None,
) -> Effects:
    """Compare all measurements over groups.

    *Differs in reality*: real target against real source, by `contrast`.

    *The engine changes it*: |translated - real source|, less the engine's own error, exceeds (a) what the real
    difference must exceed to count, the spread of the engine's changes over groups added to its standard error, and (b)
    what 95 % of all differences between random halves of one condition stay below. What an engine does is always the
    same and would be sure by itself; but it knows the conditions from these groups only, and cannot know better than
    they do what is theirs and what is the condition's.

    *Within error*: it differs, and the engine goes half of the way or more, but not beyond that. *Missed*: less.

    *Suspected invention*: the engine changes it, it does not differ in reality, and the engine's change lies outside
    the corrected interval of the real difference. Inside of it the question is *open*.

    Parameters
    ----------
    tables
        At least source, target and translated; the engine's error is taken for 0 where neither source again nor target
        again is there.
    least
        Objects that a group needs, to say more about the group than about single cells.
    seed
        Of assignments, halves and intervals.
    tick
        Called now and then; raise in it to stop.

    Raises
    ------
    InputError
        If real source or real target has no group with so many objects.
    """
    group_means = {role: table.by_group(least) for role, table in tables.items()}
    groups = _usable(group_means["source"], group_means["target"], least)
    compared = _comparable(tables, groups)
    source, target, spread = compared.source, compared.target, compared.spread

    # ---- reality
    real = contrast(source, target, spread, paired=groups.paired, seed=seed, tick=tick)
    halves = floor({"source": source, "target": target}, spread, seed=seed, tick=tick)

    # ---- the engine
    engine = _engine_changes(group_means, compared, real, halves)
    left_out = dict(compared.left_out)
    rows = []
    for i, measurement in enumerate(compared.measurements):
        if np.isfinite(engine.change[i]):
            rows.append(_effect(i, measurement, compared, real, halves, engine))
        else:
            left_out[measurement.words] = "not measured in translated images"
    # spreads between fields are another scale than those between objects
    rows.sort(key=lambda row: (row.measurement.per_field, not row.differs, -abs(row.real_sd)))

    # ---- how much of the gap, where there is one, and what says the same
    with_gaps = []
    for row in rows:
        if tick:
            tick()
        has_gap = row.differs if real.p is not None else abs(row.real_sd) > halves.bar
        with_gaps.append(_with_gap(row, tables, seed) if has_gap else row)
    return Effects(
        rows=tuple(_marked_alike(with_gaps, tables, seed)),
        real=real,
        floor=halves,
        source_groups=groups.source.names,
        target_groups=groups.target.names,
        translated_groups=group_means["translated"].names,
        left_out=left_out,
        notes=groups.notes,
    )


# ---- what is compared


@dataclass(frozen=True, eq=False)
class _Groups:
    """The groups of real source and real target that are compared, and what is to be said of them.

    ``paired`` says whether they are the same, row by row.
    """

    source: GroupMeans
    target: GroupMeans
    paired: bool
    notes: tuple[str, ...]


def _usable(source: GroupMeans, target: GroupMeans, least: int) -> _Groups:
    """Choose the groups with objects to compare, and those with both conditions where they are many."""
    notes = []
    sides = []
    for side, what in ((source, "source"), (target, "target")):
        of_objects = [i for i, m in enumerate(side.measurements) if not m.per_field]
        enough = np.isfinite(side.values[:, of_objects]).any(axis=1) if of_objects else np.ones(len(side.names), bool)
        too_few = [name for name, yes in zip(side.names, enough, strict=True) if not yes]
        usable = [name for name, yes in zip(side.names, enough, strict=True) if yes]
        if not usable:
            raise InputError(
                f"No group of the real {what} has as many as {least} objects, so that nothing can be compared. Look at "
                f"the channel that objects are found in, say --diameter, or measure whole crops (--objects none)."
            )
        if too_few:
            notes.append(
                f"Groups of the real {what} with fewer than {least} objects were left out: {', '.join(too_few)}."
            )
        sides.append(side.of_names(usable))
    shared = [name for name in sides[0].names if name in sides[1].names]
    if len(shared) >= max(LEAST_GROUPS, min(len(side.names) for side in sides) / 2):
        rest = sorted({name for side in sides for name in side.names} - set(shared))
        left_out = f"; those that have one only are left out of the comparison: {', '.join(rest)}" if rest else ""
        notes.append(f"{len(shared)} groups have both conditions and are compared with themselves{left_out}.")
        return _Groups(sides[0].of_names(shared), sides[1].of_names(shared), paired=True, notes=tuple(notes))
    if shared:
        notes.append(
            f"{', '.join(shared)} {'have' if len(shared) > 1 else 'has'} both conditions, too few to compare groups "
            f"with themselves: they are taken for independent, which makes p somewhat too large."
        )
    return _Groups(sides[0], sides[1], paired=False, notes=tuple(notes))


@dataclass(frozen=True, eq=False)
class _Compared:
    """The d measurements that can be compared.

    Parameters
    ----------
    measurements, spread
        What, and the standard deviation of each within a condition.
    source, target
        (groups, d) means.
    kept
        Which of all measurements these are.
    left_out
        Why others are not among them, by their words.
    """

    measurements: tuple[Measurement, ...]
    spread: np.ndarray
    source: np.ndarray
    target: np.ndarray
    kept: np.ndarray
    left_out: dict[str, str]


def _comparable(tables: Mapping[Role, Table], groups: _Groups) -> _Compared:
    """Choose the measurements that all groups have and that differ between objects."""
    measurements = tables["source"].measurements
    source, target = groups.source.values, groups.target.values
    spread = np.array([_spread(m, tables["source"], tables["target"]) for m in measurements])
    left_out = {}
    for index, m in enumerate(measurements):
        if not np.isfinite(source[:, index]).all() or not np.isfinite(target[:, index]).all():
            left_out[m.words] = "not measured in all groups"
        elif not spread[index] > ROUNDING * (1 + abs(source[:, index]).max()):
            left_out[m.words] = ALL_ALIKE
    kept = np.array([m.words not in left_out for m in measurements])
    if not kept.any():
        if ALL_ALIKE in left_out.values():
            raise InputError(
                "All objects of a condition are alike in every measurement, so that nothing tells chance from a "
                "difference. Check that the fields are different images, as they were recorded."
            )
        raise InputError(
            "No measurement was made in all groups, so that nothing can be compared. Add fields or groups."
        )
    compared = tuple(m for m, is_kept in zip(measurements, kept, strict=True) if is_kept)
    return _Compared(compared, spread[kept], source[:, kept], target[:, kept], kept, left_out)


# ---- the engine, each group with itself


@dataclass(frozen=True, eq=False)
class _EngineChanges:
    """What the engine changes, (d,) each; as of `Effect`, where ``reach`` is half of the interval of ``change``."""

    translated: np.ndarray
    change: np.ndarray
    reach: np.ndarray
    error: np.ndarray
    margin: np.ndarray
    p: np.ndarray
    tested: np.ndarray


def _engine_changes(
    group_means: Mapping[Role, GroupMeans], compared: _Compared, real: Contrast, halves: Floor
) -> _EngineChanges:
    spread, kept = compared.spread, compared.kept
    changes = _changes(group_means, "translated", "source")[:, kept]
    known = np.isfinite(changes).sum(axis=0)
    change = _mean(changes)
    standard_error = np.sqrt(_variance(changes) / np.maximum(known, 1))

    # ---- its own error: what it changes where nothing should
    again: tuple[tuple[Role, Role], ...] = (("source again", "source"), ("target again", "target"))
    errors = [np.abs(_mean(_changes(group_means, role, base)[:, kept])) for role, base in again if role in group_means]
    error = np.nanmax([np.zeros(len(spread)), *errors], axis=0)

    # ---- by how much a change must exceed it
    joint = np.hypot(real.error, standard_error)
    margin = np.fmax((real.critical or np.nan) * joint, halves.bar * spread)
    p = np.full(len(spread), np.nan)
    if real.largest is not None:
        p = corrected_p(np.nan_to_num(np.maximum(np.abs(change) - error, 0) / joint), real.largest)
    return _EngineChanges(
        translated=_mean(group_means["translated"].values[:, kept]),
        change=change,
        reach=_student(known) * standard_error,
        error=error,
        margin=margin,
        p=p,
        tested=(known >= LEAST_GROUPS) & (real.critical is not None),
    )


def _effect(
    i: int, measurement: Measurement, compared: _Compared, real: Contrast, halves: Floor, engine: _EngineChanges
) -> Effect:
    """Put together what was found of the ``i``-th measurement."""
    tested, change, reach = bool(engine.tested[i]), float(engine.change[i]), float(engine.reach[i])
    effect = Effect(
        measurement=measurement,
        source=float(compared.source[:, i].mean()),
        target=float(compared.target[:, i].mean()),
        translated=float(engine.translated[i]),
        spread=float(compared.spread[i]),
        real=float(real.difference[i]),
        real_low=None if real.low is None else float(real.low[i]),
        real_high=None if real.high is None else float(real.high[i]),
        real_p=None if real.p is None else float(real.p[i]),
        made=change,
        made_low=change - reach if tested else None,
        made_high=change + reach if tested else None,
        made_p=float(engine.p[i]) if tested else None,
        error=float(engine.error[i]),
        margin=float(engine.margin[i]) if tested else None,
        floor=float(halves.typical[i] * compared.spread[i]),
    )
    return replace(effect, verdict=_verdict(effect, (real.critical or 0) * float(real.error[i])))


def _spread(measurement: Measurement, *tables: Table) -> float:
    """Return the standard deviation within a condition, both weighing the same."""
    variances = [values.var(ddof=1) for values, _ in (t.column(measurement) for t in tables) if len(values) > 1]
    return float(np.sqrt(np.mean(variances))) if variances else 0.0


def _changes(group_means: Mapping[Role, GroupMeans], after: Role, before: Role) -> np.ndarray:
    return group_means[after].values - group_means[before].of_names(group_means[after].names).values


def _mean(rows: np.ndarray) -> np.ndarray:
    known = np.isfinite(rows).sum(axis=0)
    return np.where(known > 0, np.nansum(rows, axis=0) / np.maximum(known, 1), np.nan)


def _variance(rows: np.ndarray) -> np.ndarray:
    known = np.isfinite(rows).sum(axis=0)
    return np.nansum((rows - _mean(rows)) ** 2, axis=0) / np.maximum(known - 1, 1)


def _student(known: np.ndarray) -> np.ndarray:
    from scipy import stats

    return stats.t.ppf(0.975, np.maximum(known - 1, 1))


# ---- what it means


def _verdict(row: Effect, reach: float) -> Verdict:
    if row.margin is None or row.real_p is None:
        return "not tested"
    if row.differs:
        if not row.changed:
            return "within error" if row.made / row.real >= HALF_WAY else "missed"
        return "reproduced" if row.real * row.made > 0 else "wrong way"
    if not row.changed:
        return "unchanged"
    return "suspected invention" if abs(row.made - row.real) > reach else "open"


def _with_gap(row: Effect, tables: Mapping[Role, Table], seed: int) -> Effect:
    """Add the gap closed: over the translated groups, and over those of them that training saw, or did not."""
    gap = METRICS["gap closed"]
    translated = tables["translated"]

    def measured(seen: bool | None, resamples: int) -> Measured | None:
        names = sorted({p.group for p in translated.places if seen is None or p.seen is seen})
        made, from_ = (_features(tables[role], row.measurement, names) for role in ("translated", "source"))
        if not (real and made and from_):
            return None
        enough = min(len(side.names) for side in (real, made, from_)) >= LEAST_GROUPS
        try:
            return gap(real, made, from_, seed=seed, resamples=resamples if enough else 0)
        except InputError:
            return None  # no gap at all

    real = _features(tables["target"], row.measurement)
    of_source = _features(tables["source"], row.measurement)
    best = None
    if real and of_source:
        # a half of the target may be the source's like where the whole is not
        with suppress(InputError):
            best = metric_floor(gap, real, of_source, seed=seed, splits=_GAP_SPLITS)
    both = len({place.seen for place in translated.places}) > 1
    return replace(
        row,
        gap=measured(None, 200),
        gap_floor=best.value if best else None,
        gap_seen=measured(True, 0) if both else None,
        gap_held_out=measured(False, 0) if both else None,
    )


def _features(table: Table, measurement: Measurement, names: Sequence[str] | None = None) -> Features | None:
    values, groups = table.column(measurement)
    rows = np.isin(groups, names) if names is not None else np.ones(len(groups), bool)
    return Features(values[rows, None], groups[rows]) if rows.any() else None


def _marked_alike(rows: Sequence[Effect], tables: Mapping[Role, Table], seed: int) -> list[Effect]:
    """Mark what a larger effect says already, by how both vary between objects of one condition."""
    rng = np.random.default_rng(seed)
    columns = [row.measurement for row in rows if not row.measurement.per_field]
    residuals = []
    for role in ("source", "target"):
        table: Table = tables[role]
        indices = [table.columns.index(m) for m in columns]
        values = table.values[:, indices]
        values = values[rng.permutation(len(values))[:_OBJECTS]]
        residuals.append(values - np.nanmean(values, axis=0))
    pooled = np.nan_to_num(np.concatenate(residuals))
    scale = np.sqrt((pooled**2).mean(axis=0))
    unit = pooled / np.where(scale > 0, scale, 1)
    alike = np.abs(unit.T @ unit) / len(unit)
    marked: list[Effect] = []
    leading: list[tuple[int, Effect]] = []
    number_of = {m: i for i, m in enumerate(columns)}
    for row in rows:
        number = number_of.get(row.measurement)
        if number is None:
            marked.append(row)
            continue
        first = next((other for other, _ in leading if alike[number, other] >= ALIKE), None)
        if first is None:
            leading.append((number, row))
            marked.append(row)
        else:
            marked.append(replace(row, like=columns[first].key))
    return marked
