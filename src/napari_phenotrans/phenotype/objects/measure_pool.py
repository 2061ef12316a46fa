"""Processes that find and measure objects, plane by plane beside each other."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.phenotype.objects.measure_process import from_bytes, to_bytes
from napari_phenotrans.phenotype.objects.segmenter_process import receive, send

if TYPE_CHECKING:
    import numpy as np

    from napari_phenotrans.phenotype.objects.measure_process import Way

    Arrays = dict[str, np.ndarray]
    Task = tuple[Future[Arrays], Arrays]

# Values (pixels of all channels) for which it pays to start another process: it loads libraries for a second or two.
PER_PROCESS = 2**21
TRIES = 2  # a library that takes its process down is given another chance
PATIENCE_S = 10.0
# Each process computes on one core: there are as many as there are cores.
_ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class MeasurePool:
    """Measures planes in processes of their own, of which the first is started with the first plane.

    The libraries compute in C for seconds, one core at a time, and may take their process down with them: in others
    they hold up neither the engine nor the window.

    Parameters
    ----------
    way
        How planes are measured.
    most
        How many processes there may be.
    """

    def __init__(self, way: Way, most: int) -> None:
        self._way, self._most = way, most
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._children: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._values = 0
        self._closed = False

    def close(self) -> None:
        """End the processes at once, whatever they are at."""
        with self._lock:
            self._closed = True
            for child in self._children:
                child.kill()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join(PATIENCE_S)

    @property
    def ahead(self) -> int:
        """How many planes keep all processes at work, and no more in memory than that."""
        return 2 * self._most + 1

    def measure(self, plane: np.ndarray, labels: np.ndarray | None) -> Future[Arrays]:
        """Have a plane measured; returns what `packed` makes of it, once it is there."""
        future: Future[Arrays] = Future()
        arrays = {"plane": plane} | ({} if labels is None else {"labels": labels})
        self._values += plane.size
        if len(self._threads) < min(self._most, 1 + self._values // PER_PROCESS):
            self._threads.append(threading.Thread(target=self._work, name="measuring", daemon=True))
            self._threads[-1].start()
        self._tasks.put((future, arrays))
        return future

    def _work(self) -> None:
        """Hand tasks to a process of this thread's own, and its answers back."""
        with tempfile.TemporaryFile() as log:
            child: subprocess.Popen[bytes] | None = None
            while (task := self._tasks.get()) is not None:
                future, arrays = task
                answer = None
                for _ in range(TRIES):
                    if self._closed or answer is not None:
                        break
                    child = child or self._start(log)
                    answer = _asked(child, arrays)
                    if answer is None:
                        _end(child)
                        child = None
                if answer is None:
                    future.set_exception(InputError(f"Objects could not be measured: {_last_words(log)}"))
                elif answer.dtype.kind == "U":
                    future.set_exception(InputError(str(answer)))
                else:
                    future.set_result(from_bytes(answer))
            if child is not None:
                _end(child)

    def _start(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        with self._lock:
            child = subprocess.Popen(
                [sys.executable, "-m", "napari_phenotrans.phenotype.objects.measure_process", self._way.as_json()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **_ONE_CORE},
            )
            self._children.add(child)
            if self._closed:
                child.kill()
        return child


def _asked(child: subprocess.Popen[bytes], arrays: Arrays) -> np.ndarray | None:
    """Return a process's answer; None where it ended instead."""
    assert child.stdin
    assert child.stdout
    try:
        send(child.stdin, to_bytes(arrays))
        return receive(child.stdout)
    except OSError:
        return None


def _end(child: subprocess.Popen[bytes]) -> None:
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            # what was still to be sent is of no use
            with suppress(OSError):
                stream.close()
    child.kill()
    child.wait()


def _last_words(log: IO[bytes]) -> str:
    log.seek(0)
    lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    return f"the process that measures them ended, last saying: {lines[-1]}" if lines else "their process ended."
