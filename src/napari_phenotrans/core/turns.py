"""Flips and quarter turns: the eight ways to lay a picture on a table, none of which changes what cells are on it."""

from __future__ import annotations

import numpy as np

#: As it is, upside down, mirrored, both; then the same four with rows and columns exchanged.
TURNS = 8


def turned(pixels: np.ndarray, number: int) -> np.ndarray:
    """Return pixels (…, H, W) in the ``number``-th way of `TURNS`, 0 as they are; sides are exchanged from 4 on."""
    assert 0 <= number < TURNS, f"there is no turn {number}"
    laid = np.swapaxes(pixels, -1, -2) if number & 4 else pixels
    laid = laid[..., ::-1, :] if number & 1 else laid
    return np.ascontiguousarray(laid[..., ::-1] if number & 2 else laid)


def turned_back(pixels: np.ndarray, number: int) -> np.ndarray:
    """Undo `turned`."""
    assert 0 <= number < TURNS, f"there is no turn {number}"
    laid = pixels[..., ::-1] if number & 2 else pixels
    laid = laid[..., ::-1, :] if number & 1 else laid
    return np.ascontiguousarray(np.swapaxes(laid, -1, -2) if number & 4 else laid)
