"""The lattice of a difference, by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage

from napari_phenotrans.metrics.picture.field import Field
from napari_phenotrans.metrics.picture.lattice import STEPS, lattice, learn_lattice, read_lattice
from napari_phenotrans.metrics.picture.measure import Case

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.metrics.picture.measure import Reading


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(160, 144)).astype(np.float32)


def test_noise_has_none(noise: np.ndarray) -> None:
    assert 0.9 < lattice([noise]) < 1.8  # type: ignore[operator]


@pytest.mark.parametrize(("y", "x"), [(y, x) for y in STEPS for x in STEPS if y or x])
def test_each_frequency_of_the_lattice_is_seen(noise: np.ndarray, y: int, x: int) -> None:
    rows, columns = np.indices(noise.shape)
    wave = np.cos(2 * np.pi * (y * rows + x * columns) / 32)
    assert lattice([noise + 0.4 * wave]) > 3  # type: ignore[operator]


def test_other_patterns_are_not_a_lattice(noise: np.ndarray) -> None:
    wave = np.cos(2 * np.pi * np.indices(noise.shape)[0] * 5 / 32)
    assert lattice([noise + 0.4 * wave]) < 1.8  # type: ignore[operator]


def test_what_changed_at_one_place_counts_though_the_rest_did_not_change(noise: np.ndarray) -> None:
    difference = np.zeros_like(noise)
    board = np.where(np.indices((24, 24)).sum(axis=0) % 2, 1.0, -1.0)
    difference[60:84, 60:84] = noise[60:84, 60:84] + board
    assert lattice([difference]) > 3  # type: ignore[operator]
    assert lattice([np.zeros_like(noise), difference]) == pytest.approx(lattice([difference]))


def test_rounding_is_no_pattern_where_it_cannot_be_seen(noise: np.ndarray) -> None:
    board = np.where(np.indices(noise.shape).sum(axis=0) % 2, 1e-4, -1e-4)
    assert lattice([board]) > 1e6  # type: ignore[operator]
    assert lattice([board], invisible=0.01) < 1.5  # type: ignore[operator]


def test_small_or_equal_fields_say_nothing(noise: np.ndarray) -> None:
    assert lattice([noise[:31]]) is None
    assert lattice([np.zeros((64, 64))]) is None


def lit(seed: int, rows: float) -> np.ndarray:
    """A field whose camera writes a pattern of rows into its light."""
    rng = np.random.default_rng(seed)
    light = ndimage.gaussian_filter(rng.normal(size=(128, 128)), 6)
    light = 100 * (light - light.min()) / np.ptp(light)
    pattern = np.where(np.arange(128) % 2, 1 + rows, 1 - rows)[:, None]
    return (light * pattern + rng.normal(size=light.shape))[None]


def read(change: Callable[[np.ndarray], np.ndarray]) -> Reading:
    """Read fields whose camera has a pattern that the target's has not."""
    source = [lit(seed, rows=0.02) for seed in range(4)]
    target = [Field(lit(seed, rows=0.0), None) for seed in range(4, 8)]
    translated = [Field(change(each), None) for each in source]
    numbers = learn_lattice(target, 0, {})
    return read_lattice(Case(0, "moving", translated, target, [Field(each, None) for each in source], numbers))


def test_the_cameras_pattern_may_go_with_the_light_that_it_lies_in() -> None:
    found = read(lambda plane: 0.3 * plane)
    assert found.value is not None
    assert found.value > 3  # the rows are in the difference
    assert found.passed


def test_a_pattern_that_is_added_is_none_of_the_cameras() -> None:
    board = np.where(np.indices((128, 128)).sum(axis=0) % 2, 3.0, -3.0)
    assert not read(lambda plane: 0.3 * plane + board).passed
