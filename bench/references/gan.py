"""Training steps as plain loops of library calls: the references of ``python -m bench training``.

Float32, torch's ordinary layout and optimizers, one call of a network per use; no line shared with what they are
compared to. Networks have their layers' parameters in the same order as ours, so that weights can be carried over.
"""

from __future__ import annotations

import copy
import random
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.references.scgan import PlainSelfSupervised

if TYPE_CHECKING:
    from collections.abc import Sequence

BETAS = (0.5, 0.999)


class Added(nn.Sequential):
    """What is added to its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


def generator(channels: int, width: int, blocks: int) -> nn.Module:
    """Build the ResNet generator that adds to its input and enlarges by interpolation."""

    def convolution(entering: int, leaving: int, kernel: int) -> list[nn.Module]:
        return [nn.ReflectionPad2d(kernel // 2), nn.Conv2d(entering, leaving, kernel)]

    def finished(leaving: int) -> list[nn.Module]:
        return [nn.InstanceNorm2d(leaving), nn.ReLU(True)]

    layers = [*convolution(channels, width, 7), *finished(width)]
    for entering in (width, 2 * width):
        layers += [nn.Conv2d(entering, 2 * entering, 3, stride=2, padding=1), *finished(2 * entering)]
    wide = 4 * width
    for _ in range(blocks):
        first = [*convolution(wide, wide, 3), *finished(wide)]
        layers.append(Added(*first, *convolution(wide, wide, 3), nn.InstanceNorm2d(wide)))
    for entering in (wide, wide // 2):
        enlarge = nn.Upsample(scale_factor=2, mode="bilinear")
        layers += [enlarge, *convolution(entering, entering // 2, 3), *finished(entering // 2)]
    return Added(*layers, *convolution(width, channels, 7))


def patch_discriminator(channels: int, width: int) -> nn.Module:
    """Build the 70 × 70 PatchGAN."""
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for entering, leaving, stride in ((width, 2 * width, 2), (2 * width, 4 * width, 2), (4 * width, 8 * width, 1)):
        layers += [
            nn.Conv2d(entering, leaving, 4, stride, 1),
            nn.InstanceNorm2d(leaving),
            nn.LeakyReLU(0.2, True),
        ]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))


class PlainPool:
    """The replay pool: about half of what is shown are earlier translations, once it is full."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.kept: list[Tensor] = []

    def show(self, crops: Tensor) -> Tensor:
        shown = []
        for crop in crops.detach():
            if len(self.kept) < self.size:
                self.kept.append(crop.clone())
                shown.append(crop)
            elif random.random() < 0.5:
                slot = random.randrange(self.size)
                shown.append(self.kept[slot])
                self.kept[slot] = crop.clone()
            else:
                shown.append(crop)
        return torch.stack(shown)


class PlainCycleGAN:
    """Two generators and two discriminators, trained as the papers' codes do it.

    Parameters
    ----------
    channels
        Of the images.
    settings
        What our engine was told, as a dictionary.
    device
        Where to train.
    """

    def __init__(self, channels: int, settings: dict[str, Any], device: torch.device) -> None:
        self.settings = settings
        width, blocks = settings["width"], settings["blocks"]
        self.generators = nn.ModuleList(generator(channels, width, blocks) for _ in range(2)).to(device)
        self.discriminators = nn.ModuleList(self.discriminator(channels) for _ in range(2)).to(device)
        rate = settings["learning_rate"]
        self.generators_adam = torch.optim.Adam(self.generators.parameters(), rate, BETAS)
        self.discriminators_adam = torch.optim.Adam(self.discriminators.parameters(), rate, BETAS)
        self.pools = [PlainPool(settings["pool"]) for _ in range(2)]

    def networks(self) -> list[nn.Module]:
        return [*self.generators, *self.discriminators]

    def start_average(self) -> None:
        """Begin the average at the weights as they are now."""
        self.averaged = copy.deepcopy(self.generators).requires_grad_(False)

    def discriminator(self, channels: int) -> nn.Module:
        return patch_discriminator(channels, self.settings["width"])

    def judge(self, discriminator: Any, real: Tensor, shown: Tensor) -> list[Tensor]:
        """Return a discriminator's losses."""
        on_real, on_shown = discriminator(real), discriminator(shown)
        lost = F.mse_loss(on_real, torch.ones_like(on_real)) + F.mse_loss(on_shown, torch.zeros_like(on_shown))
        return [0.5 * lost]

    def step(self, real: Sequence[Tensor]) -> dict[str, float]:
        """Update once on crops (N, C, H, W) of the two conditions; returns the sums of the losses."""
        one, other = real
        to_one, to_other = self.generators

        # the generators
        self.discriminators.requires_grad_(False)
        self.generators_adam.zero_grad()
        translated = [to_one(other), to_other(one)]
        round_trips = [to_one(translated[1]), to_other(translated[0])]
        same = [to_one(one), to_other(other)]
        logits = [d(made) for d, made in zip(self.discriminators, translated, strict=True)]
        adversarial = sum(F.mse_loss(seen, torch.ones_like(seen)) for seen in logits)
        cycle = sum(F.l1_loss(back, x) for back, x in zip(round_trips, real, strict=True))
        identity = sum(F.l1_loss(kept, x) for kept, x in zip(same, real, strict=True))
        loss = adversarial + self.settings["cycle"] * cycle + self.settings["identity"] * identity
        loss.backward()
        self.generators_adam.step()

        # the discriminators
        self.discriminators.requires_grad_(True)
        self.discriminators_adam.zero_grad()
        judged = []
        for discriminator, pool, x, made in zip(self.discriminators, self.pools, real, translated, strict=True):
            losses = self.judge(discriminator, x, pool.show(made))
            sum(losses).backward()
            judged.append(losses)
        self.discriminators_adam.step()

        # the average that translates
        with torch.no_grad():
            decay = self.settings["ema"]
            for kept, weight in zip(self.averaged.parameters(), self.generators.parameters(), strict=True):
                kept.mul_(decay).add_(weight, alpha=1 - decay)
        told = {"adversarial": adversarial, "round trip": cycle, "identity": identity}
        told |= {"discriminator": sum(losses[0] for losses in judged)}
        if len(judged[0]) > 1:
            told["self-supervision"] = sum(losses[1] for losses in judged)
        return {name: float(value.detach()) for name, value in told.items()}


class PlainSCGAN(PlainCycleGAN):
    """The same, against discriminators that also reconstruct."""

    def discriminator(self, channels: int) -> nn.Module:
        s = self.settings
        return PlainSelfSupervised(channels, s["width"], s["crop"], over_batch=s["batch"] >= 8)

    def judge(self, discriminator: Any, real: Tensor, shown: Tensor) -> list[Tensor]:
        on_real, pairs = discriminator.look(real, random.randrange(4))
        on_shown = discriminator(shown)
        lost = F.mse_loss(on_real, torch.ones_like(on_real)) + F.mse_loss(on_shown, torch.zeros_like(on_shown))
        return [lost, self.settings["self_supervision"] * sum(F.l1_loss(made, seen) for seen, made in pairs)]
