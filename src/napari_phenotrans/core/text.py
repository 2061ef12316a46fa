"""Text that people read: numbers, counts, lists of names, plain tables, lengths of time and sizes."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from matplotlib.figure import Figure


# ---- order


def natural_key(text: str) -> list[tuple[int, str]]:
    """Return a key that sorts A2 before A10, whatever the case."""
    parts = re.split(r"(\d+)", text.casefold())
    # between two numbers there is text, if only an empty one: every second part is a number
    return [(int(part), "") if number % 2 else (-1, part) for number, part in enumerate(parts)]


# ---- numbers


def minus_signs(text: str) -> str:
    """Return numbers with a minus sign in place of the hyphen."""
    return text.replace("-", "−")


def three_digits(number: float) -> str:
    """Return a number with three digits, from 100 on with those before the point and one at most behind it."""
    size = abs(number)
    return minus_signs(f"{number:.0f}" if size >= 1000 else f"{number:.1f}" if size >= 100 else f"{number:.3g}")


def three_decimals(number: float | None, *, missing: str = "-") -> str:
    """Return a number with three decimals, from 100 on without any; ``missing`` where there is none."""
    if number is None:
        return missing
    size = abs(number)
    return f"{number:.0f}" if size >= 1000 else f"{number:.3g}" if size >= 100 else f"{number:.3f}"


def percent(share: float) -> str:
    """Return a share (0 to 1) as a percentage: without decimals from 10 % on, with one below, ``< 0.1 %`` at least."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.0f} %" if share >= 0.0995 or share == 0 else f"{100 * share:.1f} %"


def duration(seconds: float) -> str:
    """Return a length of time: ``40 s``, ``12 min``, ``1.8 h``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds <= 5400 else f"{seconds / 3600:.1f} h"


def gigabytes(size: int) -> str:
    """Return a number of bytes in GB of 2**30 bytes: ``1.8 GB``."""
    return f"{size / 2**30:.1f} GB"


def counted(number: int, what: str, many: str = "") -> str:
    """Return how many there are of something: ``1 field``, ``3 fields``; ``many`` is the plural that no s makes."""
    return f"{number} {what if number == 1 else many or what + 's'}"


# ---- names


def listed(names: Sequence[str]) -> str:
    """Return all names, one at least: ``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def few(names: Sequence[str], most: int = 3, *, separator: str = ", ") -> str:
    """Return the first names and how many more there are: ``a, b, c and 2 more``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + more


def first_of(names: Sequence[str], most: int = 5) -> str:
    """Return the first names where the text says how many there are: ``a, b, c, d, e, …``."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


# ---- tables


def table(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> list[str]:
    """Align cells in columns, two spaces apart.

    Parameters
    ----------
    rows
        Cells, as many in each row.
    right
        Columns that are set flush right.

    Returns
    -------
    A line per row, without spaces at its end.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


# ---- for programs that take text for more


# Spreadsheets take a cell that begins so for a formula, which may fetch or run what it names.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_cell(value: object) -> object:
    """Return a value as it may stand in a CSV file: text that a spreadsheet would compute gets a quote before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def from_cell(text: str) -> str:
    """Return what `as_cell` was given."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def printable(text: str) -> str:
    """Return text without control characters, which command a terminal, and without those that turn its direction."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))


def without_math(figure: Figure) -> None:
    """Have matplotlib draw every text of a figure as it stands: between two $ it would look for a formula."""
    from matplotlib.text import Text

    for artist in figure.findobj(Text):
        if isinstance(artist, Text):
            artist.set_parse_math(False)
