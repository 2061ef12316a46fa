"""The benches of napari alone and of the looks: what they write down; how soon things came is no test's business."""

from __future__ import annotations

from typing import Any

from bench.window import alone, alone_scene, look
from napari_phenotrans.checkpoints.checkpoint import Checkpoint

ABOUT = {"repeats": 2, "napari": "1", "cpu": "a CPU", "cores": 2, "threads": 2, "torch": "2", "commit": "abc"}
ABOUT |= {"date": "2026-01-01"}


def test_every_way_of_napari_alone_is_played_and_named() -> None:
    assert list(alone.WAYS) and set(alone.WAYS) == set(alone_scene.WAYS)
    ways = {way: [{"steps": [100.0, 20.0], "largest": 100.0, "collecting": 9.0}] * 2 for way in alone.WAYS}
    ways["names"][1] = {"steps": [300.0, 40.0], "largest": 300.0, "collecting": 11.0}
    text = "\n".join(alone.table(ABOUT | {"ways": ways}))
    assert f"| {alone.WAYS['names']} | 200 (100 to 300) | 200, 30 |" in text
    assert "after each rebuilding: 9 (9 to 11) ms" in text


def test_a_look_is_held_against_two_seconds() -> None:
    def played(quick: float) -> dict[str, Any]:
        one = {"quick_s": quick, "exact_s": 5.0}
        return {"fresh window": one, "layers there": {"quick_s": 0.5, "exact_s": 3.0}, "key": {"quick_s": 0.4},
                "crop": [64, 96]}  # fmt: skip

    looks = {"bbbc013-flow": [played(1.0), played(1.5)], "bbbc013-phendiff": [played(1.0), played(2.5)]}
    text = "\n".join(look.table(ABOUT | {"looks": looks}))
    assert "| `bbbc013-flow` | 64 × 96 | 1.25 (1.00 to 1.50) | 0.50 (0.50 to 0.50) | 0.40" in text
    assert "the first look within 2 s (missed by bbbc013-phendiff)" in text


def test_the_looks_are_those_of_bundled_denoisers() -> None:
    for name, sample in look.LOOKS.items():
        card = Checkpoint.read_card(name)
        assert "evaluations" in card.translation or card.engine in ("flow", "phendiff")
        assert sample.condition in card.conditions
