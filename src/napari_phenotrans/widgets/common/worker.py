"""Computing beside the GUI: one background thread computes, napari's worker reports, the main thread draws."""

from __future__ import annotations

import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from napari.qt.threading import GeneratorWorker, thread_worker
from napari.utils import progress
from qtpy.QtCore import QObject, QTimer, Signal

from napari_phenotrans.core.errors import InputError, why_stopped
from napari_phenotrans.widgets.common.garbage import collect_here, collected_elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_phenotrans.translation.effort import Effort
    from napari_phenotrans.translation.translate import Translator

T = TypeVar("T")

# How much less than the GUI's thread the computing ones ask of the processor (Linux' "nice").
NICENESS = 10
# Events that may wait for the main thread: a fast engine must not fill the memory with planes not drawn yet.
AHEAD = 8
# Of the bar in napari's activity dock. It is moved at most so often: each change of it, and each picture of the spinner
# that turns beside it, has Qt put the whole window together anew.
NAME = "Phenotype translation"
SHOW_EVERY_S = 0.5


class _Background(ThreadPoolExecutor):
    """Runs functions so that none of their allocations sets off a collection of garbage."""

    def submit(self, function: Callable[..., T], /, *args: Any, **more: Any) -> Future[T]:
        def without_collecting() -> T:
            with collected_elsewhere():
                return function(*args, **more)

        return super().submit(without_collecting)


@cache
def background() -> ThreadPoolExecutor:
    """Return the one thread of this process that computes; torch is imported and used there alone.

    It is started with lower priority. Linux knows a priority per thread, which the threads that torch starts from
    there inherit, so that the GUI is served first. Elsewhere torch is asked to leave one core free instead.
    """
    return _Background(1, "phenotrans", initializer=_step_back)


def _step_back() -> None:
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)


def memory_left(device: str) -> str:
    """Return how much of a device's memory is free, in words; to be called on the `background` thread."""
    from napari_phenotrans.engines.device import choose_device, memory_of

    return str(memory_of(choose_device(device)))


def load_torch() -> dict[str, str]:
    """Import torch and return the devices, by the name that `Translator` takes, each with a description for the user.

    Takes seconds and is to be called on the `background` thread.
    """
    import torch

    from napari_phenotrans.engines.device import choose_device, describe_device

    if sys.platform != "linux":
        torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
    names = ["auto", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        names.append("mps")
    return {name: describe_device(choose_device(name)) for name in [*names, "cpu"]}


class Engines:
    """The engine that was used last, ready on its device; of the background thread alone.

    One at a time: a device's memory holds what is used.
    """

    def __init__(self) -> None:
        self._last: tuple[Any, Translator] | None = None

    def get(self, checkpoint: str, device: str, precision: str = "auto", tile: int | None = None) -> Translator:
        """Return the translator of a checkpoint, built anew where another was used last or the file has changed.

        Of a family's folder it is one of all its trainings.
        """
        from napari_phenotrans.checkpoints.checkpoint import find
        from napari_phenotrans.runs.family import with_families
        from napari_phenotrans.translation.family import TranslatorFamily
        from napari_phenotrans.translation.translate import Translator

        members = with_families((checkpoint,))
        paths = [find(member) for member in members]
        key = tuple(paths), tuple(path.stat().st_mtime_ns for path in paths), device, precision, tile
        if self._last is None or self._last[0] != key:
            self.clear()
            computed: dict[str, Any] = {"device": device, "precision": precision, "tile": tile}
            if len(members) > 1:
                made: Translator = TranslatorFamily(members, folder=Path(checkpoint), **computed)
            else:
                made = Translator(checkpoint, **computed)
            self._last = key, made
        return self._last[1]

    def clear(self) -> None:
        """Release what the engine holds in memory, the device's too."""
        if self._last is None:
            return
        device = self._last[1].device
        # nothing in a translator refers back to it, so that no search for garbage is needed
        self._last = None
        from napari_phenotrans.engines.device import release_memory

        release_memory(device)

    def rest(self) -> None:
        """Give other programs the device's memory that a job needed; the networks stay."""
        if self._last is not None:
            from napari_phenotrans.engines.device import release_memory

            release_memory(self._last[1].device)


class Job(ABC):
    """Something to compute, with all that it needs, gathered on the main thread."""

    def __init__(self) -> None:
        # released by the main thread for each event that it has dealt with
        self.room = threading.Semaphore(AHEAD)

    @abstractmethod
    def events(self, engines: Engines, tick: Callable[[], None]) -> Iterator[Any]:
        """Compute, yielding what the main thread is to know; runs on the background thread alone.

        ``tick`` is to be called where computing may stop; it raises then.
        """


@dataclass(frozen=True)
class Problem:
    """Why a job could not go on, as a sentence for the user."""

    text: str


class _Cancelled(Exception):
    """Raised between network evaluations once the user wants no more."""


class Runner(QObject):
    """Runs one job at a time; a newer one stops the one that runs and replaces the one that waits.

    Parameters
    ----------
    show_after_s
        A job that is over sooner gets no bar in napari's activity dock.

    Signals
    -------
    came
        A job and what it yielded. Nothing comes of a job that was replaced or cancelled.
    ended
        A job, and the `Problem` that stopped it or None. Also where it was cancelled.
    """

    came = Signal(object, object)
    ended = Signal(object, object)

    def __init__(self, parent: QObject | None = None, *, show_after_s: float = 1.5) -> None:
        super().__init__(parent)
        self.show_after_s = show_after_s
        self._running: tuple[Job, GeneratorWorker] | None = None
        self._waiting: Job | None = None
        self._problem: Problem | None = None
        self._bar: progress | None = None
        self._shown_at = 0.0
        self._share = 0.0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._show_bar)
        self._engines = Engines()
        collect_here()

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        return self._running is not None or self._waiting is not None

    def get_ready(
        self, checkpoint: str, device: str, precision: str, tile: int | None, way: tuple[str, str], how: dict[str, Any]
    ) -> Future[Effort | None]:
        """Read an engine before it is needed, and try it out; None if that fails: the job that needs it tells why.

        ``way`` is from which condition to which.
        """

        # the other thread must not hold this object, which Qt has on the main one: it might be the last to let go of it
        engines = self._engines

        def read() -> Effort | None:
            try:
                return engines.get(checkpoint, device, precision, tile).try_out(*way, how)
            except (InputError, RuntimeError, MemoryError, OSError):
                return None

        return background().submit(read)

    def start(self, job: Job) -> None:
        """Start a job, once the one that runs has stopped."""
        self.cancel()
        self._waiting = job
        if not self._running:
            self._start_waiting()

    def cancel(self) -> None:
        """Stop what runs before its next network evaluation, and forget what waits."""
        self._waiting = None
        if self._running:
            self._running[1].quit()

    def unload(self) -> None:
        """Stop, and release what the engine holds in memory, the device's too."""
        self.cancel()
        background().submit(self._engines.clear)

    def show_progress(self, share: float) -> None:
        """Show in napari's activity dock how much of the job is done, now and then."""
        self._share = share
        if self._bar is not None and not self._timer.isActive():
            wait = self._shown_at + SHOW_EVERY_S - time.monotonic()
            # in a turn of its own, for napari's bar lets other events through
            self._timer.start(max(0, round(1000 * wait)))

    def _show_bar(self) -> None:
        running, bar = self._running, self._bar
        self._shown_at = time.monotonic()
        if running is None:
            return
        if bar is not None:
            bar.total = 100
            bar.update(round(100 * self._share) - bar.n)
            return
        bar = progress(total=0, desc=NAME)
        if self._running is not running:
            # it ended while the bar was drawn
            bar.close()
            return
        self._bar = bar
        if self._share:
            self.show_progress(self._share)

    def _hide_bar(self) -> None:
        self._timer.stop()
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def _start_waiting(self) -> None:
        job, self._waiting = self._waiting, None
        if job is None:
            return
        worker = working(job, self._engines, _start_thread=False)
        worker.yielded.connect(self._on_yielded)
        worker.errored.connect(self._on_error)
        worker.finished.connect(self._on_finished)
        self._running = job, worker
        self._share = 0.0
        self._timer.start(round(1000 * self.show_after_s))
        worker.start()

    def _on_yielded(self, event: Any) -> None:
        assert self._running is not None
        job, worker = self._running
        job.room.release()
        if isinstance(event, Problem):
            self._problem = event
        elif not worker.abort_requested:
            self.came.emit(job, event)

    def _on_error(self, error: Exception) -> None:
        self._problem = Problem(f"This is a mistake of napari-phenotrans: {type(error).__name__}: {error}")

    def _on_finished(self) -> None:
        assert self._running is not None
        job, _ = self._running
        self._running = None
        self._hide_bar()
        problem, self._problem = self._problem, None
        background().submit(self._engines.rest)
        self.ended.emit(job, problem)
        self._start_waiting()


class _Worker(GeneratorWorker):
    """napari's worker, which lets its generator ask whether to stop."""

    def __init__(self, function: Callable[..., Iterator[Any]], *args: Any, **more: Any) -> None:
        super().__init__(function, *args, cancelled=lambda: self.abort_requested, **more)


@thread_worker(worker_class=_Worker)
def working(job: Job, engines: Engines, cancelled: Callable[[], bool]) -> Iterator[Any]:
    def tick() -> None:
        if cancelled():
            raise _Cancelled

    def advance() -> Any:
        tick()
        return background().submit(next, events, None).result()

    events = job.events(engines, tick)
    try:
        while True:
            # this thread allocates too
            with collected_elsewhere():
                if (event := advance()) is None:
                    return
                while not job.room.acquire(timeout=0.1):
                    tick()
            yield event
    except _Cancelled:
        return
    except InputError as error:
        yield Problem(str(error))
    except (RuntimeError, MemoryError, OSError) as error:
        yield Problem(why_stopped(error))
