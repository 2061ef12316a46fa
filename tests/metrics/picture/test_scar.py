"""Change where nothing should change."""

from __future__ import annotations

import numpy as np
import pytest

from napari_phenotrans.metrics.picture.scar import scar


@pytest.fixture
def source() -> np.ndarray:
    return np.random.default_rng(0).normal(100, 5, (300, 400))


def test_gain_and_level_are_no_scar(source: np.ndarray) -> None:
    assert scar(1.3 * source + 20, source, 5) == pytest.approx(0, abs=1e-6)


def test_noise_drawn_anew_passes(source: np.ndarray) -> None:
    noise = np.random.default_rng(1).normal(0, 5, source.shape)
    assert 0.8 < scar(source + noise, source, 5) < 1.7


def test_one_nucleus_in_a_large_field_is_seen(source: np.ndarray) -> None:
    y, x = np.indices(source.shape)
    disc = np.hypot(y - 280, x - 380) < 7
    assert scar(source + 50 * disc, source, 5) > 5
