from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtWidgets import QApplication

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.widgets.viewer.channel_row import Row, find_row, link
from napari_phenotrans.widgets.viewer.comparison import VIEWS, Comparison
from napari_phenotrans.widgets.viewer.curtain import CURTAIN
from napari_phenotrans.widgets.viewer.difference_scale import BAR_MARGINS, BAR_ROOM, RELATIVE
from napari_phenotrans.widgets.viewer.layers import KEY, difference_data, info, role, translated_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari import Viewer

PROVENANCE = {"source": "untreated", "target": "drug", "checkpoint": "/runs/mine.safetensors"}


def add_row(viewer: ViewerModel, name: str, size: int = 8) -> Row:
    real = viewer.add_image(np.zeros((size, size), np.uint8), name=name, contrast_limits=(0, 99))
    pixels = np.full((size, size), 50, np.uint8)
    translated = viewer.add_layer(Layer.create(*translated_data(real, pixels, "drug")))
    difference = viewer.add_layer(Layer.create(*difference_data(real, pixels.astype(np.float32), 9)))
    for layer in (translated, difference):
        layer.metadata[KEY] = info(layer) | {"provenance": PROVENANCE}
    row = Row(real, translated, difference)
    link(viewer, row)
    return row


def look(overlay: Any) -> list[str]:
    return [str(overlay.visible), str(overlay.position), str(float(overlay.font_size)), str(overlay.color)]


def state(viewer: ViewerModel) -> dict[str, Any]:
    """Everything that a comparison may change and has to restore."""
    return {
        "layers": [(layer.name, layer.visible) for layer in viewer.layers],
        "names": [look(layer.name_overlay) for layer in viewer.layers],
        "bars": [look(layer.colorbar) for layer in viewer.layers if hasattr(layer, "colorbar")],
        "grid": viewer.canvas.grid.model_dump(),
        "tiling": repr(viewer.canvas.overlay_tiling),
        "overlays": sorted(viewer.canvas.overlays),
        "selected": sorted(layer.name for layer in viewer.layers.selection),
        "keys": [str(key) for key in viewer.keymap],
        "mouse": (list(viewer.mouse_drag_callbacks), list(viewer.mouse_move_callbacks)),
    }


@pytest.fixture
def viewer(qapp: object) -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def comparison(viewer: ViewerModel) -> Iterator[Comparison]:
    made = Comparison(viewer)
    yield made
    made.close()


@pytest.mark.parametrize("seed", range(5))
def test_rows_are_channels_and_columns_real_translated_difference(
    viewer: ViewerModel, comparison: Comparison, seed: int
) -> None:
    rows = [add_row(viewer, "DNA"), add_row(viewer, "GFP"), add_row(viewer, "ZO1")]
    foreign = [viewer.add_image(np.zeros((8, 8))), viewer.add_points(np.zeros((1, 2)))]
    foreign.append(viewer.add_image(np.zeros((8, 8)), visible=False))
    for i in np.random.default_rng(seed).permutation(len(viewer.layers)):
        viewer.layers.move(int(i), 0)
    comparison.show(rows)
    grid = viewer.canvas.grid
    assert grid.enabled
    assert grid.actual_shape(viewer.layers) == (3, 3)
    for i, row in enumerate(rows):
        for j, layer in enumerate(row.layers):
            assert layer.visible
            assert layer.name_overlay.visible == (j == 0)
            assert layer.colorbar.visible == (j == 2)
            assert grid.position(viewer.layers.index(layer), viewer.layers) == (i, j)
    assert not any(layer.visible for layer in foreign)


def test_composites_are_one_cell_of_all_channels_each(viewer: ViewerModel, comparison: Comparison) -> None:
    rows = [add_row(viewer, "DNA"), add_row(viewer, "GFP"), add_row(viewer, "ZO1")]
    comparison.show(rows, "composites")
    grid = viewer.canvas.grid
    assert grid.actual_shape(viewer.layers) == (1, 2)
    cells = [
        {viewer.layers[i] for i in inside if viewer.layers[i].visible}
        for _, inside in grid.iter_viewboxes(viewer.layers)
    ]
    assert cells == [{row.real for row in rows}, {row.translated for row in rows}]


@pytest.mark.parametrize("views", [[view] for view in VIEWS] + [[*VIEWS], [*VIEWS][::-1]])
def test_leaving_restores_everything(viewer: ViewerModel, comparison: Comparison, views: list[str]) -> None:
    viewer.add_image(np.zeros((8, 8)), name="shown")
    viewer.add_image(np.zeros((8, 8)), visible=False, name="hidden")
    rows = [add_row(viewer, "DNA"), add_row(viewer, "GFP")]
    for row in rows:
        row.difference.visible = row.translated.visible = False
    rows[0].real.name_overlay.font_size = 17
    rows[1].difference.colorbar.position = "top_left"
    viewer.layers.move(0, 3)
    viewer.layers.selection = {rows[1].real, rows[0].difference}
    viewer.canvas.grid.stride, viewer.canvas.grid.shape = 2, (1, -1)
    before = state(viewer)
    changes = []
    comparison.changed.connect(lambda: changes.append(comparison.view))
    for view in views:
        comparison.show(rows, view)
        assert state(viewer) != before
    comparison.leave()
    comparison.leave()
    assert changes == [*views, ""]
    assert state(viewer) == before


def test_a_new_translation_is_hidden_on_leaving_and_one_that_the_user_shows_is_not(
    viewer: ViewerModel, comparison: Comparison
) -> None:
    row = add_row(viewer, "DNA")
    comparison.show([row])
    comparison.leave()
    assert [layer.visible for layer in row.layers] == [True, False, False]
    row.real.visible, row.translated.visible = False, True
    comparison.show([row], "composites")
    comparison.leave()
    assert [layer.visible for layer in row.layers] == [False, True, False]


@pytest.mark.parametrize("view", VIEWS)
def test_removing_a_compared_layer_leaves(viewer: ViewerModel, comparison: Comparison, view: str) -> None:
    foreign = viewer.add_image(np.zeros((8, 8)))
    row, other = add_row(viewer, "DNA"), add_row(viewer, "GFP")
    comparison.show([row, other], view)
    viewer.layers.remove(row.difference)
    assert not comparison.active
    assert not viewer.canvas.grid.enabled
    assert not comparison.blink.running
    assert foreign.visible
    QApplication.processEvents()
    assert not any(role(layer) == CURTAIN for layer in viewer.layers)


@pytest.mark.parametrize("view", VIEWS)
def test_one_viewer_has_one_comparison_and_another_viewer_its_own(viewer: ViewerModel, view: str) -> None:
    row = add_row(viewer, "DNA")
    elsewhere = ViewerModel()
    apart = Comparison(elsewhere)
    apart.show([add_row(elsewhere, "DNA")], view)
    before = state(elsewhere)
    one, two = Comparison(viewer), Comparison(viewer)
    one.show([row])
    two.show([row], view)
    assert (one.active, two.view, apart.view) == (False, view, view)
    two.close()
    assert viewer.canvas.grid.enabled is False
    assert state(elsewhere) == before
    one.close()
    apart.close()


def test_every_view_says_in_the_picture_what_is_translated(viewer: ViewerModel, comparison: Comparison) -> None:
    rows = [add_row(viewer, "DNA")]
    for view in VIEWS:
        comparison.show(rows, view)
        if view == "blink":
            assert comparison.headings == ("real untreated",)
            comparison.blink.step()
        shown = [
            " ".join(overlay.text.split())
            for key, overlay in viewer.canvas.overlays.items()
            if "phenotrans" in key and hasattr(overlay, "text")
        ]
        assert "translated untreated → drug by mine (not measured)" in shown
        assert tuple(shown) == comparison.headings
    # another target in the same layers
    for layer in (rows[0].translated, rows[0].difference):
        layer.metadata[KEY] = info(layer) | {"provenance": PROVENANCE | {"target": "heat"}}
    comparison.show(rows, "curtain")
    assert comparison.headings[1].startswith("translated untreated → heat by")


def test_what_is_looked_at_stays_in_sight(viewer: ViewerModel, comparison: Comparison) -> None:
    rows = [add_row(viewer, "DNA", 400), add_row(viewer, "GFP", 400)]
    viewer.canvas.size = (600, 900)
    viewer.reset_view()
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 120, 80), 4.0
    for view in (*VIEWS, "matrix"):
        comparison.show(rows, view)
        assert viewer.scene.camera.center == (0, 120, 80)
    # a cell of the matrix is narrower than the canvas by so much
    assert 4 / 3.5 < viewer.scene.camera.zoom < 4 / 2
    comparison.leave()
    assert viewer.scene.camera.zoom == pytest.approx(4.0)
    viewer.scene.camera.center = (0, 5000, 80)
    comparison.show(rows)
    top, left, bottom, right = picture_in_cell(viewer, rows[0].real)
    height, width = viewer.canvas.viewbox_size(viewer.layers)
    assert top >= 0 and bottom <= height + 1e-6 and left >= -1e-6 and right <= width


def picture_in_cell(viewer: ViewerModel, layer: Any) -> list[float]:
    """Return where a picture lies in its cell, in pixels of the canvas: top, left, bottom, right."""
    camera = viewer.scene.camera
    middle = np.asarray(viewer.canvas.viewbox_size(viewer.layers)) / 2
    corners = (layer.extent.world - np.asarray(camera.center[-2:])) * camera.zoom + middle
    return [float(value) for corner in corners for value in corner]


@pytest.mark.parametrize("view", ["matrix", "composites", "blink"])
def test_a_picture_that_is_all_in_sight_stays_so_in_a_canvas_of_another_size(
    viewer: ViewerModel, comparison: Comparison, view: str
) -> None:
    rows = [add_row(viewer, "DNA", 400), add_row(viewer, "GFP", 400)]
    viewer.canvas.size = (600, 900)
    viewer.reset_view()
    comparison.show(rows, view)
    # a dock grows, and the other way round
    for size in ((600, 500), (900, 500), (500, 1100)):
        viewer.canvas.size = size
        height, width = viewer.canvas.viewbox_size(viewer.layers)
        top, left, bottom, right = picture_in_cell(viewer, rows[0].real)
        assert top >= -1 and left >= -1 and bottom <= height + 1 and right <= width + 1
        # and is as large as that lets it be, with its color bar below it or at its right
        assert right - left > min(0.7 * width, 0.4 * height)
    # what is looked at closely stays as it is
    viewer.scene.camera.zoom *= 4
    before = viewer.scene.camera.zoom
    viewer.canvas.size = (600, 700)
    assert viewer.scene.camera.zoom == before


def test_captions_stand_beside_a_picture_that_is_all_in_sight(viewer: ViewerModel, comparison: Comparison) -> None:
    rows = [add_row(viewer, "DNA", 400), add_row(viewer, "GFP", 400)]
    for size in ((600, 900), (900, 600)):
        viewer.canvas.size = size
        viewer.reset_view()
        whole = viewer.scene.camera.zoom, viewer.scene.camera.center
        # beside its picture, or below it where a cell is high
        beside_bar = BAR_ROOM if size[1] > size[0] else 0
        for view, beside in (("matrix", beside_bar), ("composites", 0)):
            comparison.show(rows, view)
            for _ in range(2):
                height, width = viewer.canvas.viewbox_size(viewer.layers)
                top, left, bottom, right = picture_in_cell(viewer, rows[0].real)
                # a heading above, and a color bar at the right or below
                bar = rows[0].difference.colorbar
                below = bar.size[1] + BAR_MARGINS if view == "matrix" and not beside else 0
                assert top >= 20 and left >= -1e-6 and bottom <= height - below + 1e-6
                assert view != "matrix" or bar.position == ("middle_right" if beside else "bottom_right")
                assert right <= width - beside + 1e-6
                # what napari draws at half the height of a cell lies on the picture, or beside it
                assert top < height / 2 < bottom
                # as large as that lets it be
                assert right - left > 0.9 * (width - beside) or bottom - top > 0.6 * height
                # napari itself knows of no captions
                viewer.reset_view()
        comparison.show(rows, "blink")
        comparison.leave()
        assert viewer.scene.camera.zoom == pytest.approx(whole[0], rel=0.01)
        assert viewer.scene.camera.center == pytest.approx(whole[1])


def test_naparis_controls_act_on_what_is_shown(viewer: ViewerModel, comparison: Comparison) -> None:
    rows = [add_row(viewer, "DNA"), add_row(viewer, "GFP")]
    selection = viewer.layers.selection
    selection.active = rows[1].difference
    comparison.show(rows, "matrix")
    assert selection.active is rows[1].difference
    comparison.show(rows, "composites")
    assert selection.active is rows[1].real
    comparison.show(rows, "curtain")
    assert selection.active is comparison.curtain.layers[1]
    # what is dragged there changes the pictures of both
    selection.active.contrast_limits = (3, 40)
    assert list(rows[1].real.contrast_limits) == list(rows[1].translated.contrast_limits) == [3, 40]
    comparison.show(rows, "blink")
    assert selection.active is rows[1].real
    comparison.leave()
    assert selection.active is rows[1].difference
    # the user's own choice stays
    comparison.show(rows, "composites")
    selection.active = rows[0].translated
    comparison.leave()
    assert selection.active is rows[0].translated


def test_relative_differences_are_layers_of_their_own_that_follow(viewer: ViewerModel, comparison: Comparison) -> None:
    row, other = add_row(viewer, "DNA"), add_row(viewer, "GFP")
    data = row.difference.data
    comparison.show([row, other])
    comparison.show_relative({row.real: np.full((8, 8), 25, np.float32)})
    (made,) = [layer for layer in viewer.layers if role(layer) == RELATIVE]
    assert comparison.relative
    assert "engine's error" in comparison.headings[2]
    assert (made.visible, row.difference.visible, other.difference.visible) == (True, False, True)
    assert viewer.canvas.grid.position(viewer.layers.index(made), viewer.layers) == (0, 2)
    np.testing.assert_array_equal(np.asarray(made.data), 2)
    # tiles are still written to the difference
    data[:4] = -75
    np.testing.assert_array_equal(np.asarray(made.data)[:, 0], [-3] * 4 + [2] * 4)
    assert row.difference.data is data
    comparison.show_relative(None)
    assert made not in viewer.layers
    assert row.difference.visible
    assert "counts" in comparison.headings[2]


def test_contrast_and_gamma_are_linked_and_visibility_is_not(viewer: ViewerModel) -> None:
    row = add_row(viewer, "DNA")
    row.real.contrast_limits = (5, 50)
    row.translated.gamma = 0.5
    assert list(row.translated.contrast_limits) == [5, 50]
    assert row.real.gamma == 0.5
    assert list(row.difference.contrast_limits) == [-9, 9]
    row.real.visible = False
    assert row.translated.visible


def test_a_row_is_found_again_by_its_real_layer(viewer: ViewerModel, comparison: Comparison) -> None:
    row, other = add_row(viewer, "DNA"), add_row(viewer, "DNA")
    other.real.name = "renamed"
    comparison.show([row], "curtain")
    assert find_row(viewer, row.real).layers == row.layers
    assert find_row(viewer, other.real).layers == other.layers
    comparison.leave()
    viewer.layers.remove(row.translated)
    assert find_row(viewer, row.real) is None


def test_an_unknown_view_and_a_curtain_in_3d_are_refused_and_change_nothing(
    viewer: ViewerModel, comparison: Comparison
) -> None:
    rows = [add_row(viewer, "DNA")]
    with pytest.raises(ValueError, match="no view 'veil'"):
        comparison.show(rows, "veil")
    comparison.show(rows)
    viewer.dims.ndisplay = 3
    with pytest.raises(InputError, match="2D"):
        comparison.show(rows, "curtain")
    assert comparison.view == "matrix"


def remove_selected(viewer: Viewer) -> None:
    viewer.layers.select_all()
    viewer.layers.remove_selected()


@pytest.mark.parametrize(
    ("view", "remove"), [("matrix", lambda viewer: viewer.layers.clear()), ("curtain", remove_selected)]
)
def test_all_layers_can_be_removed_at_once(
    make_napari_viewer: Callable[[], Viewer], view: str, remove: Callable[[Viewer], None]
) -> None:
    viewer = make_napari_viewer()
    rows = [add_row(viewer, "DNA"), add_row(viewer, "GFP")]
    viewer.add_image(np.zeros((8, 8)))
    comparison = Comparison(viewer)
    comparison.show(rows, view)
    remove(viewer)
    assert not comparison.active
    assert len(viewer.layers) == 0
    assert not any("phenotrans" in key for key in viewer.canvas.overlays)
    comparison.close()


@pytest.mark.parametrize("view", VIEWS)
def test_layers_that_come_later_find_their_places(view: str, viewer: ViewerModel, comparison: Comparison) -> None:
    rows = [add_row(viewer, "DNA"), add_row(viewer, "GFP")]
    later = [layer for row in rows for layer in row.layers[1:]]
    for layer in later:
        viewer.layers.remove(layer)
    for count, layer in enumerate([None, *later]):
        if layer is not None:
            layer.visible = viewer.layers[0].visible
            viewer.layers.append(layer)
        comparison.show(rows, view)
        shown = [each for each in viewer.layers if each.visible and each not in comparison.curtain.layers]
        if view == "matrix":
            # cell by cell, up to the first that is missing
            assert shown == [rows[0].real, *later[:2], rows[1].real, *later[2:]][: count + 1 + (count >= 2)]
        elif view == "composites":
            assert shown == [rows[0].real, rows[1].real, *later[:3:2][: (count >= 1) + (count >= 3)]]
        elif view == "blink":
            assert shown == [rows[0].real, rows[1].real]
        else:
            assert not shown
    comparison.leave()
    assert [layer.visible for layer in later] == [False] * 4
    assert all(row.real.visible for row in rows)


def test_a_view_has_a_scale_bar_where_pixels_have_a_size(viewer: ViewerModel, comparison: Comparison) -> None:
    rows = [add_row(viewer, "DNA")]
    bar = viewer.canvas.overlays.scale_bar
    comparison.show(rows, "matrix")
    assert not bar.visible
    comparison.leave()
    for layer in rows[0].layers:
        layer.scale, layer.units = (0.5, 0.5), ("um", "um")
    for view in ("matrix", "blink"):
        comparison.show(rows, view)
        assert bar.visible
    comparison.leave()
    assert not bar.visible
