"""What translating takes: measured on one tile before the first translation, which is no slower for it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.region import Region
from napari_phenotrans.core.tiling import padded_size, plan

if TYPE_CHECKING:
    from napari_phenotrans.translation.tiled_inference import Task, TiledInference

# Side of the tile that is tried of engines that take any.
TRIED = 128
# Of a device's free memory, what tiles may take.
MOST_OF_MEMORY = 0.8


@dataclass(frozen=True)
class Effort:
    """What one tile took.

    Attributes
    ----------
    side
        Of the tile, in working pixels.
    evaluations
        Network evaluations that it needs.
    seconds
        Of one of them.
    memory
        Bytes of the device that it needs beside the networks; 0 where that cannot be told.
    grid
        Side of the tiles of a plane, and the working pixels that neighbors share.
    """

    side: int
    evaluations: int
    seconds: float
    memory: int
    grid: tuple[int, int]

    def plane_s(self, height: float, width: float) -> float:
        """Return the seconds of a plane, or of a region of one, of so many working pixels."""
        tile, overlap = self.grid
        pixels = sum(each.height * each.width for each in plan(round(height), round(width), tile=tile, overlap=overlap))
        return self.evaluations * self.seconds * pixels / self.side**2


def try_out(driver: TiledInference, task: Task) -> Effort:
    """Evaluate a dark tile as a translation would, and measure what that takes.

    What libraries load, choose and reserve at their first evaluation is done by then.

    Raises
    ------
    InputError
        If memory does not suffice for it.
    """
    from napari_phenotrans.engines.device import peak_memory

    engine = driver.engine
    side = engine.tile or padded_size(max(engine.smallest, min(driver.tile, TRIED)), engine.stride)
    x, tile = np.full((engine.channels, side, side), -1.0, np.float32), [Region(0, 0, side, side)]
    evaluations, seconds = 0, []
    with peak_memory(driver.device) as peak:
        steps = driver.calls(x, task)
        call = next(steps, None)
        while call is not None:
            # of many evaluations the first and the last stand for those there and back; the very first is a slow one
            for _ in range(2 if evaluations == 0 else call.final):
                began = time.perf_counter()
                if driver.apply(call, tile, task) is None:
                    raise InputError(
                        f"Memory does not suffice for a tile of {side} × {side} pixels. Close other programs that use "
                        f"{driver.device.type} memory, or choose another --device."
                    )
                seconds.append(time.perf_counter() - began)
            evaluations += 1
            try:
                call = steps.send(driver.tensor(x))
            except StopIteration:
                break
        memory = peak()
    measured = seconds[1:]
    mean = sum(measured) / len(measured) if measured else 0.0
    return Effort(side, evaluations, mean, memory, (driver.tile, driver.overlap))
