"""Two ways to do the same thing, timed in turns, so that whatever else the machine does falls on both alike."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Paired:
    """Seconds of each repetition of ours and of the reference."""

    ours: tuple[float, ...]
    reference: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """How many times as fast as the reference ours was, per repetition."""
        return [reference / ours for ours, reference in zip(self.ours, self.reference, strict=True)]

    @property
    def ratio(self) -> float:
        return median(self.ratios)


def run(ours: Callable[[], object], reference: Callable[[], object], repeats: int, *, warm: bool = False) -> Paired:
    """Time both in turns; who goes first changes every time.

    One round before that is not counted, unless both are ``warm``: called before.
    """
    seconds: dict[Callable[[], object], list[float]] = {ours: [], reference: []}
    for turn in range(1 if warm else 0, repeats + 1):
        for way in (ours, reference) if turn % 2 else (reference, ours):
            start = time.perf_counter()
            way()
            if turn:
                seconds[way].append(time.perf_counter() - start)
    return Paired(tuple(seconds[ours]), tuple(seconds[reference]))


def circumstances() -> dict[str, object]:
    """Say what was measured, when and on what kind of machine; never on which machine or where on its disk."""
    return {
        "commit": _commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _commit() -> str:
    def git(*words: str) -> str:
        folder = Path(__file__).parent
        return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("-dirty" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
