"""Sentences about a report's effects and objects, which stand beside its plots. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.text import few, listed
from napari_phenotrans.phenotype.page import text as report_text
from napari_phenotrans.phenotype.page.figures import MARKS
from napari_phenotrans.phenotype.page.html import MEANS

if TYPE_CHECKING:
    from napari_phenotrans.phenotype.result import PhenotypeReport
    from napari_phenotrans.phenotype.statistics.effects import Effect
    from napari_phenotrans.widgets.evaluate.paired_objects import PairedObjects

VERDICTS = {
    "reproduced": "changed as in reality",
    "within error": "within the engine's error",
    "missed": "missed",
    "wrong way": "changed the wrong way",
    "suspected invention": "suspected invention",
    "open": "changed; reality is uncertain",
    "unchanged": "neither differs",
    "not tested": "too few groups to judge",
}


# By verdict: color and symbol, as in the report's own figure, and a sentence.
LOOKS: dict[str, tuple[str, str]] = {str(verdict): look for verdict, look in MARKS.items()}
SENTENCES = {str(verdict): text for verdict, text in MEANS.items()} | {"not tested": "Too few groups to judge it."}


def answer(report: PhenotypeReport) -> str:
    """Return in one sentence what the translation shows of what differs in reality."""
    effects = report.effects
    way = f"between real {report.source} and real {report.target}"
    if report.first_look is not None:
        fields, total = report.first_look
        return f"A first look at {fields} of {total} fields: the plot shows what may differ {way}; the rest follows."
    if not effects.real_tested:
        return f"Too few groups to say what differs {way}: the plot shows the differences as they are."
    if not effects.differing:
        return f"Nothing is shown to differ {way}, so that there is nothing to translate."
    differing, right = len(effects.differing), len(effects.of("reproduced"))
    wrong, invented = len(effects.of("wrong way")), len(effects.of("suspected invention"))
    also = [f"{wrong} the wrong way"] if wrong else []
    also += [f"{invented} where reality shows no difference"] if invented else []
    rest = f", and {listed(also)}" if also else ""
    of_them = f"{right} of the {differing} measurements that differ {way}" if differing > 1 else "the one that differs"
    return f"The translation changes {of_them} as reality does, beyond its own error{rest}."


def verdict_words(verdict: str) -> str:
    """Return a verdict as it stands beside a plot."""
    return VERDICTS[verdict]


def about_effect(report: PhenotypeReport, row: Effect) -> list[str]:
    """Describe an effect in sentences: reality, the engine, and what either would be by chance."""
    m = row.measurement
    p = "" if row.real_p is None else f", p {report_text.p_value(row.real_p)}"
    source, target, translated = (report_text.value(value, m) for value in (row.source, row.target, row.translated))
    lines = [
        f"{m.words}: {verdict_words(row.verdict)}.",
        f"Reality: {source} → {target}, {report_text.sd(row.real_sd)} SD{p}; random halves of one condition differ by "
        f"{abs(row.floor / row.spread):.2f} SD.",
        f"Engine: → {translated}, {report_text.sd(row.made_sd)} SD{_control(report, row)}; its own error is "
        f"{abs(row.error_sd):.2f} SD.",
    ]
    if row.gap is not None:
        best = "" if row.gap_floor is None else f"; random halves of real {report.target} reach {row.gap_floor:.2f}"
        lines.append(f"Gap closed: {report_text.gap(row.gap)}, where 0 is copying the source{best}.")
    if row.gap_seen is not None and row.gap_held_out is not None:
        seen, held_out = report_text.gap(row.gap_seen), report_text.gap(row.gap_held_out)
        lines.append(f"On groups that training saw {seen}, on others {held_out}.")
    alike = [other.measurement.words for other in report.effects.like(row)]
    if alike:
        lines.append(f"Says the same: {few(alike, report_text.NAMED, separator='; ')}.")
    return lines


def _control(report: PhenotypeReport, row: Effect) -> str:
    if report.control is None or row.measurement.key not in report.control.made_sd:
        return ""
    return f" (the control engine {report_text.sd(report.control.made_sd[row.measurement.key])} SD)"


def about_object(paired: PairedObjects, number: int) -> str:
    """Return which object it is, and what became of its value."""
    m = paired.measurement
    rank = int(np.flatnonzero(paired.by_change == number)[0]) + 1
    before, after = (report_text.value(float(side[number]), m) for side in (paired.before, paired.after))
    location = paired.location(number)
    where = "" if location.center is None else f" at {location.center[1]:.0f}, {location.center[0]:.0f}"
    plane = "".join(f", {axis} {index}" for axis, index in (("T", location.t), ("Z", location.z)) if index)
    return f"{location.field}{where}{plane}: {before} → {after} (change {rank} of {len(paired.rows)} by size)"
