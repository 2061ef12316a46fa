"""What every bench does with its figures: tables in words, sections of documents, files."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The notebook of measurements; each command replaces its own section.
PERFORMANCE = Path("docs/developers/performance.md")


def publish(lines: Sequence[str], result: Mapping[str, Any], out: Path | None, json_file: Path | None) -> None:
    """Show a table, and write it into a document and all figures into a file where these are said."""
    click.echo("\n".join(lines))
    if out:
        write_section(out, lines)
    if json_file:
        json_file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def spread(values: list[float], digits: int = 2) -> str:
    middle, low, high = (f"{value:.{digits}f}" for value in (median(values), min(values), max(values)))
    return f"{middle} ({low} to {high})" if len(values) > 1 else middle


def met(missed: list[str]) -> str:
    return f"missed by {', '.join(missed)}" if missed else "held"


def write_section(path: Path, lines: Sequence[str]) -> None:
    """Put a section, whose heading is the first line, in the place of the one that the file has, or at its end."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    before, found, after = text.partition(lines[0])
    following = after.find("\n## ") if found else -1
    rest = after[following + 1 :] if following >= 0 else ""
    parts = [before.rstrip(), "\n".join(lines), rest.rstrip()]
    path.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
