"""A metric's value beside its floor and copy source, at the same number of crops: the rows of a table of scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import counted
from napari_phenotrans.metrics import METRICS, Metric, floor
from napari_phenotrans.metrics.groups import Features, halves, interval

if TYPE_CHECKING:
    from collections.abc import Mapping

SPLITS = 20


@dataclass(frozen=True)
class ScoreRow:
    """One score with everything that is needed to read it.

    Parameters
    ----------
    direction
        ``untreated → treated``; empty where only folders were named.
    metric, features
        Name in `METRICS`, and the extractor whose features it was computed from.
    channel
        Its name; empty where all channels count together.
    value, low, high
        The score and its 95 % interval over groups; None where there is none, which ``note`` then explains.
    floor, floor_low, floor_high
        What two random halves of the real target's groups score against each other, and the spread over 20 splits.
    copy_source
        What the real source scores when it is offered as translation.
    n
        Crops on each side (the smaller one) of value, floor and copy source.
    groups
        Groups on each side (the smaller one), all of them.
    whole
        The score with all crops, as other programs compute it. It differs from ``value`` in metrics that depend on n
        only, and has no floor.
    p
        Permutation p, of tests.
    note
        What has to be known before believing it.
    """

    direction: str
    metric: str
    features: str
    channel: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    floor_low: float | None = None
    floor_high: float | None = None
    copy_source: float | None = None
    n: int = 0
    groups: int = 0
    whole: float | None = None
    p: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """What the numbers allow to say, in words; empty where they allow nothing."""
        if self.value is None or self.low is None or self.high is None or self.floor_low is None:
            return ""
        metric = METRICS.get(self.metric)
        sign = 1 if metric is None or metric.lower_is_better else -1
        worst = max(sign * self.low, sign * self.high)
        furthest = max(sign * self.floor_low, sign * (self.floor_high or self.floor_low))
        if self.copy_source is not None and worst >= sign * self.copy_source:
            return "not shown to be better than copying"
        if sign * self.value <= furthest:
            return "not told from real"
        return "between copying and real" if self.copy_source is not None else "told from real"


def score_row(
    name: str,
    real: Features,
    translated: Features,
    source: Features | None,
    *,
    seed: int = 0,
    resamples: int = 200,
    metrics: Mapping[str, Metric] = METRICS,
) -> ScoreRow:
    """Compute one row.

    Parameters
    ----------
    name
        Of the metric.
    real, translated, source
        Features of the real target, the translated source and the real source, which may be missing. Where translated
        and source have the same rows, the same ones are taken of both.
    seed, resamples
        Of splits, permutations and intervals; no interval where ``resamples`` is 0.
    metrics
        Where ``name`` is looked up.

    Returns
    -------
    The row, of no direction, extractor or channel yet; without a value where there are too few crops or groups, or
    nothing to compare.
    """
    metric = metrics[name]
    sides = [side for side in (real, translated, source) if side is not None]
    n, groups = min(len(side.values) for side in sides), min(len(side.names) for side in sides)
    row = ScoreRow(direction="", metric=name, features="", channel="", n=n, groups=groups)
    if metric.from_source and source is None:
        return replace(row, note="needs the real source: name it with --source")
    if not metric.fits(*sides):
        return replace(row, note=_too_few(metric, n, groups))
    try:
        whole = metric(real, translated, source, seed=seed, resamples=resamples)
        copied = None if source is None else metric(real, source, source, resamples=0).value
    except InputError as error:
        return replace(row, note=str(error))

    # ---- value and copy source beside a floor of the same number of crops
    lowest = floor(metric, real, source, seed=seed, splits=SPLITS) if not metric.follows_n else None
    between = _Comparable(whole.value, copied, n, *((lowest.value, lowest.low, lowest.high) if lowest else ()))
    if metric.follows_n:
        between = _at_equal_sizes(metric, real, translated, source, np.random.default_rng(seed)) or between

    # ---- what has to be known before believing it
    notes = []
    if between.floor is None:
        notes.append(f"no floor: {_too_few(metric, between.n, groups, half=True)}")
    if whole.low is None and resamples:
        notes.append(f"no interval: it needs 3 groups on each side, there are {groups}")
    if between.n < metric.advised:
        notes.append(f"below {metric.advised} crops it is mostly bias: read kid")
    shift = between.value - whole.value
    return replace(
        row,
        **vars(between),
        low=None if whole.low is None else min(whole.low + shift, metric.most),
        high=None if whole.high is None else min(whole.high + shift, metric.most),
        whole=whole.value,
        p=whole.p,
        note="; ".join(notes),
    )


@dataclass(frozen=True)
class _Comparable:
    """A value, the copy source and the floor, all of the same number of crops; fields as of `ScoreRow`."""

    value: float
    copy_source: float | None
    n: int
    floor: float | None = None
    floor_low: float | None = None
    floor_high: float | None = None


def _at_equal_sizes(
    metric: Metric, real: Features, translated: Features, source: Features | None, rng: np.random.Generator
) -> _Comparable | None:
    """Compute a metric that depends on the number of crops at the same number of them, for values to compare.

    One random half of the real target's groups against as many crops of its other half (floor), of the translations
    (value) and of the real source (copy source); each the mean over 20 splits. None where no half is large enough.
    """
    rows: list[list[float]] = []
    sizes: list[int] = []
    for half, other_half in halves(real, SPLITS, rng):
        size = min(len(other_half.values), len(translated.values))
        picked = _pick(translated, size, rng)
        # of the source the very crops that were translated, where it has them
        alike = source is not None and np.array_equal(source.groups, translated.groups)
        copies = None if source is None else source.rows(picked if alike else _pick(source, size, rng))
        offered = [other_half.rows(_pick(other_half, size, rng)), translated.rows(picked)]
        offered += [copies] if copies else []
        if metric.fits(half, *offered):
            sizes.append(min(size, len(half.values)))
            rows.append([metric(half, side, copies, resamples=0).value for side in offered])
    if not rows:
        return None
    table = np.array(rows)
    return _Comparable(
        float(table[:, 1].mean()),
        float(table[:, 2].mean()) if source else None,
        round(float(np.mean(sizes))),
        float(table[:, 0].mean()),
        *interval(table[:, 0]),
    )


def _pick(side: Features, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw places of ``count`` rows: whole groups in random order, the last one cut off."""
    order = rng.permutation(len(side.names))[side.codes]
    return np.argsort(order, kind="stable")[:count]


def _too_few(metric: Metric, n: int, groups: int, *, half: bool = False) -> str:
    where = "in each half of the real target" if half else "on each side"
    return (
        f"needs {metric.least} crops and {counted(metric.least_groups, 'group')} {where}, "
        f"got {n} and {groups}{' in all' if half else ''}"
    )
