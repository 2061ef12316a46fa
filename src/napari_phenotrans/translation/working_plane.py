"""Planes, or what a region of one needs, as an engine sees them, and the way back to the image's pixels and units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.region import Region
from napari_phenotrans.core.resample import needed, pad, resample_part, rescaled_size
from napari_phenotrans.core.tiling import origins, padded_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.core.intensity import Intensity
    from napari_phenotrans.core.resample import Size


# Side of the square of working pixels in which real and translated are held against each other, and the largest slope.
AROUND = 3
STEEPEST = 1.5


@dataclass(frozen=True)
class Cut:
    """Which working pixels a region is translated from, and which pixels of the image those come from.

    Attributes
    ----------
    region
        What is given out, in pixels of the image.
    size, working_size
        Of the whole plane, in pixels of the image and in working pixels.
    working
        What passes the engine, in working pixels; the origin is a multiple of the engine's stride.
    read
        What of the image's plane is read for it.
    """

    region: Region
    size: Size
    working_size: Size
    working: Region
    read: Region

    @classmethod
    def around(
        cls,
        region: Region,
        size: Size,
        scale: float,
        *,
        context: int,
        stride: int,
        smallest: int,
        grid: tuple[int, int] | None = None,
    ) -> Cut:
        """Cut a region out with its surroundings, so that it is translated as in the whole plane.

        Parameters
        ----------
        region, size
            The region and the whole plane, in pixels of the image.
        scale
            By how much the plane is scaled to working pixels.
        context
            Least number of working pixels around the region.
        stride, smallest
            The engine's. A pixel falls on the same phase of the network's down-sampling as in the whole plane.
        grid
            Tile and overlap, where translation depends on them: the cut is then of whole tiles of the plane's grid.
        """
        working_size = rescaled_size(*size, scale)
        core = needed(region, size, working_size)
        spans = []
        for first, last, length in (
            (core.top, core.bottom, working_size[0]),
            (core.left, core.right, working_size[1]),
        ):
            low, high = first - context, last + context
            if grid:
                tile, overlap = (padded_size(side, stride) for side in grid)
                starts = origins(padded_size(max(length, smallest), stride), tile, overlap)
                met = [start for start in starts if start < high and start + tile > low]
                low, high = met[0], met[-1] + tile
            start = max(0, low) // stride * stride
            # as many strides as it takes; at the plane's border it is padded as the whole plane is
            stop = min(length, start + padded_size(max(high - start, smallest), stride))
            if stop - start < smallest:
                start = max(0, stop - smallest) // stride * stride
            spans.append((start, stop - start))
        (top, height), (left, width) = spans
        working = Region(top, left, height, width)
        return cls(region, size, working_size, working, needed(working, working_size, size).around(region))

    def seen(self, region: Region) -> Region:
        """Return where a region of the image lies in what passes the engine."""
        down, across = (w / n for w, n in zip(self.working_size, self.size, strict=True))
        top, left = round(region.top * down), round(region.left * across)
        bottom, right = round(region.bottom * down), round(region.right * across)
        return Region(top, left, bottom - top, right - left).moved(-self.working.top, -self.working.left)


class WorkingPlane:
    """The pixels of a cut.

    Parameters
    ----------
    cut
        Which.
    read
        Gives a region of the image's plane: (C, h, w) in the image's units.
    intensity
        The checkpoint's limits.
    redrawn
        Whether detail finer than a working pixel is kept only as far as it fits the translation, see `agreement`.

    Attributes
    ----------
    x
        (C, h, w) of working pixels in about [-1, 1].
    """

    def __init__(
        self, cut: Cut, read: Callable[[Region], np.ndarray], intensity: Intensity, *, redrawn: bool = False
    ) -> None:
        self._cut, self._intensity = cut, intensity
        self._redrawn = redrawn and cut.size != cut.working_size
        self._real = read(cut.read)
        self._small = resample_part(self._real, cut.read, cut.size, cut.working, cut.working_size)
        self.x = intensity.normalize(self._small)

    def padded(self, stride: int, smallest: int) -> np.ndarray:
        """Return ``x``, enlarged below and to the right to what an engine takes."""
        return pad(self.x, stride, smallest)

    def real(self, region: Region) -> np.ndarray:
        """Return a region, in pixels of the image, as it was read."""
        return self._real[:, *region.moved(-self._cut.read.top, -self._cut.read.left).slices]

    def difference(self, lies: Region, values: np.ndarray, shown: Region) -> tuple[Region, np.ndarray] | None:
        """Bring translated working pixels back to the image's.

        The difference is resampled, not the translation, so that what the engine left alone stays sharp.

        Parameters
        ----------
        lies
            Where the values lie, in what passed the engine.
        values
            (C, h, w) in about [-1, 1].
        shown
            The part of them to bring back; what lies around it serves to resample its border.

        Returns
        -------
        Region of the image and translated - real there, float32 in the image's units; None where nothing is left
        once padding and context are cut away.
        """
        cut = self._cut
        seen = self._small[:, *lies.slices]
        difference = self._intensity.denormalize(values[:, : seen.shape[1], : seen.shape[2]]) - seen
        from_region = Region(lies.top, lies.left, *seen.shape[1:]).moved(cut.working.top, cut.working.left)
        wanted = self._in_image(shown.moved(cut.working.top, cut.working.left)).common(cut.region)
        if wanted is None:
            return None
        large = resample_part(difference, from_region, cut.working_size, wanted, cut.size)
        if self._redrawn:
            agreed, coarse = (
                resample_part(one, from_region, cut.working_size, wanted, cut.size)
                for one in (agreement(seen, seen + difference, 0.01 * self._intensity.range), seen)
            )
            large += (agreed - 1) * (self.real(wanted) - coarse)
        return wanted, large

    def _in_image(self, working: Region) -> Region:
        edges = []
        for first, last, small, large in (
            (working.top, working.bottom, self._cut.working_size[0], self._cut.size[0]),
            (working.left, working.right, self._cut.working_size[1], self._cut.size[1]),
        ):
            # beyond the plane there is padding only
            start, stop = (round(min(edge, small) * large / small) for edge in (first, last))
            edges.append((start, stop - start))
        (top, height), (left, width) = edges
        return Region(top, left, height, width)


def agreement(real: np.ndarray, translated: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return how translated follows real around each pixel: the slope of a line through the pixels nearby.

    1 where nothing changed, 0 where an edge is gone, negative where bright and dark changed places: what a finer detail
    of real is to be multiplied by (He et al. 2013, "Guided image filtering", eq. 5).

    Parameters
    ----------
    real, translated
        (C, h, w).
    noise
        (C, 1, 1), the contrast below which nothing can be said; the slope is then nearly 1.
    """
    # loaded when first used: a dock opens without it
    from scipy import ndimage

    def around(values: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(values, (1, AROUND, AROUND), mode="nearest")

    centered = real - around(real)
    together, alone = around(centered * (translated - around(translated))), around(centered**2)
    slope = (together + noise**2) / (alone + noise**2)
    return around(np.clip(slope, -STEEPEST, STEEPEST))
