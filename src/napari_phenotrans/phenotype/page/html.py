"""The page: one HTML file that needs nothing else, to read, to print and to send."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import counted, percent
from napari_phenotrans.metrics.picture.words import headings, table_rows
from napari_phenotrans.phenotype.page import text as words
from napari_phenotrans.phenotype.page.figures import MARKS, NUMBERED, distributions, object_picture, scatter
from napari_phenotrans.phenotype.statistics.contrasts import LEAST_GROUPS

if TYPE_CHECKING:
    from napari_phenotrans.phenotype.result import PhenotypeReport
    from napari_phenotrans.phenotype.statistics.effects import Role, Verdict

TEMPLATE = Path(__file__).parents[2] / "data" / "report" / "page.html.j2"
SHOWN, DRAWN = NUMBERED, 3
MEANS: dict[Verdict, str] = {
    "reproduced": "Differs in reality, and the engine changes it in the right direction; the gap closed says how far.",
    "within error": "Differs in reality, and the engine goes half of the way or more, but not beyond its own error.",
    "missed": "Differs in reality, and the engine goes less than half of the way, if at all.",
    "wrong way": "Differs in reality, and the engine changes it in the other direction.",
    "suspected invention": "Is not shown to differ in reality, and the engine changes it beyond what reality allows.",
    "open": "The engine changes it; reality is too uncertain to say whether it does so, too.",
    "unchanged": "Is not shown to differ, and the engine does not change it.",
}


def page(report: PhenotypeReport) -> str:
    """Write a report as one HTML page: styles, figures and pictures are in it, scripts there are none.

    Raises
    ------
    InputError
        If Jinja is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise InputError(
            "Jinja, which writes the page, is not installed. Run 'pip install napari-phenotrans[report]'."
        ) from error
    effects = report.effects
    shown = effects.leading[:SHOWN]
    drawn = shown[:DRAWN]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals["w"] = words
    from markupsafe import Markup

    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        r=report,
        title=f"Phenotype report: {report.source} → {report.target}",
        about=_about(report),
        colors={verdict: color for verdict, (color, _) in MARKS.items()},
        in_short=words.in_short(report),
        read_first=words.read_first(report),
        pictures=words.about_pictures(report),
        passed=report.verdict is None or report.verdict.passed,
        measures=_measures(report),
        explained=_explained(report),
        leading=shown,
        of_fields=effects.of_fields,
        distributions=Markup(distributions(report, drawn)) if drawn else "",
        scatter=Markup(scatter(report)),
        counts=_counts(report),
        lists=_lists(report),
        nulls=_nulls(report),
        errors=sorted(effects.rows, key=lambda row: (row.measurement.per_field, -row.error_sd))[:5],
        gallery=_gallery(report),
        gallery_sentence=_gallery_sentence(report),
        truths=report.truth.effects[:SHOWN] if report.truth else (),
        truth_sentence=_truth_sentence(report),
        share=lambda part, whole: percent(part / whole) if whole else "–",
        limits=words.limits(report),
        methods=_methods(report),
        notices=[text for text in report.notices if text != report.subject.why],
        made=_made(report),
        appendix=_appendix(report),
    )


def _about(report: PhenotypeReport) -> str:
    parts = []
    sides: tuple[tuple[Role, str], ...] = (
        ("source", f"real {report.source}"),
        ("target", f"real {report.target}"),
        ("translated", "translated"),
    )
    for role, what in sides:
        table = report.tables[role]
        fields, groups = {place.field for place in table.places}, {place.group for place in table.places}
        parts.append(
            f"{what}: {len(table.labels)} {report.objects}, {counted(len(fields), 'field')}, "
            f"{counted(len(groups), 'group')}"
        )
    made = report.made
    when = f", {made['date'][:10]}" if "date" in made else ""
    return (
        f"{'; '.join(parts)}. Data set {made['data set']}; engine {made['engine']}, checkpoint {made['checkpoint']}. "
        f"{made['by']}{when}."
    )


def _explained(report: PhenotypeReport) -> str:
    text = (
        "The largest real differences come first; what says the same as a larger one is folded into it. Differences "
        "are in standard deviations (SD) between objects of one condition, so that they compare: 1 SD shifts the "
        "average cell to where one in six was."
    )
    if report.effects.real_tested:
        text += (
            f" p is corrected for all {len(report.effects.rows)} measurements and comes from the groups; the interval "
            f"in brackets is each measurement's own."
        )
    return (
        text + " Gap closed is the share of the way from real source to real target that the translation goes, over "
        "the whole distribution; the floor below it is what random halves of real target reach, the most that can be "
        f"asked for.{_parts(report)}"
    )


def _parts(report: PhenotypeReport) -> str:
    """Explain what stands in small type below the numbers."""
    text = ""
    if any(row.gap_seen for row in report.effects.rows):
        text += " Seen and held-out are the gap closed on groups that training saw, and on those that it did not."
    if report.control:
        text += " Control is what an engine changes that was trained where nothing differs."
    return text


def _counts(report: PhenotypeReport) -> list[tuple[str, int, str]]:
    if not report.effects.made_tested:
        return []
    return [(verdict, len(report.effects.of(verdict)), means) for verdict, means in MEANS.items()]


def _lists(report: PhenotypeReport) -> list[tuple[str, str, list[Any]]]:
    """Return heading, sentence and rows of what the engine invents, misses, and turns around."""
    effects = report.effects
    if not effects.made_tested:
        return []
    invented = sorted(effects.of("suspected invention"), key=lambda row: -abs(row.made_sd))
    missed, wrong = ([row for row in effects.of(verdict) if not row.like] for verdict in ("missed", "wrong way"))
    sections = [
        (
            "Suspected inventions",
            "The engine changes these, and reality does not: they are no finding about the cells until real images "
            "show them."
            if invented
            else "None among the measurements: wherever the engine changes one, reality does so too, or may do so.",
            invented[:SHOWN],
        ),
        (
            "What the engine fails to change",
            "These differ in reality, and the engine does not get half of the way: translated images must not be used "
            "to study them."
            if missed
            else "Nothing: whatever differs in reality, the engine changes by half of it or more.",
            missed[:SHOWN],
        ),
    ]
    if wrong:
        sections.append(("Changed the wrong way", "These differ in reality, and the engine does the opposite.", wrong))
    return sections


def _measures(report: PhenotypeReport) -> list[list[str]]:
    """Return the table of the picture gate, its headings first; nothing where it was not asked."""
    verdict = report.verdict
    return [headings(verdict), *table_rows(verdict)] if verdict else []


def _nulls(report: PhenotypeReport) -> list[tuple[str, str, str]]:
    names = {"source": report.source, "target": report.target}
    rows = []
    for halves in report.effects.floor.halves:
        if halves.called:
            found = (
                f"{percent(halves.share)} of the measurements were called changed, in {halves.splits} splits; "
                f"{words.PERCENT} may be."
            )
        else:
            found = f"Not tested: fewer than {LEAST_GROUPS} groups in a half."
        rows.append((f"random halves of real {names[halves.condition]}", str(halves.groups), found))
    bar = report.effects.floor.bar
    if np.isfinite(bar):
        rows.append(("random halves of either", "", f"95 % of all differences are below {bar:.2f} SD."))
    else:
        rows.append(("random halves", "", "None: four groups of a condition are needed."))
    if report.control:
        groups = f"{report.control.groups[0]} + {report.control.groups[1]}"
        rows.append((f"engine trained on halves ({report.control.name})", groups, words.control_sentence(report)))
    return rows


def _gallery(report: PhenotypeReport) -> list[dict[str, Any]]:
    if not report.gallery:
        return []
    every = [side for row in report.gallery for side in (row.before, row.after)]
    limits = []
    for c in range(len(report.channels)):
        low, high = np.percentile(np.concatenate([side[:, c].ravel() for side in every]), (0.5, 99.8)).tolist()
        limits.append((low, high))
    return [
        {
            "title": row.title,
            "pictures": [
                (object_picture(before, after, limits), caption)
                for before, after, caption in zip(row.before, row.after, row.captions, strict=True)
            ],
        }
        for row in report.gallery
    ]


def _gallery_sentence(report: PhenotypeReport) -> str:
    matched, lost = len(report.pairs.before), len(report.pairs.lost)
    overlap = float(np.median(report.pairs.overlap)) if matched else 0.0
    text = (
        f"Real on the left, translated on the right; {' below '.join(reversed(report.channels))}, each channel in "
        f"one gray scale for all pictures."
    )
    if report.given:
        return f"{text} The outlines were given: they are the same before and after."
    return (
        f"{text} {matched} {report.objects} were found again (overlap {overlap:.2f} at the median, 1 is the same "
        f"outline), {lost} were lost and {len(report.pairs.gained)} gained."
    )


def _truth_sentence(report: PhenotypeReport) -> str:
    if report.truth is None:
        return ""
    return (
        f"For these images it is known how each of them would look as {report.target}. The truth lies where the "
        f"report says that it may (the engine's change, give or take its own error and the interval over groups) in "
        f"{percent(report.truth.covered)} of {len(report.truth.effects)} measurements."
    )


def _methods(report: PhenotypeReport) -> list[str]:
    if report.objects == "crops":
        about_objects = "Whole crops were measured."
    else:
        by = (
            "Objects were given, and are the same in real and translated images"
            if report.given
            else f"Objects were found by {report.made['settings']['objects']} in one way for real and translated images"
        )
        about_objects = (
            f"{by}; those that the border cuts were left out. A typical one is {report.scale.diameter:.0f} pixels "
            f"wide; its ring is what lies around it."
        )
    thresholds = ", ".join(
        f"{channel} {threshold:.3f} of the range" for channel, threshold in report.thresholds.items()
    )
    positive = f" Positive means a signal above background of at least {thresholds}." if thresholds else ""
    return [
        f"{about_objects}{positive} Measured with cp_measure (Muñoz et al. 2025, CellProfiler's measurements): "
        f"intensity, texture, granularity, brightness from center to border, correlation, shape and neighbors; nucleus "
        f"over ring (on a log scale, both above the field's background), counts and positive fractions were computed "
        f"here. Zernike moments and positions were left out. Intensities are shares of the data set's limits, the same "
        f"for real and translated.",
        "A group (well, patient, organoid) is the unit of every comparison: its value is the mean over its objects. "
        "Real conditions are compared by Welch's t of the groups; p is the share of random assignments of groups to "
        "conditions under which the largest |t| of all measurements is as large (maxT, Westfall & Young 1993), so that "
        f"the chance of even one false call is {words.PERCENT} at most.",
        "The engine is said to change a measurement where its mean change, each group with itself, exceeds its own "
        "error by more than reality would have to differ to count (the same multiple of the standard error of the real "
        "difference, with the spread of the engine's changes added), and by more than 95 % of all differences between "
        "random halves of one condition. An engine has its knowledge from the groups, and cannot be surer than they.",
        "Gap closed is 1 − W1(translated, real target) / W1(real source, real target), W1 the Wasserstein distance "
        "over objects; its interval draws groups with replacement (200 times, 95 %).",
    ]


def _made(report: PhenotypeReport) -> list[tuple[str, str]]:
    """Return how the report was made, without what was left open."""
    rows = []
    for name, value in report.made.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key.replace('_', ' ')} {item}" for key, item in value.items() if item is not None)
        if value not in ("", None, False):
            rows.append((name, "yes" if value is True else str(value)))
    return rows


def _appendix(report: PhenotypeReport) -> str:
    return (
        f"All {len(report.effects.rows)} measurements, those that differ in reality first, by size. The table effects "
        f"holds the same and more, the table objects every single value."
    )
