"""PhenDiff's training step as a plain loop of library calls: a reference of ``python -m bench training``."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import diffusers
import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence

GREATEST_NOISE = 80.0


class PlainDenoiser:
    """Flow matching with diffusers' network, as it would be written in a script.

    Parameters
    ----------
    like
        Our network, for its configuration.
    settings
        What our engine was told, as a dictionary.
    device
        Where to train.
    """

    def __init__(self, like: Any, settings: dict[str, Any], device: torch.device) -> None:
        self.settings = settings
        config = {key: value for key, value in like.config.items() if not key.startswith("_")}
        self.network = diffusers.UNet2DModel(**config).to(device).train()
        self.nothing = config["num_class_embeds"] - 1
        self.adam = torch.optim.AdamW(
            self.network.parameters(), settings["learning_rate"], betas=(0.95, 0.999), weight_decay=1e-6
        )

    def networks(self) -> list[nn.Module]:
        return [self.network]

    def start_average(self) -> None:
        """Begin the average at the weights as they are now."""
        self.averaged = copy.deepcopy(self.network).requires_grad_(False)

    def step(self, real: Sequence[Tensor]) -> dict[str, float]:
        """Update once on crops (N, C, H, W) of each condition; returns the loss."""
        x = torch.cat(list(real))
        device = x.device
        labels = torch.arange(len(real), device=device).repeat_interleave(len(real[0]))
        dropped = torch.rand(len(x), device=device) < self.settings["label_drop"]
        labels = torch.where(dropped, self.nothing, labels)
        time = torch.rand(len(x), device=device) * GREATEST_NOISE / (1 + GREATEST_NOISE)
        loss = self.loss(x, labels, time, torch.randn_like(x))
        self.adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.adam.step()
        with torch.no_grad():
            decay = self.settings["ema"]
            for kept, weight in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
                kept.mul_(decay).add_(weight, alpha=1 - decay)
        return {"denoising": float(loss.detach())}

    def loss(self, x: Tensor, labels: Tensor, time: Tensor, noise: Tensor) -> Tensor:
        """Return the mean squared error of the flow from x to noise at times (N,) in [0, 1]."""
        t = time[:, None, None, None]
        predicted = self.network((1 - t) * x + t * noise, 1000 * time, labels).sample
        return F.mse_loss(predicted, noise - x)
