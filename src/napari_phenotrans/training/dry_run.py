"""Trying a few steps of a run, to say what time and memory it will take."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch

from napari_phenotrans.core.text import duration, gigabytes
from napari_phenotrans.engines.device import choose_device, describe_device
from napari_phenotrans.training.events import Losses
from napari_phenotrans.training.fabric import memory_in_use

if TYPE_CHECKING:
    from napari_phenotrans.training.run import Run

STEPS = 10
WARM_UP = 2  # the first steps also choose algorithms and fill pools


@dataclass(frozen=True)
class Trial:
    """What a few steps took: the device in words, seconds per step, and bytes of memory (the GPU's if there is one)."""

    device: str
    seconds_per_step: float
    memory: int

    def lines(self, steps: int) -> list[str]:
        """Return what a run of so many steps will take, as lines for a terminal."""
        seconds = steps * self.seconds_per_step
        return [
            f"device      {self.device}",
            f"memory      {gigabytes(self.memory)}",
            f"time        {duration(seconds)} for {steps} steps ({self.seconds_per_step:.2g} s each, without scoring)",
        ]


def try_steps(run: Run) -> Trial:
    """Train a few steps as the run would, in a temporary folder, and measure them."""
    device = choose_device(run.settings.device)
    settings = run.settings.model_copy(update={"steps": STEPS + 1, "save_every": STEPS + 1, "score_every": 0})
    times: list[float] = []
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with TemporaryDirectory() as folder:
        for event in replace(run, folder=Path(folder), settings=settings, held_out=None).events():
            if isinstance(event, Losses):
                times.append(time.monotonic())
            if len(times) == STEPS:
                break
    spans = sorted(later - earlier for earlier, later in zip(times[WARM_UP - 1 :], times[WARM_UP:], strict=False))
    return Trial(describe_device(device), spans[len(spans) // 2], memory_in_use(device))
