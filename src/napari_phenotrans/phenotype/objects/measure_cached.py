"""Finding and measuring the objects of a plane, with a cache by content."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, wait
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.digests import digest
from napari_phenotrans.phenotype.objects.measure_pool import MeasurePool
from napari_phenotrans.phenotype.objects.measure_process import packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.features.cache import Cache
    from napari_phenotrans.phenotype.objects.measure import MeasuredPlane, Scale
    from napari_phenotrans.phenotype.objects.measure_process import Way
    from napari_phenotrans.phenotype.objects.segmentation import Finder

    Arrays = dict[str, np.ndarray]

# Counts up when what is found or measured changes, so that nothing older is taken from the cache.
VERSION = 2
WAIT_S = 0.1


class Measuring:
    """How planes are measured: one way for all of a report. A context: leaving it ends the processes that measure.

    Parameters
    ----------
    way
        How, in every process.
    finder
        Finds objects here, where another library than scikit-image does; None where ``way`` says how.
    finder_name
        What distinguishes the way that objects are found from others.
    cache
        Keeps what was measured.
    tick
        Called before every plane, and while one is waited for; raise in it to stop.
    processes
        How many there may be at most; with 0 planes are measured in this one.
    """

    def __init__(
        self,
        way: Way,
        finder: Finder | None,
        finder_name: str,
        cache: Cache,
        tick: Callable[[], None],
        processes: int = 0,
    ) -> None:
        self.way, self.tick = way, tick
        self._finder, self._finder_name, self._cache = finder, finder_name, cache
        self._pool = MeasurePool(way, processes) if processes else None
        # what is on its way, by key: the same plane may be asked for again before it is there
        self._waiting: dict[str, Future[Arrays]] = {}

    def __enter__(self) -> Measuring:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()

    @property
    def scale(self) -> Scale:
        """What pixels mean."""
        return self.way.scale

    def __call__(self, plane: np.ndarray, labels: np.ndarray | None = None) -> tuple[np.ndarray, MeasuredPlane]:
        """Return the objects (Y, X) of a plane (C, Y, X) and their values; ``labels`` where they are known."""
        return self.result(self.start(plane, labels))

    def start(self, plane: np.ndarray, labels: np.ndarray | None = None) -> Future[Arrays]:
        """Have a plane measured, for `result` to wait for; waits itself where as many as there may be are on their way.

        Takes what `__call__` does.
        """
        self.tick()
        key = self._key(plane, labels)
        if key in self._waiting:
            return self._waiting[key]
        cached = self._cache.get(key)
        if cached is not None:
            return _there(cached)
        if labels is None and self._finder is not None:
            labels = self._finder(plane[self.way.object_channel].astype(np.float32))
        if self._pool is None:
            made = packed(*self.way(plane, labels))
            self._cache.put(key, made)
            return _there(made)
        while len(self._waiting) >= self._pool.ahead:
            self.tick()
            wait(list(self._waiting.values()), WAIT_S, FIRST_COMPLETED)
        future = self._waiting[key] = self._pool.measure(plane, labels)
        future.add_done_callback(lambda done: self._keep(key, done))
        return future

    def result(self, future: Future[Arrays]) -> tuple[np.ndarray, MeasuredPlane]:
        """Wait for what `start` returned: objects and values.

        Raises
        ------
        InputError
            If the plane cannot be measured.
        """
        while not future.done():
            self.tick()
            wait([future], WAIT_S)
        return unpacked(future.result())

    def _keep(self, key: str, done: Future[Arrays]) -> None:
        """Keep what was measured; called on the thread that it came on."""
        if done.exception() is None:
            self._cache.put(key, done.result())
        self._waiting.pop(key, None)

    def _key(self, plane: np.ndarray, labels: np.ndarray | None) -> str:
        try:
            library = version("cp_measure")
        except PackageNotFoundError:
            library = ""
        way = self.way
        how = (VERSION, library, way.channels, way.scale, self._finder_name, way.object_channel, way.crop)
        return f"objects-{digest(repr(how), plane, *([] if labels is None else [labels]))}"


def _there(arrays: Arrays) -> Future[Arrays]:
    future: Future[Arrays] = Future()
    future.set_result(arrays)
    return future
