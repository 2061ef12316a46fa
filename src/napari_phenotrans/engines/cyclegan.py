"""CycleGAN (Zhu et al., ICCV 2017) for images of any number of channels."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines.base import Engine, NetworkCall
from napari_phenotrans.engines.image_pool import Pool
from napari_phenotrans.networks.augment import AUGMENTATIONS
from napari_phenotrans.networks.ema import average
from napari_phenotrans.networks.norm import make_sets
from napari_phenotrans.networks.patchgan import PatchDiscriminator
from napari_phenotrans.networks.resnet import STRIDE, ResNetGenerator

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_phenotrans.core.keyed_random import KeyedRandom
    from napari_phenotrans.core.settings import TranslationSettings
    from napari_phenotrans.engines.settings import GANSettings
    from napari_phenotrans.engines.update import BatchPart, Update

# of what only training needs: the networks and optimizers that a training state holds
LIVE = ("generators", "discriminators", "generators_adam", "discriminators_adam")


class CycleGAN(Engine):
    """Two generators that must undo each other, each against a discriminator.

    ``translators`` holds the averaged generators by the index of the condition they translate *to*.
    """

    stride = STRIDE
    smallest = 4 * STRIDE
    context = 96

    def __init__(self, settings: GANSettings, channels: int, conditions: tuple[str, ...]) -> None:
        super().__init__(settings, channels, conditions)
        if len(conditions) != 2:
            raise InputError(
                f"{type(self).__name__} translates between two conditions, got {len(conditions)}: "
                f"{', '.join(conditions)}. Pick two with --conditions."
            )
        self.settings: GANSettings = settings
        for index in range(2):
            self.translators[str(index)] = ResNetGenerator(
                channels, settings.width, settings.blocks, settings.upsampling, settings.output
            )
        # the real crops of each condition, and translated ones
        make_sets(self.translators, len(conditions) + 1)

    def translation(
        self, x: Tensor, source: str, target: str, how: TranslationSettings, *, way_back: bool = False
    ) -> Generator[NetworkCall, Tensor, Tensor]:
        return (yield NetworkCall(self.network(source, target, way_back=way_back), x, final=True))

    # ---- training

    def make_discriminator(self) -> nn.Module:
        """Return a network that gives logits (N, ...) for crops (N, C, H, W)."""
        return PatchDiscriminator(self.channels, self.settings.width)

    def judge(self, discriminator: nn.Module, real: Tensor, shown: Tensor, chance: KeyedRandom) -> dict[str, Tensor]:
        """Return a discriminator's losses by name, to be summed; both batches are augmented already."""
        # half of it as in the authors' code: the discriminators are to learn more slowly than the generators
        on_real, on_shown = discriminator(torch.cat([real, shown])).split([len(real), len(shown)])
        return {"discriminator": 0.5 * ((on_real - 1).pow(2).mean() + on_shown.pow(2).mean())}

    def start_training(self) -> None:
        s = self.settings
        self.translators.requires_grad_(False)
        self.generators = nn.ModuleList(copy.deepcopy(self.translators[str(i)]) for i in range(2)).requires_grad_(True)
        # convolutions compute channels last
        self.generators.to(memory_format=torch.channels_last)
        self.discriminators = nn.ModuleList(self.make_discriminator() for _ in range(2)).to(self.device)
        betas = (0.5, 0.999)
        self.generators_adam = torch.optim.Adam(self.generators.parameters(), s.learning_rate, betas)
        self.discriminators_adam = torch.optim.Adam(self.discriminators.parameters(), s.learning_rate, betas)
        self.pools = [Pool(s.pool, s.batch, f"pool of {condition}") for condition in self.conditions]

    def training_step(self, step: int, parts: Sequence[BatchPart], update: Update) -> dict[str, float]:
        s = self.settings
        for optimizer in (self.generators_adam, self.discriminators_adam):
            for group in optimizer.param_groups:
                group["lr"] = s.learning_rate * decay(step, s.steps) * self.rate

        self.discriminators.requires_grad_(False)
        outcomes = update.backward(self.generators, parts, lambda part: self._generators_loss(part, update))
        self.discriminators.requires_grad_(True)
        judged = update.backward(
            self.discriminators,
            [(part, translated) for part, (translated, _) in zip(parts, outcomes, strict=True)],
            lambda seen: self._discriminators_loss(*seen, update),
        )

        # Nothing has changed before all gradients are there: a step that ran out of memory can be computed again.
        update.apply(self.generators_adam)
        update.apply(self.discriminators_adam)
        for part, (translated, _) in zip(parts, outcomes, strict=True):
            for pool, crops in zip(self.pools, translated, strict=True):
                pool.keep(crops, part.chance)
        for index, generator in enumerate(self.generators):
            average(self.translators[str(index)], generator, step, s.ema)
        return update.mean([losses | more for (_, losses), more in zip(outcomes, judged, strict=True)])

    def _generators_loss(
        self, part: BatchPart, update: Update
    ) -> tuple[Tensor, tuple[list[Tensor], dict[str, Tensor]]]:
        """Return the generators' loss, with their translations of the part and the loss's terms by name."""
        s, augment = self.settings, AUGMENTATIONS[self.settings.augment]
        real = [part.crops[condition] for condition in self.conditions]
        with update.precision():
            # each sees both conditions in one call: the other one to translate, its own for the identity
            both = [self.generators[i](torch.cat([real[1 - i], real[i]])) for i in range(2)]
            translated = [b[: len(real[1 - i])] for i, b in enumerate(both)]
            same = [b[len(real[1 - i]) :] for i, b in enumerate(both)]
            back = [self.generators[i](translated[1 - i]) for i in range(2)]
            # least squares (Mao et al. 2017, eq. 9) on Zhu et al. 2017, eq. 1; the round trip is eq. 2
            seen = [augment(translated[i], part.chance, f"deceive {i}") for i in range(2)]
            deceive = [(self.discriminators[i](seen[i]) - 1).pow(2).mean() for i in range(2)]
            cycle = [F.l1_loss(back[i], real[i]) for i in range(2)]
            identity = [F.l1_loss(same[i], real[i]) for i in range(2)]
            loss = sum(deceive) + s.cycle * sum(cycle) + s.identity * sum(identity)
        named = {"adversarial": deceive, "round trip": cycle, "identity": identity}
        losses = {f"{name} {c}": pair[i] for name, pair in named.items() for i, c in enumerate(self.conditions)}
        return cast("Tensor", loss), ([t.detach().float() for t in translated], losses)

    def _discriminators_loss(
        self, part: BatchPart, translated: list[Tensor], update: Update
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the discriminators' loss on real crops and on translated ones from now and before, and its terms."""
        augment = AUGMENTATIONS[self.settings.augment]
        losses: dict[str, Tensor] = {}
        with update.precision():
            for i, condition in enumerate(self.conditions):
                shown = augment(self.pools[i].show(translated[i], part.chance), part.chance, f"translated {i}")
                real = augment(part.crops[condition], part.chance, f"real {i}")
                judged = self.judge(self.discriminators[i], real, shown, part.chance)
                losses |= {f"{name} {condition}": value for name, value in judged.items()}
            return cast("Tensor", sum(losses.values())), losses

    def training_state(self) -> dict[str, Any]:
        return {name: getattr(self, name).state_dict() for name in LIVE}

    def load_training_state(self, state: dict[str, Any]) -> None:
        # a copy: optimizers take the tensors themselves, and would change what they were given
        state = copy.deepcopy(state)
        for name in LIVE:
            getattr(self, name).load_state_dict(state[name])

    def own_state(self) -> dict[int, Any]:
        return {place: [pool.stored.get(place, []) for pool in self.pools] for place in self.pools[0].stored}

    def load_own_state(self, state: dict[int, Any]) -> None:
        for index, pool in enumerate(self.pools):
            pool.stored = {place: [crop.to(self.device) for crop in stored[index]] for place, stored in state.items()}


def decay(step: int, steps: int) -> float:
    """Factor of the learning rate: 1 in the first half of the steps, then falling linearly to 0."""
    return min(1.0, 2 * (steps - step) / steps)
