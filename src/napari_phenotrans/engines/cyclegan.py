"""CycleGAN (Zhu et al., ICCV 2017) for images of any number of channels."""

from __future__ import annotations

import copy
import random
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_phenotrans.engines.base import Engine, Evaluation
from napari_phenotrans.errors import InputError
from napari_phenotrans.networks.patchgan import PatchDiscriminator
from napari_phenotrans.networks.resnet import STRIDE, ResNetGenerator

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_phenotrans.engines.settings import CycleGANSettings


class CycleGAN(Engine):
    """Two generators that must undo each other, each against a discriminator.

    ``translators`` holds the averaged generators by the index of the condition they translate *to*.
    """

    stride = STRIDE
    smallest = 4 * STRIDE
    context = 96

    def __init__(self, settings: CycleGANSettings, channels: int, conditions: tuple[str, ...]) -> None:
        super().__init__(settings, channels, conditions)
        if len(conditions) != 2:
            raise InputError(
                f"CycleGAN translates between two conditions, got {len(conditions)}: {', '.join(conditions)}. "
                f"Pick two with --conditions."
            )
        self.settings: CycleGANSettings = settings
        for index in range(2):
            self.translators[str(index)] = ResNetGenerator(
                channels, settings.width, settings.blocks, settings.upsampling, settings.output
            )

    def translation(self, x: Tensor, source: str, target: str) -> Generator[Evaluation, Tensor, Tensor]:
        self.index(source)
        return (yield Evaluation(self.networks_to(target), x, final=True))

    # ---- training

    def start_training(self) -> None:
        s = self.settings
        self.translators.requires_grad_(False)
        self.generators = nn.ModuleList(copy.deepcopy(self.translators[str(i)]) for i in range(2)).requires_grad_(True)
        device = next(self.generators.parameters()).device
        self.discriminators = nn.ModuleList(PatchDiscriminator(self.channels, s.width) for _ in range(2)).to(device)
        betas = (0.5, 0.999)
        self.generators_adam = torch.optim.Adam(self.generators.parameters(), s.learning_rate, betas)
        self.discriminators_adam = torch.optim.Adam(self.discriminators.parameters(), s.learning_rate, betas)
        self.pools = [Pool(s.pool, s.seed + index) for index in range(2)]

    def training_step(self, step: int, crops: dict[str, Tensor]) -> dict[str, float]:
        s = self.settings
        real = [crops[condition] for condition in self.conditions]
        for optimizer in (self.generators_adam, self.discriminators_adam):
            for group in optimizer.param_groups:
                group["lr"] = s.learning_rate * decay(step, s.steps)

        # Generators. Each sees both conditions in one call: the other one to translate, its own for the identity.
        self.discriminators.requires_grad_(False)
        both = [self.generators[i](torch.cat([real[1 - i], real[i]])) for i in range(2)]
        translated = [b[: len(real[1 - i])] for i, b in enumerate(both)]
        same = [b[len(real[1 - i]) :] for i, b in enumerate(both)]
        back = [self.generators[i](translated[1 - i]) for i in range(2)]
        # least squares (Mao et al. 2017, eq. 9) on Zhu et al. 2017, eq. 1; the round trip is eq. 2
        deceive = [(self.discriminators[i](translated[i]) - 1).pow(2).mean() for i in range(2)]
        cycle = [F.l1_loss(back[i], real[i]) for i in range(2)]
        identity = [F.l1_loss(same[i], real[i]) for i in range(2)]
        loss = sum(deceive) + s.cycle * sum(cycle) + s.identity * sum(identity)
        self.generators_adam.zero_grad()
        cast("Tensor", loss).backward()
        self.generators_adam.step()

        # Discriminators, each on real crops and on translated ones from now and before.
        self.discriminators.requires_grad_(True)
        judged: list[Tensor] = []
        for i, discriminator in enumerate(self.discriminators):
            shown = self.pools[i].swap(translated[i].detach())
            on_real, on_translated = discriminator(torch.cat([real[i], shown])).split([len(real[i]), len(shown)])
            judged.append(0.5 * ((on_real - 1).pow(2).mean() + on_translated.pow(2).mean()))
        self.discriminators_adam.zero_grad()
        cast("Tensor", sum(judged)).backward()
        self.discriminators_adam.step()

        self._average(step)
        losses: dict[str, float] = {}
        for i, condition in enumerate(self.conditions):
            losses[f"adversarial {condition}"] = float(deceive[i].detach())
            losses[f"discriminator {condition}"] = float(judged[i].detach())
            losses[f"round trip {condition}"] = float(cycle[i].detach())
            losses[f"identity {condition}"] = float(identity[i].detach())
        return losses

    @torch.no_grad()
    def _average(self, step: int) -> None:
        # The average starts fast and slows down, so that the first random weights are forgotten.
        keep = min(self.settings.ema, (1 + step) / (10 + step))
        for index, generator in enumerate(self.generators):
            averaged = self.translators[str(index)]
            for kept, live in zip(averaged.parameters(), generator.parameters(), strict=True):
                kept.lerp_(live, 1 - keep)


class Pool:
    """Translated crops of earlier steps, so that discriminators forget less (Shrivastava et al. 2017, section 2.3)."""

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.crops: list[Tensor] = []
        self.random = random.Random(seed)

    def swap(self, batch: Tensor) -> Tensor:
        """Return a batch in which about half of the crops are earlier ones, and keep the replaced ones."""
        if not self.size:
            return batch
        shown = []
        for crop in batch:
            if len(self.crops) < self.size:
                self.crops.append(crop.clone())
                shown.append(crop)
            elif self.random.random() < 0.5:
                place = self.random.randrange(self.size)
                shown.append(self.crops[place])
                self.crops[place] = crop.clone()
            else:
                shown.append(crop)
        return torch.stack(shown)


def decay(step: int, steps: int) -> float:
    """Factor of the learning rate: 1 in the first half of the steps, then falling linearly to 0."""
    return min(1.0, 2 * (steps - step) / steps)
