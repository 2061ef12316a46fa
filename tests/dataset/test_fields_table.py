"""The rows of fields.csv: text by column, and a sentence for whatever else is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.dataset.fields_table import LONGEST, read_rows

if TYPE_CHECKING:
    from pathlib import Path


def test_cells_are_text_by_column(tmp_path: Path) -> None:
    path = tmp_path / "fields.csv"
    path.write_text("File;GROUP;day\na.tif; g 1 ;'=1\nb.tif\n;;;\n", encoding="utf-8-sig")
    assert read_rows(path) == [
        {"file": "a.tif", "group": "g 1", "day": "=1"},
        {"file": "b.tif"},
        {"file": "", "group": "", "day": ""},
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has the columns ; expected at least file and group"),
        ("file,group,day,day\n", "has the column day more than once"),
        ("file,group\na.tif,1,2\n", "row 2 has 3 cells for 2 columns"),
        ("file,group\na.tif,1\nb.tif,\x01\n", r"row 3, group: .*cannot be shown, got '\\x01'"),
        ("file,group,day\na.tif,1,\x1b[2J\n", "row 2, day: .*cannot be shown"),
        ("file,group\na.tif," + "x" * (LONGEST + 1) + "\n", f"row 2, group: .*at most {LONGEST} characters"),
        ('file,group\na.tif,"' + "x" * 200_000 + "\n", "field larger than field limit"),
    ],
)
def test_what_is_no_table_is_refused_by_file_row_and_column(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "fields.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=rf"fields\.csv .*{said}"):
        read_rows(path)


def test_a_table_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "fields.csv").mkdir()
    with pytest.raises(InputError, match=r"fields\.csv cannot be read: .*[Dd]irectory"):
        read_rows(tmp_path / "fields.csv")
