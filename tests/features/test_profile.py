"""The profile notices what engines do wrong and what conditions do to cells."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.features.profile import Profile, between_fields, measurements
from napari_phenotrans.metrics import METRICS, Features, floor
from napari_phenotrans.metrics.kid import kid_difference

GROUPS = np.repeat([f"well {i}" for i in range(16)], 8)


def checkerboard(crops: np.ndarray) -> np.ndarray:
    rows, columns = np.indices(crops.shape[2:]) // 2
    return crops + 0.02 * ((rows + columns) % 2 * 2 - 1)


def in_nuclei(crops: np.ndarray) -> np.ndarray:
    """The second channel's own intensities, brightest where the first is brightest: only their places change."""
    moved = crops.copy()
    for crop, real in zip(moved, crops, strict=True):
        order = np.argsort(gaussian_filter(real[0], 1), axis=None)
        crop[1].flat[order] = np.sort(real[1], axis=None)
    return moved


def without_spots(crops: np.ndarray) -> np.ndarray:
    return np.concatenate([crops[:, :2], np.minimum(crops[:, 2:], -0.8)], axis=1)


@pytest.fixture(scope="module")
def profile(draw_cells):
    return Profile.fit(draw_cells(0, 120))


@pytest.fixture(scope="module")
def real(profile, draw_cells):
    return Features(profile(draw_cells(1, len(GROUPS))), GROUPS)


@pytest.fixture(scope="module")
def others(draw_cells):
    """Real crops of other fields, as an engine would translate them."""
    return draw_cells(2, len(GROUPS))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda x: gaussian_filter(x, (0, 0, 1, 1)), id="a blur"),
        pytest.param(checkerboard, id="a checkerboard"),
        pytest.param(in_nuclei, id="GFP in the nucleus"),
        pytest.param(lambda x: np.stack([x[:, 0], np.roll(x[:, 1], 12, axis=2), x[:, 2]], axis=1), id="GFP beside"),
        pytest.param(lambda x: x + 0.05, id="brighter"),
        pytest.param(lambda x: x * [[[1]], [[0.8]], [[1]]], id="one channel weaker"),
    ],
)
def test_kid_on_the_profile_rises_clearly_above_the_floor(profile, real, others, change):
    metric = METRICS["kid"]
    lowest = floor(metric, real, real)
    assert lowest.low < metric(real, Features(profile(others), GROUPS), real).value < lowest.high
    assert metric(real, Features(profile(change(others)), GROUPS), real).value > 2 * lowest.high


def test_lost_rare_spots_show_where_all_else_is_the_same(profile, real, others):
    """They are in half of the crops and one of three channels: clear in that channel, and between two engines."""
    with_spots, without = (Features(profile(crops), GROUPS) for crops in (others, without_spots(others)))
    assert kid_difference(real, without, with_spots).low > 0
    metric, third = METRICS["kid"], profile.of_channel(2)
    own, lost = real.columns(third), without.columns(third)
    assert metric(own, lost, own).value > 2 * floor(metric, own, own).high


def test_turning_and_mirroring_change_little(profile, draw_cells):
    crops = draw_cells(3, 10)
    turned = np.rot90(crops, axes=(2, 3))[..., ::-1]
    assert np.abs(profile(turned) - profile(crops)).mean() < 0.1


def test_a_channels_columns_follow_that_channel_alone(profile, draw_cells):
    crops = draw_cells(3, 10)
    brighter = crops + np.array([0, 0.3, 0], np.float32)[:, None, None]
    moved = np.abs(profile(brighter) - profile(crops)).max(axis=0) > 1e-3
    own = profile.of_channel(1)
    assert len(np.r_[own]) == 21
    assert moved[own].any()
    assert not np.delete(moved, np.r_[own]).any()


@pytest.mark.parametrize(("channels", "side"), [(1, 32), (2, 33), (5, 40)])
def test_any_number_of_channels_and_odd_sizes(channels, side):
    crops = np.random.default_rng(0).random((6, channels, side, side), dtype=np.float32)
    values = Profile.fit(crops)(crops)
    assert values.shape == (6, 21 * channels + 5 * channels * (channels - 1) // 2)
    assert values.dtype == np.float64
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-9)
    spread = values.std(axis=0)
    assert np.median(spread) == pytest.approx(0.5)
    assert spread.max() == pytest.approx(0.5)


def test_one_odd_measurement_does_not_drown_the_others(profile, draw_cells):
    odd = draw_cells(3, 2) + 5
    assert np.abs(profile(odd)).max() == 1.5


@pytest.mark.parametrize(("band", "wavelength"), [(0, 3), (1, 6.5), (2, 13), (3, 26)])
def test_a_pattern_shows_in_the_band_of_its_size(band, wavelength):
    wave = 0.3 * np.sin(2 * np.pi * np.arange(96) / wavelength) * np.ones((1, 1, 96, 1), np.float32)
    energies = measurements(wave)[0, 8:20:3]
    assert np.argmax(energies) == band
    # a sine of amplitude 0.3 has the variance 0.045; the finest band passes half of it, the others a fifth
    assert 0.15 < np.exp(energies[band]) / 0.045 < 0.8


def test_blank_and_constant_crops_have_finite_features(profile):
    blank = np.full((2, 3, 64, 64), -1, np.float32)
    assert np.isfinite(profile(blank)).all()
    assert np.isfinite(Profile.fit(blank)(blank)).all()


def test_crops_that_cannot_be_measured_are_refused(profile):
    with pytest.raises(InputError, match=r"\(n, 3, h, w\)"):
        profile(np.zeros((2, 2, 64, 64), np.float32))
    with pytest.raises(InputError, match="16 × 16 or more"):
        measurements(np.zeros((2, 2, 8, 8), np.float32))
    with pytest.raises(InputError, match="not finite"):
        profile(np.full((2, 3, 64, 64), np.nan, np.float32))


def test_intensities_are_told_apart_no_more_finely_than_real_fields_differ(draw_cells):
    crops = draw_cells(0, 24)
    level = np.repeat(np.linspace(-0.3, 0.3, 4), 3)
    crops[:12, 0] += level[:, None, None].astype(np.float32)
    fields = [("a", f"a{i // 3}") for i in range(12)] + [("b", f"b{i // 3}") for i in range(12)]
    values = measurements(crops)
    of_a = np.std([values[3 * i : 3 * i + 3].mean(axis=0) for i in range(4)], axis=0, ddof=1)
    between = between_fields(values, fields)
    assert between[0] == pytest.approx(of_a[0])  # mean of the first channel: condition a differs most by itself
    plain, told = Profile.fit(crops), Profile.fit(crops, fields)
    assert told.sd[0] == pytest.approx(max(plain.sd[0], between[0]))
    assert told.sd[0] > plain.sd[0]
    # textures, and a condition of two fields, are left as they are
    assert told.sd[8:21] == pytest.approx(plain.sd[8:21])
    assert not between_fields(values[:6], fields[:6]).any()
