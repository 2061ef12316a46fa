"""The state of a viewer, to be restored later, and changes of layers that leave the rest of it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari.layers import Layer

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer

GRID = ("stride", "shape", "spacing", "enabled")
NAME = ("visible", "font_size", "position", "color", "box_color")
BAR = ("visible", "font_size", "position", "color", "box_color", "size")
SCALE_BAR = ("visible", "position")


class Snapshot:
    """A viewer's grid and its layers' order, visibility and overlays, as they are when it is made.

    Holds no layer: what is removed meanwhile is not missed.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._grid = _values(viewer.canvas.grid, GRID)
        self._scale_bar = _values(viewer.canvas.overlays.scale_bar, SCALE_BAR)
        self._tiling = viewer.canvas.overlay_tiling.bottom_left
        self._layers: WeakKeyDictionary[Layer, dict[str, Any]] = WeakKeyDictionary()
        self.remember()

    def remember(self) -> None:
        """Add the layers that came since; what is remembered of the others stays."""
        for index, layer in enumerate(self._viewer.layers):
            if layer not in self._layers:
                bar = getattr(layer, "colorbar", None)
                self._layers[layer] = {
                    "index": index,
                    "visible": layer.visible,
                    "name": _values(layer.name_overlay, NAME),
                    "bar": _values(bar, BAR) if bar else {},
                }

    def hide(self, layer: Layer) -> None:
        """Let a layer be hidden when the state is restored, whether it was visible or not."""
        if layer in self._layers:
            self._layers[layer]["visible"] = False

    def restore(self) -> None:
        """Show everything as it was; layers that are not remembered stay behind the others, as they are."""
        layers = self._viewer.layers
        for layer in layers:
            if known := self._layers.get(layer):
                set_values(layer, {"visible": known["visible"]})
                set_values(layer.name_overlay, known["name"])
                if known["bar"]:
                    set_values(layer.colorbar, known["bar"])
        order = sorted(layers, key=lambda layer: self._layers.get(layer, {}).get("index", len(layers)))
        put_first(self._viewer, order)
        set_values(self._viewer.canvas.grid, self._grid)
        set_values(self._viewer.canvas.overlays.scale_bar, self._scale_bar)
        set_values(self._viewer.canvas.overlay_tiling, {"bottom_left": self._tiling})


def put_first(viewer: Viewer, order: list[Layer]) -> None:
    """Put layers at the beginning of the list, in this order."""
    layers = viewer.layers
    for index, layer in enumerate(order):
        if layers[index] is not layer:
            layers.move(layers.index(layer), index)


def add_quietly(viewer: Viewer, data: tuple[Any, dict[str, Any], str], index: int | None = None) -> ImageLayer:
    """Add a layer of this data as `insert_quietly` does."""
    layer = Layer.create(*data)
    insert_quietly(viewer, layer, index)
    return layer


def insert_quietly(viewer: Viewer, layer: Layer, index: int | None = None) -> None:
    """Add a layer without selecting it, so that the layer controls stay with the layer that the user chose.

    ``index`` is where in the list; None for its end.
    """
    selected = set(viewer.layers.selection)
    viewer.layers.insert(len(viewer.layers) if index is None else index, layer)
    viewer.layers.selection = selected


def set_values(model: Any, values: dict[str, Any]) -> None:
    """Set attributes where they differ: napari draws anew for each."""
    for name, value in values.items():
        if repr(getattr(model, name)) != repr(value):
            setattr(model, name, value)


def _values(model: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(model, name) for name in names}
