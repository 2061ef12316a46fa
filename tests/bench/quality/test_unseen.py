from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture
def unseen() -> ModuleType:
    return import_module("bench.quality.unseen")


def test_the_table_has_a_line_per_direction_with_its_own_gaps_and_the_gates_words(unseen: ModuleType) -> None:
    def row(direction: str, channel: str, value: float, metric: str = "gap closed", **more: float) -> dict[str, object]:
        return {"metric": metric, "direction": direction, "channel": channel, "value": value, "low": None} | more

    rows = [
        row("a → b", "", 0.9),
        row("a → b", "GFP", 0.7, low=0.5, high=0.8),
        row("b → a", "GFP", 0.1),
        row("a → b", "GFP", 3.0, "kid"),
    ]
    pictures = [
        {"direction": "a → b", "passed": True, "sentences": ["Passes."]},
        {"direction": "b → a", "passed": False, "sentences": ["GFP: is too soft.", "GFP: leaves a fine grid."]},
    ]
    scores = {"rows": rows, "pictures": pictures}
    found = {"images": "mine", "engine": "flow", "preset": "look", "kept": ["DNA"], "minutes": 9.6, "scores": scores}
    lines = unseen.table([found])
    assert lines[2:] == [
        "| mine | flow, look | DNA | 10 | a → b | GFP 0.70 [0.50, 0.80] | passes |",
        "| mine | flow, look | DNA | 10 | b → a | GFP 0.10 | GFP: is too soft. GFP: leaves a fine grid. |",
    ]


def test_the_time_of_a_command_is_its_own_computing(unseen: ModuleType) -> None:
    assert 0 < unseen.phenotrans("--version") < 1
