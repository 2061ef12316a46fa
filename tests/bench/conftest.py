"""What the tests of several comparisons need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from bench.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result


@pytest.fixture
def bench() -> Callable[..., Result]:
    """The command ``python -m bench``."""
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def cells() -> Callable[[str], dict[str, list[str]]]:
    """Read a table's rows by their first cell."""

    def read(text: str) -> dict[str, list[str]]:
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
        return {first: rest for first, *rest in rows}

    return read
