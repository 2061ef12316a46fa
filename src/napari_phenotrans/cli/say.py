"""Printing on the terminal."""

from __future__ import annotations

import click

from napari_phenotrans.core.text import printable


def say(text: object, *, err: bool = False) -> None:
    """Print text, or what is meant for whoever watches (``err``), without the characters that command a terminal."""
    click.echo(printable(str(text)), err=err)
