import numpy as np
import pytest
from skimage.transform import resize

from napari_phenotrans.core.region import Region
from napari_phenotrans.core.resample import factor, labels_to_size, needed, resample_part, rescaled_size, to_size


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


@pytest.mark.parametrize("size", [(13, 21), (80, 120), (31, 75)])
def test_resampling_is_that_of_scikit_image(size: tuple[int, int]) -> None:
    plane = np.random.default_rng(0).normal(size=(1, 40, 60)).astype(np.float32)
    theirs = resize(plane[0], size, order=1, mode="edge", anti_aliasing=size < (40, 60), preserve_range=True)
    np.testing.assert_allclose(to_size(plane, *size)[0], theirs, atol=1e-5)


@pytest.mark.parametrize("size", [(40, 60), (13, 21), (81, 117), (31, 75)])
@pytest.mark.parametrize("at", [(0, 0), (3, 8), (9, 14)])
def test_a_part_is_resampled_as_in_the_whole(size: tuple[int, int], at: tuple[int, int]) -> None:
    plane = np.random.default_rng(0).normal(size=(2, 40, 60)).astype(np.float32)
    wanted = Region(*at, 4, 5)
    lies = needed(wanted, size, (40, 60))
    part = resample_part(plane[:, *lies.slices], lies, (40, 60), wanted, size)
    np.testing.assert_allclose(part, to_size(plane, *size)[:, *wanted.slices], atol=1e-5)
    # and less would not do
    if size != (40, 60) and at != (0, 0):
        less = Region(lies.top + 1, lies.left + 1, lies.height - 1, lies.width - 1)
        if max(size) < 60 or (size[0] / 40 > 1 and size[1] / 60 > 1):
            short = resample_part(plane[:, *less.slices], less, (40, 60), wanted, size)
            assert np.abs(short - part).max() > 1e-7


@pytest.mark.parametrize("size", [(10, 15), (13, 21), (80, 120)])
def test_labels_are_resampled_to_the_nearest(size: tuple[int, int]) -> None:
    labels = np.random.default_rng(0).integers(0, 2**20, (40, 60))
    np.testing.assert_array_equal(
        labels_to_size(labels, *size), resize(labels, size, order=0, preserve_range=True, anti_aliasing=False)
    )
