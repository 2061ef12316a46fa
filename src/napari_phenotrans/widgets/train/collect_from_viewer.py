"""Collecting from a viewer into a data set: selected layers, and what rectangles of a Shapes layer frame."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.dataset.collect import Piece
from napari_phenotrans.io.registry import suffix_of
from napari_phenotrans.widgets.translate.scope import rectangle_around, shapes_layer
from napari_phenotrans.widgets.viewer.layer_info import LOOSE, image_id, path_of, real_layers
from napari_phenotrans.widgets.viewer.layers import channel_name, full_resolution, info, letters_of, to_image, with_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.core.image import Image

# napari numbers layers whose name is taken
_NUMBERED = re.compile(r" \[\d+\]$")


def selected_pieces(
    viewer: Viewer, condition: str, *, apart: bool = False, planes_apart: bool = False, group: str | None = None
) -> list[Piece]:
    """Return the images of the selected layers as pieces of a condition.

    Parameters
    ----------
    viewer
        Whose layers.
    condition
        What they show.
    apart
        Whether layers that came from no file that says so are an image each, or channels of one image.
    planes_apart
        Whether each plane of a stack is a field of its own.
    group
        Of all of them; where None the fields of one image are a group, and "" makes each field one.

    Raises
    ------
    InputError
        If no real image layer is selected, or layers that would be one image do not fit together.
    """
    selected = [layer for layer in real_layers(viewer) if layer in viewer.layers.selection]
    if not selected:
        raise InputError(
            "No image layer is selected. Select the layers of an image in the layer list, several with Ctrl or Shift. "
            "Layers that were made by translating do not count."
        )
    pieces = []
    for layers in images_of(selected, apart):
        name, image = _image(layers)
        own_group = _own_group(name, image) if group is None else group
        pieces.append(Piece(condition, name, image, image.path, own_group, planes_apart=planes_apart))
    return pieces


def rectangle_pieces(viewer: Viewer, condition: str, *, apart: bool = False, group: str | None = None) -> list[Piece]:
    """Return what rectangles frame as pieces of a condition, on the plane that each was drawn on.

    The rectangles are those that are selected in the Shapes layer, or all of it where none is; of several images the
    topmost visible one below a rectangle counts. Parameters as for `selected_pieces`.

    Raises
    ------
    InputError
        If there is no Shapes layer or no rectangle, or one lies beside all visible images.
    """
    shapes = shapes_layer(viewer)
    if shapes is None or not len(shapes.data):
        raise InputError(
            "There is no rectangle. Add a Shapes layer, draw rectangles over an image, and select that layer where "
            "there are several."
        )
    visible = [layers for layers in images_of(real_layers(viewer), apart) if any(layer.visible for layer in layers)]
    if not visible:
        raise InputError("No image is visible below the rectangles. Show the layers of the image that they frame.")
    topmost_first = sorted(visible, key=lambda layers: -max(map(viewer.layers.index, layers)))
    pieces = []
    for index in sorted(shapes.selected_data) or range(len(shapes.data)):
        for layers in topmost_first:
            try:
                region, plane = rectangle_around(viewer, layers[0], shapes, [index])
            except InputError:
                if layers is topmost_first[-1]:
                    raise
                continue
            name, image = _image(layers)
            own_name = f"{name}-{region.top}-{region.left}"
            own_group = _own_group(name, image) if group is None else group
            pieces.append(Piece(condition, own_name, image, image.path, own_group, positions=(plane,), region=region))
            break
    return pieces


def images_of(layers: Sequence[ImageLayer], apart: bool) -> list[list[ImageLayer]]:
    """Return layers by image: those of one file, and of the others all together, or each by itself."""
    images: dict[object, list[ImageLayer]] = {}
    for layer in layers:
        key: object = image_id(layer)
        if key == LOOSE:
            # with their size: layers of different sizes are no channels of one image
            key = layer if apart else (path_of(layer), tuple(full_resolution(layer).shape))
        images.setdefault(key, []).append(layer)
    return list(images.values())


def _image(layers: Sequence[ImageLayer]) -> tuple[str, Image]:
    """Return an image of layers, and its name."""
    first = layers[0]
    path = path_of(first)
    name = path.name.removesuffix(suffix_of(path) or "") if path else first.name
    letters, _ = letters_of(first)
    if "C" in letters and len(layers) == 1:
        return name, with_axes(first, letters)
    if len(layers) == 1 and not info(first):
        # the name of a lone layer tells which image it is, not which stain it shows
        return name, to_image(layers, ["channel 1"])
    return name, to_image(layers, [_NUMBERED.sub("", channel_name(layer)) for layer in layers])


def _own_group(name: str, image: Image) -> str:
    """Return a group for all that comes from one image; files of one name lie in folders of different names."""
    return f"{image.path.parent.name}/{name}" if image.path else name
