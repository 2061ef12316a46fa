"""One network for each condition in the place of one that is told the condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterable


class PerCondition(nn.Module):
    """A denoiser made of one per condition, none of which sees another's images (Su et al. 2023, section 3.2).

    Parameters
    ----------
    networks
        In the order of the conditions; each takes (N, C, H, W), times (N,) and class labels (N,), of which it knows 0.
    """

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.each = nn.ModuleList(networks)

    def forward(self, z: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        """Return what the networks of ``labels`` (N,) make of their (N, C, H, W) and times (N,)."""
        assert int(labels.max()) < len(self.each), "no network stands for no condition"
        own = torch.zeros_like(labels)
        if bool((labels == labels[0]).all()):
            return self.each[int(labels[0])](z, time, own)
        places, made = [], []
        for label, network in enumerate(self.each):
            of = (labels == label).nonzero().flatten()
            if len(of):
                places.append(of)
                made.append(network(z[of], time[of], own[of]))
        return torch.cat(made)[torch.cat(places).argsort()]
