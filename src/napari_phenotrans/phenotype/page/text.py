"""A report in plain words: what was found, what to read first, what cannot be told."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.text import counted, few, listed, minus_signs, percent, three_digits
from napari_phenotrans.phenotype.result import goes_beyond
from napari_phenotrans.phenotype.statistics.contrasts import LEAST_GROUPS, LEVEL

if TYPE_CHECKING:
    from napari_phenotrans.metrics import Measured
    from napari_phenotrans.metrics.picture import Verdict
    from napari_phenotrans.phenotype.objects.catalog import Measurement
    from napari_phenotrans.phenotype.result import PhenotypeReport
    from napari_phenotrans.phenotype.statistics.effects import Effect

NAMED = 3
PERCENT = f"{100 * LEVEL:g} %"


# ---- numbers


def value(number: float, m: Measurement) -> str:
    """Return a mean in its unit; ratios as ratios."""
    if m.log:
        return three_digits(math.exp(number))
    return f"{three_digits(number)}{' ' + m.unit if m.unit else ''}"


def bare(number: float, m: Measurement) -> str:
    """Return a mean without its unit."""
    return three_digits(math.exp(number) if m.log else number)


def unit(m: Measurement) -> str:
    return "ratio" if m.log else m.unit


def sd(number: float) -> str:
    """Return an effect in standard deviations."""
    return f"{'+' if number > 0 else '−'}{abs(number):.2f}"


def p_value(p: float | None) -> str:
    if p is None:
        return "–"
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def gap(measured: Measured | None) -> str:
    """Return a gap closed with its interval, the minus sign as a minus sign."""
    if measured is None:
        return "–"
    return f"{gap_value(measured)} {gap_interval(measured)}".strip()


def gap_value(measured: Measured | None) -> str:
    return "–" if measured is None else minus_signs(f"{measured.value:.2f}")


def gap_interval(measured: Measured | None) -> str:
    """Return the interval in brackets; nothing where there is none."""
    if measured is None or measured.low is None or measured.high is None:
        return ""
    return minus_signs(f"[{measured.low:.2f}, {measured.high:.2f}]")


# ---- sentences


def in_short(report: PhenotypeReport) -> list[str]:
    """Summarize the report for a reader who reads nothing else."""
    effects = report.effects
    leading = [row for row in effects.leading if row.differs or not effects.real_tested][:NAMED]
    total = len(effects.rows)
    sentences = first_look(report)

    # reality
    named = "; ".join(_difference(row) for row in leading)
    if not effects.real_tested:
        sentences.append(
            f"Too few groups to say which of {total} measurements differ between real {report.source} and real "
            f"{report.target}. The largest differences are: {named}."
        )
    elif not effects.differing:
        sentences.append(
            f"None of {total} measurements is shown to differ between real {report.source} and real {report.target} "
            f"(at {PERCENT}, corrected for their number). An engine has nothing to translate that these data show."
        )
    else:
        sentences.append(
            f"{len(effects.differing)} of {total} measurements differ between real {report.source} and real "
            f"{report.target} (at {PERCENT}, corrected for their number). The largest differences are: {named}."
        )
    counts = [row for row in effects.of_fields if row.differs and row.measurement.key.startswith("Count_")]
    if counts:
        named = "; ".join(_difference(row) for row in counts)
        sentences.append(f"Counts that differ: {named}.")

    # the engine
    closed = [row for row in leading if row.gap is not None]
    if closed:
        first = closed[0]
        sentences.append(
            f"Of the gap in {first.measurement.words} the engine closes {gap(first.gap)} (1 is all of it, 0 is what "
            f"copying the source does; random halves of real {report.target} reach {first.gap_floor or math.nan:.2f})."
        )
        sentences.append(
            f"Where it should change nothing ({report.source} → {report.source}, {report.target} → {report.target}) it "
            f"changes {first.measurement.words} by up to {first.error_sd:.2f} SD; from {report.source} to "
            f"{report.target} by {abs(first.made_sd):.2f} SD."
        )
    if effects.made_tested and effects.differing:
        sentences.append(
            f"Of these {len(effects.differing)} the engine changes {len(effects.of('reproduced'))} in the right "
            f"direction, beyond its own error, and {len(effects.of('wrong way'))} in the wrong one; "
            f"{len(effects.of('within error'))} go the right way, but within its error, and "
            f"{len(effects.of('missed'))} it fails to change."
        )
    elif effects.differing or not effects.real_tested:
        same = [row for row in effects.rows if row.gap is not None]
        right = sum(row.real * row.made > 0 for row in same)
        if same:
            sentences.append(
                f"In {right} of {len(same)} measurements with a difference the engine's change points in the right "
                f"direction."
            )
    if effects.made_tested:
        invented = effects.of("suspected invention")
        names = [row.measurement.words for row in invented]
        what = f": {few(names, NAMED) if len(names) > NAMED else listed(names)}" if names else ""
        sentences.append(
            f"It changes {counted(len(invented), 'measurement')} in which reality shows no difference, suspected "
            f"invention{what}."
        )
    sentences += comes_again(report)
    sentences += beside_null(report)
    if report.verdict is not None:
        sentences.append(pictures_in_short(report.verdict))
    pairs = report.pairs
    every = len(pairs.before) + len(pairs.lost)
    if report.objects == "nuclei" and every and not report.given:
        sentences.append(
            f"Of {every} {report.objects} {percent(len(pairs.lost) / every)} are gone after translation, and "
            f"{len(pairs.gained)} are there that were not before."
        )
    return sentences


def comes_again(report: PhenotypeReport) -> list[str]:
    """Say of the engine's changes whether they would come out again; nothing where it was trained once."""
    every = report.trainings
    if every < 2:
        return []
    rows = [(row, report.again(row)) for row in report.effects.leading]
    changed = [(row, times) for row, times in rows if times]
    if not changed:
        return [
            f"Nothing that this training changes goes beyond its own error, so nothing could come out {every} times."
        ]
    always = [row for row, times in changed if times == every]
    once = [row for row, times in changed if times == 1]
    named = "; ".join(f"{row.measurement.words} {times} of {every}" for row, times in changed[:NAMED])
    sentences = [
        f"Trained {every} times, {len(always)} of {counted(len(changed), 'change')} beyond its own error would come "
        f"out again in {every} of {every} trainings ({named})."
    ]
    if once:
        names = [row.measurement.words for row in once]
        sentences.append(f"In this training alone it changes {few(names, NAMED)}: that is no phenotype.")
    return sentences


def beside_null(report: PhenotypeReport) -> list[str]:
    """Say which changes are no larger than those of an engine that learned from nothing; nothing without one."""
    if report.control is None:
        return []
    null = report.control.made_sd
    changed = [row for row in report.effects.leading if goes_beyond(row) and row.measurement.key in null]
    as_large = [row for row in changed if abs(row.made_sd) <= abs(null[row.measurement.key])]
    if not changed:
        return []
    if not as_large:
        return [
            f"All {len(changed)} changes beyond its own error are larger than in control against control, an engine "
            f"that was trained where nothing differs."
        ]
    each = "; ".join(
        f"{row.measurement.words} ({sd(row.made_sd)} SD, there {sd(null[row.measurement.key])})"
        for row in as_large[:NAMED]
    )
    return [
        f"{len(as_large)} of {counted(len(changed), 'change')} beyond its own error are only as large as in control "
        f"against control, where nothing differs: {each}."
    ]


def first_look(report: PhenotypeReport) -> list[str]:
    """Return that a report is from the first few fields; nothing where it is from all."""
    if report.first_look is None:
        return []
    fields, total = report.first_look
    return [
        f"A first look at {fields} of {total} fields: sizes, and nothing that is sure. The whole report takes "
        f"its place when all are measured."
    ]


def pictures_in_short(verdict: Verdict) -> str:
    """Return what the picture gate says of the translated fields, in a sentence."""
    if verdict.passed:
        return "The translated pictures pass: nothing that the picture gate measures tells them from real ones."
    return f"The translated pictures do not pass. {' '.join(verdict.sentences)}"


def about_pictures(report: PhenotypeReport) -> list[str]:
    """Return all that is known of the pictures: on these fields, on those held out, and told by a person."""
    here = [f"On these fields, {text}" for text in report.verdict.sentences] if report.verdict else []
    return [*here, *report.known_pictures]


def read_first(report: PhenotypeReport) -> list[str]:
    """Return reservations: what makes the report's numbers mean less than they seem to."""
    effects, sentences = report.effects, [*report.confounders, *report.doubts]
    if report.made.get("synthetic"):
        sentences.append("The engine was trained on synthetic images.")
    sides = ((report.source, effects.source_groups), (report.target, effects.target_groups))
    too_few = [f"{condition} has {len(groups)}" for condition, groups in sides if len(groups) < LEAST_GROUPS]
    if too_few:
        sentences.append(
            f"{listed(too_few)} group{'s' if len(too_few) > 1 else ''} (wells, patients, organoids). Objects of one "
            f"group are not independent, so that p has to come from groups; below {LEAST_GROUPS} per condition this "
            f"report gives effect sizes only, and calls nothing changed."
        )
    elif len(effects.translated_groups) < LEAST_GROUPS:
        sentences.append(
            f"{counted(len(effects.translated_groups), 'group was', 'groups were')} translated. Below {LEAST_GROUPS} "
            f"nothing is said about which of the engine's changes are sure: their sizes are given, without p."
        )
    if effects.real_tested and effects.real.least_p > LEVEL:
        sentences.append(
            f"With {effects.real.groups[0]} pairs of groups no p can be below {effects.real.least_p:.3f}, so that "
            f"nothing can be called changed. Six pairs are needed."
        )
    sentences += effects.notes
    sentences.append(report.subject.why)
    if report.control is None:
        sentences.append(
            "No control engine was given. Train one between two halves of one condition, where nothing differs "
            "(phenotrans train --null): what it changes all the same, this engine may have invented too."
        )
    if not report.repeats:
        sentences.append(
            "The engine was trained once. Whether its changes would come out again is not known: train it with "
            "--repeats 3, and report the folder of all three."
        )
    return sentences


def control_sentence(report: PhenotypeReport) -> str:
    """Return what the control engine changed."""
    control = report.control
    if control is None:
        return ""
    ours = np.median([abs(row.made_sd) for row in report.effects.rows])
    null = np.median(np.abs(list(control.made_sd.values())))
    sentence = (
        f"An engine trained between {control.conditions[0]} and {control.conditions[1]}, two halves of one condition "
        f"({control.groups[0]} and {control.groups[1]} groups), changes half of the measurements by less than "
        f"{null:.2f} standard deviations; the engine of this report by {ours:.2f}."
    )
    if control.called is not None:
        by = (
            "Judged as in this report"
            if control.own_groups
            else "Its groups are too few for p; held to the margins of this report, widened for so few groups"
        )
        sentence += f" {by}, {percent(control.called)} of its measurements are called changed, where {PERCENT} may be."
    return sentence


def limits(report: PhenotypeReport) -> list[str]:
    """Return what these data cannot tell."""
    effects = report.effects
    sentences = [
        "Translated images were never measured. They show what an engine learned from the groups that it saw; a "
        "difference map is a hypothesis about a cell, not an observation of it.",
        f"The conditions are compared by {len(effects.source_groups)} and {len(effects.target_groups)} groups. What "
        f"holds for them may not hold for another plate, day, patient or laboratory.",
        "A difference that is not called changed is not shown to be absent: its interval says how large it may be.",
        "Cells are not followed in time. No image shows which cell would have become which, so that many "
        "translations fit them equally well, and no measurement of real images can tell which is right.",
        "Translated images were measured with the objects of the real ones. What an engine moves, adds or takes away "
        "cannot be seen in shapes and counts."
        if report.given
        else "Objects were found in translated images by the rule that finds them in real ones. Where an engine draws "
        "what that rule takes for a border, shape and counts follow the engine, not the cells.",
        "Measurements that are alike are folded together, by how they vary between objects of one condition; that two "
        "say different things does not mean that two processes cause them.",
    ]
    if effects.translated_groups and any(report.subject.seen.get(group) for group in effects.translated_groups):
        sentences.append(
            "Some of the translated fields were seen in training; the gap closed on the others is beside it."
        )
    if report.confounders:
        sentences.append(
            "A column of the data set coincides with the condition. Nothing here can tell what the one does from what "
            "the other does."
        )
    if report.scale.pixel_size_um is None:
        sentences.append("Pixel sizes are not known: areas and lengths do not compare with other images.")
    return sentences


def _difference(row: Effect) -> str:
    m = row.measurement
    return f"{m.words} ({value(row.source, m)} → {value(row.target, m)}, {sd(row.real_sd)} SD)"
