"""The pixels of the curtain: real on one side of a line, translated on the other, each read only where shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.widgets.viewer.lazy_array import Index

if TYPE_CHECKING:
    from collections.abc import Mapping

Read = Callable[[tuple[Index, ...]], np.ndarray]


def compose(
    real: Read, translated: Read, indices: tuple[Index, ...], distances: Mapping[int, np.ndarray]
) -> np.ndarray:
    """Put pixels together: real where the sum of the distances is at most 0, translated elsewhere.

    Parameters
    ----------
    real, translated
        Functions that read the pixels at given indices.
    indices
        Whole numbers and slices with start and stop, one per axis.
    distances
        For the two axes that are displayed, one value per index: signed distances from the line, which add up.

    Returns
    -------
    The pixels at ``indices``.
    """
    first_axis, second_axis = distances
    for across, along in ((second_axis, first_axis), (first_axis, second_axis)):
        if not distances[along].size or np.ptp(distances[along]) < 0.5:
            # the line is as straight as pixels are, so each side is read alone
            lengthwise = distances[along].mean() if distances[along].size else 0
            return _side_by_side(real, translated, indices, distances[across] + lengthwise > 0, across)
    sliced = [axis for axis, index in enumerate(indices) if isinstance(index, slice)]
    beyond = sum(
        distance.reshape([-1 if here == axis else 1 for here in sliced]) for axis, distance in distances.items()
    )
    beyond = np.asarray(beyond) > 0
    if beyond.all():
        return translated(indices)
    return np.where(beyond, translated(indices), real(indices)) if beyond.any() else real(indices)


def _side_by_side(
    real: Read, translated: Read, indices: tuple[Index, ...], beyond: np.ndarray, axis: int
) -> np.ndarray:
    if (beyond == beyond[:1]).all():
        return translated(indices) if beyond.any() else real(indices)
    first, second = (translated, real) if beyond[0] else (real, translated)
    index = indices[axis]
    assert isinstance(index, slice)
    at = index.start + int(np.argmax(beyond != beyond[0]))
    before = (*indices[:axis], slice(index.start, at), *indices[axis + 1 :])
    after = (*indices[:axis], slice(at, index.stop), *indices[axis + 1 :])
    sliced = sum(isinstance(index, slice) for index in indices[:axis])
    return np.concatenate([first(before), second(after)], axis=sliced)


def reduced(finest: Any, shape: tuple[int, ...], indices: tuple[Index, ...]) -> np.ndarray:
    """Read an array at ``indices`` as if it were one of this smaller shape: every so many-th pixel of it."""
    steps = [max(round(n / small), 1) for n, small in zip(finest.shape, shape, strict=True)]
    picked: list[Index] = []
    wanted = []
    for index, step, n in zip(indices, steps, finest.shape, strict=True):
        if isinstance(index, slice):
            picked.append(slice(index.start * step, min(index.stop * step, n), step))
            wanted.append(index.stop - index.start)
        else:
            picked.append(min(index * step, n - 1))
    pixels = np.asarray(finest[tuple(picked)])
    # sizes that are no multiples of each other differ by a row or a column
    pixels = pixels[tuple(slice(count) for count in wanted)]
    return np.pad(pixels, [(0, count - got) for count, got in zip(wanted, pixels.shape, strict=True)], "edge")
