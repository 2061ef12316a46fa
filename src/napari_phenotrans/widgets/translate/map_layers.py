"""Maps that come with a translation: where trainings or samples agree, and how far turns of the image differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.metrics.agreement import outline
from napari_phenotrans.widgets.viewer.batched_update import one_update
from napari_phenotrans.widgets.viewer.layers import (
    AGREEMENT,
    KEY,
    OUTLINED,
    TURNED,
    agreement_data,
    info,
    outlined_data,
    role,
    turned_data,
)
from napari_phenotrans.widgets.viewer.lazy_array import Lazy
from napari_phenotrans.widgets.viewer.plane_storage import PlaneStorage
from napari_phenotrans.widgets.viewer.snapshot import add_quietly

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.translation.events import AgreementDone, TurnedDone
    from napari_phenotrans.widgets.viewer.channel_row import Row
    from napari_phenotrans.widgets.viewer.layers import LayerData
    from napari_phenotrans.widgets.viewer.lazy_array import Index

MAP_ROLES = (AGREEMENT, OUTLINED, TURNED)
# Colors of an amount reach what all but 0.2 % of the pixels reach, but never less than this share of the contrast.
LEAST_SHARE = 0.02
ENOUGH = 512


class MapLayers:
    """A layer per channel for each map, filled as planes come; those of an earlier translation are removed.

    Only to be used on the main thread.

    Parameters
    ----------
    viewer, rows
        Where the layers are, and those of the translation.
    """

    def __init__(self, viewer: Viewer, rows: Sequence[Row]) -> None:
        self._viewer, self._rows = viewer, tuple(rows)
        self._storage = PlaneStorage(self._rows[0].real)
        self._layers: dict[str, dict[ImageLayer, ImageLayer]] = {}
        remove_maps(viewer, self._rows)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows that the maps are of."""
        return self._rows

    @property
    def layers(self) -> Mapping[str, Mapping[ImageLayer, ImageLayer]]:
        """By role the layer of each real layer, as far as they came."""
        return self._layers

    def add_agreement(self, done: AgreementDone) -> None:
        """Show where trainings or samples change the same, and draw it around the difference."""
        if AGREEMENT not in self._layers:
            with one_update(self._viewer):
                self._add(AGREEMENT, [agreement_data(row.real, self._zeros()) for row in self._rows])
                self._add(OUTLINED, [self._outlined(row) for row in self._rows])
        self._put(AGREEMENT, done.agreement, done)
        self.refresh()

    def add_turned(self, done: TurnedDone) -> None:
        """Show how far turns of the image differ."""
        if TURNED not in self._layers:
            with one_update(self._viewer):
                limits = [self._limit(row, each) for row, each in zip(self._rows, done.disagreement, strict=True)]
                added = [
                    turned_data(row.real, self._zeros(), limit) for row, limit in zip(self._rows, limits, strict=True)
                ]
                self._add(TURNED, added)
        self._put(TURNED, done.disagreement, done)

    def refresh(self) -> None:
        """Draw anew what depends on the differences."""
        for layer in self._layers.get(OUTLINED, {}).values():
            layer.refresh(extent=False)

    def forget(self) -> None:
        """Remove the layers."""
        remove_maps(self._viewer, self._rows)
        self._layers = {}

    def _zeros(self) -> Any:
        return self._storage.zeros(np.float32)

    def _limit(self, row: Row, values: np.ndarray) -> float:
        sample = values[tuple(slice(None, None, max(1, n // ENOUGH)) for n in values.shape)]
        low, high = row.real.contrast_limits
        return max(float(np.percentile(sample, 99.8)), LEAST_SHARE * float(high - low))

    def _outlined(self, row: Row) -> LayerData:
        agreement = self._layers[AGREEMENT][row.real]

        def read(indices: tuple[Index, ...]) -> np.ndarray:
            # of the sample that is shown, whichever that is then
            difference = np.asarray(row.difference.data[indices]).astype(np.float32)
            where = outline(np.asarray(agreement.data[indices]))
            return np.where(where, np.float32(np.nan), difference)

        pixels = Lazy(read, self._storage.shape, np.dtype(np.float32))
        return outlined_data(row.real, pixels, float(row.difference.contrast_limits[1]))

    def _add(self, which: str, made: Sequence[LayerData]) -> None:
        self._layers[which] = {}
        for row, (pixels, options, kind) in zip(self._rows, made, strict=True):
            options["metadata"][KEY] |= {"provenance": info(row.translated).get("provenance", {})}
            # in a grid they would push the compared layers out of their cells
            layer = add_quietly(self._viewer, (pixels, options | {"visible": False}, kind))
            if which == OUTLINED:
                layer.contrast_limits_range = row.difference.contrast_limits_range
                self._viewer.layers.link_layers([row.difference, layer], ("contrast_limits",))
            self._layers[which][row.real] = layer

    def _put(self, which: str, values: np.ndarray, at: AgreementDone | TurnedDone) -> None:
        for layer, plane in zip(self._layers[which].values(), values, strict=True):
            self._storage.put(layer.data, plane, at.t, at.z, at.top, at.left)
            layer.refresh(extent=False)


def remove_maps(viewer: Viewer, rows: Sequence[Row]) -> None:
    """Remove all maps of the translations of these rows."""
    ids = {str(row.real.unique_id) for row in rows}
    for layer in list(viewer.layers):
        if role(layer) in MAP_ROLES and info(layer).get("of") in ids:
            viewer.layers.remove(layer)
