"""How a bench of reliability ends: its table, what did not end well, and an exit code that says so."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from bench.common.paired import circumstances

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def end(table: Sequence[str], bad: Mapping[str, Any], about: Mapping[str, Any], out: Path | None) -> None:
    """Print a table and what did not end well, and write that down; end with 1 where there is anything of it.

    Parameters
    ----------
    table
        Lines.
    bad
        What did not end well, dataclasses, each under a sentence about it.
    about
        What was asked for.
    out
        The JSON file to write; none where None.
    """
    click.echo("\n".join([*table, *bad]))
    if out:
        written = {"circumstances": circumstances(), **about, "bad": [asdict(one) for one in bad.values()]}
        out.write_text(json.dumps(written, indent=1))
    if bad:
        raise SystemExit(1)
