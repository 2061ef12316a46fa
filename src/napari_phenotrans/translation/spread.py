"""What several answers have in common, and where they differ."""

from __future__ import annotations

import numpy as np


class Spread:
    """Mean and standard deviation over answers that come one by one (Welford 1962); two planes of memory."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = np.zeros(())
        self._squares = np.zeros(())

    def add(self, values: np.ndarray) -> None:
        """Take one answer in, (C, h, w) like all others."""
        self._count += 1
        off = values - self._mean
        self._mean = self._mean + off / self._count
        self._squares = self._squares + off * (values - self._mean)

    @property
    def mean(self) -> np.ndarray:
        """The mean, float32."""
        return self._mean.astype(np.float32)

    @property
    def sd(self) -> np.ndarray:
        """The standard deviation with Bessel's correction, float32; 0 of a single answer."""
        return np.sqrt(self._squares / max(1, self._count - 1)).astype(np.float32)
