"""The report's figures, as text that stands in the page: SVG, and pictures of objects as PNG."""

from __future__ import annotations

import base64
from html import escape
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.text import without_math
from napari_phenotrans.phenotype.page import text as words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_phenotrans.phenotype.result import PhenotypeReport
    from napari_phenotrans.phenotype.statistics.effects import Effect, Role, Verdict

# Told apart by the color-blind, and by shape where printed in gray.
MARKS: dict[Verdict, tuple[str, str]] = {
    "reproduced": ("#009e73", "o"),
    "within error": ("#56b4e9", "o"),
    "missed": ("#0072b2", "s"),
    "wrong way": ("#b00020", "X"),
    "suspected invention": ("#d55e00", "^"),
    "open": ("#c9a227", "D"),
    "unchanged": ("#b8b8b8", "."),
    "not tested": ("#555555", "o"),
}
SIDES: tuple[tuple[Role, str], ...] = (("source", "#777777"), ("translated", "#d55e00"), ("target", "#0072b2"))
NUMBERED = 10
BINS = 40


def scatter(report: PhenotypeReport) -> str:
    """Draw every measurement of objects: reality against the engine's change; a point says its name when hovered."""
    rows = [row for row in report.effects.rows if not row.measurement.per_field]
    figure, axis = _figure(7.2, 5.6)
    x, y = (np.array([getattr(row, name) for row in rows]) for name in ("real_sd", "made_sd"))
    axis.axline((0, 0), slope=1, color="#999999", lw=0.8, ls="--", zorder=1, label="engine = reality")
    axis.axhline(0, color="#cccccc", lw=0.8, zorder=0)
    axis.axvline(0, color="#cccccc", lw=0.8, zorder=0)
    titles = {}
    for verdict, (color, marker) in reversed(MARKS.items()):
        of_verdict = [index for index, row in enumerate(rows) if row.verdict == verdict]
        for index in of_verdict:
            (point,) = axis.plot(x[index], y[index], marker=marker, color=color, ms=6, mec="white", mew=0.4, ls="")
            point.set_gid(f"point{index}")
            titles[f"point{index}"] = _about(rows[index])
        if of_verdict:
            axis.plot([], [], marker=marker, color=color, ls="", ms=6, label=f"{verdict} ({len(of_verdict)})")
    for number, row in enumerate(report.effects.leading[:NUMBERED], start=1):
        axis.annotate(str(number), (row.real_sd, row.made_sd), xytext=(5, 3), textcoords="offset points", fontsize=8)
    for values, limit in ((x, axis.set_xlim), (y, axis.set_ylim)):
        low, high = min(values.min(), -0.1), max(values.max(), 0.1)
        limit(low - 0.08 * (high - low), high + 0.08 * (high - low))
    axis.set_xlabel(f"real {report.target} − real {report.source} (SD between objects)")
    axis.set_ylabel(f"translated − real {report.source} (SD between objects)")
    axis.legend(fontsize=8, loc="best", frameon=False)
    return _svg(figure, "scatter", titles)


def distributions(report: PhenotypeReport, effects: list[Effect]) -> str:
    """Draw real source, translated and real target of a few measurements: densities, and a dot per group."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4 * len(effects), 2.9), layout="constrained")
    for axis, effect in zip(np.ravel(figure.subplots(1, len(effects), squeeze=False)), effects, strict=True):
        m = effect.measurement
        columns = {role: report.tables[role].column(m) for role, _ in SIDES}
        pooled = np.concatenate([values for values, _ in columns.values()])
        low, high = np.percentile(pooled, (0.5, 99.5))
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
        top = 0.0
        means: dict[Role, list[float]] = {}
        for role, color in SIDES:
            values, groups = columns[role]
            density, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges, density=True)
            axis.stairs(density, edges, color=color, lw=1.4, ls=_dashes(role))
            top = max(top, density.max())
            means[role] = [float(values[groups == name].mean()) for name in np.unique(groups)]
        for row_index, (role, color) in enumerate(SIDES):
            height = np.full(len(means[role]), -top * (0.08 + 0.09 * row_index))
            axis.plot(means[role], height, ls="", marker="o", ms=3.5, color=color, mec="white", mew=0.3)
        axis.set_title(m.words, fontsize=9, wrap=True)
        axis.set_xlabel(words.unit(m), fontsize=8)
        if m.log:
            # ticks in ratios, at which a reader can look
            ratios = [r for r in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if low <= np.log(r) <= high]
            axis.set_xticks(np.log(ratios), [f"{r:g}" for r in ratios])
        axis.set_yticks([])
        axis.tick_params(labelsize=8)
        for side in ("top", "left", "right"):
            axis.spines[side].set_visible(False)
    names = {"source": f"real {report.source}", "translated": "translated", "target": f"real {report.target}"}
    handles = [
        figure.axes[0].plot([], [], color=color, lw=1.6, ls=_dashes(role), label=names[role])[0]
        for role, color in SIDES
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return _svg(figure, "distributions", {})


def _dashes(role: Role) -> Any:
    return (0, (4, 1.5)) if role == "translated" else "-"


def object_picture(before: np.ndarray, after: np.ndarray, limits: list[tuple[float, float]]) -> str:
    """Draw one object: a row per channel, before left, after right; returns a data URI.

    Parameters
    ----------
    before, after
        (C, h, w).
    limits
        Per channel the intensities shown as black and white, the same for all pictures.
    """
    from PIL import Image as Picture

    rows = []
    for one, other, (low, high) in zip(before, after, limits, strict=True):
        both = [np.clip((side.astype(float) - low) / max(high - low, 1e-9), 0, 1) for side in (one, other)]
        rows.append(np.concatenate([both[0], np.ones((len(one), 2)), both[1]], axis=1))
    gap = np.ones((2, rows[0].shape[1]))
    stacked = np.concatenate([part for row in rows for part in (row, gap)][:-1])
    buffer = BytesIO()
    Picture.fromarray(np.rint(255 * stacked).astype(np.uint8)).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axis = figure.subplots()
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.tick_params(labelsize=8)
    return figure, axis


def _svg(figure: Figure, name: str, titles: dict[str, str]) -> str:
    """Return a figure as an SVG element; ``titles`` are shown when the group of that id is hovered."""
    from matplotlib import rc_context

    without_math(figure)
    text = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    for gid, title in titles.items():
        svg = svg.replace(f'<g id="{gid}">', f'<g id="{gid}"><title>{escape(title)}</title>', 1)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)


def _about(row: Effect) -> str:
    m = row.measurement
    return (
        f"{m.words}: reality {words.value(row.source, m)} → {words.value(row.target, m)}, translated "
        f"{words.value(row.translated, m)}; {row.verdict}"
    )
