"""What an engine gets wrong by itself, and what of a difference goes beyond it, as layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.translation.trust import FACTOR, believed
from napari_phenotrans.widgets.viewer.batched_update import one_update
from napari_phenotrans.widgets.viewer.layers import (
    ABOVE_ERROR,
    KEY,
    ROUND_TRIP,
    believed_data,
    info,
    role,
    round_trip_data,
)
from napari_phenotrans.widgets.viewer.lazy_array import Lazy
from napari_phenotrans.widgets.viewer.plane_storage import PlaneStorage
from napari_phenotrans.widgets.viewer.snapshot import add_quietly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.translation.events import ErrorDone
    from napari_phenotrans.widgets.viewer.channel_row import Row
    from napari_phenotrans.widgets.viewer.layers import LayerData
    from napari_phenotrans.widgets.viewer.lazy_array import Index


@dataclass(frozen=True, eq=False)
class _Channel:
    """One row's layers, and the engine's error: an array like the real layer's, 0 where nothing was checked."""

    row: Row
    error: Any
    round_trip: ImageLayer
    believed: ImageLayer

    @property
    def layers(self) -> tuple[ImageLayer, ImageLayer]:
        return self.round_trip, self.believed


class TrustLayers:
    """Two layers per channel of a checked translation: its round-trip error, and its difference above the error.

    Made with the first checked plane or region, filled as more come; 0 where nothing was checked. Their contrast
    follows the difference layer's, so that the same color is the same change. Those of an earlier check of the same
    real layers are removed. Only to be used on the main thread.

    Parameters
    ----------
    viewer
        Where the layers are.
    rows
        What was translated, one row per channel.
    """

    def __init__(self, viewer: Viewer, rows: Sequence[Row]) -> None:
        self._viewer = viewer
        self._rows = tuple(rows)
        self._storage = PlaneStorage(self._rows[0].real)
        self._factor = FACTOR
        self._channels: tuple[_Channel, ...] = ()
        self._checked: list[tuple[int, ...]] = []

    @property
    def layers(self) -> tuple[ImageLayer, ...]:
        """All layers, those of a channel beside each other; nothing before the first check."""
        return tuple(layer for channel in self._channels for layer in channel.layers)

    @property
    def engine_errors(self) -> dict[ImageLayer, Lazy]:
        """By real layer the engine's error in the image's units, addressed as its data is; NaN where not checked."""
        return {channel.row.real: self._known(channel.error) for channel in self._channels}

    @property
    def above(self) -> dict[ImageLayer, ImageLayer]:
        """By real layer the layer of its difference above the engine's error."""
        return {channel.row.real: channel.believed for channel in self._channels}

    def add(self, error: ErrorDone) -> None:
        """Show what was found in a plane, or in a region of one."""
        if not self._channels:
            # in one go: napari builds its scene anew for each change of layers
            with one_update(self._viewer):
                self._remove_earlier()
                self._channels = tuple(self._channel(row) for row in self._rows)
        height, width = error.round_trip.shape[1:]
        self._checked.append((error.t, error.z, error.top, error.left, height, width))
        origin = error.t, error.z, error.top, error.left
        for channel, round_trip, engine_error in zip(self._channels, error.round_trip, error.engine_error, strict=True):
            self._storage.put(channel.round_trip.data, round_trip, *origin)
            self._storage.put(channel.error, engine_error, *origin)
        self._note_provenance()
        self._refresh()

    def set_factor(self, factor: float) -> None:
        """Show changes beyond so many times the engine's error."""
        self._factor = factor
        self._note_provenance()
        self._refresh()

    def refresh(self) -> None:
        """Draw anew what depends on the differences: another sample is shown."""
        self._refresh()

    def clear(self) -> None:
        """Remove the layers; what was checked is forgotten."""
        for layer in self.layers:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._channels, self._checked = (), []

    def _channel(self, row: Row) -> _Channel:
        limit = float(row.difference.contrast_limits[1])
        error = self._storage.zeros(np.float32)
        known = self._known(error)

        def read(indices: tuple[Index, ...]) -> np.ndarray:
            # of the sample that is shown, whichever that is then
            return believed(np.asarray(row.difference.data[indices]), np.asarray(known[indices]), self._factor)

        above = Lazy(read, self._storage.shape, np.dtype(np.float32))
        channel = _Channel(
            row,
            error,
            self._add(row, round_trip_data(row.real, self._storage.zeros(np.float32), limit)),
            self._add(row, believed_data(row.real, above, limit)),
        )
        for layer in channel.layers:
            layer.contrast_limits_range = row.difference.contrast_limits_range
        self._viewer.layers.link_layers([row.difference, *channel.layers], ("contrast_limits",))
        return channel

    def _add(self, row: Row, data: LayerData) -> ImageLayer:
        pixels, options, kind = data
        # in a grid they would push the compared layers out of their cells
        visible = {"visible": not self._viewer.canvas.grid.enabled}
        provenance = info(row.difference).get("provenance", {})
        options["metadata"][KEY] |= {"provenance": provenance}
        return add_quietly(self._viewer, (pixels, options | visible, kind))

    def _known(self, error: Any) -> Lazy:
        def read(indices: tuple[Index, ...]) -> np.ndarray:
            part = np.asarray(error[indices])
            # a checked pixel's error is never 0, see `trust.check_translation`
            return np.where(part > 0, part, np.float32(np.nan))

        return Lazy(read, self._storage.shape, np.dtype(np.float32))

    def _note_provenance(self) -> None:
        for channel in self._channels:
            about = {"checked": list(self._checked)}
            channel.round_trip.metadata[KEY] = info(channel.round_trip) | about
            channel.believed.metadata[KEY] = info(channel.believed) | about | {"factor": self._factor}

    def _refresh(self) -> None:
        for layer in self.layers:
            layer.refresh(extent=False)

    def _remove_earlier(self) -> None:
        ids = {str(row.real.unique_id) for row in self._rows}
        for layer in list(self._viewer.layers):
            if role(layer) in (ROUND_TRIP, ABOVE_ERROR) and info(layer).get("of") in ids:
                self._viewer.layers.remove(layer)
