"""The bench of a run beside the window: what it writes down; how smooth that was is no test's business."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from bench.window import gui_training
from napari_phenotrans.dataset.dataset import DataSet

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def result(watched: list[float], largest: float, niceness: int = 10) -> dict[str, Any]:
    def gaps(p99: float, most: float = 50.0) -> dict[str, Any]:
        return {"p50": 5.0, "p99": p99, "largest": most, "count": 100, "drawn": 4}

    rounds = [{"alone": gaps(8), "beside": gaps(10), "watched": gaps(p99, largest)} for p99 in watched]
    scene = {"rounds": rounds, "niceness": niceness, "own niceness": 0, "layers": 10}
    scene |= {name: gaps(9, 70) for name in ("opening", "starting", "first look", "showing previews")}
    said = {"seconds": 3, "repeats": 3, "width": 8, "napari": "1", "cpu": "a CPU", "cores": 2, "torch": "2"}
    return said | {"commit": "abc", "date": "2026-01-01", "scene": scene}


def test_what_is_watched_is_held_against_the_same_run_unwatched() -> None:
    text = "\n".join(gui_training.table(result([12, 11, 30], 90)))
    assert "| the scene alone | 5.0 | 8.0 | 50 |  |" in text
    assert "| a run trains, nobody watches it | 5.0 | 10.0 | 50 |  |" in text
    assert "| a run trains, the dock watches it | 5.0 | 12.0 | 90 | 1.20 (1.10 to 3.00) |" in text
    assert "at most 1.3 times (held), no gap of 200 ms (held); a niceness above napari's (held)" in text
    assert "niceness 10, napari's is 0" in text


def test_what_is_missed_is_named() -> None:
    text = "\n".join(gui_training.table(result([14, 15, 16], 250, niceness=0)))
    assert "at most 1.3 times (missed by it), no gap of 200 ms (missed by it)" in text
    assert "a niceness above napari's (missed by it)" in text


def test_the_run_has_fields_enough_to_be_scored(tmp_path: Path) -> None:
    made = DataSet.open(gui_training._fields(tmp_path), ("untreated", "wortmannin"))
    assert made.count() == {"untreated": 16, "wortmannin": 16}


def test_without_a_display_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    shown = CliRunner().invoke(gui_training.gui_training)
    assert (shown.exit_code, "python -m bench gui-training" in shown.output) == (2, True)
