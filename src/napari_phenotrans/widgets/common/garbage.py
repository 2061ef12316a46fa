"""Garbage is collected on the main thread alone while another one computes.

Python collects garbage on whichever thread happens to allocate. Among it are widgets, and visuals whose OpenGL buffers
belong to the main thread's context: freed by another thread, or in the middle of a drawing, they take the process down.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication, QObject, QTimer

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERY_MS = 300


class _Holders:
    """How many blocks hold collections back, and whether Python collected by itself before the first."""

    def __init__(self) -> None:
        self.count = 0
        self.lock = threading.Lock()
        self.collected_before = False


_holders = _Holders()


@contextmanager
def collected_elsewhere() -> Iterator[None]:
    """Run a block on another thread than the main one; nothing it allocates sets off a collection there.

    Meanwhile the main thread collects between two events, see `collect_here`.
    """
    with _holders.lock:
        if _holders.count == 0:
            _holders.collected_before = gc.isenabled()
            gc.disable()
        _holders.count += 1
    try:
        yield
    finally:
        with _holders.lock:
            _holders.count -= 1
            if _holders.count == 0 and _holders.collected_before:
                gc.enable()


def collect_here() -> None:
    """Have the application collect on this thread, the main one, whenever others hold collections back."""
    app = QCoreApplication.instance()
    if app is not None and app.findChild(_Collector) is None:
        _Collector(app)


class _Collector(QObject):
    """Collects between two events what Python would have collected at some allocation."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        timer = QTimer(self)
        timer.timeout.connect(self.collect)
        timer.start(EVERY_MS)

    def collect(self) -> None:
        """Collect the oldest generation that is due, by Python's own thresholds; nothing where nobody holds it back."""
        if _holders.count == 0:
            return
        counts, thresholds = gc.get_count(), gc.get_threshold()
        for generation in (2, 1, 0):
            if 0 < thresholds[generation] < counts[generation]:
                gc.collect(generation)
                return
