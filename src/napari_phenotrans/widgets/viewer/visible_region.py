"""Which plane and which part of an image the viewer shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image

from napari_phenotrans.core.region import Region, View
from napari_phenotrans.widgets.viewer.batched_update import one_update
from napari_phenotrans.widgets.viewer.layers import full_resolution, letters_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer


def shown_plane(viewer: Viewer, layer: ImageLayer) -> tuple[int, int]:
    """Return the (t, z) of a layer that the viewer's sliders stand on; 0 for an axis that it has not."""
    letters, _ = letters_of(layer)
    index = to_data(viewer, layer, np.asarray(viewer.dims.point, float))
    last = np.asarray(full_resolution(layer).shape) - 1
    position = dict(zip(letters, np.clip(np.rint(index), 0, last).astype(int), strict=True))
    return int(position.get("T", 0)), int(position.get("Z", 0))


def visible_region(viewer: Viewer, layer: ImageLayer) -> Region | None:
    """Return the rectangle of a layer's plane, in its pixels, that the view shows; None where it shows none of it.

    In the grid all cells show the same part, so a cell's size counts. Of a turned layer it is the bounding box.
    """
    letters, _ = letters_of(layer)
    shown = viewer.dims.displayed
    if viewer.dims.ndisplay != 2 or set(shown) != {viewer.dims.ndim - 2, viewer.dims.ndim - 1}:
        return None
    middle = np.asarray(viewer.scene.camera.center[-2:], float)
    half = np.asarray(viewer.canvas.viewbox_size(viewer.layers), float) / viewer.scene.camera.zoom / 2
    corners = []
    for signs in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        point = np.asarray(viewer.dims.point, float)
        point[list(shown)] = middle + half * signs
        position = dict(zip(letters, to_data(viewer, layer, point), strict=True))
        corners.append((position["Y"], position["X"]))
    sizes = dict(zip(letters, full_resolution(layer).shape, strict=True))
    # pixels are squares around whole numbers
    low = np.clip(np.floor(np.min(corners, axis=0) + 0.5), 0, (sizes["Y"], sizes["X"])).astype(int)
    high = np.clip(np.ceil(np.max(corners, axis=0) + 0.5), 0, (sizes["Y"], sizes["X"])).astype(int)
    if (high <= low).any():
        return None
    return Region(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))


def current_view(viewer: Viewer, layer: ImageLayer) -> View | None:
    """Return the part of a layer that the user looks at: the visible rectangle and the (t, z) of the sliders."""
    region = visible_region(viewer, layer)
    return View(region, *shown_plane(viewer, layer)) if region else None


def look_at(viewer: Viewer, layers: Sequence[ImageLayer]) -> None:
    """Show these layers, all of them in sight, and hide other images, which they would add up with."""
    with one_update(viewer):
        for layer in viewer.layers:
            if isinstance(layer, Image):
                layer.visible = layer in layers
    # napari looks for an extent along each of its axes, which flat layers beside a stack have not
    alike = all(layer.ndim == viewer.dims.ndim for layer in layers)
    viewer.reset_view(layers=layers if alike else None)


def to_data(viewer: Viewer, layer: ImageLayer, point: np.ndarray) -> np.ndarray:
    """Return where in a layer, in its pixels, a point of the viewer (in the order and units of its sliders) is."""
    point = point[-layer.ndim :]
    units = viewer.dims.units
    if units is not None:
        # where the units of layers differ, the sliders have another one than this layer
        point = np.array(
            [
                float((value * theirs).to(mine).magnitude) if theirs.is_compatible_with(mine) else value
                for value, theirs, mine in zip(point, units[-layer.ndim :], layer.units, strict=True)
            ]
        )
    return np.asarray(layer.world_to_data(point))
