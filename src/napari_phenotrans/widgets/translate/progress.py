"""How far a translation is, and how long the rest may take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_phenotrans.translation.events import EvaluationDone, PlaneDone, RegionDone, SampleDone, TileDone

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.translation.events import Event


class Progress:
    """Collects events of a translation, and says how far it is.

    Parameters
    ----------
    planes
        How many will be translated.
    clock
        Returns seconds.
    """

    def __init__(self, planes: int = 1, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.began = clock()
        self.share = 0.0
        self.clipped: tuple[int, ...] = ()
        self._planes = planes
        self._planes_done = 0
        self._tile = ""
        self._first: tuple[float, float] | None = None

    def begin(self) -> None:
        """Say that the engine is ready: what came before is no part of the translation's time."""
        self.began = self._clock()

    def add(self, event: Event) -> None:
        """Take in what came."""
        if isinstance(event, PlaneDone | RegionDone):
            self._planes_done = event.done
            self.share = event.planes / event.total
            before = self.clipped or (0,) * len(event.clipped)
            self.clipped = tuple(a + b for a, b in zip(before, event.clipped, strict=True))
        elif isinstance(event, SampleDone):
            self.share = event.planes / event.total
            self._tile = f"sample {event.sample} of {event.samples}"
        elif isinstance(event, EvaluationDone):
            self._tile = f"evaluation, tile {event.done} of {event.total}"
        elif isinstance(event, TileDone):
            self.share = (self._planes_done + event.done / event.total) / self._planes
            self._tile = f"tile {event.done} of {event.total}"
        if self._first is None and self.share:
            self._first = self._clock(), self.share

    def text(self) -> str:
        """Return how far it is and the time left, as in "tile 3 of 9, plane 2 of 5, about 12 s left"."""
        parts = [self._tile or "translating"]
        if self._planes > 1:
            parts.append(f"plane {min(self._planes_done + 1, self._planes)} of {self._planes}")
        if self._first and self.share > self._first[1]:
            seconds = (self._clock() - self._first[0]) / (self.share - self._first[1]) * (1 - self.share)
            parts.append(f"about {seconds:.0f} s left" if seconds < 90 else f"about {seconds / 60:.0f} min left")
        return ", ".join(parts)
