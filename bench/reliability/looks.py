"""What a process holds: memory, open files, threads, widgets."""

from __future__ import annotations

import gc
import threading
from dataclasses import dataclass

import psutil

LOOKS = 10  # at memory and the like, over a load


@dataclass(frozen=True)
class Look:
    """What the process held after so many repetitions."""

    after: int
    megabytes: float
    files: int
    threads: int
    widgets: int = 0


def look(after: int, widgets: int = 0) -> Look:
    """Return what this process holds now, once garbage is collected."""
    gc.collect()
    process = psutil.Process()
    return Look(after, process.memory_info().rss / 1e6, process.num_fds(), threading.active_count(), widgets)
