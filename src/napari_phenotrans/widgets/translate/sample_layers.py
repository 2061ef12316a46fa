"""Several answers of one translation: which of them the layers show, and where they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.widgets.viewer.batched_update import one_update
from napari_phenotrans.widgets.viewer.layers import KEY, SPREAD, full_resolution, info, role, spread_data
from napari_phenotrans.widgets.viewer.plane_storage import PlaneStorage
from napari_phenotrans.widgets.viewer.snapshot import add_quietly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.translation.events import SampleDone, SpreadDone
    from napari_phenotrans.widgets.viewer.channel_row import Row

    # of each row translated and difference
    Pixels = list[tuple[Any, Any]]

# What the slider calls its first and its last place.
PLAIN, MEAN = "without chance", "mean of samples"
# Colors of the spread reach what all but 0.2 % of the pixels reach, but never less than this share of the contrast.
LEAST_SHARE = 0.02
ENOUGH = 512


class SampleLayers:
    """Pixels of the samples, shown by the layers of a translation one at a time, and a layer of the spread per channel.

    Made with the first sample. Only to be used on the main thread.

    Parameters
    ----------
    viewer, rows
        Where the layers are, and those of the translation.
    plain
        What the rows show of the translation itself: translated and difference.
    samples
        How many there will be.
    completes
        Whether the first sample is the translation itself: of a completion there is none without chance.
    """

    def __init__(
        self, viewer: Viewer, rows: Sequence[Row], plain: Pixels, samples: int, *, completes: bool = False
    ) -> None:
        self._viewer, self.rows, self.count = viewer, tuple(rows), samples
        self._storage = PlaneStorage(rows[0].real)
        self._choices: list[Pixels] = [list(plain), *(self._empty() for _ in range(samples + 1))]
        self.names = [PLAIN, *(f"sample {number} of {samples}" for number in range(1, samples + 1)), MEAN]
        if completes:
            del self._choices[0], self.names[0]
        self._first = 0 if completes else 1
        self.shown = 0
        self.spreads: dict[ImageLayer, ImageLayer] = {}

    def _empty(self) -> Pixels:
        return [(self._storage.zeros(self._storage.dtype), self._storage.zeros(np.float32)) for _ in self.rows]

    def add_sample(self, sample: SampleDone) -> None:
        """Keep a plane, or a region of one, of a sample."""
        self._put(self._choices[self._first + sample.sample - 1], sample.translated, sample.difference, sample)

    def add_spread(self, spread: SpreadDone) -> None:
        """Keep the samples' mean, and show where they differ."""
        height, width = spread.mean.shape[1:]
        region = slice(spread.top, spread.top + height), slice(spread.left, spread.left + width)
        real = np.stack([self._storage.get(full_resolution(row.real), spread.t, spread.z, region) for row in self.rows])
        difference = spread.mean.astype(np.float32) - real.astype(np.float32)
        self._put(self._choices[-1], spread.mean, difference, spread)
        if not self.spreads:
            with one_update(self._viewer):
                self._remove_earlier()
                self.spreads = {
                    row.real: self._add(row, values) for row, values in zip(self.rows, spread.spread, strict=True)
                }
        for layer, values in zip(self.spreads.values(), spread.spread, strict=True):
            self._storage.put(layer.data, values, spread.t, spread.z, spread.top, spread.left)
            layer.refresh(extent=False)
        self.show(self.shown)

    def show(self, choice: int) -> None:
        """Show one of ``names`` in the layers of translated and difference."""
        self.shown = choice
        for row, (translated, difference) in zip(self.rows, self._choices[choice], strict=True):
            for layer, pixels in ((row.translated, translated), (row.difference, difference)):
                if layer.data is not pixels:
                    layer.data = pixels
                else:
                    layer.refresh(extent=False, highlight=False)
                layer.metadata[KEY] = info(layer) | {"sample": self.names[choice]}

    def forget(self) -> None:
        """Remove the layers of the spread; the layers of the translation show another one already."""
        for row in self.rows:
            for layer in (row.translated, row.difference):
                layer.metadata[KEY] = {name: value for name, value in info(layer).items() if name != "sample"}
        for layer in self.spreads.values():
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self.spreads = {}

    def _put(self, into: Pixels, translated: np.ndarray, difference: np.ndarray, at: SampleDone | SpreadDone) -> None:
        for pair, *values in zip(into, translated, difference, strict=True):
            for pixels, plane in zip(pair, values, strict=True):
                self._storage.put(pixels, plane, at.t, at.z, at.top, at.left)

    def _add(self, row: Row, values: np.ndarray) -> ImageLayer:
        sample = values[tuple(slice(None, None, max(1, n // ENOUGH)) for n in values.shape)]
        low, high = row.real.contrast_limits
        limit = max(float(np.percentile(sample, 99.8)), LEAST_SHARE * float(high - low))
        pixels, options, kind = spread_data(row.real, self._storage.zeros(np.float32), limit)
        options["metadata"][KEY] |= {"provenance": info(row.translated).get("provenance", {}), "samples": self.count}
        # in a grid it would push the compared layers out of their cells
        return add_quietly(self._viewer, (pixels, options | {"visible": not self._viewer.canvas.grid.enabled}, kind))

    def _remove_earlier(self) -> None:
        ids = {str(row.real.unique_id) for row in self.rows}
        for layer in list(self._viewer.layers):
            if role(layer) == SPREAD and info(layer).get("of") in ids:
                self._viewer.layers.remove(layer)
