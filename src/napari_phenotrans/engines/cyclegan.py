"""CycleGAN (Zhu et al., ICCV 2017) for images of any number of channels, with what keeps it from hiding signals.

A translation that loses objects cannot be undone from what is seen. The round trip asks for it all the same, so that
generators write what they took away into a faint pattern (Chu et al. 2017). Noise, a falling weight or a coarse
comparison on the way back make that useless; a contrastive loss in its place asks for no way back at all.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines.adversarial import ADVERSARIAL, steepness
from napari_phenotrans.engines.background import background
from napari_phenotrans.engines.base import Engine, NetworkCall
from napari_phenotrans.engines.image_pool import Pool
from napari_phenotrans.engines.kept import places_of
from napari_phenotrans.networks.augment import AUGMENTATIONS
from napari_phenotrans.networks.ema import average
from napari_phenotrans.networks.norm import make_sets
from napari_phenotrans.networks.patch_features import PatchProjections
from napari_phenotrans.networks.patchgan import PatchDiscriminator
from napari_phenotrans.networks.resnet import STRIDE, ResNetGenerator

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_phenotrans.core.keyed_random import KeyedRandom
    from napari_phenotrans.core.settings import TranslationSettings
    from napari_phenotrans.engines.settings import GANSettings
    from napari_phenotrans.engines.update import BatchPart, Update
    from napari_phenotrans.networks.augment import Augmentation

# of what only training needs: the networks and optimizers that a training state holds
LIVE = ("generators", "discriminators", "projections", "generators_adam", "discriminators_adam")
PROJECTED = 4  # times the generator's width: numbers that contrastive features are projected to


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
        if settings.sparsity and settings.output != "masked":
            raise InputError(
                f"A sparsity of {settings.sparsity:g} is the price of a mask, and the output {settings.output!r} has "
                f"none. Say --output masked too, or --sparsity 0."
            )
        self.settings: GANSettings = settings
        self.kept = places_of(settings.kept or (), settings.channels, channels)
        for index in range(2):
            self.translators[str(index)] = ResNetGenerator(
                channels, settings.width, settings.blocks, settings.upsampling, settings.output, settings.norm
            )
        self.adversarial = ADVERSARIAL[settings.adversarial]()
        # the real crops of each condition, and translated ones
        make_sets(self.translators, len(conditions) + 1)

    def translation(
        self, x: Tensor, source: str, target: str, how: TranslationSettings, *, way_back: bool = False
    ) -> Generator[NetworkCall, Tensor, Tensor]:
        network = self.network(source, target, way_back=way_back)
        return (yield NetworkCall(lambda tile: self._with_kept(network(tile), tile), x, final=True))

    def _with_kept(self, made: Tensor, x: Tensor) -> Tensor:
        """Return (N, C, H, W) with the kept channels of what it was made of."""
        if not self.kept:
            return made
        return torch.stack([(x if c in self.kept else made)[:, c] for c in range(self.channels)], dim=1)

    # ---- training

    def make_discriminator(self) -> nn.Module:
        """Return a network that gives logits (N, ...) for crops (N, C, H, W)."""
        # a relativistic discriminator has to see levels, which its penalty keeps in bounds
        return PatchDiscriminator(self.channels, self.settings.width, normalized=not self.adversarial.compares)

    def judge(self, discriminator: nn.Module, real: Tensor, shown: Tensor, chance: KeyedRandom) -> dict[str, Tensor]:
        """Return a discriminator's losses by name, to be summed; both batches are augmented already."""
        # half of it as in the authors' code: the discriminators are to learn more slowly than the generators
        on_real, on_shown = discriminator(torch.cat([real, shown])).split([len(real), len(shown)])
        return {"discriminator": 0.5 * self.adversarial.judge(on_real, on_shown)}

    def start_training(self) -> None:
        s = self.settings
        self.translators.requires_grad_(False)
        self.generators = nn.ModuleList(copy.deepcopy(self.translators[str(i)]) for i in range(2)).requires_grad_(True)
        # convolutions compute channels last
        self.generators.to(memory_format=torch.channels_last)
        self.discriminators = nn.ModuleList(self.make_discriminator() for _ in range(2)).to(self.device)
        widths = cast("ResNetGenerator", self.generators[0]).feature_widths if s.contrast else ()
        self.projections = nn.ModuleList(PatchProjections(widths, PROJECTED * s.width) for _ in range(2))
        self.projections.to(self.device)
        betas = (0.5, 0.999)
        learning = [*self.generators.parameters(), *self.projections.parameters()]
        self.generators_adam = torch.optim.Adam(learning, s.learning_rate, betas)
        self.discriminators_adam = torch.optim.Adam(
            self.discriminators.parameters(), s.discriminator_rate or s.learning_rate, betas
        )
        self.pools = [Pool(s.pool, s.batch, f"pool of {condition}") for condition in self.conditions]

    def training_step(self, step: int, parts: Sequence[BatchPart], update: Update) -> dict[str, float]:
        s = self.settings
        rates = (s.learning_rate, s.discriminator_rate or s.learning_rate)
        for optimizer, rate in zip((self.generators_adam, self.discriminators_adam), rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * decay(step, s.steps) * self.rate
        weight = s.cycle * (1 + (s.cycle_end - 1) * step / s.steps)

        self.discriminators.requires_grad_(False)
        learning = nn.ModuleList([self.generators, self.projections])
        outcomes = update.backward(learning, parts, lambda part: self._generators_loss(part, update, weight))
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
        self, part: BatchPart, update: Update, cycle_weight: float
    ) -> tuple[Tensor, tuple[list[Tensor], dict[str, Tensor]]]:
        """Return the generators' loss, with their translations of the part and the loss's terms by name."""
        s, augment, chance = self.settings, AUGMENTATIONS[self.settings.augment], part.chance
        real = [part.crops[condition] for condition in self.conditions]
        named: dict[str, list[Tensor]] = {}
        with update.precision():
            # each sees both conditions in one call: the other one to translate, its own for the identity
            both = [self._make(i, torch.cat([real[1 - i], real[i]])) for i in range(2)]
            translated = [made[: len(real[1 - i])] for i, (made, _) in enumerate(both)]
            same = [made[len(real[1 - i]) :] for i, (made, _) in enumerate(both)]
            if s.pin_background:
                translated = [_pinned(made, real[1 - i]) for i, made in enumerate(translated)]

            # Zhu et al. 2017, eq. 1 and 2
            named["adversarial"] = [self._deceive(i, translated[i], real[i], augment, chance) for i in range(2)]
            if s.cycle:
                named["round trip"] = [self._round_trip(i, translated[1 - i], real[i], chance) for i in range(2)]
            if s.contrast:
                named["contrast"] = [self._contrast(i, real[1 - i], translated[i], chance) for i in range(2)]
            named["identity"] = [F.l1_loss(same[i], real[i]) for i in range(2)]
            if s.sparsity:
                named["changed"] = [mask.mean() for _, mask in both if mask is not None]
            weights = {
                "round trip": cycle_weight,
                "contrast": s.contrast,
                "identity": s.identity,
                "changed": s.sparsity,
            }
            loss = torch.stack([weights.get(name, 1.0) * torch.stack(pair).sum() for name, pair in named.items()]).sum()
        losses = {
            f"{name} {condition}": value
            for name, pair in named.items()
            for condition, value in zip(self.conditions, pair, strict=True)
        }
        return loss, ([t.detach().float() for t in translated], losses)

    def _make(self, index: int, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Translate crops to a condition in training; returns the mask too, where the output is masked."""
        made, mask = cast("ResNetGenerator", self.generators[index]).translate(x)
        return self._with_kept(made, x), mask

    def _deceive(
        self, index: int, translated: Tensor, real: Tensor, augment: Augmentation, chance: KeyedRandom
    ) -> Tensor:
        discriminator = self.discriminators[index]
        seen = discriminator(augment(translated, chance, f"deceive {index}"))
        beside = discriminator(augment(real, chance, f"beside {index}")) if self.adversarial.compares else None
        return self.adversarial.deceive(seen, beside)

    def _round_trip(self, index: int, translated: Tensor, real: Tensor, chance: KeyedRandom) -> Tensor:
        """Return the L1 error of the way back, from a translation that noise may have been added to."""
        s = self.settings
        if s.cycle_noise:
            noise = torch.from_numpy(chance.normal(f"noise before {index}", *real.shape[1:])).to(translated)
            translated = self._with_kept(translated + 2 * s.cycle_noise * noise, translated)
        back, _ = self._make(index, translated)
        if s.cycle_pool > 1:
            back, real = (F.avg_pool2d(each, s.cycle_pool) for each in (back, real))
        return F.l1_loss(back, real)

    def _contrast(self, index: int, real: Tensor, translated: Tensor, chance: KeyedRandom) -> Tensor:
        """Return the contrastive loss of what a generator made, on its own features (Park et al. 2020, eq. 4)."""
        generator = cast("ResNetGenerator", self.generators[index])
        with torch.no_grad():
            of_real = generator.features(real)
        return self.projections[index](of_real, generator.features(translated), chance)

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
                if penalty := self.settings.penalty:
                    steep = steepness(self.discriminators[i], real) + steepness(self.discriminators[i], shown)
                    judged = judged | {"penalty": penalty * steep}
                losses |= {f"{name} {condition}": value for name, value in judged.items()}
            return cast("Tensor", sum(losses.values())), losses

    def training_state(self) -> dict[str, Any]:
        return {name: getattr(self, name).state_dict() for name in LIVE}

    def load_training_state(self, state: dict[str, Any]) -> None:
        # a copy: optimizers take the tensors themselves, and would change what they were given
        state = {"projections": {}} | copy.deepcopy(state)
        for name in LIVE:
            getattr(self, name).load_state_dict(state[name])

    def own_state(self) -> dict[int, Any]:
        return {place: [pool.stored.get(place, []) for pool in self.pools] for place in self.pools[0].stored}

    def load_own_state(self, state: dict[int, Any]) -> None:
        for index, pool in enumerate(self.pools):
            pool.stored = {place: [crop.to(self.device) for crop in stored[index]] for place, stored in state.items()}


def _pinned(made: Tensor, source: Tensor) -> Tensor:
    """Shift each channel of what was made of crops (N, C, H, W) to the crops' background."""
    return made + (background(source) - background(made))[:, :, None, None]


def decay(step: int, steps: int) -> float:
    """Factor of the learning rate: 1 in the first half of the steps, then falling linearly to 0."""
    return min(1.0, 2 * (steps - step) / steps)
