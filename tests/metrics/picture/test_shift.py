"""Where nuclei went."""

from __future__ import annotations

import numpy as np
import pytest

from napari_phenotrans.metrics.picture.level import level
from napari_phenotrans.metrics.picture.shift import displacements


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


def test_a_level_is_told_from_a_change_of_few_objects() -> None:
    constant, object_ = np.full((50, 50), 7.0), np.zeros((50, 50))
    object_[10:14, 10:14] = 500
    assert level([constant]) == pytest.approx((1, 7))
    assert level([object_])[0] < 0.02
    assert level([np.zeros((5, 5))]) == (0, 0)
