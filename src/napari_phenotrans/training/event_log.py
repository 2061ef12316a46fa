"""Writing the events of a run into its folder, and the error that ends it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.runs.record import Log
from napari_phenotrans.training.events import Event, Failed, to_json

if TYPE_CHECKING:
    from pathlib import Path

    from napari_phenotrans.runs.lock import Lock

E = TypeVar("E", bound=Event)


class EventLog:
    """Writes events into ``events.jsonl``.

    Parameters
    ----------
    path
        The file; None in a process that only trains along, which writes nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = Log(path) if path else None

    def write(self, event: E) -> E:
        """Write an event down, and return it.

        Raises
        ------
        InputError
            If the disk is full or gone.
        """
        if self._file:
            self._file.write(to_json(event))
        return event

    def write_failure(self, step: int, error: Exception, lock: Lock | None) -> None:
        """Write down what ended the run after ``step``; where the disk has no room, in that of the lock."""
        failed = Failed(step, str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}")
        try:
            self.write(failed)
        except InputError:
            if lock:
                lock.release()
            with suppress(InputError):
                self.write(failed)

    def close(self) -> None:
        if self._file:
            self._file.close()
