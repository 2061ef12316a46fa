"""A result that the user holds, so that the next one can be compared with it: copies of its layers, and differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.widgets.viewer.batched_update import one_update
from napari_phenotrans.widgets.viewer.channel_row import Row
from napari_phenotrans.widgets.viewer.layers import HELD, KEY, compared_data, held_data, info, role
from napari_phenotrans.widgets.viewer.lazy_array import Lazy
from napari_phenotrans.widgets.viewer.plane_storage import WHOLE
from napari_phenotrans.widgets.viewer.snapshot import add_quietly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.widgets.viewer.lazy_array import Index


class HeldResult:
    """Per channel a copy of what a translated layer shows now, and the difference of what it shows later from that.

    Those of an earlier one of the same real layers are removed. Only to be used on the main thread.

    Parameters
    ----------
    viewer
        Where the layers are.
    rows
        The result, one row per channel; a sample is held where one is shown.

    Raises
    ------
    InputError
        If a copy is too large for memory.
    """

    def __init__(self, viewer: Viewer, rows: Sequence[Row]) -> None:
        self._viewer = viewer
        layers = [row.translated for row in rows]
        size = sum(int(np.prod(layer.data.shape)) * np.dtype(layer.dtype).itemsize for layer in layers)
        if size > WHOLE:
            raise InputError(
                f"This result takes {size / 2**30:.1f} GB, too much to be held beside another. Save it instead, and "
                f"open what was saved."
            )
        self.reals = [row.real for row in rows]
        with one_update(viewer):
            self._remove(self.reals)
            copies = [_copy(viewer, row) for row in rows]
            self._pairs = [(copy, _difference(viewer, row, copy)) for row, copy in zip(rows, copies, strict=True)]

    @property
    def there(self) -> bool:
        """Whether all its layers are still in the viewer."""
        return all(layer in self._viewer.layers for pair in self._pairs for layer in pair)

    def beside(self, rows: Sequence[Row]) -> list[Row]:
        """Return rows that compare this result with the one that is shown, in the place of the real image."""
        pairs = dict(zip(self.reals, self._pairs, strict=True))
        if not self.there or any(row.real not in pairs for row in rows):
            return []
        return [Row(pairs[row.real][0], row.translated, pairs[row.real][1]) for row in rows]

    def refresh(self) -> None:
        """Draw the differences anew: what is compared has changed."""
        for _, difference in self._pairs:
            difference.refresh(extent=False)

    def clear(self) -> None:
        """Remove its layers."""
        self._remove(self.reals)

    def _remove(self, reals: Sequence[ImageLayer]) -> None:
        ids = {str(real.unique_id) for real in reals}
        for layer in list(self._viewer.layers):
            if role(layer) in HELD and info(layer).get("of") in ids:
                self._viewer.layers.remove(layer)


def _copy(viewer: Viewer, row: Row) -> ImageLayer:
    pixels, options, kind = held_data(row.real, np.array(row.translated.data))
    about: dict[str, Any] = {name: value for name, value in info(row.translated).items() if name == "sample"}
    about["provenance"] = info(row.translated).get("provenance", {})
    options["metadata"][KEY] |= about
    copy = add_quietly(viewer, (pixels, options | {"visible": False}, kind))
    copy.contrast_limits_range = row.real.contrast_limits_range
    viewer.layers.link_layers([row.real, copy], ("contrast_limits", "gamma"))
    return copy


def _difference(viewer: Viewer, row: Row, copy: ImageLayer) -> ImageLayer:
    def read(indices: tuple[Index, ...]) -> np.ndarray:
        # of whatever the layer shows then: another recipe, or another sample
        now, then = (np.asarray(layer.data[indices]).astype(np.float32) for layer in (row.translated, copy))
        return now - then

    pixels = Lazy(read, row.translated.data.shape, np.dtype(np.float32))
    limit = float(row.difference.contrast_limits[1])
    data = compared_data(row.real, pixels, limit)
    layer = add_quietly(viewer, (data[0], data[1] | {"visible": False}, data[2]))
    layer.contrast_limits_range = row.difference.contrast_limits_range
    return layer
