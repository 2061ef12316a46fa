"""A verdict as a table of its measures, for the command line, a page and a bench."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_phenotrans.metrics.picture.registry import MEASURES

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.metrics.picture.gate import Row, Verdict

CHANGE = "change"  # gap closed, which the gate is given
LARGEST = 1000.0


def headings(verdict: Verdict) -> list[str]:
    """Return what the columns of `table_rows` hold: the channel, then measures by name."""
    more = [CHANGE] if any(row.measure == CHANGE for row in verdict.rows) else []
    return ["channel", *MEASURES, *more]


def table_rows(verdict: Verdict, mark: Callable[[str], str] = lambda value: f"{value} !") -> list[list[str]]:
    """Return a row of cells per channel, as `headings` names them.

    Parameters
    ----------
    verdict
        What the gate said.
    mark
        Marks a value that did not pass.

    Returns
    -------
    Values with three digits; a dash where a measure does not apply.
    """
    names = headings(verdict)[1:]
    by_place = {(row.channel, row.measure): row for row in verdict.rows}
    channels = dict.fromkeys(row.channel for row in verdict.rows)
    return [[channel, *(_cell(by_place.get((channel, name)), mark) for name in names)] for channel in channels]


def _cell(row: Row | None, mark: Callable[[str], str]) -> str:
    if row is None or row.value is None:
        return "–"
    value = f"{row.value:.3g}" if row.value < LARGEST else f"> {LARGEST:.0f}"
    return mark(value) if row.passed is False else value
