"""The bench of other ways to compute a tile, at a tiny size."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench.speed import runtimes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from click.testing import Result


def test_ways_that_are_not_installed_are_named(
    bench: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(runtimes, "NEEDS", dict.fromkeys(runtimes.NEEDS, "not_installed_here"))
    tiny = ("--tile", 32, "--width", 8, "--blocks", 1, "--repeats", 1)
    shown = bench("runtimes", *tiny, "--json", tmp_path / "all.json")
    assert shown.exit_code == 0, shown.output
    first, *others = json.loads((tmp_path / "all.json").read_text())["rows"]
    assert first["way"] == "napari-phenotrans" and first["difference"] < 1e-4 and len(first["ratios"]) == 1
    assert [row["installed"] for row in others] == [False] * 3
    assert "| ONNX Runtime | not installed |" in shown.output
