from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.region import Region
from napari_phenotrans.widgets.translate.scope import ScopeChooser

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from pytestqt.qtbot import QtBot

HEIGHT, WIDTH = 80, 120
# rows 10 to 29 and columns 20 to 59, by the outer edges of their pixels
RECTANGLE = np.array([[9.5, 19.5], [9.5, 59.5], [29.5, 59.5], [29.5, 19.5]])
INSIDE = Region(10, 20, 20, 40)
TURN = {"rotate": 30, "scale": (0.5, 0.5), "translate": (7, -3), "units": ("um", "um")}


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Viewer]) -> Viewer:
    made = make_napari_viewer()
    made.canvas.size = (400, 600)
    return made


@pytest.fixture
def chooser(qtbot: QtBot) -> ScopeChooser:
    made = ScopeChooser()
    qtbot.addWidget(made)
    made.show()
    return made


def add_image(viewer: Viewer, *leading: int, **options: Any) -> Any:
    labels = "tzyx"[-(len(leading) + 2) :]
    return viewer.add_image(np.zeros((*leading, HEIGHT, WIDTH), np.uint8), axis_labels=tuple(labels), **options)


def offered(chooser: ScopeChooser) -> list[str]:
    return [chooser.box.itemData(index) for index in range(chooser.box.count())]


def moved(down: float, right: float) -> np.ndarray:
    return np.add(RECTANGLE, (down, right))


# ---- choosing


def test_a_stack_is_offered_where_there_is_one(viewer: Viewer, chooser: ScopeChooser, qtbot: QtBot) -> None:
    plane, stack, flat = add_image(viewer), add_image(viewer, 3), add_image(viewer, 1, 1)
    assert offered(chooser) == ["view", "selection", "plane"]
    assert chooser.scope == "plane"
    chooser.set_layer(stack)
    assert offered(chooser) == ["view", "selection", "plane", "stack"]
    with qtbot.waitSignal(chooser.changed):
        chooser.box.setFocus()
        qtbot.keyClick(chooser.box, Qt.Key.Key_End)
    assert chooser.scope == "stack"
    for other in (plane, flat):
        with qtbot.waitSignal(chooser.changed):
            chooser.set_layer(other)
        assert chooser.scope == "plane"
        # what the user wanted is kept until it is possible again
        chooser.set_layer(stack)
        assert chooser.scope == "stack"
    with qtbot.assertNotEmitted(chooser.changed):
        chooser.set_layer(stack)


@pytest.mark.parametrize("scope", ["view", "selection", "plane", "stack", "of another version"])
def test_what_was_chosen_last_is_chosen_again(scope: str, chooser: ScopeChooser, viewer: Viewer) -> None:
    chooser.set_layer(add_image(viewer, 2))
    chooser.choose(scope)
    assert chooser.scope == (scope if scope in offered(chooser) else "plane")
    assert chooser.box.toolTip()
    assert all(chooser.box.itemData(i, Qt.ItemDataRole.ToolTipRole) for i in range(chooser.box.count()))


@pytest.mark.parametrize("scope", ["plane", "stack"])
def test_whole_planes_have_no_region(scope: str, chooser: ScopeChooser, viewer: Viewer) -> None:
    layer = add_image(viewer, 2)
    chooser.set_layer(layer)
    chooser.choose(scope)
    assert chooser.region(viewer, layer) is None


# ---- the visible region


def look(viewer: Viewer, y: float, x: float, zoom: float) -> None:
    """Bring a point of the world to the middle, so that a pixel of the world is ``zoom`` pixels of the screen."""
    viewer.scene.camera.center = (0, y, x)
    viewer.scene.camera.zoom = zoom


@pytest.mark.parametrize("multiscale", [False, True])
def test_the_visible_region_follows_the_camera(multiscale: bool, viewer: Viewer, chooser: ScopeChooser) -> None:
    if multiscale:
        levels = [np.zeros((HEIGHT // n, WIDTH // n), np.uint8) for n in (1, 2, 4)]
        layer = viewer.add_image(levels, multiscale=True, axis_labels=("y", "x"))
    else:
        layer = add_image(viewer)
    chooser.choose("view")
    look(viewer, 39.5, 59.5, 20)
    height, width = viewer.canvas.size
    region = chooser.region(viewer, layer)
    assert region is not None
    assert region.height == pytest.approx(height / 20, abs=1)
    assert region.width == pytest.approx(width / 20, abs=1)
    assert region.center == pytest.approx((40, 60), abs=1)
    # past the image's corner
    look(viewer, 0, 0, 20)
    region = chooser.region(viewer, layer)
    assert region is not None
    assert (region.top, region.left) == (0, 0)
    assert region.height == pytest.approx(height / 40, abs=1)
    look(viewer, 39.5, 59.5, 0.1)
    assert chooser.region(viewer, layer) == Region(0, 0, HEIGHT, WIDTH)


def test_in_the_grid_it_is_what_one_cell_shows(viewer: Viewer, chooser: ScopeChooser) -> None:
    layer, _ = add_image(viewer), add_image(viewer)
    viewer.canvas.grid.shape, viewer.canvas.grid.enabled = (1, 2), True
    chooser.choose("view")
    look(viewer, 39.5, 59.5, 20)
    height, width = viewer.canvas.size
    region = chooser.region(viewer, layer)
    assert region is not None
    assert region.height == pytest.approx(height / 20, abs=1)
    assert region.width == pytest.approx(width / 2 / 20, abs=1)
    assert region.center == pytest.approx((40, 60), abs=1)


def test_out_of_sight_there_is_no_visible_region(viewer: Viewer, chooser: ScopeChooser) -> None:
    layer = add_image(viewer, 3)
    chooser.choose("view")
    look(viewer, 10_000, 0, 20)
    with pytest.raises(InputError, match="Home"):
        chooser.region(viewer, layer)
    viewer.reset_view()
    viewer.dims.ndisplay = 3
    with pytest.raises(InputError, match="from the front"):
        chooser.region(viewer, layer)


# ---- the selected rectangle


def test_the_only_shape_needs_no_selecting(viewer: Viewer, chooser: ScopeChooser) -> None:
    layer = add_image(viewer)
    viewer.add_shapes([RECTANGLE])
    chooser.choose("selection")
    assert chooser.region(viewer, layer) == INSIDE
    viewer.layers.selection.active = layer
    assert chooser.region(viewer, layer) == INSIDE


def test_of_several_shapes_the_selected_ones_count(viewer: Viewer, chooser: ScopeChooser) -> None:
    layer = add_image(viewer)
    shapes = viewer.add_shapes([RECTANGLE, moved(40, 10), moved(-8, -18)])
    chooser.choose("selection")
    shapes.selected_data = set()
    with pytest.raises(InputError, match="3 shapes and none is selected"):
        chooser.region(viewer, layer)
    shapes.selected_data = {1}
    assert chooser.region(viewer, layer) == INSIDE.moved(40, 10)
    shapes.selected_data = {0, 1}
    assert chooser.region(viewer, layer) == Region(10, 20, 60, 50)


def test_the_active_shapes_layer_goes_before_others(viewer: Viewer, chooser: ScopeChooser) -> None:
    layer = add_image(viewer)
    first, second = viewer.add_shapes([RECTANGLE]), viewer.add_shapes([moved(10, 10)])
    chooser.choose("selection")
    viewer.layers.selection.active = first
    assert chooser.region(viewer, layer) == INSIDE
    viewer.layers.selection = {layer, second}
    viewer.layers.selection._current = layer
    assert chooser.region(viewer, layer) == INSIDE.moved(10, 10)
    viewer.layers.selection = {layer}
    with pytest.raises(InputError, match="Shapes layer"):
        chooser.region(viewer, layer)


def test_an_ellipse_counts_by_the_rectangle_around_it(viewer: Viewer, chooser: ScopeChooser) -> None:
    layer = add_image(viewer)
    viewer.add_shapes([RECTANGLE], shape_type="ellipse")
    chooser.choose("selection")
    assert chooser.region(viewer, layer) == INSIDE


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ({"scale": (0.25, 0.5)}, {}),
        (TURN, {"rotate": -20, "scale": (3, 3), "units": ("um", "um")}),
        (TURN, {"scale": (2, 2), "units": ("nm", "nm")}),
    ],
    ids=["oblong", "turned", "nanometers"],
)
def test_shapes_may_lie_in_another_system(
    mine: dict[str, Any], theirs: dict[str, Any], viewer: Viewer, chooser: ScopeChooser
) -> None:
    layer = add_image(viewer, **mine)
    shapes = viewer.add_shapes(ndim=2, **theirs)
    world = np.array([layer.data_to_world(corner) for corner in RECTANGLE])
    if "nm" in map(str, theirs.get("units", ())) and "um" in map(str, mine.get("units", ())):
        world *= 1000
    shapes.add_polygons(np.array([shapes.world_to_data(point) for point in world]))
    chooser.choose("selection")
    assert chooser.region(viewer, layer) == INSIDE


def test_a_rectangle_of_a_turned_image_is_the_box_around_it(viewer: Viewer, chooser: ScopeChooser) -> None:
    layer = add_image(viewer, rotate=90)
    viewer.add_shapes([np.array([layer.data_to_world(corner) for corner in RECTANGLE])])
    chooser.choose("selection")
    assert chooser.region(viewer, layer) == INSIDE


@pytest.mark.parametrize("drawn_in", [2, 3, 4])
def test_shapes_of_fewer_or_more_dimensions(drawn_in: int, viewer: Viewer, chooser: ScopeChooser) -> None:
    layer = add_image(viewer, 3, scale=(2, 0.5, 0.5))
    corners = np.concatenate([np.ones((4, drawn_in - 2)), RECTANGLE * 0.5], axis=1)
    viewer.add_shapes([corners])
    chooser.choose("selection")
    assert chooser.region(viewer, layer) == INSIDE


def test_what_hangs_over_is_cut_off(viewer: Viewer, chooser: ScopeChooser) -> None:
    layer = add_image(viewer)
    shapes = viewer.add_shapes([moved(-20, -30)])
    chooser.choose("selection")
    assert chooser.region(viewer, layer) == Region(0, 0, 10, 30)
    shapes.data = [moved(60, 90)]
    assert chooser.region(viewer, layer) == Region(70, 110, 10, 10)
    shapes.data = [moved(500, 0)]
    with pytest.raises(InputError, match="80 × 120"):
        chooser.region(viewer, layer)


def test_a_pixel_that_is_touched_belongs_to_it(viewer: Viewer, chooser: ScopeChooser) -> None:
    layer = add_image(viewer)
    viewer.add_shapes([moved(-0.2, -0.2), moved(0.3, 0.3)]).selected_data = {0, 1}
    chooser.choose("selection")
    assert chooser.region(viewer, layer) == Region(9, 19, 22, 42)


def test_nothing_drawn_is_said(viewer: Viewer, chooser: ScopeChooser) -> None:
    layer = add_image(viewer)
    chooser.choose("selection")
    with pytest.raises(InputError, match="Draw a rectangle"):
        chooser.region(viewer, layer)
    viewer.add_shapes()
    with pytest.raises(InputError, match="0 shapes"):
        chooser.region(viewer, layer)
