"""Changing many layers of a viewer in one go."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari import Viewer

# Until what a removed layer leaves is searched for.
SEARCH_AFTER_MS = 1000


@contextmanager
def one_update(viewer: Viewer) -> Iterator[None]:
    """Let layers and grid be changed in one go, also where this is inside another one.

    napari builds its scene anew for each change otherwise, and its own batches end with the innermost. At the end of
    each it searches all objects of the process for those of removed layers, a fifth of a second: what there is already
    is left out of that. Where a layer was removed all is searched a moment later, once the window has drawn; on
    Windows, for whose drivers napari searches, at once.
    """
    if id(viewer) in _updating:
        yield
        return
    _updating.add(id(viewer))
    ours = gc.get_freeze_count() == 0
    if ours:
        gc.freeze()

    removed: list[object] = []

    def note(event: object) -> None:
        removed.append(event)
        if ours and sys.platform == "win32":
            gc.unfreeze()

    viewer.layers.events.removed.connect(note)
    try:
        with viewer.layers.batched_update():
            yield
    finally:
        _updating.discard(id(viewer))
        viewer.layers.events.removed.disconnect(note)
        if ours:
            gc.unfreeze()
        if removed and sys.platform != "win32":
            QTimer.singleShot(SEARCH_AFTER_MS, gc.collect)


# viewers in the midst of `one_update`
_updating: set[int] = set()
