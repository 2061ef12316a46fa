"""Scores of bundled checkpoints: what counts as a group, and rows that say what translating changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bench.quality.bundled import Unseen, ceilings, quarters, score, table
from napari_phenotrans.dataset.synthetic import organoid

if TYPE_CHECKING:
    from collections.abc import Callable

CONDITIONS = ("healthy", "diseased")


def organoids(*, quartered: bool = False) -> Unseen:
    def planes(first: int) -> dict[str, dict[str, np.ndarray]]:
        return {
            condition: {
                str(seed): organoid(seed, condition, size=128).image.plane() for seed in range(first, first + 3)
            }
            for condition in CONDITIONS
        }

    return Unseen("organoids", planes(0), planes(100), quartered)


def test_quarters_are_a_plane_cut_in_four() -> None:
    plane = np.arange(2 * 6 * 4).reshape(2, 6, 4)
    parts = quarters(plane)
    assert [part.shape for part in parts] == [(2, 3, 2)] * 4
    halves = [np.concatenate(parts[first : first + 2], axis=2) for first in (0, 2)]
    np.testing.assert_array_equal(np.concatenate(halves, axis=1), plane)
    unseen = Unseen("bbbc013", {}, {}, quartered=True)
    assert list(unseen.pieces({"D01": plane})) == [f"D01, quarter {number}" for number in (1, 2, 3, 4)]


@pytest.mark.slow
def test_rows_say_what_translating_changed(make_checkpoint: Callable[..., Any]) -> None:
    unseen = organoids()
    still = make_checkpoint("shift", 3, conditions=CONDITIONS, high=4000.0)
    shift = replace(
        still,
        tensors={name: np.full_like(each, 0.1 * place) for place, (name, each) in enumerate(still.tensors.items())},
    )
    rows = score(shift, unseen)
    assert list(rows) == ["healthy → diseased", "diseased → healthy"]
    kid, nuclei, mitoses, places, identity, round_trip = rows["healthy → diseased"]
    assert "[" in kid and "[" in nuclei  # three fields are enough for an interval
    assert float(places) > 0.9  # a shift of brightness moves no nucleus
    assert [float(value) for value in identity.split(", ")] == [0, 0, 0]  # and nothing where nothing is asked
    assert float(mitoses.split()[0]) < 0.5
    assert float(round_trip) < 0.5

    known = ceilings(unseen, *CONDITIONS)
    copied = known["*source as it is*"]
    assert [cell.split()[0] for cell in copied[1:3]] == ["0.000", "0.000"]  # copying closes no gap
    lines = table("organoids: healthy → diseased", known | {"shift": rows["healthy → diseased"]})
    assert {line.count("|") for line in lines if line.startswith("|")} == {8}
