"""Changing many layers of a viewer in one go."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari import Viewer


@contextmanager
def one_update(viewer: Viewer) -> Iterator[None]:
    """Let layers and grid be changed in one go, also where this is inside another one.

    napari builds its scene anew for each change otherwise, and its own batches end with the innermost. At the end of
    each it searches all objects of the process for those of removed layers, a fifth of a second. As long as none is
    removed, what there is already is left out of that.
    """
    if id(viewer) in _updating:
        yield
        return
    _updating.add(id(viewer))
    ours = gc.get_freeze_count() == 0
    if ours:
        gc.freeze()

    def search_all(_: object = None) -> None:
        if ours:
            gc.unfreeze()

    viewer.layers.events.removed.connect(search_all)
    try:
        with viewer.layers.batched_update():
            yield
    finally:
        _updating.discard(id(viewer))
        viewer.layers.events.removed.disconnect(search_all)
        search_all()


# viewers in the midst of `one_update`
_updating: set[int] = set()
