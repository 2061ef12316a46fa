"""The rows of a data set's ``fields.csv``, parsed: what else is there ends in a sentence that names row and column."""

from __future__ import annotations

import csv
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.parsing import problem_of
from napari_phenotrans.core.text import from_cell

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 1000  # characters of a cell


def _without_controls(text: str) -> str:
    if any(unicodedata.category(character) in ("Cc", "Cs") and character != "\t" for character in text):
        raise ValueError("holds a character that cannot be shown")
    return text


Cell = Annotated[str, Field(max_length=LONGEST), AfterValidator(_without_controls)]


class Row(BaseModel):
    """A row: the file, its group, and whatever other columns there are."""

    model_config = ConfigDict(frozen=True, extra="allow", str_strip_whitespace=True)
    __pydantic_extra__: dict[str, Cell]

    file: Cell = ""
    group: Cell = ""


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read the cells of each row by column, ``file`` and ``group`` among them; a cell that a row lacks is missing.

    Raises
    ------
    InputError
        If it cannot be read or is no such table.
    """
    try:
        # spreadsheet programs write a byte order mark, and semicolons where the comma is the decimal mark
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        delimiter = max(",;\t", key=(lines[0] if lines else "").count)
        table = [[from_cell(cell) for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8 ({error.reason}). Save it as CSV in UTF-8.") from error
    except (OSError, csv.Error) as error:
        raise InputError(
            f"{path} cannot be read: {error}. Expected a table with the columns file and group."
        ) from error
    columns = [cell.strip() for cell in table[0]] if table else []
    columns = [name.lower() if name.lower() in ("file", "group") else name for name in columns]
    if not {"file", "group"} <= set(columns):
        raise InputError(f"{path} has the columns {', '.join(columns)}; expected at least file and group.")
    if twice := [name for name, count in Counter(filter(None, columns)).items() if count > 1]:
        raise InputError(f"{path} has the column {twice[0]} more than once. Rename or remove one of them.")
    return [_row(path, number, columns, cells) for number, cells in enumerate(table[1:], start=2)]


def _row(path: Path, number: int, columns: list[str], cells: list[str]) -> dict[str, str]:
    if any(cell.strip() for cell in cells[len(columns) :]):
        raise InputError(
            f"{path} cannot be read: row {number} has {len(cells)} cells for {len(columns)} columns. Put a cell that "
            f"holds the delimiter in quotes."
        )
    try:
        row = Row.model_validate({name: cell for name, cell in zip(columns, cells, strict=False) if name})
    except ValidationError as error:
        raise InputError(
            f"{path} cannot be read: row {number}, {problem_of(error)}. Expected text of up to {LONGEST} characters."
        ) from error
    return row.model_dump(exclude_unset=True)
