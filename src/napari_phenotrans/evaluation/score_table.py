"""Scores as a table on the screen, as CSV and as JSON."""

from __future__ import annotations

import csv
import dataclasses
import json
from itertools import groupby
from typing import TYPE_CHECKING

from napari_phenotrans.core.text import as_cell, table, three_decimals
from napari_phenotrans.io.atomic import replacing
from napari_phenotrans.metrics.picture.words import headings, table_rows
from napari_phenotrans.metrics.score_row import ScoreRow

if TYPE_CHECKING:
    from pathlib import Path

    from napari_phenotrans.evaluation.evaluate import Evaluation
    from napari_phenotrans.metrics.picture import Verdict

HEADINGS = ("metric", "channel", "score", "95 % interval", "real vs real", "copy source", "crops", "")
NUMBERS = range(2, 7)  # columns that are set flush right
TOGETHER = "all together"


def table_lines(evaluation: Evaluation) -> list[str]:
    """Return the table, one block per direction and extractor, what has to be known, and what the pictures are like."""
    lines: list[str] = []
    footnotes: list[str] = []
    for (direction, features), block in groupby(evaluation.rows, lambda row: (row.direction, row.features)):
        title = " · ".join(part for part in (direction, f"features: {features}") if part)
        cells = [HEADINGS, *(_cells(row, footnotes) for row in block)]
        lines += [title, *(f"  {line}" for line in table(cells, right=NUMBERS)), ""]
    lines += [f"[{number}] {text}" for number, text in enumerate(footnotes, start=1)]
    lines += [f"note: {text}" for text in evaluation.notes]
    for verdict in evaluation.pictures:
        lines += ["", *picture_lines(verdict)]
    return lines


def picture_lines(verdict: Verdict) -> list[str]:
    """Return what the picture gate says of a direction: whether it passes, what is wrong, and all measures."""
    direction = f", {verdict.direction}" if verdict.direction else ""
    rows = [headings(verdict), *table_rows(verdict)]
    return [
        f"pictures{direction}: {'pass' if verdict.passed else 'do not pass'}",
        *(f"  {text}" for text in verdict.sentences if not verdict.passed),
        *(f"  {line}" for line in table(rows, right=range(1, len(rows[0])))),
        *(["  ! beyond its limit, learned from real fields"] if not verdict.passed else []),
    ]


def write_csv(evaluation: Evaluation, path: Path, *, overwrite: bool = False) -> Path:
    """Write a line per row, with all that `ScoreRow` holds and the verdict; empty where there is nothing.

    Raises
    ------
    InputError
        If the file exists and may not be overwritten, or cannot be written.
    """
    with replacing(path, overwrite=overwrite) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        names = [*(each.name for each in dataclasses.fields(ScoreRow)), "verdict"]
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows({name: as_cell(value) for name, value in row_values(row).items()} for row in evaluation.rows)
    return path


def write_json(evaluation: Evaluation, path: Path, *, overwrite: bool = False) -> Path:
    """Write rows, notes, what the gate says of pictures, and where all comes from; raises as `write_csv` does."""
    whole = {
        "about": evaluation.about,
        "notes": evaluation.notes,
        "rows": [row_values(row) for row in evaluation.rows],
        "pictures": [verdict.to_dict() for verdict in evaluation.pictures],
    }
    with replacing(path, overwrite=overwrite) as temporary:
        temporary.write_text(json.dumps(whole, indent=2, ensure_ascii=False), encoding="utf-8")
    return path


def row_values(row: ScoreRow) -> dict[str, str | float | int | None]:
    """Return a row's fields by name, and its verdict."""
    return dataclasses.asdict(row) | {"verdict": row.verdict}


def _cells(row: ScoreRow, footnotes: list[str]) -> tuple[str, ...]:
    remarks = [row.verdict]
    if row.p is not None:
        remarks.insert(0, f"p {row.p:.3g}")
    if row.note:
        if row.note not in footnotes:
            footnotes.append(row.note)
        remarks.append(f"[{footnotes.index(row.note) + 1}]")
    between = "" if row.low is None or row.high is None else f"{three_decimals(row.low)} to {three_decimals(row.high)}"
    return (
        row.metric,
        row.channel or TOGETHER,
        three_decimals(row.value),
        between,
        three_decimals(row.floor),
        three_decimals(row.copy_source),
        str(row.n),
        "  ".join(part for part in remarks if part),
    )
