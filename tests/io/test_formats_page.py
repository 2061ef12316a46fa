"""``docs/formats.md`` lists the formats that are read and written, no more and no fewer."""

import re
from pathlib import Path

from napari_phenotrans.io import FORMATS, READERS

TEXT = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of a section's first table, without its head."""
    section = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()[2:]]


def test_formats_that_are_read() -> None:
    listed = {suffix: cells[2].strip("`") for cells in rows("Read") for suffix in re.findall(r"`([^`]+)`", cells[0])}
    assert listed == {suffix: reader.split(":")[0] for suffix, reader in READERS.items()}


def test_formats_that_are_written() -> None:
    listed = {}
    for ending, name, title, _, dtypes in rows("Written"):
        named = re.findall(r"`([^`]+)`", dtypes)
        listed[name.strip("`")] = (re.findall(r"`([^`]+)`", ending), title, named or None)
    assert listed == {
        name: (list(each.suffixes), each.title, list(each.dtypes) if each.dtypes else None)
        for name, each in FORMATS.items()
    }
