"""Watching run folders beside the GUI: a worker thread reads what is new, for the main thread to show.

The worker is superqt's, not napari's, so that closing the window asks nothing. Watches are the worker's alone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeAlias

from qtpy.QtCore import QObject, QTimer, Signal
from superqt.utils import create_worker

from napari_phenotrans.runs.family import is_family
from napari_phenotrans.runs.monitor import RunWatch
from napari_phenotrans.widgets.runs.run_state import LIVING, lost, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_phenotrans.widgets.runs.run_state import RunSnapshot

# A folder, whether a process may still be training in it, and its snapshot.
Polled: TypeAlias = "tuple[Path, bool | None, RunSnapshot | None]"

POLL_EVERY_S = 1.0
# Runs that have ended are looked at too: somebody may resume them.
POLL_ENDED_EVERY_S = 5.0
# What cannot be watched, for whatever reason, is looked at again after so long, and each time after twice as long.
BACK_OFF_S, MOST_S = 5.0, 300.0
# After so long what was read is shown before the rest is read.
SLICE_S = 0.2


class RunWatcher(QObject):
    """Polls run folders for as long as it is open.

    Signals
    -------
    polled
        The `RunSnapshot` of each folder that has changed, and with curves of those that `look_at` asked for.
    """

    polled = Signal(list)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._watches: dict[Path, RunWatch] = {}
        self._due: dict[Path, float] = {}
        self._failures: dict[Path, int] = {}
        self._looked_at: tuple[Path, ...] = ()
        self._asked: set[Path] = set()
        self._sent: frozenset[Path] = frozenset()
        self._polling = False
        #: Whether it watches nothing any more.
        self.closed = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._poll)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that are watched."""
        return tuple(self._watches)

    def watch(self, folder: Path) -> None:
        """Begin to watch a folder."""
        if folder not in self._watches:
            self._watches[folder] = RunWatch(folder)
            self._due[folder] = 0.0
            self._wake()

    def forget(self, folder: Path) -> None:
        """Watch a folder no more."""
        self._watches.pop(folder, None)
        self._due.pop(folder, None)
        self._failures.pop(folder, None)
        self._asked.discard(folder)
        self._looked_at = tuple(other for other in self._looked_at if other != folder)

    def look_at(self, folders: Sequence[Path]) -> None:
        """Poll these at once and before the others, and emit their snapshots whether they have changed or not."""
        for folder in folders:
            self.watch(folder)
            self._due[folder] = 0.0
        self._looked_at = tuple(folders)
        self._asked.update(folders)
        self._wake()

    def close(self) -> None:
        """Watch nothing any more; a poll that runs comes to nothing."""
        self.closed = True
        self._timer.stop()

    def _wake(self) -> None:
        if not self._polling and not self.closed:
            self._timer.start(0)

    def _poll(self) -> None:
        now = time.monotonic()
        order = sorted(self._watches, key=lambda folder: (folder not in self._looked_at, self._due[folder]))
        due = [self._watches[folder] for folder in order if self._due[folder] <= now]
        if not due:
            self._rest()
            return
        self._polling = True
        self._sent, self._asked = frozenset(self._asked), set()
        create_worker(
            _poll, due, self._sent, frozenset(self._looked_at),
            _connect={"returned": self._on_polled, "finished": self._on_finished},
        )  # fmt: skip

    def _on_polled(self, polled: list[Polled]) -> None:
        if self.closed:
            return
        now = time.monotonic()
        # there was no time for some, and others were asked for meanwhile
        self._asked |= (self._sent - {folder for folder, _, _ in polled}) & self._watches.keys()
        for folder, living, _ in polled:
            self._failures[folder] = self._failures.get(folder, 0) + 1 if living is None else 0
            if folder in self._watches and folder not in self._asked:
                waits = BACK_OFF_S * 2 ** (self._failures[folder] - 1) if living is None else POLL_ENDED_EVERY_S
                self._due[folder] = now + (POLL_EVERY_S if living else min(waits, MOST_S))
        shown = [run for folder, _, run in polled if run and folder in self._watches]
        if shown:
            self.polled.emit(shown)

    def _on_finished(self) -> None:
        self._polling = False
        self._rest()

    def _rest(self) -> None:
        if self._due and not self.closed:
            self._timer.start(max(0, round(1000 * (min(self._due.values()) - time.monotonic()))))


def _poll(watches: Sequence[RunWatch], asked: frozenset[Path], with_curves: frozenset[Path]) -> list[Polled]:
    """Poll, on a worker thread, one folder at least and the others while there is time.

    Returns
    -------
    Per folder whether a process may still be training in it, None where that cannot be known, and its snapshot where
    it has changed or was asked for.
    """
    end = time.monotonic() + SLICE_S
    polled: list[Polled] = []
    for watch in watches:
        try:
            # what is being started may turn out to be a family
            shown = watch.poll() or watch.folder in asked or is_family(watch.folder)
            run = snapshot_of(watch, with_curves=watch.folder in with_curves) if shown else None
            polled.append((watch.folder, watch.state in LIVING, run))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one folder, the others are watched
            polled.append((watch.folder, None, lost(watch, error)))
        if time.monotonic() > end:
            break
    return polled
