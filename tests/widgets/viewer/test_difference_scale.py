from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_phenotrans.widgets.viewer.difference_scale import (
    BAR_HEIGHTS,
    BAR_ROOM,
    bar_place,
    relative,
    relative_data,
    unit_of,
)
from napari_phenotrans.widgets.viewer.headings import FONT_SIZE, LETTER, SMALLEST, fitted
from napari_phenotrans.widgets.viewer.layers import difference_data


def test_a_relative_difference_is_so_many_times_the_engines_error() -> None:
    difference = np.array([6, -6, 0, 0, 5, -5, 5, 0], np.float32)
    error = np.array([2, 3, 2, 0, 0, 0, np.nan, np.nan], np.float32)
    ratio = relative(difference, error)
    assert ratio.dtype == np.float32
    np.testing.assert_array_equal(ratio, [3, -2, 0, 0, 1000, -1000, np.nan, np.nan])


@pytest.mark.parametrize("whole", [True, False])
def test_its_layer_reads_the_shown_plane_only(whole: bool) -> None:
    real = Image(np.zeros((3, 4, 5), np.uint16), name="DNA", scale=(2, 0.5, 0.5), contrast_limits=(0, 9))
    pixels = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    difference = Image(pixels, **difference_data(real, pixels, 9)[1])
    error = np.full((3, 4, 5) if whole else (4, 5), 2, np.float32)
    data, options, _ = relative_data(real, difference, error)
    layer = Image(data, **options)
    np.testing.assert_array_equal(np.asarray(layer.data[1]), pixels[1] / 2)
    np.testing.assert_array_equal(np.asarray(layer.data[1:2, 2:]), pixels[1:2, 2:] / 2)
    assert list(layer.scale) == [2, 0.5, 0.5]
    low, high = layer.contrast_limits
    assert low == -high


@pytest.mark.parametrize(
    ("dtype", "unit"), [(np.uint8, "counts"), (np.int32, "counts"), (np.float32, "intensity units")]
)
def test_integers_are_counts(dtype: type, unit: str) -> None:
    assert unit_of(Image(np.zeros((2, 2), dtype), contrast_limits=(0, 1))) == unit


@pytest.mark.parametrize("width", [60, 120, 200, 400, 2000])
def test_a_heading_fits_its_width_with_whole_words(width: float) -> None:
    text = "translated untreated → wortmannin by bbbc013-cyclegan (not measured)"
    broken, size = fitted(text, width)
    assert broken.replace("\n", " ") == text
    assert SMALLEST <= size <= FONT_SIZE
    lines = broken.split("\n")
    if width >= 120:
        assert max(map(len, lines)) * size * LETTER <= width
    assert (len(lines), size) == (1, FONT_SIZE) or width < 2000
    # no line is left almost empty
    assert width < 120 or min(map(len, lines)) > max(map(len, lines)) / 3


@pytest.mark.parametrize(
    ("cell", "shape", "position"),
    [
        pytest.param((420, 205), (512, 512), "bottom_right", id="high"),
        pytest.param((300, 205), (512, 512), "bottom_right", id="just high enough"),
        pytest.param((205, 420), (512, 512), "middle_right", id="wide"),
        pytest.param((420, 205), (1536, 512), "middle_right", id="a high picture in a high cell"),
    ],
)
def test_a_color_bar_stands_where_it_leaves_the_larger_picture(
    cell: tuple[float, float], shape: tuple[float, float], position: str
) -> None:
    place = bar_place(cell, shape)
    assert place.position == position
    zoom = min((cell[0] - place.below) / shape[0], (cell[1] - place.beside) / shape[1])
    # never smaller than beside a bar at the right, and a whole one of the bars' heights fits what is left
    assert zoom >= min(cell[0] / shape[0], (cell[1] - BAR_ROOM) / shape[1])
    assert BAR_HEIGHTS[0] <= place.height <= BAR_HEIGHTS[1]
    assert place.height <= cell[0] - (zoom * shape[0] if place.below else 0)
