"""Fusing fixed normalization into convolutions, so that a trained network translates faster."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from napari_phenotrans.networks.norm import CropNorm


@torch.no_grad()
def quicken(network: nn.Module) -> None:
    """Change a network into one that computes the same, within float32's rounding, and cannot train any more.

    Normalization by fixed statistics becomes part of the convolution before it, and weights lie channels last, which
    saves a conversion before and after each convolution.
    """
    for sequence in [layer for layer in network.modules() if type(layer) is nn.Sequential]:
        layers = list(sequence)
        for i, (before, norm) in enumerate(pairwise(layers)):
            if not isinstance(norm, CropNorm) or norm.mode != "fixed":
                continue
            if isinstance(before, nn.Conv2d | nn.ConvTranspose2d):
                _fuse(before, norm)
                sequence[i + 1] = nn.Identity()
    network.requires_grad_(False).to(memory_format=torch.channels_last)


def _fuse(convolution: nn.Conv2d | nn.ConvTranspose2d, norm: CropNorm) -> None:
    """Change a convolution's weights and bias so that its output is normalized."""
    scale = (norm.var.double() + norm.eps).rsqrt()
    bias = torch.zeros_like(scale) if convolution.bias is None else convolution.bias.double()
    across = (1, -1, 1, 1) if isinstance(convolution, nn.ConvTranspose2d) else (-1, 1, 1, 1)
    weight = convolution.weight.double() * scale.view(across)
    convolution.weight = nn.Parameter(weight.to(norm.mean.dtype))
    convolution.bias = nn.Parameter(((bias - norm.mean.double()) * scale).to(norm.mean.dtype))
