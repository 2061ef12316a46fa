"""Noise that is about the same all over an object, so that what becomes of the object can hang on it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

GRAIN = 5.0  # working pixels, the Gaussian's SD: nuclei are 12 to 25 wide
REACH = 15  # pixels in which it is computed to each side


def coarse(noise: Tensor) -> Tensor:
    """Blur standard normal noise (N, C, H, W), mirrored at the border, and give it the variance 1 again."""
    at = torch.arange(-REACH, REACH + 1, dtype=noise.dtype, device=noise.device)
    kernel = torch.exp(-0.5 * (at / GRAIN) ** 2)
    # one of length 1 per axis leaves independent pixels their variance
    kernel = (kernel / torch.linalg.vector_norm(kernel)).expand(noise.shape[1], 1, 1, -1)
    wide = F.pad(noise, (REACH,) * 4, mode="reflect")
    rows = F.conv2d(wide, kernel, groups=noise.shape[1])
    return F.conv2d(rows, kernel.transpose(2, 3), groups=noise.shape[1])
