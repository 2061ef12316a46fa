"""What is a change of level, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage

from napari_phenotrans.metrics.picture.field import find_nuclei
from napari_phenotrans.metrics.picture.level import LIMIT, level

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def plane(draw_field: Callable[..., np.ndarray]) -> np.ndarray:
    return draw_field(0)[0]


def test_a_constant_is_all_of_it(plane: np.ndarray) -> None:
    share, number = level([np.full(plane.shape, -40.0)] * 2, [plane] * 2)
    assert (share, number) == (pytest.approx(1), pytest.approx(-40))
    noisy = np.random.default_rng(0).normal(40, 10, plane.shape)
    assert level([noisy], [plane])[0] == pytest.approx(40**2 / (40**2 + 10**2), abs=0.02)


def test_tissue_that_became_darker_with_its_nuclei_is_not(plane: np.ndarray) -> None:
    # every nucleus and a wide haze around it loses a quarter of its light: the mean changes, the background does not
    haze = ndimage.gaussian_filter((find_nuclei(plane) > 0).astype(float), 6)
    difference = -0.25 * 800 * haze
    assert difference.mean() ** 2 / np.square(difference).mean() > LIMIT, "a mean over all pixels takes it for a level"
    assert level([difference], [plane])[0] < LIMIT


def test_objects_that_changed_beside_a_constant_are_not_brightness_only(plane: np.ndarray) -> None:
    difference = np.where(find_nuclei(plane) > 0, -400.0, 0.0)
    assert level([difference], [plane])[0] == 0
    assert 0 < level([difference - 30], [plane])[0] < LIMIT
    assert level([difference * 0], [plane]) == (0, 0)
