"""A report's files: one page and the tables."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import as_cell
from napari_phenotrans.io.atomic import refuse_existing, refuse_unwritable, replacing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from napari_phenotrans.phenotype.result import PhenotypeReport

PAGE = "report.html"
TABLES = ("effects", "objects", "planes", "pairs")
# Stands in the head of a page that is replaced unasked, within so many characters.
FIRST_LOOK, BEGINNING = '<meta name="phenotrans" content="first look">', 300


def refuse_existing_report(out: Path, tables: str, overwrite: bool) -> None:
    """Refuse before anything is computed, if a file exists and may not be overwritten, or cannot be made.

    Raises
    ------
    InputError
        Also if tables as Parquet are wanted and pyarrow is not installed.
    """
    refuse_unwritable(out)
    refuse_existing(out / PAGE, overwrite or _is_first_look(out / PAGE))
    for table in TABLES:
        refuse_existing(out / f"{table}.{tables}", overwrite)
    if tables == "parquet":
        _pyarrow()


def write_report(
    report: PhenotypeReport, out: Path, *, tables: str = "csv", overwrite: bool = False
) -> dict[str, Path]:
    """Write the page and the tables; returns the files by name. A page of a first look is always replaced.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    return write_page(report, out, overwrite=overwrite) | write_tables(report, out, tables=tables, overwrite=overwrite)


def write_page(report: PhenotypeReport, out: Path, *, overwrite: bool = False) -> dict[str, Path]:
    """Write the page alone; takes, returns and raises as `write_report`."""
    from napari_phenotrans.phenotype.page.html import page

    path = out / PAGE
    with replacing(path, overwrite=overwrite or _is_first_look(path)) as temporary:
        temporary.write_text(page(report), encoding="utf-8")
    return {"page": path}


def _is_first_look(path: Path) -> bool:
    """Whether a page was written from the first few fields alone, to be replaced by the whole report."""
    try:
        with path.open(encoding="utf-8") as file:
            return FIRST_LOOK in file.read(BEGINNING)
    except (OSError, UnicodeDecodeError):
        return False


def write_tables(
    report: PhenotypeReport, out: Path, *, tables: str = "csv", overwrite: bool = False
) -> dict[str, Path]:
    """Write the tables alone; takes, returns and raises as `write_report`."""
    files = {}
    contents = (_effects(report), _objects(report), _planes(report), _pairs(report))
    for name, columns in zip(TABLES, contents, strict=True):
        files[name] = out / f"{name}.{tables}"
        with replacing(files[name], overwrite=overwrite) as temporary:
            _write(temporary, columns, tables)
    return files


def _write(path: Path, columns: dict[str, list[Any]], kind: str) -> None:
    if kind == "parquet":
        arrow = _pyarrow()
        import pyarrow.parquet

        pyarrow.parquet.write_table(arrow.table(columns), path)
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(map(as_cell, columns))
        writer.writerows([_text(value) for value in row] for row in zip(*columns.values(), strict=True))


def _text(value: Any) -> Any:
    if isinstance(value, float):
        return "" if value != value else f"{value:.6g}"
    return "" if value is None else as_cell(value)


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise InputError(
            "Tables as Parquet need pyarrow, which is not installed. Run 'pip install pyarrow', or say --tables csv."
        ) from error
    return pyarrow


def _effects(report: PhenotypeReport) -> dict[str, list[Any]]:
    rows = report.effects.rows
    names = (
        "source", "target", "translated", "spread", "real", "real_low", "real_high", "real_p", "made", "made_low",
        "made_high", "made_p", "error", "margin", "floor", "real_sd", "made_sd", "error_sd", "verdict", "like",
    )  # fmt: skip
    measurement = ("key", "words", "family", "channel", "compartment", "unit", "log", "per_field")
    columns: dict[str, list[Any]] = {name: [getattr(row.measurement, name) for row in rows] for name in measurement}
    columns |= {name: [getattr(row, name) for row in rows] for name in names}
    for name in ("gap", "gap_seen", "gap_held_out"):
        columns[name] = [gap.value if (gap := getattr(row, name)) else None for row in rows]
    columns["gap_low"] = [row.gap.low if row.gap else None for row in rows]
    columns["gap_high"] = [row.gap.high if row.gap else None for row in rows]
    columns["gap_floor"] = [row.gap_floor for row in rows]
    if report.control:
        columns["control_sd"] = [report.control.made_sd.get(row.measurement.key) for row in rows]
    if report.repeats:
        columns["trainings"] = [report.trainings for _ in rows]
        columns["again"] = [report.again(row) for row in rows]
    if report.truth:
        true = {row.effect.measurement.key: row.true for row in report.truth.effects}
        columns["true"] = [true.get(row.measurement.key) for row in rows]
    return columns


def _objects(report: PhenotypeReport) -> dict[str, list[Any]]:
    return _stacked((role, table.rows()) for role, table in report.tables.items())


def _planes(report: PhenotypeReport) -> dict[str, list[Any]]:
    return _stacked((role, table.plane_rows()) for role, table in report.tables.items())


def _stacked(parts: Iterable[tuple[str, dict[str, list[Any]]]]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"what": []}
    for role, rows in parts:
        columns["what"] += [role] * len(next(iter(rows.values())))
        for name, values in rows.items():
            columns.setdefault(name, []).extend(values)
    return columns


def _pairs(report: PhenotypeReport) -> dict[str, list[Any]]:
    """Return matched objects by label, then those lost and gained."""
    source, translated, pairs = report.tables["source"], report.tables["translated"], report.pairs
    before = [*pairs.before, *pairs.lost, *[None] * len(pairs.gained)]
    after = [*pairs.after, *[None] * len(pairs.lost), *pairs.gained]
    places = [
        source.places[source.plane[one]] if one is not None else translated.places[translated.plane[other]]
        for one, other in zip(before, after, strict=True)
    ]
    return {
        "field": [place.field for place in places],
        "group": [place.group for place in places],
        "t": [place.t for place in places],
        "z": [place.z for place in places],
        "source_label": [None if one is None else int(source.labels[one]) for one in before],
        "translated_label": [None if one is None else int(translated.labels[one]) for one in after],
        "overlap": [*pairs.overlap.tolist(), *[None] * (len(pairs.lost) + len(pairs.gained))],
    }
