"""A metric's value beside its floor and copy source, at the same number of crops: the rows of a table of scores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
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
    direction: str = "",
    features: str = "",
    channel: str = "",
    seed: int = 0,
    resamples: int = 200,
    metrics: Mapping[str, Metric] = METRICS,
) -> ScoreRow:
    """Compute one row.

    A metric whose value depends on the number of crops is computed three times on the same numbers, because values at
    different ones do not compare: one random half of the real target's groups against as many crops of its other
    half (floor), of the translations (value) and of the real source (copy source); each the mean over 20 splits.

    Parameters
    ----------
    name
        Of the metric.
    real, translated, source
        Features of the real target, the translated source and the real source, which may be missing. Where translated
        and source have the same rows, the same ones are taken of both.
    direction, features, channel
        As they shall stand in the row.
    seed, resamples
        Of splits, permutations and intervals; no interval where ``resamples`` is 0.
    metrics
        Where ``name`` is looked up.

    Returns
    -------
    The row; without a value where there are too few crops or groups, or nothing to compare.
    """
    metric = metrics[name]
    sides = [side for side in (real, translated, source) if side is not None]
    n, groups = min(len(side.values) for side in sides), min(len(side.names) for side in sides)
    row = partial(ScoreRow, direction=direction, metric=name, features=features, channel=channel, groups=groups)
    if metric.from_source and source is None:
        return row(n=n, note="needs the real source: name it with --source")
    if not metric.fits(*sides):
        return row(n=n, note=_too_few(metric, n, groups))
    try:
        whole = metric(real, translated, source, seed=seed, resamples=resamples)
        copied = None if source is None else metric(real, source, source, resamples=0).value
    except InputError as error:
        return row(n=n, note=str(error))

    notes = []
    if not metric.follows_n:
        value, lowest = whole.value, floor(metric, real, source, seed=seed, splits=SPLITS)
        between = (None, None, None) if lowest is None else (lowest.value, lowest.low, lowest.high)
    else:
        rng = np.random.default_rng(seed)
        rows: list[list[float]] = []
        sizes: list[int] = []
        for one, other in halves(real, SPLITS, rng):
            size = min(len(other.values), len(translated.values))
            picked = _pick(translated, size, rng)
            # of the source the very crops that were translated, where it has them
            alike = source is not None and np.array_equal(source.groups, translated.groups)
            copies = None if source is None else source.rows(picked if alike else _pick(source, size, rng))
            offered = [other.rows(_pick(other, size, rng)), translated.rows(picked), *([copies] if copies else [])]
            if metric.fits(one, *offered):
                sizes.append(min(size, len(one.values)))
                rows.append([metric(one, side, copies, resamples=0).value for side in offered])
        if rows:
            table = np.array(rows)
            between = (float(table[:, 0].mean()), *interval(table[:, 0]))
            value, copied = float(table[:, 1].mean()), float(table[:, 2].mean()) if source else None
            n = round(float(np.mean(sizes)))
        else:
            value, between = whole.value, (None, None, None)
    if between[0] is None:
        notes.append(f"no floor: {_too_few(metric, n, groups, half=True)}")
    if whole.low is None and resamples:
        notes.append(f"no interval: it needs 3 groups on each side, there are {groups}")
    if n < metric.advised:
        notes.append(f"below {metric.advised} crops it is mostly bias: read kid")
    shift = value - whole.value
    return row(
        n=n,
        value=value,
        low=None if whole.low is None else min(whole.low + shift, metric.most),
        high=None if whole.high is None else min(whole.high + shift, metric.most),
        floor=between[0],
        floor_low=between[1],
        floor_high=between[2],
        copy_source=copied,
        whole=whole.value,
        p=whole.p,
        note="; ".join(notes),
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
