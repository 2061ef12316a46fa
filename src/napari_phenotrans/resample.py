"""Resampling planes between a file's pixel size and the working pixel size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.tiles import padded_size

if TYPE_CHECKING:
    from napari_phenotrans.intensity import Intensity
    from napari_phenotrans.tiles import Tile

SAME = 0.05


def factor(pixel_size: float, working: float) -> float:
    """Return by how much a plane is to be scaled; 1 where both sizes agree within 5 %, which no network notices."""
    ratio = pixel_size / working
    return 1.0 if abs(ratio - 1) <= SAME else ratio


def rescaled_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Return the size in working pixels, at least one pixel each way."""
    return max(1, round(height * scale)), max(1, round(width * scale))


def to_size(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resample (C, Y, X) to float32 of the given size, linearly, blurred first where it becomes smaller."""
    if plane.shape[1:] == (height, width):
        return plane.astype(np.float32)
    # loaded when first used: a dock opens without it
    from skimage.transform import resize

    smaller = height < plane.shape[1] or width < plane.shape[2]
    channels = [
        resize(channel, (height, width), order=1, mode="edge", anti_aliasing=smaller, preserve_range=True)
        for channel in plane.astype(np.float32)
    ]
    return np.stack(channels).astype(np.float32)


def pad(x: np.ndarray, stride: int, smallest: int) -> np.ndarray:
    """Enlarge (C, Y, X) below and to the right to multiples of ``stride`` and to ``smallest`` at least.

    Mirrored, so that a network sees cells go on there, not end.
    """
    height, width = (padded_size(max(size, smallest), stride) for size in x.shape[1:])
    return np.pad(x, ((0, 0), (0, height - x.shape[1]), (0, width - x.shape[2])), mode="reflect")


@dataclass(frozen=True, eq=False)
class WorkingPlane:
    """Where working pixels lie in the image, and the way back to its units."""

    real: np.ndarray
    small: np.ndarray
    intensity: Intensity
    scale: float

    def difference(self, tile: Tile, values: np.ndarray) -> tuple[int, int, np.ndarray]:
        """Return top, left and the difference (C, h, w), all in the image's pixels and units."""
        seen = self.small[:, *tile.slices]
        difference = self.intensity.denormalize(values[:, : seen.shape[1], : seen.shape[2]]) - seen
        if self.scale == 1:
            return tile.top, tile.left, difference
        edges = [
            min(round(edge / self.scale), size)
            for edge, size in (
                (tile.top, self.real.shape[1]),
                (tile.left, self.real.shape[2]),
                (tile.top + seen.shape[1], self.real.shape[1]),
                (tile.left + seen.shape[2], self.real.shape[2]),
            )
        ]
        if tile.top + seen.shape[1] == self.small.shape[1]:
            edges[2] = self.real.shape[1]
        if tile.left + seen.shape[2] == self.small.shape[2]:
            edges[3] = self.real.shape[2]
        return edges[0], edges[1], to_size(difference, edges[2] - edges[0], edges[3] - edges[1])
