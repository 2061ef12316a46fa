from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from napari_phenotrans.core.image import Image
from napari_phenotrans.translation.events import ErrorDone
from napari_phenotrans.translation.trust import FACTOR
from napari_phenotrans.widgets.translate.trust_layers import TrustLayers
from napari_phenotrans.widgets.viewer.channel_row import Row, find_row
from napari_phenotrans.widgets.viewer.layer_info import real_layers
from napari_phenotrans.widgets.viewer.layers import difference_data, full_resolution, info, layer_data, translated_data

if TYPE_CHECKING:
    from collections.abc import Callable

AXES = ["CYX", "TZCYX", "ZCXY"]
SIZES = {"T": 2, "Z": 3, "C": 2, "Y": 20, "X": 30}


@pytest.fixture
def make_rows() -> Callable[..., tuple[ViewerModel, list[Row]]]:
    """Return a function that shows an image and its translation, whose difference is random, in a viewer."""

    def make(axes: str = "CYX") -> tuple[ViewerModel, list[Row]]:
        viewer = ViewerModel()
        rng = np.random.default_rng(0)
        image = Image(
            rng.integers(0, 200, [SIZES[letter] for letter in axes], np.uint8),
            axes,
            ("DNA", "GFP"),
            pixel_size_um=0.5,
            unit="µm",
            z_step_um=2.0,
        )
        rows = []
        for data in layer_data(image):
            real = viewer.add_layer(Layer.create(*data))
            pixels = full_resolution(real)
            difference = rng.normal(0, 10, pixels.shape).astype(np.float32)
            layers = [
                viewer.add_layer(Layer.create(*made))
                for made in (translated_data(real, pixels, "b"), difference_data(real, difference, 25.0))
            ]
            rows.append(Row(real, *layers))
        return viewer, rows

    return make


def found(height: int = 20, width: int = 30, error: float = 10.0, **place: int) -> ErrorDone:
    """Return the error of both channels: twice as large in the second."""
    amount = np.ones((2, height, width), np.float32) * np.array([error, 2 * error], np.float32)[:, None, None]
    ramp = np.arange(2 * height * width, dtype=np.float32).reshape(2, height, width)
    return ErrorDone(**({"t": 0, "z": 0, "top": 0, "left": 0} | place), round_trip=ramp, engine_error=amount)


def plane(layer: Layer, t: int, z: int) -> np.ndarray:
    """Return one plane (Y, X) of a layer."""
    letters = "".join(layer.axis_labels).upper()
    index = tuple({"T": t, "Z": z}.get(letter, slice(None)) for letter in letters)
    values = np.asarray(layer.data[index])
    return values if letters.index("Y") < letters.index("X") else values.T


@pytest.mark.parametrize("axes", AXES)
def test_layers_stand_in_the_same_place_as_the_real_ones(
    axes: str, make_rows: Callable[..., tuple[ViewerModel, list[Row]]]
) -> None:
    viewer, rows = make_rows(axes)
    rows[1].real.translate = [5] * rows[1].real.ndim
    t, z = ("T" in axes) * 1, ("Z" in axes) * 2
    layers = TrustLayers(viewer, rows)
    assert layers.layers == ()
    done = found(t=t, z=z)
    layers.add(done)
    assert [layer.name for layer in layers.layers] == [
        "DNA – round-trip error",
        "DNA – difference above the engine's error",
        "GFP – round-trip error",
        "GFP – difference above the engine's error",
    ]
    for index, row in enumerate(rows):
        round_trip, believed = layers.layers[2 * index : 2 * index + 2]
        for layer in (round_trip, believed):
            assert layer.data.shape == row.real.data.shape
            assert np.array_equal(layer.scale, row.real.scale)
            assert np.array_equal(layer.translate, row.real.translate)
            assert (layer.units, layer.axis_labels) == (row.real.units, row.real.axis_labels)
            assert layer.colormap.name == row.difference.colormap.name
            assert info(layer)["of"] == str(row.real.unique_id)
            assert info(layer)["checked"] == [(t, z, 0, 0, 20, 30)]
        np.testing.assert_array_equal(plane(round_trip, t, z), done.round_trip[index])
        difference = plane(row.difference, t, z)
        expected = np.where(np.abs(difference) > FACTOR * done.engine_error[index], difference, 0)
        np.testing.assert_array_equal(plane(believed, t, z), expected)
        assert np.count_nonzero(np.asarray(believed.data)) == np.count_nonzero(expected), "an unchecked plane is shown"
    # none of them is taken for an image to translate, nor for what was translated
    assert real_layers(viewer) == [row.real for row in rows]
    assert find_row(viewer, rows[0].real).layers == rows[0].layers


def test_factor_changes_what_is_shown_at_once(make_rows: Callable[..., tuple[ViewerModel, list[Row]]]) -> None:
    viewer, rows = make_rows()
    layers = TrustLayers(viewer, rows)
    layers.set_factor(3)
    layers.add(found())
    believed = layers.layers[1]
    # what the viewer draws, not only what could be read
    shown = [np.count_nonzero(np.asarray(believed._slice.image.raw))]
    for factor in (2.0, 1.0, 0.0):
        layers.set_factor(factor)
        shown.append(np.count_nonzero(np.asarray(believed._slice.image.raw)))
        assert info(believed)["factor"] == factor
    assert shown == sorted(shown)
    assert shown[0] < 10 < 150 < shown[2]
    assert shown[-1] == 600


def test_regions_and_planes_add_up(make_rows: Callable[..., tuple[ViewerModel, list[Row]]]) -> None:
    viewer, rows = make_rows("TZCYX")
    layers = TrustLayers(viewer, rows)
    layers.set_factor(0)
    layers.add(found(5, 6, t=1, z=1, top=3, left=4))
    layers.add(found(t=0, z=2))
    part = np.zeros((20, 30), bool)
    part[3:8, 4:10] = True
    np.testing.assert_array_equal(plane(layers.layers[1], 1, 1) != 0, part)
    assert (plane(layers.layers[1], 0, 2) != 0).all()
    errors = layers.engine_errors
    assert list(errors) == [row.real for row in rows]
    error = np.asarray(errors[rows[1].real])
    np.testing.assert_array_equal(np.isnan(error[1, 1]), ~part)
    assert np.nanmax(error) == np.nanmin(error) == 20
    assert np.isnan(error[0, 0]).all()


def test_contrast_follows_the_difference(make_rows: Callable[..., tuple[ViewerModel, list[Row]]]) -> None:
    viewer, rows = make_rows()
    layers = TrustLayers(viewer, rows)
    layers.add(found())
    assert {tuple(layer.contrast_limits) for layer in layers.layers} == {(-25, 25)}
    rows[0].difference.contrast_limits = (-7, 7)
    assert [layer.contrast_limits[1] for layer in layers.layers] == [7, 7, 25, 25]


def test_a_new_check_replaces_the_old_layers_and_clear_removes_them(
    make_rows: Callable[..., tuple[ViewerModel, list[Row]]],
) -> None:
    viewer, rows = make_rows()
    before = list(viewer.layers)
    TrustLayers(viewer, rows).add(found())
    again = TrustLayers(viewer, rows)
    again.add(found())
    assert len(viewer.layers) == len(before) + 4
    # one that the user removed is no mistake
    viewer.layers.remove(again.layers[0])
    again.clear()
    assert list(viewer.layers) == before
    assert again.engine_errors == {}
    again.set_factor(2)
    again.add(found())
    assert len(viewer.layers) == len(before) + 4


def test_grid_is_not_disturbed(make_rows: Callable[..., tuple[ViewerModel, list[Row]]]) -> None:
    viewer, rows = make_rows()
    viewer.canvas.grid.enabled = True
    layers = TrustLayers(viewer, rows)
    layers.add(found())
    assert not any(layer.visible for layer in layers.layers)


def test_the_users_layer_stays_the_selected_one(make_rows: Callable[..., tuple[ViewerModel, list[Row]]]) -> None:
    """Layer controls would else stay empty when the layers of a check are removed."""
    viewer, rows = make_rows()
    viewer.layers.selection = {rows[0].real}
    layers = TrustLayers(viewer, rows)
    layers.add(found())
    assert viewer.layers.selection == {rows[0].real}
    layers.clear()
    assert viewer.layers.selection == {rows[0].real}
