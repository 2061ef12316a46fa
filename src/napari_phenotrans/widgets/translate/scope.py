"""How much of an image is translated: what is in view, a drawn rectangle, the shown plane, or all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QWidget

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.region import Region
from napari_phenotrans.widgets.common.form_parts import Form, add_choice, in_column, narrow_box
from napari_phenotrans.widgets.viewer.layers import full_resolution, letters_of
from napari_phenotrans.widgets.viewer.visible_region import visible_region

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari import Viewer
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer

SCOPES = {
    "view": ("Visible region", "The part of the shown plane that is in view."),
    "selection": ("Selected rectangle", "The rectangle around what is selected in a Shapes layer."),
    "plane": ("Shown plane", "The plane that the sliders stand on; what is in view comes first."),
    "stack": ("Whole stack", "Every plane along T and Z; the shown one comes first."),
}


class ScopeChooser(QWidget):
    """How much is translated: ``view``, ``selection``, ``plane`` or, where the image has T or Z, ``stack``.

    Signals
    -------
    changed
        Another scope was chosen, or is in force because the image has no stack.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.box = narrow_box("How much of the image is translated.", SCOPES)
        in_column(Form({"Scope": self.box}), of=self)
        self._wanted = "plane"
        self._stack = True
        self.set_layer(None)
        self.box.activated.connect(lambda _: self.choose(self.scope))

    @property
    def scope(self) -> str:
        """The scope in force."""
        return self.box.currentData()

    def choose(self, scope: str) -> None:
        """Choose a scope; the stack of an image that has none is its plane, until one comes that has."""
        before = self.scope, self._wanted
        self._wanted = scope if scope in SCOPES else "plane"
        self._show()
        if before != (self.scope, self._wanted):
            self.changed.emit()

    def set_layer(self, layer: ImageLayer | None) -> None:
        """Offer what this image has: the stack only where it has T or Z with more than one plane."""
        before = self.scope
        sizes = dict(zip(letters_of(layer)[0], full_resolution(layer).shape, strict=True)) if layer else {}
        stack = any(sizes.get(letter, 1) > 1 for letter in "TZ")
        if stack != self._stack:
            self._stack = stack
            with QSignalBlocker(self.box):
                if stack:
                    add_choice(self.box, "stack", *SCOPES["stack"])
                else:
                    self.box.removeItem(self.box.findData("stack"))
        self._show()
        if self.scope != before:
            self.changed.emit()

    def region(self, viewer: Viewer, layer: ImageLayer) -> Region | None:
        """Return what is to be translated of each plane, in the layer's pixels; None for whole planes.

        Raises
        ------
        InputError
            If the view shows nothing of the layer, or nothing of it is selected.
        """
        if self.scope == "view":
            region = visible_region(viewer, layer)
            if region is None:
                raise InputError(
                    f"The view shows no pixel of {layer.name!r} from the front, so there is no visible region. Move "
                    f"it into view (the Home button), or choose another scope."
                )
            return region
        return selected_rectangle(viewer, layer) if self.scope == "selection" else None

    def _show(self) -> None:
        index = self.box.findData(self._wanted)
        with QSignalBlocker(self.box):
            self.box.setCurrentIndex(index if index >= 0 else self.box.findData("plane"))


def selected_rectangle(viewer: Viewer, layer: ImageLayer) -> Region:
    """Return the rectangle around the selected shapes, in the pixels of an image layer.

    The shapes are those that are selected in the active Shapes layer, else in another one that is selected, else in
    the only one there is; a layer's only shape needs no selecting.

    Raises
    ------
    InputError
        If there is no such shape, or it lies beside the image.
    """
    shapes = shapes_layer(viewer)
    indices = sorted(shapes.selected_data) if shapes else []
    if shapes is not None and not indices and len(shapes.data) == 1:
        indices = [0]
    if shapes is None or not indices:
        state = f"the Shapes layer {shapes.name!r} has {len(shapes.data)} shapes" if shapes else "no Shapes layer is"
        raise InputError(
            f"No rectangle is selected: {state} {'and none is ' if shapes else ''}selected. Draw a rectangle in a "
            f"Shapes layer, or select one there, or choose another scope."
        )
    return rectangle_around(viewer, layer, shapes, indices)[0]


def rectangle_around(
    viewer: Viewer, layer: ImageLayer, shapes: Shapes, indices: Iterable[int]
) -> tuple[Region, tuple[int, int]]:
    """Return the rectangle around some shapes in the pixels of an image layer, and the (t, z) that it was drawn on.

    Raises
    ------
    InputError
        If it lies beside the image.
    """
    letters, _ = letters_of(layer)
    corners, planes = [], []
    for corner in np.concatenate([shapes.data[index] for index in indices]):
        world = _in_units_of(layer, shapes, np.asarray(shapes.data_to_world(corner), float))
        point = np.asarray(viewer.dims.point, float)[-layer.ndim :]
        shared = min(layer.ndim, len(world))
        point[-shared:] = world[-shared:]
        position = dict(zip(letters, layer.world_to_data(point), strict=True))
        corners.append((position["Y"], position["X"]))
        planes.append((position.get("T", 0), position.get("Z", 0)))
    # pixels are squares around whole numbers; rounded, since shapes are float32 and turning must not add a row
    around = np.round(np.asarray(corners) + 0.5, 3)
    sizes = dict(zip(letters, full_resolution(layer).shape, strict=True))
    top, left = np.clip(np.floor(around.min(axis=0)), 0, (sizes["Y"], sizes["X"])).astype(int).tolist()
    bottom, right = np.clip(np.ceil(around.max(axis=0)), 0, (sizes["Y"], sizes["X"])).astype(int).tolist()
    if bottom <= top or right <= left:
        raise InputError(
            f"The rectangle in {shapes.name!r} lies beside {layer.name!r}, which has "
            f"{sizes['Y']} × {sizes['X']} pixels. Draw it over the image."
        )
    last = sizes.get("T", 1) - 1, sizes.get("Z", 1) - 1
    t, z = (int(np.clip(round(float(index)), 0, most)) for index, most in zip(planes[0], last, strict=True))
    return Region(top, left, bottom - top, right - left), (t, z)


def shapes_layer(viewer: Viewer) -> Shapes | None:
    """Return the Shapes layer in question: the active one, else one that is selected, else the only one there is."""
    active = viewer.layers.selection.active
    selected = [layer for layer in (active, *viewer.layers.selection) if isinstance(layer, Shapes)]
    every = [layer for layer in viewer.layers if isinstance(layer, Shapes)]
    return selected[0] if selected else every[0] if len(every) == 1 else None


def _in_units_of(layer: Layer, other: Layer, point: np.ndarray) -> np.ndarray:
    """Return a point in another layer's units in this layer's, axis by axis from the last; lengths only."""
    point = point.copy()
    for axis in range(-min(layer.ndim, other.ndim), 0):
        theirs: Any = other.units[axis]
        if theirs.is_compatible_with(layer.units[axis]):
            point[axis] = float((point[axis] * theirs).to(layer.units[axis]).magnitude)
    return point
