from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_phenotrans.metrics.flicker import FlickerRow, FlickerSums, flicker, flicker_words


def stack(planes: int = 6, side: int = 96, noise: float = 3.0) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return a stack (planes, 1, side, side) of balls of 100 on 20 with a camera's noise, and each ball's light."""
    rng = np.random.default_rng(0)
    z, y, x = np.ogrid[:planes, :side, :side]
    balls = []
    for cy, cx in [(cy, cx) for cy in range(12, side, 24) for cx in range(12, side, 24)]:
        cz = rng.uniform(0, planes - 1)
        radius = np.sqrt(((z - cz) / 3) ** 2 + ((y - cy) / 8) ** 2 + ((x - cx) / 8) ** 2)
        balls.append(gaussian_filter(100.0 * (radius < 1), (0.5, 1, 1)).astype(np.float32))
    real = 20 + sum(balls) + rng.normal(0, noise, (planes, side, side)).astype(np.float32)
    return real[:, None], balls


REAL, BALLS = stack()


def ratio(translated: np.ndarray, **more: float) -> float:
    return flicker(REAL, translated, **more)[0].ratio


def test_what_adds_nothing_does_not_flicker() -> None:
    assert ratio(REAL) == 0
    assert ratio(REAL + 40) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("gain", [0.2, 2.0, 5.0, 20.0])
def test_another_brightness_is_no_flicker(gain: float) -> None:
    assert 0 < ratio(REAL * gain) < 1.1


def test_taking_whole_objects_away_is_no_flicker() -> None:
    assert 0.5 < ratio(REAL - sum(BALLS[::2])[:, None]) < 1.2


def test_objects_that_come_and_go_do() -> None:
    rng = np.random.default_rng(1)
    taken = REAL.copy()
    for plane in range(len(REAL)):
        for ball in BALLS:
            if rng.random() < 0.5:
                taken[plane, 0] -= ball[plane]
    (steady,) = flicker(REAL, REAL - sum(BALLS[::2])[:, None])
    (found,) = flicker(REAL, taken)
    assert found.ratio > 1.25 * steady.ratio
    assert found.translated > found.real
    # as much where balls hardly change from plane to plane
    calm, same = np.repeat(REAL[2:3], 6, axis=0), sum(BALLS)[2]
    calm = calm + np.random.default_rng(2).normal(0, 3, calm.shape)
    blinking = calm - np.where(np.arange(6)[:, None, None, None] % 2, same, 0)
    assert flicker(calm, blinking)[0].flickers


def test_planes_of_unequal_brightness_do() -> None:
    offsets = np.random.default_rng(3).normal(0, 60, len(REAL)).astype(np.float32)
    assert ratio(REAL + offsets[:, None, None, None]) > 2


def test_the_noise_of_a_camera_is_no_change_of_the_image() -> None:
    noisy, _ = stack(noise=12)
    blinking = np.where(np.arange(6)[:, None, None, None] % 2, noisy, noisy - sum(BALLS)[:, None])
    assert flicker(noisy, blinking)[0].ratio == pytest.approx(
        ratio(np.where(np.arange(6)[:, None, None, None] % 2, REAL, REAL - sum(BALLS)[:, None])), rel=0.1
    )


def test_a_marker_drawn_into_a_dark_channel_may_change_as_the_others_do() -> None:
    # haze that changes slowly, and balls drawn into it
    haze = gaussian_filter(np.random.default_rng(4).normal(0, 1, (6, 96, 96)), (1.5, 12, 12))
    dark = (20 + 3 * haze / haze.std()).astype(np.float32)[:, None]
    assert flicker(dark, dark + sum(BALLS)[:, None])[0].ratio < 2
    assert flicker(dark, dark + sum(BALLS)[:, None] * (np.arange(6) % 2)[:, None, None, None])[0].ratio > 2


def test_equal_planes_ask_for_equal_translations_but_not_to_the_last_digit() -> None:
    equal = np.repeat(REAL[:1], 3, axis=0)
    breath = equal + np.arange(3, dtype=np.float32)[:, None, None, None] * 0.1
    assert flicker(equal, breath)[0].ratio == np.inf
    assert flicker(equal, breath, least=1.0)[0].ratio == pytest.approx(0.1, rel=1e-3)
    assert flicker(equal, equal)[0].ratio == 0


def test_channels_are_told_apart_and_pairs_come_one_by_one() -> None:
    real = np.concatenate([REAL, REAL[::-1]], axis=1)
    blinking = np.where(np.arange(6)[:, None, None] % 2, real[:, 1], real[:, 1] - 90)
    translated = np.stack([real[:, 0], blinking], axis=1)
    calm, wild = flicker(real, translated)
    assert (calm.ratio, wild.flickers) == (0, True)
    sums = FlickerSums([0, 0])
    assert sums.result() == ()
    for z in range(5):
        sums.add(real[z : z + 2], translated[z : z + 2])
    assert sums.pairs == 5
    assert sums.result() == (calm, wild)


def test_integers_and_single_planes() -> None:
    pixels = REAL.astype(np.uint8)
    dimmed = (pixels // 2).astype(np.uint8)
    assert 0 < flicker(pixels, dimmed)[0].ratio < 1.1
    assert flicker(pixels[:1], dimmed[:1]) == ()


def test_words_warn_of_what_flickers_alone() -> None:
    (calm,), (wild,) = flicker(REAL, REAL * 2), flicker(REAL[1:2].repeat(4, 0), REAL[:4] * 3, least=1.0)
    rows = [FlickerRow("Z", "DAPI", 5, calm), FlickerRow("Z", "PH3", 5, wild), FlickerRow("T", "DAPI", 3, calm)]
    along_z, warning, along_t = flicker_words(rows)
    assert along_z.startswith("Flicker along Z (5 pairs of planes): DAPI ")
    assert "PH3" in warning and "DAPI" not in warning and "do not agree along Z" in warning
    assert along_t.startswith("Flicker along T (3 pairs of planes): DAPI ")
    assert flicker_words([]) == []
