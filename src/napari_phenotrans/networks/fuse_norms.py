"""Fusing fixed normalization into convolutions, so that a trained network translates faster."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from napari_phenotrans.networks.norm import CropNorm, norms


class FusedForEachInput(nn.Module):
    """A network whose norms have several sets of statistics: for each set, when it is first used, a fused copy.

    Parameters
    ----------
    network
        In fixed mode; its weights are not changed.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        self._fused: dict[int, nn.Module] = {}

    def forward(self, *inputs: Any) -> Tensor:
        """Compute what the network computes with the set that its norms have selected."""
        selected = norms(self.network)[0].selected
        if selected not in self._fused:
            fused = copy.deepcopy(self.network)
            _fuse(fused)
            self._fused[selected] = fused
        return self._fused[selected](*inputs)


def quicken(networks: nn.ModuleDict) -> None:
    """Change networks into such that compute the same, within float32's rounding, and cannot train any more.

    Normalization by fixed statistics becomes part of the convolution before it, and weights lie channels last, which
    saves a conversion before and after each convolution.
    """
    for name, network in networks.items():
        if any(norm.mode == "fixed" and len(norm.mean) > 1 for norm in norms(network)):
            networks[name] = FusedForEachInput(network)
        else:
            _fuse(network)


@torch.no_grad()
def _fuse(network: nn.Module) -> None:
    for sequence in [layer for layer in network.modules() if type(layer) is nn.Sequential]:
        layers = list(sequence)
        for i, (before, norm) in enumerate(pairwise(layers)):
            if not isinstance(norm, CropNorm) or norm.mode != "fixed":
                continue
            if isinstance(before, nn.Conv2d | nn.ConvTranspose2d):
                _fuse_norm(before, norm)
                sequence[i + 1] = nn.Identity()
    network.requires_grad_(False).to(memory_format=torch.channels_last)


def _fuse_norm(convolution: nn.Conv2d | nn.ConvTranspose2d, norm: CropNorm) -> None:
    """Change a convolution's weights and bias so that its output is normalized."""
    mean, scale = norm.mean[norm.selected].double(), (norm.var[norm.selected].double() + norm.eps).rsqrt()
    bias = torch.zeros_like(scale) if convolution.bias is None else convolution.bias.double()
    across = (1, -1, 1, 1) if isinstance(convolution, nn.ConvTranspose2d) else (-1, 1, 1, 1)
    weight = convolution.weight.double() * scale.view(across)
    convolution.weight = nn.Parameter(weight.to(norm.mean.dtype))
    convolution.bias = nn.Parameter(((bias - mean) * scale).to(norm.mean.dtype))
