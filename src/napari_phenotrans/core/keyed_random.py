"""Random numbers that depend on what they are for, not on what was drawn before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from napari_phenotrans.core.region import Region

if TYPE_CHECKING:
    from collections.abc import Iterator

# Of the squares in which the noise of a plane is drawn: the least that is drawn for one pixel.
SQUARE = 64
# Of the noise of planes where nobody asks for another.
USUAL_SEED, USUAL_SAMPLE = 0, 0


@dataclass(frozen=True)
class KeyedRandom:
    """Random numbers for the crops ``first`` … ``first + count - 1`` of one step's batch.

    They depend on the seed, the step, the crop's place in the batch and the purpose alone. So a step comes out the
    same whether its batch is computed at once, in parts or by several processes, and resuming a run needs no random
    state: step 101 draws what it would have drawn anyway (Salmon et al. 2011, "Parallel random numbers: as easy as
    1, 2, 3").

    Parameters
    ----------
    seed
        Of the run.
    step
        Number of the update, from 0.
    first, count
        Which crops of the step's whole batch.
    """

    seed: int
    step: int
    first: int
    count: int

    def normal(self, purpose: str, *shape: int) -> np.ndarray:
        """Return standard normal float32 (count, \\*shape)."""
        return np.stack([rng.standard_normal(shape, dtype=np.float32) for rng in self.each(purpose)])

    def uniform(self, purpose: str, *shape: int) -> np.ndarray:
        """Return float32 (count, \\*shape) in [0, 1)."""
        return np.stack([rng.random(shape, dtype=np.float32) for rng in self.each(purpose)])

    def integers(self, purpose: str, high: int, *shape: int) -> np.ndarray:
        """Return int64 (count, \\*shape) in [0, high)."""
        return np.stack([rng.integers(high, size=shape) for rng in self.each(purpose)])

    def each(self, purpose: str) -> Iterator[np.random.Generator]:
        """Give one generator per crop, for draws whose number is not known before."""
        for crop in range(self.first, self.first + self.count):
            key = (self.seed << 64) + crc32(purpose.encode()), (self.step << 32) + crop
            yield np.random.Generator(np.random.Philox(key=key[0] % (1 << 128), counter=key[1] << 64))


def plane_noise(seed: int, sample: int, channels: int, region: Region) -> np.ndarray:
    """Return standard normal noise (channels, height, width), float32, for a region of a plane.

    A pixel's noise depends on the seed, the sample, the channel and its place in the plane alone. So a region gets what
    the whole plane would, and all planes of a stack the same: neighbors in Z and T stay alike.

    Parameters
    ----------
    seed, sample
        Which noise.
    channels
        How many; each has its own.
    region
        Of the plane; no row or column below 0.
    """
    values = np.empty((channels, region.height, region.width), np.float32)
    rows, columns = (
        range(first // SQUARE, (last - 1) // SQUARE + 1)
        for first, last in ((region.top, region.bottom), (region.left, region.right))
    )
    for row in rows:
        for column in columns:
            square = Region(row * SQUARE, column * SQUARE, SQUARE, SQUARE)
            common = square.common(region)
            assert common is not None
            inside = common.moved(-square.top, -square.left).slices
            for channel in range(channels):
                counter = np.array([0, row, column, (sample << 16) + channel], np.uint64)
                key = np.array([seed, crc32(b"noise of a plane")], np.uint64)
                rng = np.random.Generator(np.random.Philox(key=key, counter=counter))
                drawn = rng.standard_normal((SQUARE, SQUARE), dtype=np.float32)
                values[channel, *common.moved(-region.top, -region.left).slices] = drawn[inside]
    return values
