"""A critic that gives one number for a whole crop, without normalization."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

LEVELS = 4
SLOPE = 0.2  # of the leaky rectifiers
SMALLEST = 2**LEVELS


class Critic(nn.Module):
    """DCGAN's discriminator without batch normalization, as the gradient penalty needs it (Gulrajani et al. 2017).

    Nothing in it is normalized, so that brightness counts; the last activations are averaged over places, so that it
    takes crops of any size.

    Parameters
    ----------
    channels
        Channels of the crops.
    width
        Channels of the first layer, doubled in each of the next three.
    outputs
        Numbers that it gives per crop.
    seed
        Of the weights.

    Notes
    -----
    Input (N, channels, H, W) with H and W at least 16, output (N, outputs).
    """

    def __init__(self, channels: int, width: int = 32, outputs: int = 1, seed: int = 0) -> None:
        super().__init__()
        widths = [channels, *(width * 2**level for level in range(LEVELS))]
        layers: list[nn.Module] = []
        for wide, wider in pairwise(widths):
            # without torch's own first weights, which would use up its random numbers
            layers += [skip_init(nn.Conv2d, wide, wider, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers)
        self.judge = skip_init(nn.Linear, widths[-1], outputs)
        drawn = torch.Generator().manual_seed(seed)
        for value in self.parameters():
            # keeps the variance through the leaky rectifiers: there is no normalization to restore it
            if value.ndim > 1:
                nn.init.kaiming_normal_(value, a=SLOPE, generator=drawn)
            else:
                nn.init.zeros_(value)

    def features(self, x: Tensor) -> Tensor:
        """Return what the judgement rests on: the last activations, averaged over places, (N, 8 · width)."""
        return self.layers(x).mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(self.features(x))
