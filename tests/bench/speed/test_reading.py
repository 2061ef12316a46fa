"""The bench of reading at a tiny size; how fast anything was is no test's business."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result


def test_a_stack_is_read_both_ways(
    bench: Callable[..., Result], cells: Callable[[str], dict[str, list[str]]], tmp_path: Path
) -> None:
    page, figures = tmp_path / "performance.md", tmp_path / "reading.json"
    shown = bench(
        "reading",
        "--gigabytes",
        0.01,
        "--side",
        256,
        "--repeats",
        1,
        "--work",
        tmp_path,
        "--out",
        page,
        "--json",
        figures,
    )
    assert shown.exit_code == 0, shown.output
    result = json.loads(figures.read_text())
    assert (result["planes"], result["gigabytes"]) == (25, pytest.approx(0.01, rel=0.05))
    assert {"commit", "date", "cpu", "cores", "tifffile"} <= result.keys()
    assert {"uncompressed", "zlib", "LZW"} == set(result["kinds"]) < set(cells(page.read_text()))
    assert str(tmp_path) not in shown.output + figures.read_text()
