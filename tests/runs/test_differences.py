"""In what runs differ."""

from __future__ import annotations

from napari_phenotrans.runs.differences import different_settings

FACTS = [
    {"engine": "cyclegan", "width": 16, "save_every": 100, "channels": None, "cycle": 10.0},
    {"engine": "flow", "width": 16, "save_every": 200, "channels": ["DNA", "GFP"]},
]


def test_only_what_differs_is_listed_in_the_words_of_the_command_line() -> None:
    assert different_settings(FACTS) == [
        ("engine", ["cyclegan", "flow"]),
        ("save-every", ["100", "200"]),
        ("channels", ["not set", "DNA, GFP"]),
        ("cycle", ["10.0", "–"]),
    ]
    assert different_settings(FACTS[:1] * 2) == []
    assert different_settings([]) == []


def test_what_one_engine_alone_has_may_count_as_no_difference() -> None:
    third = {"engine": "cyclegan", "width": 16, "save_every": 100, "channels": None, "cycle": 5.0}
    assert "cycle" not in dict(different_settings(FACTS, missing_differs=False))
    assert dict(different_settings([*FACTS, third], missing_differs=False))["cycle"] == ["10.0", "–", "5.0"]
