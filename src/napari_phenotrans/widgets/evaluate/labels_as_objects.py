"""Labels layers as the objects of a data set's fields."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import few
from napari_phenotrans.io import read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer

    from napari_phenotrans.dataset.dataset import Field


class LabelsAsObjects:
    """The objects of every field, as the user found them; given to a report as its ``labels``.

    Parameters
    ----------
    viewer
        Its Labels layers are looked up at once, so that this may be used on another thread. One belongs to the field
        after which the layer, or the file that it came from, is named: ``A01``, or ``untreated/A01`` (as a name, or as
        folder and file) where several conditions have one of that name.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._layers: list[tuple[str, Path, Any]] = []
        for layer in viewer.layers:
            if isinstance(layer, Labels):
                pixels = layer.data[0] if layer.multiscale else layer.data
                self._layers.append((layer.name, Path(layer.source.path or layer.name), pixels))
        self._pixels: dict[str, Any] = {}

    def check(self, fields: Sequence[Field]) -> None:
        """Tell which layer belongs to which field; refuse where a field has none, several, or one of another size.

        Raises
        ------
        InputError
            Naming fields.
        """
        self._pixels = {}
        for name, path, pixels in self._layers:
            alike = [field for field in fields if _stem(field.path) == _stem(path)]
            named = [field for field in alike if field.condition == path.parent.name] or alike
            if len(named) > 1 or any(field.name in self._pixels for field in named):
                names = few([field.name for field in named])
                raise InputError(
                    f"It is not clear whose objects the Labels layer {name} shows: {names}. "
                    f"Name each as condition/file, as in {named[0].name}, and keep one per field."
                )
            self._pixels |= {field.name: pixels for field in named}
        missing = [field.name for field in fields if field.name not in self._pixels]
        if missing:
            raise InputError(
                f"{len(missing)} of {len(fields)} fields have no Labels layer: {few(missing)}. If their objects were "
                f"found in another way, the difference between the ways would be taken for one of the conditions'. "
                f"Open a Labels layer per field, named as its file, or have all objects found."
            )
        for field in fields:
            image = read(field.path)
            shape = tuple(image.sizes[axis] for axis in image.axes if axis != "C")
            got = tuple(self._pixels[field.name].shape)
            if got != shape:
                raise InputError(
                    f"The Labels layer of {field.name} has the shape {got}, the image {shape} without its channels. "
                    f"Label this very image."
                )

    def __call__(self, field: Field, t: int, z: int) -> np.ndarray | None:
        """Return the objects (Y, X) of a field's plane; None of a field that is not the data set's."""
        pixels = self._pixels.get(field.name)
        if pixels is None:
            return None
        axes = read(field.path).axes.replace("C", "")
        return np.asarray(pixels[tuple({"T": t, "Z": z}.get(axis, slice(None)) for axis in axes)])


def _stem(path: Path) -> str:
    return path.name.split(".")[0]
