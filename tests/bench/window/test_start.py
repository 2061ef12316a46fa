"""The bench of the start; how fast anything was is no test's business."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from bench.common.display import play
from bench.window import start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result


def test_commands_are_started_and_held_against_python(
    bench: Callable[..., Result], cells: Callable[[str], dict[str, list[str]]], tmp_path: Path
) -> None:
    page, figures = tmp_path / "performance.md", tmp_path / "start.json"
    shown = bench("start", "--repeats", 1, "--docks", 0, "--out", page, "--json", figures)
    assert shown.exit_code == 0, shown.output
    result = json.loads(figures.read_text())
    assert all(len(each) == 1 and each[0] > 0 for each in result["seconds"].values())
    assert {"Python alone", "`import napari_phenotrans`", "`phenotrans --help`"} < set(cells(page.read_text()))


def test_the_table_of_the_start_says_what_was_missed(cells: Callable[[str], dict[str, list[str]]]) -> None:
    def table(imported: float, helped: float, opened: float) -> dict[str, list[str]]:
        seconds = {"Python alone": [0.02], "`import napari_phenotrans`": [imported], "`phenotrans --help`": [helped]}
        dock = {"seconds": opened, "modules": 100}
        facts = dict.fromkeys(("napari", "python", "cpu", "cores", "date", "commit"), "x")
        lines = start.table(facts | {"repeats": 1, "seconds": seconds, "docks": [{"Train": dock}]})
        return cells("\n".join(lines))

    fine = table(0.1, 0.2, 0.5)
    assert [row[-1].rpartition(": ")[2] for row in list(fine.values())[2:]] == ["held"] * 3
    slow = table(0.2, 0.3, 1.0)
    assert [row[-1].rpartition(": ")[2] for row in list(slow.values())[2:]] == ["missed by it"] * 3


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform == "win32", reason="opening a window needs a display, which tests have under Xvfb only"
)
def test_a_dock_is_opened(tmp_path: Path) -> None:
    found: dict[str, Any] = play("Train", {"dock": start.DOCKS["Train"]}, tmp_path, "bench.window.start_scene")
    assert found["seconds"] > 0
    assert not found["torch"]
