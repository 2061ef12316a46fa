"""Objects of a marker and what became of them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_phenotrans.metrics.picture.marker import fates, find_objects, look, shares


def discs(light: list[float], core: float = 1.0) -> np.ndarray:
    """Draw a row of discs on a background of 100; their cores shine ``core`` times as bright."""
    y, x = np.indices((48, 48 * len(light)))
    plane = np.full(y.shape, 100.0)
    for index, value in enumerate(light):
        away = np.hypot(y - 24, x - 24 - 48 * index)
        plane[away < 8] = 100 + value
        plane[away < 4] = 100 + value * core
    return plane


def test_objects_are_found_above_the_threshold_with_their_holes() -> None:
    labels = find_objects(discs([1000, 300, 1000], core=0.0), 500)
    assert labels.max() == 2
    assert labels[24, 24] > 0


def test_fates_are_gone_half_and_kept() -> None:
    source = discs([1000, 800, 900, 1000])
    made = discs([0, 320, 900, 1000]) + 30  # another background
    of_objects = fates(source, made, find_objects(source, 400))
    assert np.sort(of_objects) == pytest.approx([0, 0.4, 1, 1], abs=0.02)
    assert shares(of_objects) == pytest.approx({"gone": 0.25, "half": 0.25, "kept": 0.5})


def test_core_over_rim_tells_hollow_from_solid() -> None:
    plane = discs([1000, 1000])
    labels = find_objects(plane, 500)
    assert look(plane, labels).core_over_rim == pytest.approx([1, 1], abs=0.25)
    assert (look(discs([1000, 1000], core=0.3), labels).core_over_rim < 0.6).all()
