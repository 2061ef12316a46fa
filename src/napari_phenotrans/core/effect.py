"""How much a translation changes at each noise, as a checkpoint's card keeps it: what strength and depth count in."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator


class Effect(BaseModel):
    """The share of the greatest effect that an engine has at each noise.

    Linear in the logarithm of the noise between two entries.

    Attributes
    ----------
    sigmas
        Rising standard deviations of the noise, in the engine's units; the first is the least that it asks for.
    shares
        Of the greatest effect, rising from 0 to 1.
    sds
        Of each channel's training images, in the same units as the noise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sigmas: tuple[float, ...] = Field(min_length=2, max_length=1000)
    shares: tuple[float, ...]
    sds: tuple[float, ...]

    @model_validator(mode="after")
    def _rise(self) -> Self:
        rising = all(a < b for values in (self.sigmas, self.shares) for a, b in pairwise(values))
        positive = self.sigmas[0] > 0 and all(sd > 0 for sd in self.sds)
        ends = len(self.shares) == len(self.sigmas) and (self.shares[0], self.shares[-1]) == (0, 1)
        if not (rising and positive and ends and all(map(math.isfinite, self.sigmas))):
            raise ValueError("noise and shares of the effect have to rise together, the shares from 0 to 1")
        return self

    def sigma(self, share: float) -> float:
        """Return the noise at which the engine has this share of its greatest effect."""
        if share in self.shares:
            return self.sigmas[self.shares.index(share)]
        return float(np.exp(np.interp(share, self.shares, np.log(self.sigmas))))

    def share(self, sigma: float) -> float:
        """Return the share of the greatest effect at a noise; beyond the last entry it is 1."""
        if sigma in self.sigmas:
            return self.shares[self.sigmas.index(sigma)]
        return float(np.interp(np.log(sigma), np.log(self.sigmas), self.shares))
