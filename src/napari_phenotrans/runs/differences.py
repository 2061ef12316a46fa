"""In what runs differ: their settings, in the words of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MISSING = "–"


def different_settings(
    facts: Sequence[Mapping[str, Any]], *, missing_differs: bool = True
) -> list[tuple[str, list[str]]]:
    """Return what is not the same in all runs, a row each: its name as the command line has it, and each run's value.

    Parameters
    ----------
    facts
        The settings of each run, by name, and whatever else is to be compared.
    missing_differs
        Whether a setting differs that some runs have not, for their engine knows none: a dash stands in its place.
        Otherwise it differs only where two runs that have it say otherwise.
    """
    rows = []
    for name in dict.fromkeys(name for each in facts for name in each):
        values = [value_text(each[name]) if name in each else MISSING for each in facts]
        compared = values if missing_differs else [v for v, each in zip(values, facts, strict=True) if name in each]
        if len(set(compared)) > 1:
            rows.append((name.replace("_", "-"), values))
    return rows


def value_text(value: Any) -> str:
    """Return a setting's value as people read it."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "not set" if value is None else str(value)
