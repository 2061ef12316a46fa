"""Situations from public bug reports: layers that hold their channels, and layers whose pixels are replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_phenotrans.widgets.translate.dock import TranslateDock

    Open = Callable[..., TranslateDock]

WAIT_MS = 60_000


def cells(*shape: int) -> np.ndarray:
    points = np.random.default_rng(4).random(shape) > 0.99
    blurred = gaussian_filter(points.astype(np.float32), (0,) * (len(shape) - 2) + (3, 3))
    return (blurred / blurred.max() * 150).astype(np.uint8)


def translate(dock: TranslateDock, qtbot: QtBot) -> None:
    dock.conditions.choose("untreated", "drug")
    dock.status.setText("")
    dock.translate()
    qtbot.waitUntil(lambda: "translated in" in dock.status.text() and not dock.busy, timeout=WAIT_MS)


@pytest.mark.parametrize(
    ("first", "then"), [((160, 180), (100, 120)), pytest.param((100, 120), (160, 180), marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("stack", [pytest.param(False, marks=pytest.mark.slow), True])
def test_pixels_that_are_replaced_by_others_of_another_shape(
    open_dock: Open, checkpoint: Path, qtbot: QtBot, first: tuple[int, int], then: tuple[int, int], stack: bool
) -> None:
    """The results have the new shape and hold nothing of the old pixels."""
    dock = open_dock(checkpoint)
    before, after = (cells(*((2, 3) if stack else (2,)), *size) for size in (first, then))
    for name, pixels in zip(("DNA", "GFP"), before, strict=True):
        dock.viewer.add_image(pixels, name=name)
    translate(dock, qtbot)
    for name, pixels in zip(("DNA", "GFP"), after, strict=True):
        dock.viewer.layers[name].data = pixels
    translate(dock, qtbot)
    rows = dock.selection.rows()
    assert len(rows) == 2
    for row in rows:
        assert {tuple(layer.data.shape) for layer in row.layers} == {after.shape[1:]}
        shown = dock.viewer.dims.current_step[0] if stack else ...
        real, translated, difference = (np.asarray(layer.data[shown], np.float32) for layer in row.layers)
        np.testing.assert_allclose(translated, real + difference, atol=0.51)
        # the mean shift moves every pixel by the same, of whatever image it is
        assert np.ptp(difference) < 0.1 and abs(difference.mean()) > 1
        if stack:
            others = np.delete(np.asarray(row.translated.data), shown, axis=0)
            assert not others.any()


@pytest.mark.parametrize(
    ("axes", "labels"),
    [
        pytest.param("CYX", ("c", "y", "x"), marks=pytest.mark.slow),
        pytest.param("YXC", ("y", "x", "c"), marks=pytest.mark.slow),
        ("CZYX", ("channel", "z", "y", "x")),
        pytest.param("RGB", None, marks=pytest.mark.slow),
    ],
)
def test_a_layer_that_states_its_channel_axis_is_split(
    open_dock: Open, save_checkpoint: Callable[..., Path], qtbot: QtBot, axes: str, labels: Any
) -> None:
    channels = ("red", "green", "blue") if axes == "RGB" else ("channel 1", "channel 2")
    dock = open_dock(save_checkpoint("shift", channels=channels, conditions=("untreated", "drug")))
    planes = cells(len(channels), *((3,) if "Z" in axes else ()), 60, 70)
    pixels = np.moveaxis(planes, 0, -1) if axes in ("YXC", "RGB") else planes
    dock.viewer.add_image(pixels, name="mixed", axis_labels=labels, rgb=axes == "RGB")
    # what has to be done is said, and pressing the button where nothing is typed does it
    dock.axes_button.click()
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 1 + len(channels), timeout=WAIT_MS)
    made = [layer for layer in dock.viewer.layers if layer.name != "mixed"]
    assert [layer.name for layer in made] == list(channels)
    for layer, plane in zip(made, planes, strict=True):
        np.testing.assert_array_equal(layer.data, plane)
    assert not dock.viewer.layers["mixed"].visible
    translate(dock, qtbot)
    assert [row.real.name for row in dock.selection.rows()] == list(channels)


def test_a_layer_without_channels_inside_stays_one(open_dock: Open, checkpoint: Path) -> None:
    dock = open_dock(checkpoint)
    dock.viewer.add_image(cells(60, 70), name="DNA", axis_labels=("y", "x"))
    dock.axes_button.click()
    assert [layer.name for layer in dock.viewer.layers] == ["DNA"]
