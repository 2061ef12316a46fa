"""Translating planes larger than memory: read, translated and returned row of tiles by row of tiles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.region import Region
from napari_phenotrans.core.resample import needed, resample_part
from napari_phenotrans.core.tiling import Blend, Tile, padded_size
from napari_phenotrans.translation.tiled_inference import Evaluated

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from napari_phenotrans.core.events import Notice
    from napari_phenotrans.core.image import Image
    from napari_phenotrans.core.intensity import Intensity
    from napari_phenotrans.translation.tiled_inference import Task, TiledInference
    from napari_phenotrans.translation.working_plane import Cut

# Bytes up to which all rows of a file's chunks are read together, so that none is decoded twice.
SLAB = 128 * 2**20
# Working pixels that are looked at to tell whether intensities are as in training.
SAMPLE = 2**20


@dataclass(frozen=True, eq=False)
class StreamedRegion:
    """A finished rectangle of the plane, in pixels of the image: as it was read, and translated - real, float32."""

    region: Region
    real: np.ndarray
    difference: np.ndarray


@dataclass(frozen=True)
class Band:
    """One row of tiles, and what of the image is finished with it.

    Attributes
    ----------
    top
        First row of the tiles, in what passes the engine.
    first, last
        The rows of the image that are given out after it.
    kept_from
        The first row of what passes the engine that later rows of the image still need.
    """

    top: int
    first: int
    last: int
    kept_from: int


def bands(cut: Cut, tiles: Sequence[Tile], first: int) -> list[Band]:
    """Plan the rows of tiles from which the rows of a cut come, from ``first``, a row of the image, to its last."""
    tops = sorted({tile.top for tile in tiles})
    height = tiles[0].height
    planned = []
    for top, following in zip(tops, [*tops[1:], None], strict=True):
        if top + height <= _working_rows(cut, first).start:
            continue
        last = cut.region.bottom
        if following is not None:
            reached = round((cut.working.top + following) * cut.size[0] / cut.working_size[0]) + 1
            last = max(first, min(last, reached))
            while last > first and _working_rows(cut, last - 1).stop > following:
                last -= 1
        planned.append(Band(top, first, last, _working_rows(cut, min(last, cut.size[0] - 1)).start))
        first = last
        if first == cut.region.bottom:
            break
    return planned


def _working_rows(cut: Cut, row: int) -> range:
    """Return the rows of what passes the engine on which a row of the image depends."""
    rows = needed(Region(row, 0, 1, 1), cut.size, cut.working_size).moved(-cut.working.top, 0)
    return range(rows.top, rows.bottom)


def rows_at_once(image: Image) -> int:
    """Return how many rows of an image are cheap to read at once: those of its file's chunks, unless they are many."""
    chunks = getattr(image.pixels, "chunks", None)
    rows = chunks[image.axes.index("Y")] if chunks else 1
    # Dask says the chunks one by one
    rows = rows if isinstance(rows, int) else max(rows)
    return rows if rows * image.sizes["X"] * len(image.channels) * image.dtype.itemsize <= SLAB else 1


class Rows:
    """Pixels of the image that are read downwards, each once, and forgotten again.

    Parameters
    ----------
    read
        Gives a region of the image's plane, (C, h, w).
    region
        All that may be asked for.
    step
        How many rows are cheap to read at once.
    """

    def __init__(self, read: Callable[[Region], np.ndarray], region: Region, step: int) -> None:
        self._read, self._region, self._step = read, region, step
        self._bottom = region.top
        self._slabs: list[tuple[int, np.ndarray]] = []

    def part(self, region: Region) -> np.ndarray:
        """Return a region (C, h, w), whose first row must not be forgotten."""
        if region.bottom > self._bottom:
            bottom = min(padded_size(region.bottom, self._step), self._region.bottom)
            slab = Region(self._bottom, self._region.left, bottom - self._bottom, self._region.width)
            self._slabs.append((self._bottom, self._read(slab)))
            self._bottom = bottom
        columns = slice(region.left - self._region.left, region.right - self._region.left)
        pieces = [
            slab[:, max(region.top - top, 0) : region.bottom - top, columns]
            for top, slab in self._slabs
            if top < region.bottom and region.top < top + slab.shape[1]
        ]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)

    def forget(self, row: int) -> None:
        """Drop what was read above a row."""
        self._slabs = [(top, slab) for top, slab in self._slabs if top + slab.shape[1] > row]


class Stream:
    """Translates a cut with an engine that evaluates once, on the tiles on which it would be translated whole.

    Parameters
    ----------
    driver
        What makes the evaluations.
    cut
        What is given out, and from which working pixels.
    read
        Gives a region of the image's plane, (C, h, w) in the image's units.
    step
        Rows of the image that are cheap to read at once.
    intensity
        The checkpoint's limits.
    task
        From which condition to which.
    """

    def __init__(
        self,
        driver: TiledInference,
        cut: Cut,
        read: Callable[[Region], np.ndarray],
        step: int,
        intensity: Intensity,
        task: Task,
    ) -> None:
        self._driver, self._cut, self._read, self._step = driver, cut, read, step
        self._intensity, self._task = intensity, task
        self._sample: list[np.ndarray] = []

    def __iter__(self) -> Iterator[Notice | Evaluated | StreamedRegion]:
        """Yield an `Evaluated` per tile, and a `StreamedRegion` for each rectangle that no tile will change any more.

        Where memory runs out over a tile, the rows that are left come from smaller ones.
        """
        region, width = self._cut.region, self._driver.limits.strip
        strips = [
            Region(region.top, left, region.height, min(width, region.right - left))
            for left in range(region.left, region.right, width)
        ]
        for number, strip in enumerate(strips):
            first = strip.top
            while first < strip.bottom:
                first = yield from self._strip(strips, number, first)

    @property
    def sample(self) -> np.ndarray:
        """Some of the working pixels that passed, spread over all of them: (C, n, 1) in about [-1, 1]."""
        return self._intensity.normalize(np.concatenate(self._sample, axis=1)[..., None])

    def _strip(
        self, strips: Sequence[Region], number: int, first: int
    ) -> Generator[Notice | Evaluated | StreamedRegion, None, int]:
        """Translate a strip from a row on; returns the row from which it is to go on, if it could not be ended."""
        cut, engine, strip = self._cut, self._driver.engine, strips[number]
        height, width = (padded_size(max(n, engine.smallest), engine.stride) for n in cut.working.shape)
        tiles = self._driver.grid(height, width)
        every = [self._columns(tiles, each) for each in strips]
        columns = every[number]
        down, across = tiles[0].height, tiles[0].width
        part_width = self._driver.limits.part
        planned = bands(cut, tiles, first)

        # What is in memory: blended values from the first row that is still needed to the last row of the tiles.
        tops = [band.top for band in planned]
        starts = [tops[0], *(min(band.kept_from, top) for band, top in zip(planned, tops[1:], strict=False))]
        rows_held = max(top + down - start for top, start in zip(tops, starts, strict=True))
        held = Region(tops[0], columns[0], rows_held, columns[-1] + across - columns[0])
        blend = Blend(engine.channels, height, width, self._driver.overlap, held)
        reached = Region(tops[0], columns[0], cut.working.height - tops[0], held.width)
        left_over = Region(first, strip.left, strip.bottom - first, strip.width)
        rows = Rows(self._read, self._in_image(reached).around(left_over), self._step)

        done, total = (len(planned) * sum(map(len, of_strips)) for of_strips in (every[:number], every))
        for band, start in zip(planned, starts, strict=True):
            if start > tops[0]:
                blend.advance(start)
                rows.forget(min(self._in_image(Region(start, columns[0], 1, 1)).top, band.first))
            for left in columns:
                tile = Tile(band.top, left, down, across)
                values = self._driver.translated(self._crop(rows, tile), self._task)
                if values is None:
                    yield self._driver.shrink(tile)
                    return band.first
                blend.add(tile, values)
                done += 1
                yield Evaluated(done, total)
            for left in range(strip.left, strip.right, part_width) if band.last > band.first else ():
                part = Region(band.first, left, band.last - band.first, min(part_width, strip.right - left))
                yield self._part(rows, blend, part)
        return strip.bottom

    def _columns(self, tiles: Sequence[Tile], strip: Region) -> list[int]:
        """Return where the tiles begin from which a strip comes."""
        wanted = needed(strip, self._cut.size, self._cut.working_size).moved(0, -self._cut.working.left)
        return sorted({tile.left for tile in tiles if tile.left < wanted.right and tile.right > wanted.left})

    def _crop(self, rows: Rows, tile: Tile) -> np.ndarray:
        """Return the working pixels of a tile (C, h, w); beyond the plane they are mirrored, as the whole plane is."""
        inside = tile.common(Region(0, 0, *self._cut.working.shape))
        assert inside is not None
        x = self._intensity.normalize(self._working(rows, inside.moved(self._cut.working.top, self._cut.working.left)))
        beyond = ((0, 0), (0, tile.height - inside.height), (0, tile.width - inside.width))
        return np.pad(x, beyond, mode="reflect")

    def _part(self, rows: Rows, blend: Blend, region: Region) -> StreamedRegion:
        cut = self._cut
        lies = needed(region, cut.size, cut.working_size)
        small = self._working(rows, lies)
        step = math.ceil(math.sqrt(cut.working.height * cut.working.width / SAMPLE))
        self._sample.append(small[:, ::step, ::step].reshape(len(small), -1))
        values = blend.read(lies.moved(-cut.working.top, -cut.working.left))
        difference = self._intensity.denormalize(values) - small
        return StreamedRegion(
            region, rows.part(region), resample_part(difference, lies, cut.working_size, region, cut.size)
        )

    def _working(self, rows: Rows, region: Region) -> np.ndarray:
        """Return working pixels (C, h, w) in the image's units; the region lies in the whole plane."""
        cut = self._cut
        lies = needed(region, cut.working_size, cut.size)
        return resample_part(rows.part(lies), lies, cut.size, region, cut.working_size)

    def _in_image(self, region: Region) -> Region:
        """Return the pixels of the image from which a region of what passes the engine comes."""
        cut = self._cut
        inside = region.common(Region(0, 0, *cut.working.shape)) or region
        return needed(inside.moved(cut.working.top, cut.working.left), cut.working_size, cut.size)
