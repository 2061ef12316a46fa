"""Where in an image the viewer is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.widgets.layers import full_resolution, letters_of

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer


def shown_plane(viewer: Viewer, layer: ImageLayer) -> tuple[int, int]:
    """Return the (t, z) of a layer that the viewer's sliders stand on; 0 for an axis that it has not."""
    letters, _ = letters_of(layer)
    index = _to_data(viewer, layer, np.asarray(viewer.dims.point, float))
    last = np.asarray(full_resolution(layer).shape) - 1
    place = dict(zip(letters, np.clip(np.rint(index), 0, last).astype(int), strict=True))
    return int(place.get("T", 0)), int(place.get("Z", 0))


def center(viewer: Viewer, layer: ImageLayer) -> tuple[float, float] | None:
    """Return the (y, x) of the plane that is in the middle of the view; None where the view shows no Y and X."""
    letters, _ = letters_of(layer)
    point = np.asarray(viewer.dims.point, float)
    if viewer.dims.ndisplay != 2 or set(viewer.dims.displayed) != {viewer.dims.ndim - 2, viewer.dims.ndim - 1}:
        return None
    point[list(viewer.dims.displayed)] = viewer.scene.camera.center[-2:]
    place = dict(zip(letters, _to_data(viewer, layer, point), strict=True))
    return float(place["Y"]), float(place["X"])


def _to_data(viewer: Viewer, layer: ImageLayer, point: np.ndarray) -> np.ndarray:
    point = point[-layer.ndim :]
    units = viewer.dims.units
    if units is not None:
        # where layers differ, the sliders speak another unit than this one
        point = np.array(
            [
                float((value * theirs).to(mine).magnitude) if theirs.is_compatible_with(mine) else value
                for value, theirs, mine in zip(point, units[-layer.ndim :], layer.units, strict=True)
            ]
        )
    return np.asarray(layer.world_to_data(point))
