"""Results of network evaluations that other translations of the same plane need too."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    import numpy as np

# bytes
LIMIT = 512 * 2**20


class Inversions:
    """Keeps results by plane and by what they depend on beside it, up to so many bytes.

    Where they become too many, those of the planes used longest ago are dropped first; of a single plane as many are
    kept as there is room for. What is dropped has to be evaluated again, nothing else changes.

    Parameters
    ----------
    limit
        Bytes.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._planes: OrderedDict[Hashable, dict[Hashable, np.ndarray]] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return sum(values.nbytes for results in self._planes.values() for values in results.values())

    def of(self, x: np.ndarray, *how: Hashable) -> dict[Hashable, np.ndarray]:
        """Return what is kept of a plane (C, H, W), known by its content and by ``how`` it is evaluated."""
        plane = (blake2b(x.tobytes()).digest(), x.shape, *how)
        self._planes.setdefault(plane, {})
        self._planes.move_to_end(plane)
        return self._planes[plane]

    def keep(self, results: dict[Hashable, np.ndarray], key: Hashable, values: np.ndarray) -> None:
        """Add a result to what `of` returned, if there is room for it."""
        while self.nbytes + values.nbytes > self.limit:
            oldest = next(iter(self._planes), None)
            if oldest is None or self._planes[oldest] is results:
                return
            del self._planes[oldest]
        results[key] = values

    def forget(self) -> None:
        """Drop everything."""
        self._planes.clear()
