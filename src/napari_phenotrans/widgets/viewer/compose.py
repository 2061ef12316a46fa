"""One picture put together of two, to either side of a line; only what is needed of either is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.widgets.viewer.lazy_array import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

Read = Callable[[tuple[Place, ...]], np.ndarray]


def compose(real: Read, translated: Read, places: tuple[Place, ...], distances: Mapping[int, np.ndarray]) -> np.ndarray:
    """Put pixels together: real where the sum of the distances is at most 0, translated elsewhere.

    Parameters
    ----------
    real, translated
        Functions that read the pixels at given places.
    places
        Whole numbers and slices with start and stop, one per axis.
    distances
        For the two axes that are displayed, one value per place: signed distances from the line, which add up.

    Returns
    -------
    The pixels at ``places``.
    """
    one, other = distances
    for across, along in ((other, one), (one, other)):
        if not distances[along].size or np.ptp(distances[along]) < 0.5:
            # the line is as straight as pixels are, so each side is read alone
            lengthwise = distances[along].mean() if distances[along].size else 0
            return _side_by_side(real, translated, places, distances[across] + lengthwise > 0, across)
    sliced = [axis for axis, place in enumerate(places) if isinstance(place, slice)]
    beyond = sum(
        distance.reshape([-1 if here == axis else 1 for here in sliced]) for axis, distance in distances.items()
    )
    beyond = np.asarray(beyond) > 0
    if beyond.all():
        return translated(places)
    return np.where(beyond, translated(places), real(places)) if beyond.any() else real(places)


def _side_by_side(real: Read, translated: Read, places: tuple[Place, ...], beyond: np.ndarray, axis: int) -> np.ndarray:
    if (beyond == beyond[:1]).all():
        return translated(places) if beyond.any() else real(places)
    first, second = (translated, real) if beyond[0] else (real, translated)
    place = places[axis]
    assert isinstance(place, slice)
    at = place.start + int(np.argmax(beyond != beyond[0]))
    before = (*places[:axis], slice(place.start, at), *places[axis + 1 :])
    after = (*places[:axis], slice(at, place.stop), *places[axis + 1 :])
    sliced = sum(isinstance(place, slice) for place in places[:axis])
    return np.concatenate([first(before), second(after)], axis=sliced)


def reduced(finest: Any, shape: tuple[int, ...], places: tuple[Place, ...]) -> np.ndarray:
    """Read an array at ``places`` as if it were one of this smaller shape: every so many-th pixel of it."""
    steps = [max(round(n / small), 1) for n, small in zip(finest.shape, shape, strict=True)]
    picked: list[Place] = []
    wanted = []
    for place, step, n in zip(places, steps, finest.shape, strict=True):
        if isinstance(place, slice):
            picked.append(slice(place.start * step, min(place.stop * step, n), step))
            wanted.append(place.stop - place.start)
        else:
            picked.append(min(place * step, n - 1))
    pixels = np.asarray(finest[tuple(picked)])
    # sizes that are no multiples of each other differ by a row or a column
    pixels = pixels[tuple(slice(count) for count in wanted)]
    return np.pad(pixels, [(0, count - got) for count, got in zip(wanted, pixels.shape, strict=True)], "edge")
