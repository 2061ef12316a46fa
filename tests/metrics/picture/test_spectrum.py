"""Power by fineness."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_phenotrans.metrics.picture.spectrum import BANDS, band_powers


def test_twice_the_contrast_is_two_doublings_of_power_in_every_band() -> None:
    plane = np.random.default_rng(0).normal(size=(128, 128))
    np.testing.assert_allclose(band_powers(2 * plane, 0) - band_powers(plane, 0), 2, atol=1e-4)


def test_white_noise_has_its_variance_in_every_band() -> None:
    plane = 3 * np.random.default_rng(0).normal(size=(512, 512))
    np.testing.assert_allclose(band_powers(plane, 0), np.log2(9), atol=0.1)


def test_blur_takes_most_from_the_finest() -> None:
    plane = np.random.default_rng(0).normal(size=(128, 128))
    lost = band_powers(plane, 0) - band_powers(ndimage.gaussian_filter(plane, 1), 0)
    assert (np.diff(lost) > 0).all()
    assert lost[-1] > 5


def test_what_nobody_sees_does_not_differ() -> None:
    plane = np.random.default_rng(0).normal(size=(128, 128))
    assert np.abs(band_powers(1e-3 * plane, 0.1) - band_powers(1e-5 * plane, 0.1)).max() < 0.01


def test_small_pictures_have_no_coarse_band() -> None:
    assert band_powers(np.random.default_rng(0).normal(size=(8, 8)), 0.1).shape == (len(BANDS),)
