import numpy as np
import pytest

from napari_phenotrans.resample import factor, rescaled_size, to_size


def test_equal_pixel_sizes_are_left_alone() -> None:
    assert factor(0.65, 0.66) == 1
    assert factor(0.65, 0.325) == pytest.approx(2)
    assert factor(0.325, 0.65) == pytest.approx(0.5)


def test_sizes_never_vanish() -> None:
    assert rescaled_size(1, 100, 0.25) == (1, 25)


@pytest.mark.parametrize("size", [(40, 60), (13, 21), (80, 120)])
def test_resampling_keeps_means_and_smooth_pictures(size: tuple[int, int]) -> None:
    y, x = np.mgrid[0:40, 0:60]
    plane = np.stack([100 + 20 * np.sin(y / 12) + x, 1000.0 + y]).astype(np.uint16)
    there = to_size(plane, *size)
    assert there.shape == (2, *size)
    assert there.dtype == np.float32
    np.testing.assert_allclose(there.mean(axis=(1, 2)), plane.mean(axis=(1, 2)), rtol=0.01)
    back = to_size(there, 40, 60)
    assert np.abs(back - plane)[:, 6:-6, 6:-6].max() < 3
