"""The translated and difference layers of a translation: filled while it runs, or added when it is finished."""

from __future__ import annotations

import math
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.widgets.viewer.channel_row import Row, find_row, link
from napari_phenotrans.widgets.viewer.layers import (
    KEY,
    channel_name,
    difference_data,
    full_resolution,
    info,
    layer_data,
    to_image,
    translated_data,
)
from napari_phenotrans.widgets.viewer.plane_storage import PlaneStorage, StorageLimits
from napari_phenotrans.widgets.viewer.result_planes import ResultFile, ResultPlanes
from napari_phenotrans.widgets.viewer.snapshot import insert_quietly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_phenotrans.translation.events import PlaneDone, TileDone
    from napari_phenotrans.translation.translate import Translation
    from napari_phenotrans.widgets.viewer.layers import LayerData

# Colors of a difference reach what all but 0.2 % of the pixels reach, but never less than this share of what the
# real layer shows: where hardly anything changes, noise must not look like much.
LEAST_SHARE = 0.1
# What a color bar's ends may be, times a power of ten.
ROUND = (1, 2, 3, 5, 10)
# Pixels along each side of a plane that are enough to tell how far a difference reaches.
ENOUGH = 512
# Pixels of layers that are drawn anew in one go.
AT_ONCE = 2**23
# In the provenance of layers that show nothing but a look at a crop.
PREVIEW = "preview"
# Entries of the provenance in which translations may differ whose planes share a layer; all others are the recipe.
NOT_RECIPE = {
    "real",
    "device",
    "date",
    "notices",
    "channel",
    "planes",
    "regions",
    "partial",
    "region",
    "positions",
    PREVIEW,
}


class ResultLayers:
    """Translated and difference layers of some real layers: made with the first tile, filled as tiles come.

    Layers of an earlier translation of the same real layers are used again: what another recipe made stays in sight
    until tiles replace it, and comes back where none of them made a plane, or a region, whole. Only to be used on the
    main thread.

    Parameters
    ----------
    viewer
        Where the layers are.
    reals
        The real layers, one per translated channel.
    provenance
        How the translation is made, see `Translator.provenance`.
    folder
        Where the user wants results that are too large for memory, see `plane_storage.needs_folder`: two OME-Zarr
        folders in it are written as planes come, under names that are free; None for that of an earlier translation.
    later
        Whether layers that there are none of yet come into the viewer by calls of `build`, one each: napari takes a
        tenth of a second and more for one.
    preview
        Whether a crop is only looked at: it covers what is there, which `settle` brings back.
    limits
        From which size on pixels are held in parts.

    Raises
    ------
    InputError
        If there is no room for the results, or the folder cannot be written to.
    """

    def __init__(
        self,
        viewer: Viewer,
        reals: Sequence[ImageLayer],
        provenance: dict[str, Any],
        folder: Path | None = None,
        *,
        later: bool = False,
        preview: bool = False,
        limits: StorageLimits | None = None,
    ) -> None:
        self._viewer = viewer
        self._preview = preview
        # what another recipe made: the places of its planes, what its layers were, and pixels that tiles replaced
        self._earlier: list[tuple[ImageLayer, str, dict[str, Any], tuple[float, float]]] = []
        self._only_looked_at = False
        self._earlier_planes: set[tuple[int, int]] = set()
        self._replaced: list[tuple[Any, np.ndarray, tuple[int, int, int, int]]] = []
        self._provenance = provenance
        self._storage = PlaneStorage(reals[0], limits)
        self._planes: list[tuple[int, int]] = []
        self._regions: list[tuple[int, ...]] = []
        self._dirty = False
        self._stale: list[ImageLayer] = []
        self._unpictured: list[ImageLayer] = []
        # whether anything came, and the layers that were made for it
        self.filled = False
        self._added: list[ImageLayer] = []
        # what is not in the viewer yet, in the order in which it comes
        self._missing: list[ImageLayer] = []
        rows = [find_row(viewer, real) for real in reals]
        before = [info(row.translated).get("provenance", {}) if row else None for row in rows]
        # pixels may have been replaced by others of another shape since
        again = all(was is not None and _recipe(was) == _recipe(provenance) for was in before) and all(map(_fits, rows))
        if not again and all(map(_fits, rows)):
            self._remember(rows)
        if again and before[0]:
            self._planes = [tuple(plane) for plane in before[0].get("planes", [])]
            self._regions = [tuple(region) for region in before[0].get("regions", [])]
        arrays = [row.translated.data for row in rows if row]
        earlier_files = [array.file for array in arrays if isinstance(array, ResultPlanes) and array.file]
        if earlier_files and folder is None:
            # results that were too large for memory once are so with another recipe
            folder = earlier_files[0].path.parent
        if folder is None or (again and earlier_files) or (preview and earlier_files):
            files: tuple[ResultFile, ...] = ()
        else:
            image = to_image(reals, [channel_name(real) for real in reals])
            files = _new_files(folder, image, self._current_provenance())
        self.rows = tuple(
            self._row(real, row, again, files, channel)
            for channel, (real, row) in enumerate(zip(reals, rows, strict=True))
        )
        # of translated and difference, what is written to: layers may show a sample in their place
        self.pixels = [(row.translated.data, row.difference.data) for row in self.rows]
        self.again = again
        if files:
            # the earlier result stands in files of its own
            self._earlier = []
        if again and files:
            for t, z in {entry[:2] for entry in (*self._planes, *self._regions)}:
                self._store(t, z)
        while self._missing and not later:
            self.build()

    @property
    def _drawn(self) -> list[str]:
        """What layers call the channels that are completed."""
        renamed = self._provenance["channels"]
        return [renamed.get(name, name) for name in self._provenance.get("completed", ())]

    @property
    def built(self) -> bool:
        """Whether all layers are in the viewer."""
        return not self._missing

    def build(self) -> None:
        """Put one more layer into the viewer, if one is missing and its real layer still there."""
        if not self._missing:
            return
        layer = self._missing.pop(0)
        row = next(row for row in self.rows if layer in row.layers)
        if row.real in self._viewer.layers:
            # as the others, which may have been hidden meanwhile
            layer.visible = self._added[0].visible if self._added else layer.visible
            insert_quietly(self._viewer, layer)
            self._added.append(layer)
            if layer is row.translated:
                link(self._viewer, row)

    @property
    def problem(self) -> str:
        """Why results could not be written to the user's folder; empty where they were."""
        return next((file.problem for file in self._files if file.problem), "")

    @property
    def paths(self) -> tuple[Path, ...]:
        """The OME-Zarr folders that the results are in; none where they are in memory."""
        return tuple(file.path for file in self._files)

    def add_tile(self, tile: TileDone, difference: np.ndarray) -> None:
        """Show a tile (C, h, w) and its difference, before the plane is whole."""
        for into, translated, changed in zip(self.pixels, tile.translated, difference, strict=True):
            self._put(into[0], translated, tile.t, tile.z, tile.top, tile.left)
            self._put(into[1], changed, tile.t, tile.z, tile.top, tile.left)
        self._dirty = self.filled = True

    def add_plane(self, plane: PlaneDone) -> None:
        """Put a whole plane, or the whole region of one, in place of its tiles."""
        first = not self._planes and not self._regions
        height, width = plane.translated.shape[1:]
        self._mark_done(plane.t, plane.z, plane.top, plane.left, height, width)
        for row, into, translated, difference in zip(
            self.rows, self.pixels, plane.translated, plane.difference, strict=True
        ):
            self._put(into[0], translated, plane.t, plane.z, plane.top, plane.left)
            self._put(into[1], difference, plane.t, plane.z, plane.top, plane.left)
            if first and not self.covers:
                limit = _limit(row.real.contrast_limits, difference)
                row.difference.contrast_limits_range = (-4 * limit, 4 * limit)
                row.difference.contrast_limits = (-limit, limit)
            self._write_provenance(row)
        if not self.covers:
            self._store(plane.t, plane.z)
        self._dirty = self.filled = True

    def refresh(self, *, last: bool = False, at_once: int = AT_ONCE) -> bool:
        """Draw what came since the last call; the small pictures in napari's list of layers after the ``last``.

        Planes of more than ``at_once`` pixels together are drawn layer by layer, for each goes to the graphics card
        whole, and so are the small pictures. Returns whether some are left for another call.
        """
        made = [layer for row in self.rows for layer in (row.translated, row.difference) if layer not in self._missing]
        if self._dirty:
            self._dirty, self._stale = False, made
        if not self._stale and self._unpictured:
            layer, *self._unpictured = self._unpictured
            layer.refresh(extent=False, highlight=False, data_displayed=False)
        pixels = 0
        while self._stale and pixels < at_once:
            layer, *self._stale = self._stale
            layer.refresh(extent=False, highlight=False, thumbnail=False)
            pixels += math.prod(self._storage.plane_shape)
        if last:
            self._unpictured = made
        return bool(self._stale or self._unpictured)

    @property
    def covers(self) -> bool:
        """Whether a preview covers an earlier result that `settle` brings back."""
        return self._preview and bool(self._earlier) and not self._only_looked_at

    def settle(self) -> bool:
        """End the replacing of what another recipe made; returns whether that is shown again.

        It is where this was a preview, or stopped before a plane or a region was whole. Else planes of it that nothing
        took the place of are cleared: a layer shows one translation.
        """
        covers, earlier, replaced = self.covers, self._earlier, self._replaced
        self._earlier, self._replaced = [], []
        if not earlier:
            return False
        if not covers and (self._planes or self._regions):
            self._clear_rest()
            self._dirty = True
            return False
        for pixels, values, (t, z, top, left) in reversed(replaced):
            self._storage.put(pixels, values, t, z, top, left)
        for layer, name, about, limits in earlier:
            layer.name, layer.metadata[KEY], layer.contrast_limits = name, about, limits
        self._dirty = True
        return True

    def _remember(self, rows: Sequence[Row | None]) -> None:
        """Remember what another recipe made of the same layers."""
        for row in rows:
            for layer in (row.translated, row.difference) if row else ():
                self._earlier.append((layer, layer.name, info(layer), tuple(layer.contrast_limits)))
        self._earlier_planes = planes_done([row for row in rows if row])
        self._only_looked_at = any(about.get("provenance", {}).get(PREVIEW) for _, _, about, _ in self._earlier)

    def _put(self, pixels: Any, values: np.ndarray, t: int, z: int, top: int, left: int) -> None:
        """Write a rectangle, and keep what it replaces as long as that may be wanted back."""
        if self._earlier:
            height, width = values.shape
            region = slice(top, top + height), slice(left, left + width)
            self._replaced.append((pixels, self._storage.get(pixels, t, z, region).copy(), (t, z, top, left)))
        self._storage.put(pixels, values, t, z, top, left)

    def _clear_rest(self) -> None:
        """Clear what is left of the earlier result on planes that are not whole in this one."""
        for t, z in self._earlier_planes - set(self._planes):
            regions = [region[2:] for region in self._regions if region[:2] == (t, z)]
            for pair in self.pixels:
                for pixels in pair:
                    plane = np.zeros(self._storage.plane_shape, pixels.dtype)
                    for top, left, height, width in regions:
                        region = slice(top, top + height), slice(left, left + width)
                        plane[region] = self._storage.get(pixels, t, z, region)
                    self._storage.put(pixels, plane, t, z)

    def withdraw(self) -> None:
        """Remove the layers that were made for this translation; an earlier one is shown again."""
        self.settle()
        self._missing = []
        for layer in self._added:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def replace_provenance(self, provenance: dict[str, Any]) -> None:
        """Write another provenance into the layers: memory made the tile smaller."""
        self._provenance = provenance
        for row in self.rows:
            self._write_provenance(row)

    def add_notices(self, notices: Sequence[str]) -> None:
        """Write the notices of a translation that is over into the layers' provenance."""
        self._provenance = self._provenance | {"notices": list(notices)}
        for row in self.rows:
            self._write_provenance(row)
        self._store()

    def wait(self) -> None:
        """Wait until all is written that goes to the user's folder."""
        for file in self._files:
            file.wait()

    def _row(self, real: ImageLayer, row: Row | None, again: bool, files: Sequence[ResultFile], channel: int) -> Row:
        target, verb = self._provenance["target"], "translated to"
        if self._provenance.get("completed"):
            # what is kept is in no condition but its own
            verb = "completed as" if channel_name(real) in self._drawn else "kept beside"
        if row is not None and (again or self._earlier) and not files:
            # in place: what another recipe made stays until tiles replace it
            pixels = [row.translated.data, row.difference.data]
        elif files:
            pixels = [self._storage.planes(file.dtype, file, channel) for file in files]
        else:
            pixels = [self._storage.zeros(self._storage.dtype), self._storage.zeros(np.float32)]
        if row is None:
            translated = Layer.create(*translated_data(real, pixels[0], target, verb))
            difference = Layer.create(*difference_data(real, pixels[1], _limit(real.contrast_limits, None)))
            row = Row(real, translated, difference)
            self._missing += [translated, difference]
        elif not again or files:
            # the same layers, so that whatever the user did to them stays
            for layer, new in zip((row.translated, row.difference), pixels, strict=True):
                old, layer.data = layer.data, new
                if again:
                    self._copy_done(old, new)
            if not self.covers:
                row.translated.name = translated_data(real, row.translated.data, target, verb)[1]["name"]
        self._write_provenance(row)
        return row

    def _copy_done(self, old: Any, new: Any) -> None:
        """Copy what is translated."""
        for t, z in self._planes:
            self._storage.put(new, self._storage.get(old, t, z), t, z)
        for t, z, top, left, height, width in self._regions:
            region = slice(top, top + height), slice(left, left + width)
            self._storage.put(new, self._storage.get(old, t, z, region), t, z, top, left)

    def _mark_done(self, t: int, z: int, *rectangle: int) -> None:
        """Count a rectangle (top, left, height, width) of a plane as done."""
        if rectangle == (0, 0, *self._storage.plane_shape):
            self._planes = [*(plane for plane in self._planes if plane != (t, z)), (t, z)]
            self._regions = [region for region in self._regions if region[:2] != (t, z)]
        elif (t, z) not in self._planes and (t, z, *rectangle) not in self._regions:
            self._regions.append((t, z, *rectangle))

    def _store(self, t: int | None = None, z: int | None = None) -> None:
        """Have a plane, or everything, written to the user's folder, if there is one."""
        position = None if t is None or z is None else self._storage.position(t, z)
        for row in self.rows:
            for layer in (row.translated, row.difference):
                if isinstance(layer.data, ResultPlanes):
                    layer.data.store(position)
        for place, file in enumerate(self._files, start=1):
            limits = [row.layers[place].contrast_limits for row in self.rows]
            shown = [(float(low), float(high)) for low, high in limits]
            file.write_provenance(self._current_provenance(), shown)

    @property
    def _files(self) -> tuple[ResultFile, ...]:
        layers = (self.rows[0].translated, self.rows[0].difference)
        files = [layer.data.file for layer in layers if isinstance(layer.data, ResultPlanes)]
        return tuple(file for file in files if file is not None)

    def _write_provenance(self, row: Row) -> None:
        if self.covers:
            # the layers are the earlier result's, which a crop covers for a while
            return
        provenance = self._current_provenance() | {"channel": channel_name(row.real)}
        for layer in (row.translated, row.difference):
            layer.metadata[KEY] = info(layer) | {"provenance": provenance}

    def _current_provenance(self) -> dict[str, Any]:
        provenance = self._provenance | {"planes": list(self._planes), "regions": list(self._regions)}
        if partial := self._storage.describe_partial(self._planes, self._regions):
            provenance["partial"] = partial
        return provenance


def add_translation(viewer: Viewer, translation: Translation) -> tuple[Row, ...]:
    """Add a finished translation's real, translated and difference layers to a viewer."""
    source, target = (translation.provenance[name] for name in ("source", "target"))
    reals = [_add(viewer, data) for data in layer_data(translation.real, condition=source)]
    rows = []
    for real, (translated, difference) in zip(reals, results_like(reals, target)(translation), strict=True):
        rows.append(Row(real, _add(viewer, translated), _add(viewer, difference)))
        link(viewer, rows[-1])
    return tuple(rows)


def results_like(
    reals: Sequence[ImageLayer], target: str
) -> Callable[[Translation], list[tuple[LayerData, LayerData]]]:
    """Return a function that makes layer data of a translation of these layers; only to be used on the main thread.

    Returns
    -------
    A function that takes the translation and returns, per channel, the translated and the difference layer as
    layer-data tuples. It touches no layer, and may be called on any thread.
    """
    templates = [
        (translated_data(real, None, target), difference_data(real, None, 1.0), tuple(real.contrast_limits))
        for real in reals
    ]

    def fill(translation: Translation) -> list[tuple[LayerData, LayerData]]:
        provenance = {"planes": list(translation.real.positions())} | translation.provenance
        pairs: list[tuple[LayerData, LayerData]] = []
        for index, ((_, translated, kind), (_, difference, _), contrast) in enumerate(templates):
            changes = _one_channel(translation.difference, index)
            letters = translation.difference.axes.replace("C", "")
            limit = _limit(contrast, changes[tuple(slice(None) if letter in "YX" else 0 for letter in letters)])
            difference["contrast_limits"] = (-limit, limit)
            for options in (translated, difference):
                channel = options["metadata"][KEY]["channel"]
                options["metadata"][KEY] |= {"provenance": provenance | {"channel": channel}}
            pixels = _one_channel(translation.translated, index)
            pairs.append(((pixels, translated, kind), (changes, difference, kind)))
        return pairs

    return fill


def planes_done(rows: Iterable[Row]) -> set[tuple[int, int]]:
    """Return the (t, z) that rows have results of, whole or in part."""
    done = set()
    for row in rows:
        provenance = info(row.translated).get("provenance", {})
        done |= {tuple(entry[:2]) for entry in (*provenance.get("planes", []), *provenance.get("regions", []))}
    return done


def _fits(row: Row | None) -> bool:
    """Return whether results have the shape of what they were made of."""
    return row is not None and len({tuple(full_resolution(layer).shape) for layer in row.layers}) == 1


def _recipe(provenance: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in provenance.items() if name not in NOT_RECIPE}


def _new_files(folder: Path, image: Any, provenance: dict[str, Any]) -> tuple[ResultFile, ResultFile]:
    """Make an OME-Zarr for translated and one for difference, under a name in the folder that is free."""
    from napari_phenotrans.translation.outputs import name_of

    stem = name_of(image.path) if image.path else "image"
    kinds = ("translated", "difference")
    tries = (stem if number == 1 else f"{stem} ({number})" for number in range(1, 10_000))
    paths = ([folder / f"{name}_{kind}.ome.zarr" for kind in kinds] for name in tries)
    free = next(each for each in paths if not any(path.exists() for path in each))
    dtypes = (image.dtype, np.dtype(np.float32))
    first = ResultFile(free[0], image, dtypes[0], kinds[0], provenance)
    try:
        return first, ResultFile(free[1], image, dtypes[1], kinds[1], provenance)
    except InputError:
        # a translation without its difference is none
        shutil.rmtree(first.path, ignore_errors=True)
        raise


def _add(viewer: Viewer, data: tuple[Any, dict[str, Any], str]) -> ImageLayer:
    return viewer.add_layer(Layer.create(*data))


def _one_channel(image: Any, index: int) -> np.ndarray:
    if "C" not in image.axes:
        return image.pixels
    return image.pixels[(slice(None),) * image.axes.index("C") + (index,)]


def _limit(contrast_limits: Sequence[float], difference: np.ndarray | None) -> float:
    """Return the largest difference that colors reach, for a real layer with these limits."""
    low, high = contrast_limits
    if difference is None:
        return float(high - low) / 2
    sample = difference[tuple(slice(None, None, max(1, n // ENOUGH)) for n in difference.shape)]
    limit = max(float(np.percentile(np.abs(sample), 99.8)), LEAST_SHARE * float(high - low))
    # up to a round number: napari's color bar marks round numbers, of others often nothing but the zero
    power = 10.0 ** math.floor(math.log10(limit))
    return next(number * power for number in ROUND if number * power >= limit * (1 - 1e-9))
