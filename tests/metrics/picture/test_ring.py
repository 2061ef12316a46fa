"""Rings and halos of profiles."""

from __future__ import annotations

import numpy as np
import pytest

from napari_phenotrans.metrics.picture.ring import halos, rings

FALLING = np.linspace(100, 4, 17)  # distances -4 … 12


def test_light_that_only_falls_off_has_neither() -> None:
    assert rings(FALLING[None], 1) == pytest.approx([0])
    assert halos(FALLING[None], 1) == pytest.approx([0])


def test_a_rise_is_a_ring_over_the_intensity_inside() -> None:
    profile = FALLING.copy()
    profile[9] += 20
    assert rings(profile[None], 1) == pytest.approx([(profile[9] - profile[8]) / 100])
    assert rings(profile[None] / 1000, 50) == pytest.approx([(profile[9] - profile[8]) / 1000 / 50])


def test_a_dip_is_a_halo_below_what_lies_far() -> None:
    profile = np.full(17, 10.0)
    profile[:5] = 100
    profile[6] = 4
    assert halos(profile[None], 1) == pytest.approx([0.06])


def test_nuclei_in_a_crowd_have_no_far_surroundings() -> None:
    profile = FALLING.copy()
    profile[12:] = np.nan
    assert len(halos(profile[None], 1)) == 0
    assert rings(profile[None], 1) == pytest.approx([0])
