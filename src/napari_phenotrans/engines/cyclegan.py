"""CycleGAN (Zhu et al., ICCV 2017) for images of any number of channels, with what keeps it from hiding signals.

A translation that loses objects cannot be undone from what is seen. The round trip asks for it all the same, so that
generators write what they took away into a faint pattern (Chu et al. 2017). Noise, a falling weight or a coarse
comparison on the way back make that useless (`round_trip`); a mask of what has no counterpart excuses it; a contrastive
loss in its place asks for no way back at all. The round trip is blind to a picture that is moved and moved back:
segmentors of both conditions see that.
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
from napari_phenotrans.engines.base import Drawn, Engine, NetworkCall
from napari_phenotrans.engines.convolutions import patches_are_faster
from napari_phenotrans.engines.image_pool import Pool
from napari_phenotrans.engines.kept import places_of
from napari_phenotrans.engines.noise_input import with_drawn, with_noise, with_usual
from napari_phenotrans.engines.round_trip import channel_weights, difference, drowned, feature_difference
from napari_phenotrans.networks.augment import AUGMENTATIONS
from napari_phenotrans.networks.ema import average, widening
from napari_phenotrans.networks.norm import make_sets
from napari_phenotrans.networks.patch_features import PatchProjections
from napari_phenotrans.networks.patchgan import PatchDiscriminator
from napari_phenotrans.networks.resnet import STRIDE, ResNetGenerator, Translated
from napari_phenotrans.networks.segmentor import Segmentor
from napari_phenotrans.networks.winograd import use_patches

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from napari_phenotrans.core.keyed_random import KeyedRandom
    from napari_phenotrans.core.settings import TranslationSettings
    from napari_phenotrans.engines.settings import GANSettings
    from napari_phenotrans.engines.update import BatchPart, Update
    from napari_phenotrans.networks.augment import Augmentation

# of what only training needs: the networks and optimizers that a training state holds
LIVE = ("generators", "discriminators", "projections", "generators_adam", "discriminators_adam")
OF_SHAPES = ("segmentors", "segmentors_adam")  # the same of shape consistency
PROJECTED = 4  # times the generator's width: numbers that contrastive features are projected to
SEGMENTORS_RATE = 1e-3
SHAPE_FROM = 0.1  # of the steps in which the weight of shapes rises: segmentors have to learn first


class CycleGAN(Engine):
    """Two generators that must undo each other, each against a discriminator.

    ``translators`` holds the averaged generators by the index of the condition they translate *to*.
    """

    stride = STRIDE
    smallest = 4 * STRIDE
    context = 96
    shifts_background = True

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
        if settings.unmatched and not settings.cycle:
            raise InputError(
                f"A price of {settings.unmatched:g} for what need not come back says nothing without a way back. Say a "
                f"--cycle above 0, or --unmatched 0."
            )
        self.settings: GANSettings = settings
        self.kept = places_of(settings.kept or (), settings.channels, channels)
        self.draws, self.redraw = settings.noise, 1.0 if settings.noise else None
        self.l1_weights = channel_weights(settings.l1_weights or (), settings.channels, channels)
        self.camera = torch.zeros(channels)
        for index in range(2):
            self.translators[str(index)] = ResNetGenerator(
                channels,
                settings.width,
                settings.blocks,
                settings.upsampling,
                settings.output,
                settings.norm,
                noise=channels if settings.noise else 0,
                unmatched=settings.unmatched > 0,
            )
        self.adversarial = ADVERSARIAL[settings.adversarial]()
        # the real crops of each condition, and translated ones
        make_sets(self.translators, len(conditions) + 1)

    def translation(
        self, x: Tensor, source: str, target: str, how: TranslationSettings, *, way_back: bool = False
    ) -> Generator[NetworkCall, Tensor, Tensor]:
        seen = with_usual(x) if self.draws else x
        return (yield from self._one_call(seen, source, target, way_back=way_back))

    def answer(
        self, x: Tensor, source: str, target: str, how: TranslationSettings, drawn: Drawn, *, way_back: bool = False
    ) -> Generator[NetworkCall, Tensor, Tensor]:
        if not self.draws:
            return (yield from super().answer(x, source, target, how, drawn, way_back=way_back))
        return (yield from self._one_call(with_noise(x, drawn.noise), source, target, way_back=way_back))

    def _one_call(
        self, seen: Tensor, source: str, target: str, *, way_back: bool
    ) -> Generator[NetworkCall, Tensor, Tensor]:
        network = self.network(source, target, way_back=way_back)
        return (yield NetworkCall(lambda tile: self._with_kept(network(tile), tile), seen, final=True))

    def _with_kept(self, made: Tensor, x: Tensor) -> Tensor:
        """Return (N, C, H, W) with the kept channels of what it was made of."""
        if not self.kept:
            return made
        return torch.stack([(x if c in self.kept else made)[:, c] for c in range(self.channels)], dim=1)

    def fix_statistics(
        self, target: str, crops: Iterable[Tensor], source: str | None = None, *, way_back: bool = False
    ) -> None:
        seen = (with_usual(batch) for batch in crops) if self.draws else crops
        super().fix_statistics(target, seen, source, way_back=way_back)

    # ---- training

    def measure(self, pieces: Mapping[str, Sequence[Tensor]]) -> None:
        if self.settings.cycle_camera:
            # imported here: it brings all measures of pictures with it, which translating does not need
            from napari_phenotrans.metrics.picture.field import noise_sd

            every = [piece.cpu().numpy() for some in pieces.values() for piece in some]
            noise = [[noise_sd(piece[c]) for piece in every] for c in range(self.channels)]
            self.camera = torch.tensor(noise).median(dim=1).values

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
        self.segmentors = nn.ModuleList(Segmentor(self.channels) for _ in range(2 if s.shape else 0)).to(self.device)
        self.segmentors_adam = torch.optim.Adam(self.segmentors.parameters(), SEGMENTORS_RATE) if s.shape else None
        self._choose_convolutions()

    def _choose_convolutions(self) -> None:
        """Have the generators compute as the settings say, or as is faster here."""
        s = self.settings
        self.patches = s.convolutions != "plain"
        if s.convolutions == "timed" and self.device.type == "cpu":
            network = cast("ResNetGenerator", self.generators[0])
            seen = (2 if s.noise else 1) * self.channels
            count = max(1, 2 * s.batch // torch.get_num_threads())
            self.patches = patches_are_faster(network, torch.zeros(count, seen, s.crop, s.crop))
        use_patches(self.generators, self.patches)

    def training_step(self, step: int, parts: Sequence[BatchPart], update: Update) -> dict[str, float]:
        s = self.settings
        rates = (s.learning_rate, s.discriminator_rate or s.learning_rate)
        for optimizer, rate in zip((self.generators_adam, self.discriminators_adam), rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * decay(step, s.steps) * self.rate
        weights = {
            "round trip": s.cycle * (1 + (s.cycle_end - 1) * step / s.steps),
            "no counterpart": s.unmatched,
            "contrast": s.contrast,
            "identity": s.identity,
            "changed": s.sparsity,
            "shape": s.shape * min(1.0, step / (SHAPE_FROM * s.steps)),
        }

        for judging in (self.discriminators, self.segmentors):
            judging.requires_grad_(False)
        learning = nn.ModuleList([self.generators, self.projections])
        outcomes = update.backward(learning, parts, lambda part: self._generators_loss(part, update, weights))
        for judging in (self.discriminators, self.segmentors):
            judging.requires_grad_(True)
        judged = update.backward(
            self.discriminators,
            [(part, translated) for part, (translated, _) in zip(parts, outcomes, strict=True)],
            lambda seen: self._discriminators_loss(*seen, update),
        )
        if self.segmentors_adam:
            found = update.backward(self.segmentors, parts, lambda part: self._segmentors_loss(part, update))
            judged = [losses | more for losses, more in zip(judged, found, strict=True)]

        # Nothing has changed before all gradients are there: a step that ran out of memory can be computed again.
        update.apply(self.generators_adam)
        update.apply(self.discriminators_adam)
        if self.segmentors_adam:
            update.apply(self.segmentors_adam)
        for part, (translated, _) in zip(parts, outcomes, strict=True):
            for pool, crops in zip(self.pools, translated, strict=True):
                pool.keep(crops, part.chance)
        decay_of_average = widening(s.averaging, step) if s.averaging else s.ema
        for index, generator in enumerate(self.generators):
            average(self.translators[str(index)], generator, step, decay_of_average)
        return update.mean([losses | more for (_, losses), more in zip(outcomes, judged, strict=True)])

    def _generators_loss(
        self, part: BatchPart, update: Update, weights: Mapping[str, float]
    ) -> tuple[Tensor, tuple[list[Tensor], dict[str, Tensor]]]:
        """Return the generators' loss, with their translations of the part and the loss's terms by name."""
        s, augment, chance = self.settings, AUGMENTATIONS[self.settings.augment], part.chance
        real = [part.crops[condition] for condition in self.conditions]
        named: dict[str, list[Tensor]] = {}
        with update.precision():
            # each sees both conditions in one call: the other one to translate, its own for the identity
            both = [
                self._make(i, torch.cat([real[1 - i], real[i]]), chance, f"noise to {i}", f"noise of the same {i}")
                for i in range(2)
            ]
            count = len(real[0])
            translated = [made.crops[:count] for made in both]
            if s.pin_background:
                translated = [_pinned(made, real[1 - i]) for i, made in enumerate(translated)]
            # where the images of a condition have no counterpart: said by the generator that takes them to the other
            masks = [both[1 - i].unmatched for i in range(2)]
            free = [None if mask is None else mask[:count] for mask in masks]

            # Zhu et al. 2017, eq. 1 and 2
            named["adversarial"] = [self._deceive(i, translated[i], real[i], augment, chance) for i in range(2)]
            if s.cycle:
                named["round trip"] = [
                    self._round_trip(i, translated[1 - i], real[i], free[i], chance) for i in range(2)
                ]
            named["no counterpart"] = [mask.mean() for mask in free if mask is not None]
            if s.contrast:
                named["contrast"] = [self._contrast(i, real[1 - i], translated[i], chance) for i in range(2)]
            named["identity"] = [difference(both[i].crops[count:], real[i], self.l1_weights) for i in range(2)]
            if s.sparsity:
                named["changed"] = [made.mask.mean() for made in both if made.mask is not None]
            if s.shape:
                named["shape"] = [self._shape(i, translated[i], part) for i in range(2)]
            named = {name: pair for name, pair in named.items() if pair}
            loss = torch.stack([weights.get(name, 1.0) * torch.stack(pair).sum() for name, pair in named.items()]).sum()
        losses = {
            f"{name} {condition}": value
            for name, pair in named.items()
            for condition, value in zip(self.conditions, pair, strict=True)
        }
        return loss, ([t.detach().float() for t in translated], losses)

    def _make(self, index: int, x: Tensor, chance: KeyedRandom, *purposes: str) -> Translated:
        """Translate crops in training; ``x`` holds those of ``chance`` once for each purpose of noise."""
        seen = with_drawn(x, chance, *purposes) if self.draws else x
        made = cast("ResNetGenerator", self.generators[index]).translate(seen)
        return made._replace(crops=self._with_kept(made.crops, x))

    def _deceive(
        self, index: int, translated: Tensor, real: Tensor, augment: Augmentation, chance: KeyedRandom
    ) -> Tensor:
        discriminator = self.discriminators[index]
        seen = discriminator(augment(translated, chance, f"deceive {index}"))
        beside = discriminator(augment(real, chance, f"beside {index}")) if self.adversarial.compares else None
        return self.adversarial.deceive(seen, beside)

    def _round_trip(
        self, index: int, translated: Tensor, real: Tensor, free: Tensor | None, chance: KeyedRandom
    ) -> Tensor:
        """Return the error of the way back, from a translation in which hidden signals may have drowned.

        ``free`` is 1 where nothing has to come back.
        """
        s = self.settings
        seen = self._with_kept(drowned(translated, s, self.camera, chance, f"noise before {index}"), translated)
        back = self._make(index, seen, chance, f"noise back to {index}").crops
        error = difference(back, real, self.l1_weights, s.cycle_pool, free)
        if not s.cycle_features:
            return error
        looking = cast("PatchDiscriminator", self.discriminators[index])
        return torch.lerp(error, feature_difference(looking.features(back), looking.features(real)), s.cycle_features)

    def _contrast(self, index: int, real: Tensor, translated: Tensor, chance: KeyedRandom) -> Tensor:
        """Return the contrastive loss of what a generator made, on its own features (Park et al. 2020, eq. 4)."""
        generator = cast("ResNetGenerator", self.generators[index])
        if self.draws:
            # the same for both, so that it tells nothing of the place
            real, translated = (with_drawn(x, chance, f"noise to compare {index}") for x in (real, translated))
        with torch.no_grad():
            of_real = generator.features(real)
        return self.projections[index](of_real, generator.features(translated), chance)

    def _shape(self, index: int, translated: Tensor, part: BatchPart) -> Tensor:
        """Return how badly objects of the source are found in what was made of it (Zhang et al. 2018, eq. 3)."""
        objects = part.masks[self.conditions[1 - index]].to(translated)
        return F.binary_cross_entropy_with_logits(self.segmentors[index](translated), objects)

    def _segmentors_loss(self, part: BatchPart, update: Update) -> tuple[Tensor, dict[str, Tensor]]:
        """Return how badly segmentors find the objects of real crops; those of translated ones would teach a shift."""
        with update.precision():
            losses = {
                f"segmentor {condition}": F.binary_cross_entropy_with_logits(
                    segmentor(part.crops[condition]), part.masks[condition].to(part.crops[condition])
                )
                for condition, segmentor in zip(self.conditions, self.segmentors, strict=True)
            }
        return cast("Tensor", sum(losses.values())), losses

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
        return {name: getattr(self, name).state_dict() for name in self._live} | {"patches": self.patches}

    def load_training_state(self, state: dict[str, Any]) -> None:
        # a copy: optimizers take the tensors themselves, and would change what they were given
        state = {"projections": {}, "patches": True, **copy.deepcopy(state)}
        for name in self._live:
            getattr(self, name).load_state_dict(state[name])
        # another timing might find otherwise, and go on with other roundings
        self.patches = state["patches"]
        use_patches(self.generators, self.patches)

    @property
    def _live(self) -> tuple[str, ...]:
        return LIVE + (OF_SHAPES if self.settings.shape else ())

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
