"""Resampling planes between a file's pixel size and the working pixel size."""

from __future__ import annotations

import numpy as np

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
