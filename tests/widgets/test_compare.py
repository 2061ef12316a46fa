from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from napari_phenotrans.widgets.compare import Comparison, Row, find_row, link
from napari_phenotrans.widgets.layers import difference_data, translated_data


def add_row(viewer: ViewerModel, name: str) -> Row:
    real = viewer.add_image(np.zeros((8, 8), np.uint8), name=name, contrast_limits=(0, 99))
    translated = viewer.add_layer(Layer.create(*translated_data(real, np.zeros((8, 8), np.uint8), "drug")))
    difference = viewer.add_layer(Layer.create(*difference_data(real, np.zeros((8, 8), np.float32), 9)))
    row = Row(real, translated, difference)
    link(viewer, row)
    return row


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.mark.parametrize("seed", range(5))
def test_rows_are_channels_and_columns_real_translated_difference(viewer: ViewerModel, seed: int) -> None:
    rows = [add_row(viewer, "DNA"), add_row(viewer, "GFP"), add_row(viewer, "ZO1")]
    foreign = [viewer.add_image(np.zeros((8, 8))), viewer.add_points(np.zeros((1, 2)))]
    foreign.append(viewer.add_image(np.zeros((8, 8)), visible=False))
    for i in np.random.default_rng(seed).permutation(len(viewer.layers)):
        viewer.layers.move(int(i), 0)
    Comparison(viewer).show(rows)
    grid = viewer.canvas.grid
    assert grid.enabled
    assert grid.actual_shape(viewer.layers) == (3, 3)
    for i, row in enumerate(rows):
        for j, layer in enumerate(row.layers):
            assert layer.visible
            assert layer.name_overlay.visible
            assert grid.position(viewer.layers.index(layer), viewer.layers) == (i, j)
    assert not any(layer.visible for layer in foreign)


def test_leaving_restores_grid_and_foreign_layers(viewer: ViewerModel) -> None:
    shown, hidden = viewer.add_image(np.zeros((8, 8))), viewer.add_image(np.zeros((8, 8)), visible=False)
    row, other = add_row(viewer, "DNA"), add_row(viewer, "GFP")
    viewer.canvas.grid.stride, viewer.canvas.grid.shape = 2, (1, -1)
    comparison = Comparison(viewer)
    changes = []
    comparison.changed.connect(lambda: changes.append(comparison.active))
    comparison.show([row])
    comparison.show([other])
    comparison.leave()
    comparison.leave()
    assert changes == [True, True, False]
    grid = viewer.canvas.grid
    assert (grid.enabled, grid.stride, grid.shape) == (False, 2, (1, -1))
    assert (shown.visible, hidden.visible) == (True, False)
    assert row.real.visible
    assert not any(layer.visible for r in (row, other) for layer in (r.translated, r.difference))


def test_removing_a_compared_layer_leaves(viewer: ViewerModel) -> None:
    foreign = viewer.add_image(np.zeros((8, 8)))
    row = add_row(viewer, "DNA")
    comparison = Comparison(viewer)
    comparison.show([row])
    viewer.layers.remove(row.difference)
    assert not comparison.active
    assert not viewer.canvas.grid.enabled
    assert foreign.visible


def test_contrast_and_gamma_are_linked_and_visibility_is_not(viewer: ViewerModel) -> None:
    row = add_row(viewer, "DNA")
    row.real.contrast_limits = (5, 50)
    row.translated.gamma = 0.5
    assert list(row.translated.contrast_limits) == [5, 50]
    assert row.real.gamma == 0.5
    assert list(row.difference.contrast_limits) == [-9, 9]
    row.real.visible = False
    assert row.translated.visible


def test_a_row_is_found_again_by_its_real_layer(viewer: ViewerModel) -> None:
    row, other = add_row(viewer, "DNA"), add_row(viewer, "DNA")
    other.real.name = "renamed"
    assert find_row(viewer, row.real).layers == row.layers
    assert find_row(viewer, other.real).layers == other.layers
    viewer.layers.remove(row.translated)
    assert find_row(viewer, row.real) is None
