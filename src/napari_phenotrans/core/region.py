"""Rectangles of a plane, and what the user looks at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Region:
    """A rectangle of a plane.

    Parameters
    ----------
    top, left
        Its first row and column, in pixels of the image unless said otherwise.
    height, width
        How many rows and columns it has.

    Examples
    --------
    >>> import napari_phenotrans as pt
    >>> region = pt.Region(top=10, left=20, height=64, width=32)
    >>> region.bottom, region.right
    (74, 52)
    >>> pt.sample("bbbc013-untreated").plane(region=region).shape
    (2, 64, 32)
    """

    top: int
    left: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        """The row after the last one."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """The column after the last one."""
        return self.left + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    @property
    def center(self) -> tuple[float, float]:
        """(y, x) of the middle."""
        return self.top + self.height / 2, self.left + self.width / 2

    def meets(self, other: Region) -> bool:
        """Whether the two have a pixel in common."""
        return self.common(other) is not None

    def common(self, other: Region) -> Region | None:
        """Return the pixels that lie in both; None where there are none."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        height, width = min(self.bottom, other.bottom) - top, min(self.right, other.right) - left
        return Region(top, left, height, width) if height > 0 and width > 0 else None

    def around(self, other: Region) -> Region:
        """Return the smallest rectangle that holds both."""
        top, left = min(self.top, other.top), min(self.left, other.left)
        return Region(top, left, max(self.bottom, other.bottom) - top, max(self.right, other.right) - left)

    def squares(self, side: int) -> list[Region]:
        """Cut the rectangle into squares, row by row; the last ones are smaller where it does not divide."""
        return [
            Region(top, left, min(side, self.bottom - top), min(side, self.right - left))
            for top in range(self.top, self.bottom, side)
            for left in range(self.left, self.right, side)
        ]

    def moved(self, down: int, right: int) -> Region:
        """Return the rectangle of the same size so many pixels further down and to the right."""
        return Region(self.top + down, self.left + right, self.height, self.width)

    def distance_to(self, y: float, x: float) -> float:
        """Distance of the center from a point of the plane, to order tiles by."""
        return float(np.hypot(self.center[0] - y, self.center[1] - x))


@dataclass(frozen=True)
class View:
    """What the user looks at: a region of the plane, in pixels of the image, and its place along T and Z."""

    region: Region
    t: int | None = None
    z: int | None = None
