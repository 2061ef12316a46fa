"""Noise beside the image, for what the image does not tell: which mitosis goes is decided at random then.

It depends on the place in the plane, so that a region gets what the whole plane would, and all planes of a stack the
same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_phenotrans.core.keyed_random import USUAL_SAMPLE, USUAL_SEED, plane_noise
from napari_phenotrans.core.region import Region
from napari_phenotrans.networks.coarse_noise import coarse

if TYPE_CHECKING:
    from napari_phenotrans.core.keyed_random import KeyedRandom


def with_drawn(x: Tensor, chance: KeyedRandom, *purposes: str) -> Tensor:
    """Return crops (N, C, H, W) in training with as many channels of noise after theirs.

    ``x`` holds the crops of ``chance`` once for each of the purposes.
    """
    drawn = np.concatenate([chance.normal(purpose, *x.shape[1:]) for purpose in purposes])
    return with_noise(x, torch.from_numpy(drawn))


def with_usual(x: Tensor) -> Tensor:
    """Return planes (N, C, H, W), whole, with the noise that they get where nobody asks for another answer."""
    whole = Region(0, 0, *x.shape[2:])
    planes = range(USUAL_SAMPLE, USUAL_SAMPLE + len(x))
    drawn = np.stack([plane_noise(USUAL_SEED, plane, x.shape[1], whole) for plane in planes])
    return with_noise(x, torch.from_numpy(drawn))


def with_noise(x: Tensor, noise: Tensor) -> Tensor:
    """Return (N, 2 C, H, W) of images and standard normal noise of their shape, which is made coarse."""
    return torch.cat([x, coarse(noise.to(x))], dim=1)
