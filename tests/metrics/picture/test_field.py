"""Nuclei, their profiles, and the noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.metrics.picture.field import Field, find_nuclei, noise_sd

if TYPE_CHECKING:
    from collections.abc import Callable


def test_nuclei_are_found_one_by_one(draw_field: Callable[..., np.ndarray]) -> None:
    assert find_nuclei(draw_field(0)[0]).max() == pytest.approx(36, abs=2)


def test_noise_holds_no_nuclei() -> None:
    assert find_nuclei(np.random.default_rng(0).normal(100, 5, (128, 128))).max() == 0
    assert find_nuclei(np.full((64, 64), 3.0)).max() == 0


def test_white_noise_is_measured(draw_field: Callable[..., np.ndarray]) -> None:
    assert noise_sd(np.random.default_rng(0).normal(0, 7, (256, 256))) == pytest.approx(7, rel=0.05)
    assert 9 < noise_sd(draw_field(0)[0]) < 13  # on steep edges a median takes more of it


def test_profiles_fall_from_inside_to_outside(draw_field: Callable[..., np.ndarray]) -> None:
    field = Field(draw_field(0), 0)
    profile = np.nanmedian(field.profiles(0), axis=0)
    assert profile.shape == (17,)
    assert profile[0] > 500  # 4 pixels inside
    assert profile[-1] < 60  # 12 pixels outside
    assert np.nanmedian(field.profiles(2), axis=0).std() < 100  # the stain does not know nuclei
