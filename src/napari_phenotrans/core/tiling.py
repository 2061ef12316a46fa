"""Regions of a plane, the grid of tiles over it, and the weights that put overlapping tiles together again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_phenotrans.core.region import Region


@dataclass(frozen=True)
class Tile(Region):
    """A region of the grid, in working pixels."""


def padded_size(size: int, stride: int) -> int:
    """Round a length up to a multiple of the engine's stride."""
    return -(-size // stride) * stride


def plan(height: int, width: int, *, tile: int, overlap: int, stride: int = 1, least: int | None = None) -> list[Tile]:
    """Cover a plane with one grid of equal tiles, row by row.

    Origins and sizes are multiples of ``stride``: the same pixel always falls on the same phase of the network's
    down-sampling, whatever part of the plane is translated (a grid two pixels off changes results by 2 %).

    Parameters
    ----------
    height, width
        Size of the plane; multiples of ``stride`` (pad first, see `padded_size`).
    tile, overlap
        Side of a tile and pixels that neighbors share at least; rounded up to multiples of ``stride``.
    least
        Side down to which tiles may become smaller, where as many of them then cover the plane more evenly: a plane
        two tiles wide is not computed with three. ``tile`` where not said.

    Raises
    ------
    ValueError
        If the overlap is not smaller than the tile.
    """
    assert height % stride == 0 and width % stride == 0, "pad the plane to multiples of the stride first"
    tile, overlap = padded_size(tile, stride), padded_size(overlap, stride)
    if not 0 <= overlap < tile:
        raise ValueError(f"The overlap must be smaller than the tile, got {overlap} and {tile}.")
    down, across = (_even(size, tile, overlap, stride, tile if least is None else least) for size in (height, width))
    rows = origins(height, down, overlap)
    columns = origins(width, across, overlap)
    return [Tile(top, left, min(down, height), min(across, width)) for top in rows for left in columns]


def origins(size: int, tile: int, overlap: int) -> list[int]:
    """Return where the tiles of a grid begin along one axis.

    The last one is moved inwards instead of being cut: every tile has the same size, hence the same cost.
    """
    if size <= tile:
        return [0]
    return [*range(0, size - tile, tile - overlap), size - tile]


def _even(size: int, tile: int, overlap: int, stride: int, least: int) -> int:
    """Return the smallest side with which as many tiles cover a length as with ``tile``, but no less than ``least``."""
    if size <= tile:
        return tile
    count = -(-(size - overlap) // (tile - overlap))
    return min(tile, padded_size(max(-(-(size + (count - 1) * overlap) // count), least), stride))


class Blend:
    """Overlapping tiles, weighted into one (C, Y, X) plane as they come, in any order.

    Sums are kept in float64, where those of a few float32 numbers are the same in any order.

    The outer three eighths of the overlap have no weight where a neighbor can speak for them, for there the network saw
    its own padding; from there the weight rises as a raised cosine. At the plane's own border a tile keeps full weight.

    Parameters
    ----------
    channels, height, width
        Shape of the plane.
    overlap
        Pixels that neighboring tiles share, as given to `plan`.
    held
        The part of the plane that is in memory, and that tiles may lie in until `advance` moves it down; all of it
        where not said.
    """

    def __init__(self, channels: int, height: int, width: int, overlap: int, held: Region | None = None) -> None:
        self._size = height, width
        self._held = held or Region(0, 0, height, width)
        self._sum = np.zeros((channels, self._held.height, self._held.width), np.float64)
        self._weight = np.zeros((self._held.height, self._held.width), np.float64)
        self._overlap = overlap

    def add(self, tile: Tile, values: np.ndarray) -> None:
        """Add one tile's (C, height, width) values."""
        weight, at = self._window(tile), self._at(tile)
        self._sum[:, *at] += values * weight
        self._weight[at] += weight

    def read(self, tile: Region) -> np.ndarray:
        """Return (C, height, width) of what was added so far; pixels that nothing was added to are 0."""
        at = self._at(tile)
        weight = self._weight[at]
        return _quotient(self._sum[:, *at], np.where(weight > 0, weight, 1))

    def advance(self, top: int) -> None:
        """Forget the rows above ``top``; as many new ones can be added to below those that were held."""
        by = top - self._held.top
        rows_left = max(self._held.height - by, 0)
        for values in (*self._sum, self._weight):
            values[:rows_left] = values[by : by + rows_left]
            values[rows_left:] = 0
        self._held = self._held.moved(by, 0)

    def result(self) -> np.ndarray:
        """Return the plane.

        Raises
        ------
        AssertionError
            If a pixel was covered by no tile.
        """
        assert np.min(self._weight) > 0, "the tiles do not cover the plane"
        return _quotient(self._sum, self._weight)

    def _at(self, tile: Region) -> tuple[slice, slice]:
        return tile.moved(-self._held.top, -self._held.left).slices

    def _window(self, tile: Tile) -> np.ndarray:
        height, width = self._size
        rows = _ramp(tile.height, self._overlap, tile.top > 0, tile.top + tile.height < height)
        columns = _ramp(tile.width, self._overlap, tile.left > 0, tile.left + tile.width < width)
        return np.outer(rows, columns)


def _quotient(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    quotient = np.empty(sums.shape, np.float32)
    np.divide(sums, weights, out=quotient, casting="same_kind")
    return quotient


def _ramp(length: int, overlap: int, before: bool, after: bool) -> np.ndarray:
    position = np.arange(length, dtype=np.float32)
    weight = np.ones(length, np.float32)
    silent = 3 * overlap // 8
    reach = max(overlap - 2 * silent, 1)
    for neighbor, distance in ((before, position), (after, length - 1 - position)):
        if neighbor and overlap:
            rise = np.clip((distance - silent + 0.5) / reach, 0, 1)
            # a tiny floor keeps a pixel that two silent borders meet in from having no weight at all
            weight *= np.maximum(np.sin(rise * np.pi / 2) ** 2, 1e-6).astype(np.float32)
    return weight
