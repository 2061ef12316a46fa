"""Stopping what takes long between two steps: scores, previews and the search for a depth wait for nobody."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_phenotrans.runs.paths import STOP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_phenotrans.engines.base import Engine

# Of looking for the file, which may lie far away.
EVERY_S = 0.5


class AskedToStop(Exception):
    """Raised between network evaluations once the run is asked to stop."""


@contextmanager
def stopped_by(folder: Path, *engines: Engine, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Have engines look for the file ``stop`` in a run folder before their evaluations, and raise `AskedToStop`."""
    looked = float("-inf")

    def tick() -> None:
        nonlocal looked
        if clock() - looked < EVERY_S:
            return
        looked = clock()
        if (folder / STOP).exists():
            raise AskedToStop

    for engine in engines:
        engine.tick = tick
    try:
        yield
    finally:
        for engine in engines:
            engine.tick = None
