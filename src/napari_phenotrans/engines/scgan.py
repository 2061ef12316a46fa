"""SCGAN (Bourou et al. 2023): a CycleGAN for few images, whose discriminators supervise themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_phenotrans.engines.cyclegan import CycleGAN
from napari_phenotrans.networks.fastgan_discriminator import SelfSupervisedDiscriminator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.core.keyed_random import KeyedRandom
    from napari_phenotrans.engines.settings import SCGANSettings
    from napari_phenotrans.engines.update import BatchPart, Update

# Least crops per batch that are normalized over the batch, as published; fewer give statistics that say little.
BATCH_NORM_FROM = 8


class SCGAN(CycleGAN):
    """The CycleGAN's generators and losses (paper: eq. 2 and 5 to 7), against discriminators that also reconstruct.

    To reconstruct real crops from its feature maps, a discriminator has to see all that is in them, and cannot go by
    the few traits that would tell few real images apart. As the paper leaves open what "reconstruction" measures and
    which feature maps it starts from, L1 and the maps of the discriminator's authors (Liu et al. 2021) are taken.

    Notes
    -----
    With a batch of 8 or more the discriminators normalize over the batch, as published. Then what a crop is worth
    depends on the crops that it is judged with: a batch that is computed in parts, or by several processes, each
    normalizing over its own share, does not give what the whole would have given. Below 8, every crop is
    normalized by itself (Wu and He 2018), and dividing changes nothing.
    """

    settings: SCGANSettings

    @property
    def judges_crops_alone(self) -> bool:
        return self.settings.batch < BATCH_NORM_FROM

    def make_discriminator(self) -> nn.Module:
        s = self.settings
        return SelfSupervisedDiscriminator(
            self.channels, s.width, s.crop, norm="group" if self.judges_crops_alone else "batch"
        )

    def start_training(self) -> None:
        super().start_training()
        self.perceptual: nn.Module | None = None
        if self.settings.reconstruction == "perceptual":
            from napari_phenotrans.networks.perceptual import PerceptualDistance

            self.perceptual = PerceptualDistance(self.settings.vgg).to(self.device)

    def judge(self, discriminator: nn.Module, real: Tensor, shown: Tensor, chance: KeyedRandom) -> dict[str, Tensor]:
        discriminator = cast("SelfSupervisedDiscriminator", discriminator)
        # apart, so that a norm over the batch does not tell the discriminator what share of it is real
        look, on_shown = discriminator.look(real), discriminator(shown)
        corners = torch.from_numpy(chance.integers("quarter to reconstruct", 4))
        distance = self.perceptual or F.l1_loss
        pairs = discriminator.reconstruct(look, real, corners)
        # the paper's eq. 3, the second term its eq. 1 on real crops only
        return {
            "discriminator": self.adversarial.judge(look.logits, on_shown),
            "self-supervision": self.settings.self_supervision
            * sum((distance(made, seen) for seen, made in pairs), real.new_zeros(())),
        }

    def training_step(self, step: int, parts: Sequence[BatchPart], update: Update) -> dict[str, float]:
        losses = super().training_step(step, parts, update)
        for discriminator in self.discriminators:
            cast("SelfSupervisedDiscriminator", discriminator).follow_weights()
        return losses
