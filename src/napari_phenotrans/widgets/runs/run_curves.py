"""A run's losses and scores as curves. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.runs.family import MEMBER
from napari_phenotrans.widgets.common.curves import COLORS, COPY_SOURCE, FLOOR, Curve, Level, Points, smooth, thin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_phenotrans.runs.history import Series
    from napari_phenotrans.runs.monitor import RunWatch


def loss_curves(watch: RunWatch) -> tuple[Curve, ...]:
    """Return a curve per loss; those of the same name for several conditions are one group."""
    groups: dict[str, int] = {}
    dashes: dict[str, int] = {}
    curves = []
    for name, series in watch.losses.items():
        group, of = _of_condition(name, watch.conditions)
        color = COLORS[groups.setdefault(group, len(groups)) % len(COLORS)]
        dash = dashes.setdefault(of, len(dashes)) if of else 0
        curves.append(_curve(name, series, group, color, dash))
    return tuple(curves)


def score_curves(watch: RunWatch) -> dict[str, tuple[tuple[Curve, ...], tuple[Level, ...]]]:
    """Return by kind of score, ``kid`` and ``gap closed`` first, the curves, and floors and what copying scores."""
    by_kind: dict[str, tuple[list[Curve], list[Level]]] = {"kid": ([], []), "gap closed": ([], [])}
    for name, series in watch.scores.items():
        kind, group = _parts(name, watch.conditions)
        if not kind:
            continue
        curves, levels = by_kind.setdefault(kind, ([], []))
        color = COLORS[len(curves) % len(COLORS)]
        curves.append(_curve(name, series, group, color))
        for values, level_kind in ((watch.floors, FLOOR), (watch.copy_source, COPY_SOURCE)):
            if name in values:
                levels.append(Level(name, values[name], level_kind, group, color))
    return {kind: (tuple(curves), tuple(levels)) for kind, (curves, levels) in by_kind.items() if curves}


def best_kid(watch: RunWatch) -> float | None:
    """Return the lowest KID so far, averaged over the directions, which chooses the best checkpoint."""
    kids = [_arrays(series) for name, series in watch.scores.items() if _parts(name, watch.conditions)[0] == "kid"]
    if not kids:
        return None
    common = kids[0][0]
    for steps, _ in kids[1:]:
        common = np.intersect1d(common, steps)
    mean_kids = np.mean([values[np.isin(steps, common)] for steps, values in kids], axis=0)
    finite = mean_kids[np.isfinite(mean_kids)]
    return float(np.min(finite)) if len(finite) else None


def run_name(folder: Path, others: Sequence[Path] = ()) -> str:
    """Return a run folder's name, with the folder that it is in where another one is called the same.

    So are trainings of a family always, whose names say nothing but their seed.
    """
    same = [other for other in others if other.name == folder.name]
    alike = len(same) > 1 or folder.name.startswith(MEMBER)
    return f"{folder.parent.name}/{folder.name}" if alike else folder.name


def _parts(name: str, conditions: Sequence[str]) -> tuple[str, str]:
    """Return kind and rest of a score's name: ``gap closed``, ``untreated → treated: DNA``; no kind for a spread."""
    for source in conditions:
        metric, arrow, rest = name.partition(f" {source} → ")
        if arrow:
            return ("", "") if metric.endswith((" low", " high")) else (metric, f"{source} → {rest}")
    return ("held-out losses", name.removeprefix("held-out ")) if name.startswith("held-out ") else (name, name)


def _of_condition(name: str, conditions: Sequence[str]) -> tuple[str, str]:
    for condition in conditions:
        if name.endswith(" " + condition):
            return name.removesuffix(condition).strip(), condition
    return name, ""


def _curve(name: str, series: Series, group: str, color: str, dash: int = 0) -> Curve:
    steps, values = _arrays(series)
    return Curve(name, thin(steps, values), smooth(steps, values), group, color, dash)


def _arrays(series: Series) -> Points:
    return np.array(series.steps, float), np.array(series.values, float)
