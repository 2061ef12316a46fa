"""Cutting planes into crops for measuring: side by side, at fixed places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def grid(batch: np.ndarray, crop: int) -> np.ndarray:
    """Cut (n, C, h, w) into crops (n · h/crop · w/crop, C, crop, crop); those of one piece follow each other."""
    count, channels, height, width = batch.shape
    grid = batch.reshape(count, channels, height // crop, crop, width // crop, crop)
    return grid.transpose(0, 2, 4, 1, 3, 5).reshape(-1, channels, crop, crop)


def center(plane: np.ndarray, crop: int, widest: int) -> np.ndarray:
    """Return the middle of a plane, whole crops and no more than ``widest`` along each side."""
    sides = [min(widest, length // crop) * crop for length in plane.shape[1:]]
    top, left = ((length - side) // 2 for length, side in zip(plane.shape[1:], sides, strict=True))
    return plane[:, top : top + sides[0], left : left + sides[1]]


def evenly(planes: Sequence[np.ndarray], crop: int, most: int) -> np.ndarray:
    """Cut up to ``most`` crops (n, C, crop, crop), spread evenly over all places of the planes."""
    crops = [
        plane[:, top : top + crop, left : left + crop]
        for plane in planes
        for top in range(0, plane.shape[1] - crop + 1, crop)
        for left in range(0, plane.shape[2] - crop + 1, crop)
    ]
    return np.stack([crops[i] for i in spread(len(crops), most)])


def spread(count: int, most: int) -> list[int]:
    """Return up to ``most`` of ``count`` places, evenly spread."""
    return [round(place) for place in np.linspace(0, count - 1, min(count, most))]
