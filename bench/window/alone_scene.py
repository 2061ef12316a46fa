"""napari alone, without this plugin: ``python -m bench.window.alone_scene WAY ORDERS RESULT``, see ``bench alone``."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components.overlays import TextOverlay
from qtpy.QtWidgets import QApplication

from bench.window.gui_scene import SETTLE_S, Gaps, open_napari, wait

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari

ROWS, COLUMNS = 2, 3
SIDE = 512
GRID = {"stride": 1, "shape": (ROWS, COLUMNS), "spacing": 0.02, "enabled": True}
WORDS = ("real untreated", "translated untreated → drug by a checkpoint (not measured)", "difference in counts")
STEP_S = 0.15


def pixels(number: int) -> np.ndarray:
    """Return a picture to be shown."""
    return np.random.default_rng(number).random((SIDE, SIDE), np.float32)


def add(viewer: napari.Viewer, number: int) -> Any:
    """Add one more picture."""
    return viewer.add_image(pixels(number), blending="additive", contrast_limits=(0, 1))


def set_grid(viewer: napari.Viewer) -> None:
    """Lay the pictures out in cells."""
    for name, value in GRID.items():
        setattr(viewer.canvas.grid, name, value)


# ---- the ways; each is a list of steps, between which napari draws


def at_once(viewer: napari.Viewer) -> list[Callable[[], Any]]:
    """All layers and the grid under one rebuilding of the scene."""

    def build() -> None:
        with viewer.layers.batched_update():
            for number in range(ROWS * COLUMNS - len(viewer.layers)):
                add(viewer, number)
            set_grid(viewer)

    return [build]


def one_by_one(viewer: napari.Viewer) -> list[Callable[[], Any]]:
    """The grid first, then a layer per step."""
    count = ROWS * COLUMNS - len(viewer.layers)
    return [lambda: set_grid(viewer), *(lambda number=number: add(viewer, number) for number in range(count))]


def hidden_first(viewer: napari.Viewer) -> list[Callable[[], Any]]:
    """A hidden layer per step, then the grid and all visible under one rebuilding."""
    count = ROWS * COLUMNS - len(viewer.layers)

    def show() -> None:
        with viewer.layers.batched_update():
            for layer in viewer.layers:
                layer.visible = True
            set_grid(viewer)

    def add_hidden(number: int) -> None:
        with viewer.layers.batched_update():
            add(viewer, number).visible = False

    return [*(lambda number=number: add_hidden(number) for number in range(count)), show]


def one_layer(viewer: napari.Viewer) -> list[Callable[[], Any]]:
    """One more layer, without a grid."""
    return [lambda: add(viewer, 0)]


def headings(viewer: napari.Viewer) -> list[Callable[[], Any]]:
    """Three texts, one per step."""
    positions = ("top_left", "top_center", "top_right")

    def say(text: str, position: str) -> None:
        viewer.canvas.overlays[position] = TextOverlay(text=text, position=position, visible=True)

    return [lambda text=text, at=at: say(text, at) for text, at in zip(WORDS, positions, strict=True)]


def names(viewer: napari.Viewer) -> list[Callable[[], Any]]:
    """The name of each layer, one per step."""

    def name(layer: Any) -> None:
        layer.name_overlay.visible = True

    return [lambda layer=layer: name(layer) for layer in viewer.layers]


def bars(viewer: napari.Viewer) -> list[Callable[[], Any]]:
    """A color bar per layer, one per step."""

    def show(layer: Any) -> None:
        layer.colorbar.visible = True

    return [lambda layer=layer: show(layer) for layer in viewer.layers]


WAYS = {
    function.__name__: function for function in (one_layer, at_once, one_by_one, hidden_first, headings, names, bars)
}


def play(way: str) -> dict[str, Any]:
    """Play one way in a fresh napari of two pictures; milliseconds of the largest gap, over all and step by step."""
    viewer, gaps = open_napari(), Gaps()
    for number in range(ROWS):
        add(viewer, number)
    wait(2 * SETTLE_S)
    steps, largest = WAYS[way](viewer), []
    for step in steps:
        with gaps.measured() as found:
            step()
            wait(STEP_S)
        largest.append(found["largest"])
    with gaps.measured() as found:
        wait(SETTLE_S)
    largest.append(found["largest"])
    with gaps.measured() as collecting:
        gc.collect()
    viewer.close()
    return {"steps": largest, "largest": max(largest), "collecting": collecting["largest"]}


if __name__ == "__main__":
    which, _, out = sys.argv[1:]
    Path(out).write_text(json.dumps(play(which)))
    QApplication.processEvents()
