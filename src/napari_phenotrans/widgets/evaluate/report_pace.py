"""How long a report will take, by what the last one with the same checkpoint took for each field. No Qt."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_phenotrans.core.text import duration
from napari_phenotrans.phenotype.pipeline import FIRST_OF_EACH, WORTH_A_LOOK
from napari_phenotrans.widgets.common.preferences import last_choices, remember

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.core.events import Progressed

# A field that took less was measured before, and says nothing of one that was not.
LEAST_S = 0.5


class ReportPace:
    """Times the fields of a report, and remembers what one takes between sessions.

    Parameters
    ----------
    clock
        Returns seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = 0.0

    def note(self, event: Progressed, checkpoint: str) -> None:
        """Take in how far a report is; learn from it once all its fields are measured."""
        if event.done == 0:
            self._began = self._clock()
        elif event.done == event.total:
            seconds = (self._clock() - self._began) / event.total
            if seconds >= LEAST_S:
                remember(evaluation={_key(checkpoint): f"{seconds:.3g}"})

    def text(self, fields: int, checkpoint: str) -> str:
        """Return what is to be expected of a report of so many fields; empty where that is soon there."""
        if fields < WORTH_A_LOOK:
            return ""
        try:
            seconds = float(last_choices().evaluation.get(_key(checkpoint)) or 0)
        except ValueError:
            seconds = 0.0
        time_it_takes = f", about {duration(seconds * fields)}" if seconds else ""
        return f": {fields} fields{time_it_takes}; a first look comes after {2 * FIRST_OF_EACH} of them"


def _key(checkpoint: str) -> str:
    return f"seconds per field by {checkpoint}"
