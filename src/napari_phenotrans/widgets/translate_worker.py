"""Translating beside the GUI: one background thread computes, napari's worker reports, the main thread draws."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from napari.qt.threading import GeneratorWorker, thread_worker
from qtpy.QtCore import QObject, Signal

from napari_phenotrans.errors import InputError
from napari_phenotrans.events import TileDone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from napari_phenotrans.image import Image
    from napari_phenotrans.translation import Translator

# How much less than the GUI's thread the computing ones ask of the processor (Linux' "nice").
NICENESS = 10
# Events that may wait for the main thread: a fast engine must not fill the memory with planes not drawn yet.
AHEAD = 8


@dataclass(frozen=True, eq=False)
class Request:
    """What the user asked for, gathered on the main thread; everything a worker may know."""

    image: Image
    checkpoint: str
    source: str
    target: str
    device: str
    positions: tuple[tuple[int, int], ...]
    look_at: tuple[float, float] | None = None
    # made from on the main thread when the first result comes; opaque to the worker
    reals: tuple[Any, ...] = ()
    # released by the main thread for each event that it has dealt with
    room: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(AHEAD))


@dataclass(frozen=True)
class Ready:
    """The engine stands on its device."""

    device: str
    provenance: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Tile:
    """A `TileDone` with its difference map (C, h, w), float32."""

    tile: TileDone
    difference: np.ndarray


@dataclass(frozen=True)
class Problem:
    """It cannot go on, in words for the user."""

    text: str


class _Cancelled(Exception):
    """Raised between network evaluations once the user wants no more."""


@cache
def background() -> ThreadPoolExecutor:
    """Return the one thread of this process that computes; torch is imported and used there alone.

    It is started with lower priority. Linux knows a priority per thread, which the threads that torch starts from
    there inherit, so that the GUI is served first. Elsewhere torch is asked to leave one core free instead.
    """
    return ThreadPoolExecutor(1, "phenotrans", initializer=_step_back)


def _step_back() -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def load_torch() -> dict[str, str]:
    """Import torch and return the devices, by the name that `Translator` takes, each in words for the user.

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


class TranslationRunner(QObject):
    """Runs one translation at a time; a newer request stops the one that runs and replaces the one that waits.

    Signals
    -------
    came
        A request and something about it: `Ready`, `Tile`, or an event of `Translator.translate`. Nothing comes of a
        request that was replaced or cancelled.
    ended
        A request, and the `Problem` that stopped it or None. Also where it was cancelled.
    """

    came = Signal(object, object)
    ended = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._running: tuple[Request, GeneratorWorker] | None = None
        self._waiting: Request | None = None
        self._problem: Problem | None = None
        # of the background thread alone
        self._translators: dict[Any, Translator] = {}

    @property
    def busy(self) -> bool:
        return self._running is not None

    def start(self, request: Request) -> None:
        """Start a request, once the one that runs has stopped."""
        self.cancel()
        self._waiting = request
        if not self._running:
            self._start_waiting()

    def cancel(self) -> None:
        """Stop what runs before its next network evaluation, and forget what waits."""
        self._waiting = None
        if self._running:
            self._running[1].quit()

    def close(self) -> None:
        """Stop, and release what the engine holds in memory, the device's too."""
        self.cancel()
        background().submit(self._translators.clear)

    def show_progress(self, share: float) -> None:
        """Show in napari's activity dock how much of the request is done; lets other events through."""
        if self._running and (bar := self._running[1].pbar) is not None:
            bar.total = 100
            bar.update(round(100 * share) - bar.n)

    def _start_waiting(self) -> None:
        request, self._waiting = self._waiting, None
        if request is None:
            return
        worker = translating(request, self._translators, _start_thread=False)
        worker.yielded.connect(self._on_yielded)
        worker.errored.connect(self._on_error)
        worker.finished.connect(self._on_finished)
        self._running = request, worker
        worker.start()

    def _on_yielded(self, event: Any) -> None:
        assert self._running is not None
        request, worker = self._running
        request.room.release()
        if isinstance(event, Problem):
            self._problem = event
        elif not worker.abort_requested:
            self.came.emit(request, event)

    def _on_error(self, error: Exception) -> None:
        self._problem = Problem(f"This is a mistake of napari-phenotrans: {type(error).__name__}: {error}")

    def _on_finished(self) -> None:
        assert self._running is not None
        request, _ = self._running
        self._running = None
        problem, self._problem = self._problem, None
        self.ended.emit(request, problem)
        self._start_waiting()


class _Worker(GeneratorWorker):
    """napari's worker, which lets its generator ask whether to stop."""

    def __init__(self, function: Callable[..., Iterator[Any]], *args: Any, **more: Any) -> None:
        super().__init__(function, *args, cancelled=lambda: self.abort_requested, **more)


@thread_worker(worker_class=_Worker, progress={"total": 0, "desc": "Translating"})
def translating(request: Request, translators: dict[Any, Translator], cancelled: Callable[[], bool]) -> Iterator[Any]:
    def tick() -> None:
        if cancelled():
            raise _Cancelled

    def compute(function: Callable[..., Any], *args: Any) -> Any:
        tick()
        return background().submit(function, *args).result()

    def get_ready() -> tuple[Iterator[Any], Ready]:
        from napari_phenotrans.checkpoint import find
        from napari_phenotrans.engines.device import describe_device
        from napari_phenotrans.translation import Translator

        path = find(request.checkpoint)
        key = path, path.stat().st_mtime_ns, request.device
        if key not in translators:
            # one at a time: a device's memory holds what is used
            translators.clear()
            translators[key] = Translator(request.checkpoint, device=request.device)
        translator = translators[key]
        events = translator.translate(
            request.image,
            source=request.source,
            target=request.target,
            positions=request.positions,
            look_at=lambda: request.look_at,
            tick=tick,
        )
        provenance = translator.provenance(request.image, request.source, request.target)
        return events, Ready(describe_device(translator.device), provenance)

    real: tuple[tuple[int, int], np.ndarray] | None = None

    def advance() -> Any:
        nonlocal real
        event = next(events, None)
        if not isinstance(event, TileDone):
            return event
        if real is None or real[0] != (event.t, event.z):
            axes = request.image.axes
            plane = request.image.plane(t=event.t if "T" in axes else None, z=event.z if "Z" in axes else None)
            real = (event.t, event.z), plane
        height, width = event.translated.shape[1:]
        region = real[1][:, event.top : event.top + height, event.left : event.left + width]
        return Tile(event, event.translated.astype("float32") - region.astype("float32"))

    try:
        events, event = compute(get_ready)
        while event is not None:
            while not request.room.acquire(timeout=0.1):
                tick()
            yield event
            event = compute(advance)
    except _Cancelled:
        return
    except InputError as error:
        yield Problem(str(error))
    except (RuntimeError, MemoryError, OSError) as error:
        # torch's own errors, out of memory among them; its messages go on for pages after the first line
        said = str(error).splitlines() or [type(error).__name__]
        yield Problem(f"The computation stopped: {said[0]} Choose another device, or translate less at a time.")
