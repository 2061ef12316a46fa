"""Where nuclei went."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from napari_phenotrans.metrics.picture.shift import displacements, learn_shift


def boxes(places: list[tuple[int, int]]) -> np.ndarray:
    labels = np.zeros((100, 100), np.int32)
    for number, (y, x) in enumerate(places, start=1):
        labels[y : y + 9, x : x + 9] = number
    return labels


def test_each_nucleus_has_its_own_displacement() -> None:
    moved = displacements(boxes([(10, 10), (50, 50)]), boxes([(50, 53), (12, 10)]))
    assert moved.tolist() == [[2, 0], [0, 3]]


def test_one_that_is_gone_takes_no_partner_from_another() -> None:
    moved = displacements(boxes([(10, 10), (10, 30), (50, 50)]), boxes([(10, 31), (50, 50)]))
    assert moved.tolist() == [[0, 1], [0, 0]]


def test_no_nuclei_no_displacement() -> None:
    assert len(displacements(boxes([]), boxes([(10, 10)]))) == 0


def test_fields_whose_nuclei_lie_in_the_same_places_teach_nothing() -> None:
    places = [(y, x) for y in range(5, 90, 12) for x in range(5, 90, 12)]
    alike = [SimpleNamespace(nuclei=boxes(places)) for _ in range(3)]
    assert learn_shift(alike, 0, {}) == {}
    moved = [*alike[:2], SimpleNamespace(nuclei=boxes([(y + 3, x) for y, x in places]))]
    assert learn_shift(moved, 0, {})["shift"] == 3
