"""How far a translation is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_phenotrans.translation.events import EvaluationDone, PlaneDone, RegionDone

if TYPE_CHECKING:
    from napari_phenotrans.translation.events import TileDone


class Progress:
    """How far a request is, and how long the rest may take."""

    def __init__(self, planes: int = 1) -> None:
        self.began = time.monotonic()
        self.share = 0.0
        self.clipped: tuple[int, ...] = ()
        self._planes = planes
        self._planes_done = 0
        self._tile = ""
        self._first: tuple[float, float] | None = None

    def begin(self) -> None:
        """Say that the engine is ready: what came before is no part of the translation's time."""
        self.began = time.monotonic()

    def add(self, event: EvaluationDone | TileDone | PlaneDone | RegionDone) -> None:
        if isinstance(event, PlaneDone | RegionDone):
            self._planes_done = event.done
            self.share = event.planes / event.total
            before = self.clipped or (0,) * len(event.clipped)
            self.clipped = tuple(a + b for a, b in zip(before, event.clipped, strict=True))
        elif isinstance(event, EvaluationDone):
            self._tile = f"evaluation, tile {event.done} of {event.total}"
        else:
            self.share = (self._planes_done + event.done / event.total) / self._planes
            self._tile = f"tile {event.done} of {event.total}"
        if self._first is None and self.share:
            self._first = time.monotonic(), self.share

    def words(self) -> str:
        """Return the place and the time left, as in "tile 3 of 9, plane 2 of 5, about 12 s left"."""
        words = [self._tile or "translating"]
        if self._planes > 1:
            words.append(f"plane {min(self._planes_done + 1, self._planes)} of {self._planes}")
        if self._first and self.share > self._first[1]:
            seconds = (time.monotonic() - self._first[0]) / (self.share - self._first[1]) * (1 - self.share)
            words.append(f"about {seconds:.0f} s left" if seconds < 90 else f"about {seconds / 60:.0f} min left")
        return ", ".join(words)
