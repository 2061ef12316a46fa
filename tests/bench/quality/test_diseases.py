"""Hits and false alarms where the truth is known."""

from __future__ import annotations

import pytest

from bench.quality.diseases import Moved, lines, moved
from napari_phenotrans.dataset.synthetic import DISEASES, pair

STILL = (0.0, -0.01, 0.01)


@pytest.mark.parametrize(
    ("true", "made", "word"),
    [
        ((0.3, 0.2, 0.4), (0.2, 0.1, 0.3), "hit"),
        ((0.3, 0.2, 0.4), (0.05, 0.03, 0.07), "missed"),  # a sixth of it is not shown
        ((0.3, 0.2, 0.4), (-0.2, -0.3, -0.1), "missed"),
        ((0.3, 0.2, 0.4), (0.2, -0.1, 0.5), "missed"),
        (STILL, (0.2, 0.1, 0.3), "false alarm"),
        ((0.01, 0.005, 0.015), (0.02, 0.01, 0.03), "rightly still"),  # too small to speak of
        (STILL, STILL, "rightly still"),
    ],
)
def test_what_must_move_and_what_must_not(true: tuple, made: tuple, word: str) -> None:
    assert Moved("x", true, made).word == word


def test_each_disease_moves_measurements_of_its_own() -> None:
    must = {}
    for name, disease in DISEASES.items():
        pairs = [pair(7000 + seed, size=128, disease=disease) for seed in range(3)]
        healthy, true = ([getattr(each, side).image.plane() for each in pairs] for side in ("healthy", "diseased"))
        rows = moved(healthy, true, true, healthy)
        # a perfect engine hits all, and moves nothing else
        assert {row.word for row in rows} <= {"hit", "rightly still"}
        must[name] = {row.name for row in rows if row.must}
    assert must["junctions"] == {"ZO1 of junctions"}
    assert "PH3-positive per field" in must["loss"] and not any("ZO1" in name for name in must["loss"])
    assert "share that nuclei cover" in must["swelling"] and "ZO1 of junctions" not in must["swelling"]
    copied = moved(healthy, true, healthy, healthy)
    assert {row.word for row in copied} == {"missed", "rightly still"}
    assert len(lines("none", name, copied)) == 8
