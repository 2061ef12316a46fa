"""Whether neighboring planes of a translated stack agree with each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_phenotrans.checkpoints.matching import match_channels, working_scale
from napari_phenotrans.metrics.flicker import SIGMA, FlickerRow, FlickerSums
from napari_phenotrans.translation.trust import LEAST_ERROR

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    import numpy as np

    from napari_phenotrans.checkpoints.checkpoint import Card
    from napari_phenotrans.core.image import Image
    from napari_phenotrans.core.region import Region


def neighbors(positions: Collection[tuple[int, int]], axis: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return the pairs of planes (t, z) that lie beside each other along "Z" or "T"."""
    there = set(positions)
    following = {(t, z): (t, z + 1) if axis == "Z" else (t + 1, z) for t, z in sorted(there)}
    return [(here, after) for here, after in following.items() if after in there]


def stack_flicker(
    image: Image,
    card: Card,
    difference: Callable[[int, int], np.ndarray],
    positions: Collection[tuple[int, int]],
    *,
    channels: Mapping[str, str] | None = None,
    region: Region | None = None,
    tick: Callable[[], None] | None = None,
) -> list[FlickerRow]:
    """Measure how a translation flickers between neighboring planes, see `metrics.flicker`.

    Parameters
    ----------
    image, card
        What was translated, and the card of the checkpoint that did.
    difference
        Returns the difference map of a plane (t, z): (C, h, w) in the checkpoint's channels, in the image's units.
    positions
        The planes that were translated.
    channels, region
        As of `TranslationRequest`.
    tick
        Called before each pair; raise in it to stop.

    Returns
    -------
    A row per axis and channel; none where no plane lies beside another.

    Raises
    ------
    InputError
        If image and checkpoint do not belong together.
    """
    indices, _ = match_channels(image, card, channels or {})
    scale, _ = working_scale(image, card)
    least = (LEAST_ERROR * card.intensity.range).ravel()
    rows = []
    for axis in "ZT":
        sums = FlickerSums(least.tolist(), SIGMA / scale)
        for pair in neighbors(positions, axis):
            if tick:
                tick()
            real = [image.plane(t, z, region)[indices] for t, z in pair]
            sums.add(real, [plane + difference(t, z) for plane, (t, z) in zip(real, pair, strict=True)])
        rows += [
            FlickerRow(axis, name, sums.pairs, flicker)
            for name, flicker in zip(card.channels, sums.result(), strict=False)
        ]
    return rows
