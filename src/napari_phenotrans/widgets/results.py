"""What a running translation has made so far, as layers."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer

from napari_phenotrans.widgets.compare import Row, find_row, link
from napari_phenotrans.widgets.layers import (
    KEY,
    channel_name,
    difference_data,
    full_resolution,
    info,
    layer_data,
    letters_of,
    to_image,
    translated_data,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.events import PlaneDone, TileDone
    from napari_phenotrans.translation import Translation

IN_MEMORY = 512 * 2**20
# Colors of a difference reach what all but 0.2 % of the pixels reach, but never less than this share of what the
# real layer shows: where hardly anything changes, noise must not look like much.
LEAST_SHARE = 0.1
# What makes two translations of a layer the same, so that planes of both may stand in one layer.
RECIPE = ("checkpoint", "source", "target", "precision", "tile", "overlap")


class Results:
    """Translated and difference layers of some real layers: made with the first tile, filled as tiles come.

    Layers of an earlier translation of the same real layers are used again. Only to be used on the main thread.

    Parameters
    ----------
    viewer
        Where the layers are.
    reals
        The real layers, one per translated channel.
    provenance
        How the translation is made, see `Translator.provenance`.
    """

    def __init__(self, viewer: Viewer, reals: Sequence[ImageLayer], provenance: dict[str, Any]) -> None:
        self._viewer = viewer
        self._provenance = provenance
        # addressing planes is the image's business, not repeated here
        self._image = to_image(reals[:1], ["any"])
        self._planes: list[tuple[int, int]] = []
        self._dirty = False
        self.rows = tuple(self._row(real) for real in reals)

    def add_tile(self, tile: TileDone, difference: np.ndarray) -> None:
        """Show a tile (C, h, w) and its difference, before the plane is whole."""
        height, width = tile.translated.shape[1:]
        region = slice(tile.top, tile.top + height), slice(tile.left, tile.left + width)
        index = self._index(tile.t, tile.z, region)
        for row, translated, changed in zip(self.rows, tile.translated, difference, strict=True):
            row.translated.data[index] = self._turned(translated)
            row.difference.data[index] = self._turned(changed)
        self._dirty = True

    def add_plane(self, plane: PlaneDone) -> None:
        """Put a whole plane in place of its tiles."""
        index = self._index(plane.t, plane.z, (slice(None), slice(None)))
        first = not self._planes
        if (plane.t, plane.z) not in self._planes:
            self._planes.append((plane.t, plane.z))
        for row, translated, difference in zip(self.rows, plane.translated, plane.difference, strict=True):
            row.translated.data[index] = self._turned(translated)
            row.difference.data[index] = self._turned(difference)
            if first:
                limit = _limit(row.real, difference)
                row.difference.contrast_limits_range = (-4 * limit, 4 * limit)
                row.difference.contrast_limits = (-limit, limit)
            self._note(row)
        self._dirty = True

    def refresh(self) -> None:
        """Draw what came since the last call."""
        if self._dirty:
            self._dirty = False
            for row in self.rows:
                row.translated.refresh(extent=False)
                row.difference.refresh(extent=False)

    def note(self, notices: Sequence[str]) -> None:
        """Write what was said along the way into the layers' provenance."""
        self._provenance = self._provenance | {"notices": list(notices)}
        for row in self.rows:
            self._note(row)

    def _row(self, real: ImageLayer) -> Row:
        target = self._provenance["target"]
        shape = full_resolution(real).shape
        row = find_row(self._viewer, real)
        if row is None:
            pixels = room(shape, full_resolution(real).dtype)
            translated = _add(self._viewer, translated_data(real, pixels, target))
            pixels = room(shape, np.dtype(np.float32))
            difference = _add(self._viewer, difference_data(real, pixels, _limit(real, None)))
            row = Row(real, translated, difference)
            link(self._viewer, row)
        else:
            before = info(row.translated).get("provenance", {})
            if all(before.get(name) == self._provenance.get(name) for name in RECIPE):
                self._planes = [tuple(place) for place in before.get("planes", [])]
            else:
                # the same layers, so that whatever the user did to them stays
                row.translated.data = room(shape, full_resolution(real).dtype)
                row.difference.data = room(shape, np.dtype(np.float32))
            row.translated.name = translated_data(real, row.translated.data, target)[1]["name"]
        self._note(row)
        return row

    def _note(self, row: Row) -> None:
        provenance = self._provenance | {"channel": channel_name(row.real), "planes": list(self._planes)}
        for layer in (row.translated, row.difference):
            layer.metadata[KEY] = info(layer) | {"provenance": provenance}

    def _index(self, t: int, z: int, region: tuple[slice, slice]) -> tuple[Any, ...]:
        places = {"T": t, "Z": z, "Y": region[0], "X": region[1]}
        return tuple(places[letter] for letter in self._letters)

    @property
    def _letters(self) -> str:
        return self._image.axes.replace("C", "")

    def _turned(self, plane: np.ndarray) -> np.ndarray:
        return plane if self._letters.index("Y") < self._letters.index("X") else plane.T


def add_translation(viewer: Viewer, translation: Translation) -> tuple[Row, ...]:
    """Add a finished translation's real, translated and difference layers to a viewer."""
    source = translation.provenance["source"]
    reals = [_add(viewer, data) for data in layer_data(translation.real, condition=source)]
    rows = []
    for index, real in enumerate(reals):
        letters, _ = letters_of(real)
        translated = _one_channel(translation.translated, index)
        difference = _one_channel(translation.difference, index)
        middle = difference[tuple(slice(None) if letter in "YX" else 0 for letter in letters)]
        row = Row(
            real,
            _add(viewer, translated_data(real, translated, translation.provenance["target"])),
            _add(viewer, difference_data(real, difference, _limit(real, middle))),
        )
        for layer in (row.translated, row.difference):
            layer.metadata[KEY] = info(layer) | {"provenance": translation.provenance}
        link(viewer, row)
        rows.append(row)
    return tuple(rows)


def room(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return zeros; above 512 MB they live in a temporary file, so that a stack's result needs no memory."""
    if int(np.prod(shape)) * dtype.itemsize <= IN_MEMORY:
        return np.zeros(shape, dtype)
    # the file has no name and goes with the array
    return np.memmap(tempfile.TemporaryFile(), dtype, "w+", shape=tuple(shape))


def _add(viewer: Viewer, data: tuple[Any, dict[str, Any], str]) -> ImageLayer:
    return viewer.add_layer(Layer.create(*data))


def _one_channel(image: Any, index: int) -> np.ndarray:
    if "C" not in image.axes:
        return image.pixels
    return image.pixels[(slice(None),) * image.axes.index("C") + (index,)]


def _limit(real: ImageLayer, difference: np.ndarray | None) -> float:
    low, high = real.contrast_limits
    if difference is None:
        return float(high - low) / 2
    return max(float(np.percentile(np.abs(difference), 99.8)), LEAST_SHARE * float(high - low))
