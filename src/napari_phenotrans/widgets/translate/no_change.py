"""Whether a translation changed anything that can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.widgets.viewer.layers import info
from napari_phenotrans.widgets.viewer.plane_storage import PlaneStorage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.checkpoints.checkpoint import Card
    from napari_phenotrans.widgets.viewer.channel_row import Row

# Of the range of the training images: what all but one pixel in a thousand change by less than, if nothing is changed.
NOTHING, SHARE = 0.01, 99.9
# Pixels along each side of a plane that are enough to tell.
ENOUGH = 512
CHANGES_NOTHING = (
    "This translation changes next to nothing: all but one pixel in a thousand stay within 1 % of the range of the "
    "training images. Either the conditions do not differ in what the image shows, or the checkpoint does not show it."
)


def changes_nothing(card: Card, rows: Sequence[Row], t: int, z: int) -> bool:
    """Return whether a plane was translated whole, and no channel of it changed by anything that can be seen."""
    if not rows or (t, z) not in [tuple(plane) for plane in info(rows[0].translated)["provenance"].get("planes", ())]:
        return False
    provenance = info(rows[0].translated)["provenance"]
    if provenance.get("source") == provenance.get("target") or len(rows) != len(card.channels):
        # nothing should change, or something else is looked at
        return False
    storage = PlaneStorage(rows[0].real)
    step = tuple(slice(None, None, max(1, side // ENOUGH)) for side in storage.plane_shape)
    for row, low, high in zip(rows, card.low, card.high, strict=True):
        change = np.abs(storage.get(row.difference.data, t, z, (step[0], step[1])))
        if np.percentile(change, SHARE) >= NOTHING * (high - low):
            return False
    return True
