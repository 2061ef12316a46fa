from __future__ import annotations

import numpy as np

from napari_phenotrans.core.intensity import Intensity
from napari_phenotrans.core.region import Region
from napari_phenotrans.core.resample import to_size
from napari_phenotrans.translation.working_plane import Cut, WorkingPlane, agreement

RANGE = np.full((1, 1, 1), 255.0, np.float32)


def disk(side: int, inside: float, outside: float) -> np.ndarray:
    """A disk (1, side, side) with a sharp edge."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side - 0.5
    return np.where(np.hypot(y, x) < 0.25, inside, outside).astype(np.float32)[None]


def test_agreement_is_the_slope_of_translated_on_real() -> None:
    rng = np.random.default_rng(0)
    real = rng.uniform(0, 200, (1, 24, 24)).astype(np.float32)
    for slope in (-1.0, 0.0, 0.5, 1.0):
        found = agreement(real, 90 + slope * real, 0.001 * RANGE)
        np.testing.assert_allclose(found, slope, atol=0.01)
    # nothing can be said where real is flat: its noise stays
    flat = np.full((1, 24, 24), 80, np.float32) + rng.normal(0, 0.1, (1, 24, 24)).astype(np.float32)
    np.testing.assert_allclose(agreement(flat, flat.mean(keepdims=True) + 0 * flat, 0.01 * RANGE), 1, atol=0.02)


def test_detail_of_an_edge_that_turned_turns_with_it() -> None:
    """A bright disk becomes a dark one at half the pixels: its old edge must not stand there as an outline."""
    real, aim, size = disk(96, 200, 50), disk(96, 50, 200), (96, 96)
    cut = Cut.around(Region(0, 0, *size), size, 0.5, context=0, stride=1, smallest=1)
    limits, whole = Intensity((0.0,), (255.0,)), Region(0, 0, 48, 48)
    errors = []
    for redrawn in (False, True):
        plane = WorkingPlane(cut, lambda part: real[:, *part.slices], limits, redrawn=redrawn)
        brought = plane.difference(whole, limits.normalize(to_size(aim, 48, 48)), whole)
        assert brought is not None
        errors.append(np.sqrt(np.square(real + brought[1] - aim).mean()))
        # what did not change stays as sharp as it was
        same = plane.difference(whole, plane.x, whole)
        assert same is not None
        np.testing.assert_allclose(same[1], 0, atol=1e-3)
    blurred = np.sqrt(np.square(to_size(to_size(aim, 48, 48), 96, 96) - aim).mean())
    assert errors[0] > 1.5 * blurred
    assert errors[1] < blurred
