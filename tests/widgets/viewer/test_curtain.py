from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_phenotrans.widgets.viewer.channel_row import Row, link
from napari_phenotrans.widgets.viewer.comparison import Comparison
from napari_phenotrans.widgets.viewer.curtain_pixels import compose, reduced
from napari_phenotrans.widgets.viewer.layer_info import real_layers
from napari_phenotrans.widgets.viewer.layers import difference_data, translated_data
from napari_phenotrans.widgets.viewer.lazy_array import Lazy

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from pytestqt.qtbot import QtBot


class Watched:
    """An array that remembers which parts of it were read."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels
        self.read: list[Any] = []
        self.shape, self.dtype, self.ndim, self.size = pixels.shape, pixels.dtype, pixels.ndim, pixels.size

    def __getitem__(self, index: Any) -> np.ndarray:
        self.read.append(index)
        return self.pixels[index]


def make_row(viewer: ViewerModel, real: Any, translated: Any, **options: Any) -> Row:
    options = {"contrast_limits": (0, 9), "rgb": False} | options
    layer = viewer.add_image(real, name="DNA", **options)
    made = viewer.add_layer(Layer.create(*translated_data(layer, translated, "drug")))
    difference = viewer.add_layer(Layer.create(*difference_data(layer, np.zeros(translated.shape, np.float32), 9)))
    row = Row(layer, made, difference)
    link(viewer, row)
    return row


def composed(comparison: Comparison) -> np.ndarray:
    (layer,) = comparison.curtain.layers
    return np.asarray(layer._slice.image.raw)


@pytest.fixture
def viewer(qapp: object) -> ViewerModel:
    made = ViewerModel()
    made.canvas.size = (100, 100)
    return made


def look_at(viewer: ViewerModel, y: float, x: float, width: float) -> None:
    viewer.scene.camera.center = (0, y, x)
    viewer.scene.camera.zoom = viewer.canvas.size[1] / width


def test_left_of_the_line_is_real_and_right_of_it_translated(viewer: ViewerModel) -> None:
    row = make_row(viewer, np.full((20, 40), 1, np.uint8), np.full((20, 40), 2, np.uint8))
    look_at(viewer, 9.5, 19.5, 40)
    comparison = Comparison(viewer)
    comparison.show([row], "curtain")
    assert comparison.curtain.share == pytest.approx(0.5)
    comparison.curtain.share = 0.25
    comparison.refresh()
    np.testing.assert_array_equal(composed(comparison), [[1] * 10 + [2] * 30] * 20)
    # the line keeps its place in the image …
    look_at(viewer, 9.5, 14.5, 40)
    assert comparison.curtain.share == pytest.approx(0.375)
    # … and comes along at the edge where the view leaves it behind, so that the left of the picture stays real
    look_at(viewer, 9.5, 35, 10)
    assert comparison.curtain.share == pytest.approx(0.02)
    comparison.refresh()
    np.testing.assert_array_equal(composed(comparison)[0], [1] * 31 + [2] * 9)
    comparison.close()


@pytest.mark.parametrize(
    "transform",
    [
        {"rotate": 30},
        {"rotate": 90},
        {"rotate": 180},
        {"scale": (2, 0.5), "translate": (7, -3)},
        {"shear": [0.4], "rotate": -20, "scale": (0.3, 0.4)},
    ],
)
@pytest.mark.parametrize("orientation", ["right", "left"])
def test_the_line_is_upright_on_the_canvas_however_the_layer_lies(
    viewer: ViewerModel, transform: dict[str, Any], orientation: str
) -> None:
    row = make_row(viewer, np.full((30, 40), 1, np.uint8), np.full((30, 40), 2, np.uint8), **transform)
    viewer.scene.camera.orientation2d = ("down", orientation)
    middle = row.real.data_to_world((14.5, 19.5))
    look_at(viewer, *middle, 60)
    comparison = Comparison(viewer)
    comparison.show([row], "curtain")
    comparison.curtain.share = 0.55
    comparison.refresh()
    at = middle[1] + 60 * 0.05 * (1 if orientation == "right" else -1)
    pixels = composed(comparison)
    assert set(np.unique(pixels)) == {1, 2}
    for index in np.ndindex(pixels.shape):
        beyond = (row.real.data_to_world(index)[1] - at) * (1 if orientation == "right" else -1)
        if abs(beyond) > 2:
            assert pixels[index] == (2 if beyond > 0 else 1)
    comparison.close()


def test_only_the_plane_that_is_shown_is_read_and_only_on_its_side(viewer: ViewerModel) -> None:
    real, translated = (Watched(np.full((3, 4, 20, 40), value, np.uint8)) for value in (1, 2))
    row = make_row(viewer, real, translated)
    viewer.dims.set_point((0, 1), (2, 1))
    look_at(viewer, 9.5, 19.5, 40)
    comparison = Comparison(viewer)
    comparison.show([row], "curtain")
    real.read, translated.read = [], []
    comparison.refresh()
    assert real.read == [(slice(2, 3), slice(1, 2), slice(0, 20), slice(0, 20))]
    assert translated.read == [(slice(2, 3, 1), slice(1, 2, 1), slice(0, 20, 1), slice(20, 40, 1))]
    viewer.dims.set_point(0, 0)
    assert real.read[-1][:2] == (slice(0, 1), slice(1, 2))
    np.testing.assert_array_equal(composed(comparison), [[1] * 20 + [2] * 20] * 20)
    comparison.close()


def test_tiles_that_come_and_another_translation_are_seen(viewer: ViewerModel) -> None:
    row = make_row(viewer, np.full((20, 40), 1, np.uint8), np.zeros((20, 40), np.uint8))
    look_at(viewer, 9.5, 19.5, 40)
    comparison = Comparison(viewer)
    comparison.show([row], "curtain")
    row.translated.data[:, 30:] = 2
    comparison.refresh()
    np.testing.assert_array_equal(composed(comparison)[0], [1] * 20 + [0] * 10 + [2] * 10)
    row.translated.data = np.full((20, 40), 3, np.uint8)
    comparison.refresh()
    np.testing.assert_array_equal(composed(comparison)[0], [1] * 20 + [3] * 20)
    comparison.close()


def test_levels_of_a_pyramid_are_composed_as_they_are_shown(viewer: ViewerModel) -> None:
    finest = np.tile(np.arange(45, dtype=np.uint16), (30, 1))
    levels = [finest, finest[::2, ::2], finest[::4, ::4]]
    row = make_row(viewer, levels, finest + 100, multiscale=True, contrast_limits=(0, 145))
    look_at(viewer, 14.5, 22, 45)
    comparison = Comparison(viewer)
    comparison.show([row], "curtain")
    (layer,) = comparison.curtain.layers
    assert [level.shape for level in layer.data] == [(30, 45), (15, 23), (8, 12)]
    for step, level in zip((1, 2, 4), layer.data, strict=True):
        shown = finest[0, ::step]
        near = np.abs(shown.astype(int) - 22) <= step
        expected = np.where(shown > 22, shown + 100, shown)
        np.testing.assert_array_equal(np.asarray(level)[3][~near], expected[~near])
    # what is drawn of the coarsest level changes too
    comparison.curtain.share = 0.9
    comparison.refresh()
    assert layer._level_materializer(2)[0, 8] == finest[0, 32]
    comparison.close()


def test_composed_layers_follow_the_real_ones_look_and_are_not_offered_as_real(viewer: ViewerModel) -> None:
    row = make_row(viewer, np.zeros((20, 40), np.uint8), np.zeros((20, 40), np.uint8))
    comparison = Comparison(viewer)
    comparison.show([row], "curtain")
    (layer,) = comparison.curtain.layers
    row.real.contrast_limits, row.real.colormap = (2, 5), "magenta"
    assert (list(layer.contrast_limits), layer.colormap.name) == ([2, 5], "magenta")
    assert real_layers(viewer) == [row.real]
    comparison.leave()
    assert layer not in viewer.layers
    row.real.contrast_limits = (3, 5)
    assert list(layer.contrast_limits) == [2, 5]


def test_switching_to_3d_shows_the_composites_instead(viewer: ViewerModel) -> None:
    row = make_row(viewer, np.zeros((4, 20, 40), np.uint8), np.zeros((4, 20, 40), np.uint8))
    comparison = Comparison(viewer)
    comparison.show([row], "curtain")
    viewer.dims.ndisplay = 3
    assert comparison.view == "composites"
    comparison.close()


@pytest.mark.parametrize("keep", ["one", "none"])
def test_keys_move_the_line_unless_they_are_taken(viewer: ViewerModel, keep: str) -> None:
    row = make_row(viewer, np.zeros((20, 40), np.uint8), np.zeros((20, 40), np.uint8))
    presses = []
    if keep == "one":
        viewer.bind_key("J", lambda _: presses.append("J"))
    comparison = Comparison(viewer)
    comparison.show([row], "curtain")
    bound = {str(key): function for key, function in viewer.keymap.items()}
    bound["K"](viewer)
    assert comparison.curtain.share == pytest.approx(0.52)
    bound["J"](viewer)
    assert comparison.curtain.share == pytest.approx(0.52 if keep == "one" else 0.5)
    assert presses == ["J"] * (keep == "one")
    comparison.leave()
    assert [str(key) for key in viewer.keymap] == ["J"] * (keep == "one")


def test_the_mouse_drags_the_line_and_elsewhere_the_image(
    make_napari_viewer: Callable[[], Viewer], qtbot: QtBot
) -> None:
    viewer = make_napari_viewer()
    row = make_row(viewer, np.full((20, 40), 1, np.uint8), np.full((20, 40), 2, np.uint8))
    comparison = Comparison(viewer)
    comparison.show([row], "curtain")
    native = viewer.window._qt_viewer.canvas.native
    height, width = viewer.canvas.size
    left = Qt.MouseButton.LeftButton

    def drag(start: float, *ways: float) -> None:
        places = [QPoint(round(x), round(height / 2)) for x in (start, *ways)]
        qtbot.mouseMove(native, places[0])
        qtbot.mousePress(native, left, pos=places[0])
        for place in places[1:]:
            event = QMouseEvent(
                QEvent.Type.MouseMove, QPointF(place), QPointF(place), left, left, Qt.KeyboardModifier.NoModifier
            )
            # movements that follow too soon are dropped
            qtbot.wait(30)
            QApplication.sendEvent(native, event)
        qtbot.mouseRelease(native, left, pos=places[-1])

    center = viewer.scene.camera.center
    drag(width / 2 + 3, width * 0.6, width * 0.75)
    assert comparison.curtain.share == pytest.approx(0.75, abs=0.02)
    assert viewer.scene.camera.center == center
    assert viewer.scene.camera.mouse_pan
    qtbot.waitUntil(lambda: bool((composed(comparison)[0] == 1).sum() > 25))
    # far from the line the mouse is left to the viewer
    drag(width * 0.2, width * 0.25, width * 0.3)
    assert viewer.scene.camera.mouse_pan
    assert comparison.curtain.share == pytest.approx(0.75, abs=0.02)
    comparison.close()


@pytest.mark.parametrize("seed", range(30))
def test_composing_reads_each_side_and_equals_choosing_by_the_sum_of_the_distances(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 12, 3))
    one, two = rng.integers(0, 99, shape), rng.integers(100, 199, shape)
    shown = sorted(int(axis) for axis in rng.permutation(3)[:2])
    places: list[Any] = [slice(*(int(i) for i in sorted(rng.integers(0, n + 1, 2)))) for n in shape]
    (left,) = {0, 1, 2} - set(shown)
    if rng.random() < 0.5:
        places[left] = int(rng.integers(shape[left]))
    slopes = rng.permutation([1.0, rng.choice([0, 0, 0.7])]) * rng.choice([-1, 1], 2)
    lengths = [np.arange(shape[axis])[places[axis]] for axis in shown]
    distances = {axis: slope * at - 2 for axis, slope, at in zip(shown, slopes, lengths, strict=True)}
    made = compose(one.__getitem__, two.__getitem__, tuple(places), distances)
    whole = [distances[axis] if axis in shown else np.zeros(shape[axis])[places[axis]] for axis in range(3)]
    beyond = sum(np.meshgrid(*[np.atleast_1d(part) for part in whole], indexing="ij")) > 0
    expected = np.where(beyond.reshape(one[tuple(places)].shape), two[tuple(places)], one[tuple(places)])
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize(("n", "small"), [(9, 9), (9, 5), (9, 4), (8, 2), (7, 2)])
def test_reading_as_if_smaller_has_the_smaller_ones_shape(n: int, small: int) -> None:
    pixels = np.arange(n * 6).reshape(n, 6)
    np.testing.assert_array_equal(
        reduced(pixels, (small, 6), (slice(0, small), 2))[:2], pixels[:: round(n / small), 2][:2]
    )
    assert reduced(pixels, (small, 6), (slice(1, small), slice(0, 6))).shape == (small - 1, 6)


@pytest.mark.parametrize("seed", range(20))
def test_a_lazy_array_is_sliced_as_an_array_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 99, (5, 6, 7))
    lazy: Any = Lazy(pixels.__getitem__, pixels.shape, pixels.dtype)
    expected = pixels
    for _ in range(2):
        index = tuple(
            int(rng.integers(n))
            if rng.random() < 0.3
            else slice(*sorted(rng.integers(0, n + 1, 2)), rng.choice([1, 1, 2]))
            for n in expected.shape
        )
        if rng.random() < 0.5:
            index = (*index[:1], ...)
        lazy, expected = lazy[index], expected[index]
        assert (lazy.shape, lazy.ndim, lazy.size) == (expected.shape, expected.ndim, expected.size)
        np.testing.assert_array_equal(np.asarray(lazy), expected)
