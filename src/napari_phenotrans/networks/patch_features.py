"""Comparing features of places: a translated place shall tell more of the same place of the image than of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.core.keyed_random import KeyedRandom

TEMPERATURE = 0.07  # of the published code, as is the size of the projections relative to the first layer's width


class PatchProjections(nn.Module):
    """Patchwise contrastive loss (Park et al. 2020, eq. 3 and 4) on a generator's own feature maps.

    Parameters
    ----------
    widths
        Channels of each feature map.
    size
        Numbers that a place's features are projected to.
    """

    def __init__(self, widths: Sequence[int], size: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(width, size), nn.ReLU(inplace=True), nn.Linear(size, size)) for width in widths
        )

    def forward(
        self, of_real: Sequence[Tensor], of_translated: Sequence[Tensor], chance: KeyedRandom, places: int = 64
    ) -> Tensor:
        """Return the cross-entropy of finding each translated place among the real crop's places.

        Parameters
        ----------
        of_real, of_translated
            Feature maps (N, C, h, w) of the real crops and of what was made of them.
        chance
            Draws the places.
        places
            Of each map that are compared with each other, at most.
        """
        losses = []
        for index, (layer, real, made) in enumerate(zip(self.layers, of_real, of_translated, strict=True)):
            area = real.shape[2] * real.shape[3]
            count = min(places, area)
            drawn = [rng.permutation(area)[:count] for rng in chance.each(f"places of layer {index}")]
            at = torch.stack([torch.from_numpy(each) for each in drawn]).to(real.device)[:, None]
            keys, queries = (self._at(layer, features, at) for features in (real.detach(), made))
            likeness = queries @ keys.detach().transpose(1, 2) / TEMPERATURE
            same = torch.arange(count, device=real.device).expand(len(real), -1)
            losses.append(F.cross_entropy(likeness.flatten(0, 1), same.flatten()))
        return torch.stack(losses).mean()

    @staticmethod
    def _at(layer: nn.Module, features: Tensor, at: Tensor) -> Tensor:
        """Return (N, places, size), each of length 1."""
        picked = features.flatten(2).gather(2, at.expand(-1, features.shape[1], -1)).transpose(1, 2)
        return F.normalize(layer(picked), dim=2)
