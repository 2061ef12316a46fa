"""How long what is going on will take, by what it took so far. No Qt."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_phenotrans.core.text import duration

if TYPE_CHECKING:
    from collections.abc import Callable

# Before that a guess jumps about, and nobody waits for it.
LEAST_S = 3.0


class TimeLeft:
    """Follows work that goes from step to step, each from 0 to 1, and says how long the step will take.

    Parameters
    ----------
    clock
        Returns seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._step = ""
        self._began, self._first = clock(), 0.0

    def after(self, step: str, share: float) -> str:
        """Return the time left as it is appended to what is done, ", about 2 min left"; empty where that is not known.

        What was there at the step's first call took no time here: it came from a cache, or from an earlier try.
        """
        now = self._clock()
        if step != self._step:
            self._step, self._began, self._first = step, now, share
            return ""
        done, took = share - self._first, now - self._began
        if done <= 0 or took < LEAST_S or share >= 1:
            return ""
        return f", about {duration(took / done * (1 - share))} left"
