"""Network evaluations tile by tile: those nearest to the view first, tiles as large as memory allows."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.errors import InputError, ran_out_of_memory
from napari_phenotrans.core.events import Notice
from napari_phenotrans.core.region import Region
from napari_phenotrans.core.tiling import Blend, Tile, padded_size, plan

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Iterator

    import torch

    from napari_phenotrans.core.settings import TranslationSettings
    from napari_phenotrans.engines.base import Engine, NetworkCall
    from napari_phenotrans.engines.device import Precision
    from napari_phenotrans.translation.limits import Limits


STATISTICS_TILES = 16
# Tiles that an engine wants small go through its network together, up to so many pixels.
AT_ONCE = 256 * 256


@dataclass(frozen=True, eq=False)
class Tiled:
    """Translated values (C, h, w) of ``tile``, of which ``shown`` is as good as it will get until neighbors come."""

    tile: Region
    shown: Region
    values: np.ndarray
    done: int
    total: int


@dataclass(frozen=True)
class Evaluated:
    """One evaluation of one tile, on the way to the translation."""

    done: int
    total: int


@dataclass(frozen=True, eq=False)
class Whole:
    """The translation, (C, Y, X)."""

    values: np.ndarray


@dataclass(frozen=True)
class Task:
    """From which condition to which, how, and what comes first.

    Attributes
    ----------
    view
        Asked before every tile: what of the plane comes first, in working pixels.
    tick
        Called before every network evaluation; raise in it to stop.
    way_back
        Whether the plane is a translation from ``target`` to ``source`` itself.
    noise, redraw
        Of one of several answers: standard normal of the plane's shape (C, Y, X), and the share of it, see `Drawn`.
    """

    source: str
    target: str
    how: TranslationSettings
    view: Callable[[], Region | None]
    tick: Callable[[], None]
    way_back: bool = False
    noise: np.ndarray | None = None
    redraw: float = 0.0


class TiledInference:
    """Drives an engine over planes.

    Parameters
    ----------
    engine, device, precision
        What computes, and how.
    tile, overlap
        Side of a tile and pixels that neighbors share, in working pixels. The tile becomes smaller where memory runs
        out.
    fixed
        Whether the network's statistics are stored, or each plane's own (imported networks).
    limits
        How much is done at once.
    """

    def __init__(
        self,
        engine: Engine,
        device: torch.device,
        precision: Precision,
        tile: int,
        overlap: int,
        fixed: bool,
        limits: Limits,
    ) -> None:
        self.engine, self.device, self.precision, self.limits = engine, device, precision, limits
        self.tile, self.overlap = tile, overlap
        self.inversions = Inversions()
        # where the engine wants small tiles; else one by one, so that the first is there soon
        self._at_once = max(1, AT_ONCE // tile**2) if engine.tile else 1
        self._fixed = fixed
        # whether the current plane passes the network in one piece
        self._in_one = False

    def translation(
        self, x: np.ndarray, task: Task, *, glimpse: bool = False, keep: bool = True
    ) -> Iterator[Notice | Tiled | Evaluated | Whole]:
        """Translate a plane (C, Y, X) in about [-1, 1]; sides are multiples of the engine's stride.

        With ``glimpse`` a smaller crop of what the user looks at comes first, from engines that evaluate once. With
        ``keep`` evaluations that other translations of the plane need too are kept for them.
        """
        if not self._fixed:
            yield from self._settle_statistics(x, task)
        steps = self.calls(x, task)
        stored: dict[Hashable, np.ndarray] | None = None
        try:
            evaluation = next(steps)
            if glimpse and evaluation.final and self._fixed:
                yield from self._glimpse(evaluation, task)
            while True:
                result = None
                if keep and evaluation.key is not None:
                    stored = self.inversions.of(x, self.tile, self.overlap) if stored is None else stored
                    result = stored.get(evaluation.key)
                if result is None:
                    result = yield from self._evaluate(evaluation, x, task)
                    if stored is not None and evaluation.key is not None:
                        self.inversions.keep(stored, evaluation.key, result)
                evaluation = steps.send(self.tensor(result))
        except StopIteration as finished:
            yield Whole(finished.value[0].float().cpu().numpy())

    def calls(self, x: np.ndarray, task: Task) -> Generator[NetworkCall, torch.Tensor, torch.Tensor]:
        """Ask the engine for the network evaluations of a plane (C, Y, X)."""
        from napari_phenotrans.engines.base import Drawn

        drawn = None if task.noise is None else Drawn(self.tensor(task.noise), task.redraw)
        return self.engine.calls(
            self.tensor(x), task.source, task.target, task.how, way_back=task.way_back, drawn=drawn
        )

    def _evaluate(
        self, evaluation: NetworkCall, x: np.ndarray, task: Task
    ) -> Generator[Notice | Tiled | Evaluated, None, np.ndarray]:
        """Evaluate all tiles; returns them blended, (C, Y, X)."""
        height, width = evaluation.x.shape[2:]
        while True:
            tiles = self._tiles(height, width)
            blend = Blend(self.engine.channels, height, width, self.overlap)
            left = list(tiles)
            while left:
                view = task.view()
                if view:
                    left.sort(key=lambda tile: (not tile.meets(view), tile.distance_to(*view.center)))
                nearest, left = left[: self._at_once], left[self._at_once :]
                values = self.apply(evaluation, nearest, task)
                if values is None and len(nearest) > 1:
                    self._at_once = len(nearest) // 2
                    left = nearest + left
                    continue
                if values is None:
                    break
                for tile, translated in zip(nearest, values, strict=True):
                    blend.add(tile, translated)
                done, total = len(tiles) - len(left), len(tiles)
                if not evaluation.final:
                    yield Evaluated(done, total)
                    continue
                for tile in nearest:
                    yield Tiled(tile, tile, blend.read(tile), done, total)
            else:
                return blend.result()
            # Memory ran out over a single tile: the evaluation starts again with smaller ones.
            if self._in_one:
                self._in_one = False
                yield from self._average_statistics(x, task, "memory does not suffice")
            else:
                yield self.shrink(tiles[0])

    def _glimpse(self, evaluation: NetworkCall, task: Task) -> Iterator[Tiled]:
        height, width = evaluation.x.shape[2:]
        tiles = self._tiles(height, width)
        view = task.view()
        looked_at = view and view.common(Region(0, 0, height, width))
        side = self.limits.glimpse
        if looked_at is None or tiles[0].height * tiles[0].width < 2 * side**2 or min(height, width) < side:
            return
        stride = self.engine.stride
        top, left = (
            min(max(round(middle - side / 2), 0), size - side) // stride * stride
            for middle, size in zip(looked_at.center, (height, width), strict=True)
        )
        crop = Region(top, left, side, side)
        values = self.apply(evaluation, [crop], task)
        # what a tile's border would not be asked for either once its neighbors are there
        border = self.overlap // 2
        first_row, first_column = (start + border if start else 0 for start in (crop.top, crop.left))
        last_row, last_column = (
            stop - border if stop < size else stop for stop, size in ((crop.bottom, height), (crop.right, width))
        )
        shown = Region(first_row, first_column, last_row - first_row, last_column - first_column)
        if values is not None:
            yield Tiled(crop, shown, values[0], 0, len(tiles))

    def _tiles(self, height: int, width: int) -> list[Tile]:
        if self._in_one:
            return [Tile(0, 0, height, width)]
        return self.grid(height, width)

    def grid(self, height: int, width: int) -> list[Tile]:
        """Return the tiles of a plane, row by row; an engine that depends on its tile gets it in that size."""
        least = self.tile if self.engine.tile else self.engine.smallest
        return plan(height, width, tile=self.tile, overlap=self.overlap, stride=self.engine.stride, least=least)

    def evaluates_once(self, task: Task) -> bool:
        """Whether a translation is one network evaluation, and a pixel's depends on its surroundings only."""
        import torch

        side = padded_size(self.engine.smallest, self.engine.stride)
        x = torch.zeros(1, self.engine.channels, side, side, device=self.device)
        first = next(self.engine.calls(x, task.source, task.target, task.how, way_back=task.way_back), None)
        return self._fixed and first is not None and first.final

    def translated(self, crop: np.ndarray, task: Task) -> np.ndarray | None:
        """Translate a crop (C, h, w) by itself, with an engine that evaluates once; None where memory ran out."""
        evaluation = next(
            self.engine.calls(self.tensor(crop), task.source, task.target, task.how, way_back=task.way_back)
        )
        values = self.apply(evaluation, [Region(0, 0, *crop.shape[1:])], task)
        return None if values is None else values[0]

    def apply(self, evaluation: NetworkCall, regions: list[Region] | list[Tile], task: Task) -> np.ndarray | None:
        """Return the network's values (N, C, h, w) for regions of the same size; None where memory ran out."""
        import torch

        from napari_phenotrans.engines.device import arithmetic, release_memory

        task.tick()
        try:
            # the last of many evaluations gives the pixels, and costs little beside the others
            last = evaluation.final and self.engine.inverts
            with arithmetic(self.device, "fp32" if last else self.precision):
                values = evaluation.network(torch.cat([evaluation.x[:, :, *region.slices] for region in regions]))
            return values.float().cpu().numpy()
        except (RuntimeError, MemoryError) as error:
            if not ran_out_of_memory(error):
                raise
        # out here the error no longer holds what the network had computed
        release_memory(self.device)
        return None

    def fit(self, memory: int, per_pixel: float) -> list[Notice]:
        """Take fewer tiles at once, and smaller ones, where they would need more memory than there is.

        Parameters
        ----------
        memory
            Bytes that tiles may take.
        per_pixel
            Bytes that a working pixel of a tile takes.
        """
        notices = []
        while self._at_once > 1 and self._at_once * self.tile**2 * per_pixel > memory:
            self._at_once //= 2
        while self.tile**2 * per_pixel > memory:
            try:
                notices.append(self.shrink(Region(0, 0, self.tile, self.tile)))
            except InputError:
                # it is tried all the same: whether it fits shows then
                break
        return notices

    def shrink(self, tile: Region) -> Notice:
        """Halve the tile, so that ``tile`` is not asked for again.

        Raises
        ------
        InputError
            If the engine takes none smaller.
        """
        side, least = max(tile.height, tile.width), max(self.engine.smallest, self.engine.tile or 0, self.overlap + 1)
        half = side // 2 // self.engine.stride * self.engine.stride
        if half < least:
            raise InputError(
                f"Memory does not suffice for a tile of {tile.height} × {tile.width} pixels, and this checkpoint "
                f"takes no smaller ones (least {padded_size(least, self.engine.stride)}). Close other programs that "
                f"use {self.device.type} memory, or choose another --device."
            )
        self.tile = half
        return Notice(f"Memory ran out: tiles of {half} instead of {side} pixels from here on.")

    # ---- imported networks, which normalize a plane by its own statistics

    def _settle_statistics(self, x: np.ndarray, task: Task) -> Iterator[Notice]:
        self.engine.use_fixed_statistics(False)
        self._in_one = x[0].size <= self.limits.whole_plane
        if not self._in_one:
            yield from self._average_statistics(x, task, f"the limit is {self.limits.whole_plane} pixels")

    def _average_statistics(self, x: np.ndarray, task: Task, why: str) -> Iterator[Notice]:
        """Average the network's statistics over tiles of the plane that is too large to pass whole, and keep them."""
        from napari_phenotrans.engines.device import release_memory

        height, width = x.shape[1:]
        if max(height, width) <= self.tile:
            yield self.shrink(Region(0, 0, height, width))
        while True:
            tiles = self._tiles(height, width)
            spread = [tiles[i] for i in np.linspace(0, len(tiles) - 1, min(STATISTICS_TILES, len(tiles))).astype(int)]

            def crops(spread: list[Tile] = spread) -> Iterator[torch.Tensor]:
                for tile in spread:
                    task.tick()
                    yield self.tensor(x[:, *tile.slices])

            try:
                self.engine.fix_statistics(task.target, crops())
                break
            except (RuntimeError, MemoryError) as error:
                if not ran_out_of_memory(error):
                    raise
            release_memory(self.device)
            yield self.shrink(tiles[0])
        yield Notice(
            f"This imported network normalizes each plane by its own statistics, and a plane of {height} × {width} "
            f"is too large to pass it whole ({why}): statistics are averaged over {len(spread)} tiles instead, so the "
            f"result differs slightly from the original program's."
        )

    def tensor(self, x: np.ndarray) -> torch.Tensor:
        """Put (C, Y, X) on the device, as a batch of one."""
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(x))[None].to(self.device)
        return tensor.contiguous(memory_format=torch.channels_last)


# bytes
LIMIT = 512 * 2**20


class Inversions:
    """Keeps results by plane and by what they depend on beside it, up to so many bytes.

    Where they become too many, those of the planes used longest ago are dropped first; of a single plane as many are
    kept as there is room for. What is dropped has to be evaluated again, nothing else changes.

    Parameters
    ----------
    limit
        Bytes.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._planes: OrderedDict[Hashable, dict[Hashable, np.ndarray]] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return sum(values.nbytes for results in self._planes.values() for values in results.values())

    def of(self, x: np.ndarray, *how: Hashable) -> dict[Hashable, np.ndarray]:
        """Return what is kept of a plane (C, H, W), known by its content and by ``how`` it is evaluated."""
        plane = (blake2b(x.tobytes()).digest(), x.shape, *how)
        self._planes.setdefault(plane, {})
        self._planes.move_to_end(plane)
        return self._planes[plane]

    def keep(self, results: dict[Hashable, np.ndarray], key: Hashable, values: np.ndarray) -> None:
        """Add a result to what `of` returned, if there is room for it."""
        while self.nbytes + values.nbytes > self.limit:
            oldest = next(iter(self._planes), None)
            if oldest is None or self._planes[oldest] is results:
                return
            del self._planes[oldest]
        results[key] = values

    def forget(self) -> None:
        """Drop everything."""
        self._planes.clear()
