"""``docs/formats.md`` lists the formats that are read and written, no more and no fewer."""

import re
from pathlib import Path

from napari_phenotrans.core.kinds import FILE_WORDS
from napari_phenotrans.io import FORMATS, READERS
from napari_phenotrans.io.display import HIGHEST, LOWEST, PALETTE

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


def test_numbers_of_the_page_are_those_of_the_code() -> None:
    from napari_phenotrans.core.resample import EXTREME
    from napari_phenotrans.dataset.check_conditions import BRIGHTER, BRIGHTER_IN_ALL
    from napari_phenotrans.io.axes import _FEW
    from napari_phenotrans.io.metadata import PRINT_UM

    guessed, refused, warned = (
        "\n".join(" | ".join(cells) for cells in rows(heading))
        for heading in ("Guessed, with a note", "Refused", "Warned of, in training data")
    )
    assert f"channels up to {_FEW}, else a stack" in guessed
    assert f"more than {PRINT_UM:g} µm per pixel" in guessed
    assert f"more than {EXTREME} times off the working pixel size" in refused
    assert f"in a channel | {BRIGHTER:g} times" in warned
    assert f"another bit depth or exposure | {BRIGHTER_IN_ALL:g} times" in warned


def test_kinds_and_names_of_files() -> None:
    section = TEXT.split("### What an image is\n")[1].split("\n### ")[0]
    listed = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", section, re.MULTILINE)
    assert dict(listed) == FILE_WORDS


def test_colors_that_channels_get() -> None:
    named = {"cyan": "#00ffff", "magenta": "#ff00ff", "yellow": "#ffff00", "green": "#00ff00", "red": "#ff0000"}
    words = ", ".join([*named, "blue"])
    assert words in TEXT and (*named.values(), "#0000ff") == PALETTE
    assert f"({LOWEST:g} to {HIGHEST:g} %)" in TEXT
