"""How one denoiser for all conditions is trained: what PhenDiff and the flow with kept channels have in common."""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines.base import Engine
from napari_phenotrans.engines.settings import InversionTranslation
from napari_phenotrans.engines.solvers import noise_at, noise_levels, way_to
from napari_phenotrans.engines.update import Update
from napari_phenotrans.networks.ema import average
from napari_phenotrans.networks.per_condition import PerCondition
from napari_phenotrans.networks.unet import build_unet, unet_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_phenotrans.core.settings import TranslationSettings
    from napari_phenotrans.engines.objectives import Objective
    from napari_phenotrans.engines.settings import DenoiserSettings
    from napari_phenotrans.engines.update import BatchPart

GOLDEN = (math.sqrt(5) - 1) / 2


class DenoiserEngine(Engine):
    """One denoiser for all conditions, told which one it looks at.

    ``translators`` holds the averaged denoiser; the one in training is apart, so that nothing has to be swapped. Where
    the settings say so it is one network for each condition, each trained on its own images alone: source to noise with
    the one, noise to target with the other (Su et al. 2023, dual diffusion implicit bridges).

    Parameters
    ----------
    settings, channels, conditions
        As of `Engine`.
    objective
        What the denoiser predicts, and at which noise it trains.
    predicted
        Number of channels that it predicts; all where not said.

    Attributes
    ----------
    amount
        What the engine's translation settings call the depth of the inversion.
    geometric
        Whether its levels of noise are equidistant on a logarithmic scale, see `noise_levels`.
    guidances
        Those worth trying beside none.
    """

    inverts = True
    translation_settings: type[InversionTranslation]
    amount: str
    geometric = False
    guidances: tuple[float, ...] = ()

    def __init__(
        self,
        settings: DenoiserSettings,
        channels: int,
        conditions: tuple[str, ...],
        objective: Objective,
        predicted: int | None = None,
    ) -> None:
        super().__init__(settings, channels, conditions)
        self.settings: DenoiserSettings = settings
        self.objective = objective
        told = 1 if settings.separate else len(conditions)
        config = settings.network or unet_config(
            channels,
            told,
            width=settings.width,
            levels=settings.levels,
            layers=settings.layers,
            crop=settings.crop,
            predicted=predicted,
        )
        networks = [build_unet(config, channels, told, predicted) for _ in (conditions if settings.separate else "1")]
        self.translators["denoiser"] = PerCondition(networks) if settings.separate else networks[0]
        self.stride = 2 ** (len(config["block_out_channels"]) - 1)
        if settings.crop % self.stride:
            below = settings.crop // self.stride * self.stride
            raise InputError(
                f"A crop of {settings.crop} cannot be halved as often as the denoiser does: expected a multiple of "
                f"{self.stride}. Say --crop {max(below, self.stride)} or --crop {below + self.stride}, or fewer "
                f"--levels."
            )
        # group normalization and attention depend on how much of the picture is seen at once
        self.tile = self.smallest = settings.crop
        self.context = settings.crop // 4

    def networks_to(self, target: str) -> nn.Module:
        self.index(target)
        return self.translators["denoiser"]

    def keep_targets(self, targets: Iterable[str]) -> None:
        """Keep the denoiser: it is the same for every condition."""

    # ---- how deep it inverts

    def way(self, how: InversionTranslation) -> float:
        """Return how far along the levels of noise translating goes, see `noise_levels`: 0 to 1."""
        amount: float = getattr(how, self.amount)
        if amount == 0 or how.scale == "noise" or self.effect is None:
            return amount
        return way_to(
            self.effect.sigma(amount), self.objective.sigma_min, self.objective.sigma_max, geometric=self.geometric
        )

    def levels(self, how: InversionTranslation, intervals: int) -> list[float]:
        """Return the levels of noise that translating passes, of ``intervals`` to the greatest; see `noise_levels`."""
        low, high = self.objective.sigma_min, self.objective.sigma_max
        return noise_levels(intervals, self.way(how), low, high, geometric=self.geometric)

    def noise(self, how: InversionTranslation) -> float:
        """Return the noise that translating goes to, in the engine's units."""
        return noise_at(self.way(how), self.objective.sigma_min, self.objective.sigma_max, geometric=self.geometric)

    def at_noise(self, sigma: float, evaluations: int | None = None) -> InversionTranslation:
        """Return the usual settings with so much noise, and no more than so many evaluations."""
        usual = self.translation_settings.make()
        way = way_to(sigma, self.objective.sigma_min, self.objective.sigma_max, geometric=self.geometric)
        count = min(usual.evaluations, evaluations or usual.evaluations)
        return usual.model_copy(update={self.amount: way, "scale": "noise", "evaluations": count})

    @property
    def noise_unit(self) -> Tensor:
        """What noise of 1 is of each channel in the images' units, (C,)."""
        return torch.ones(self.channels)

    @property
    def data_sds(self) -> tuple[float, ...]:
        """SD of each channel of the training images, in the units of the noise; empty where it was not measured."""
        return self.effect.sds if self.effect else ()

    def noise_said(self, how: TranslationSettings) -> dict[str, Any]:
        assert isinstance(how, InversionTranslation)
        if self.way(how) == 0:
            return {}
        sigma = self.noise(how)
        said: dict[str, Any] = {"sigma": round(sigma, 4)}
        by_channel = dict(
            zip(self.settings.channels or (), (round(sigma / sd, 2) for sd in self.data_sds), strict=False)
        )
        return said | ({"in SDs of the data": by_channel} if by_channel else {})

    def guidance_trials(self, markers: Sequence[str]) -> list[dict[str, Any]]:
        """Return the settings of guidance that are worth trying beside none; ``markers`` are rare bright channels."""
        return [{"guidance": guidance} for guidance in self.guidances]

    # ---- training

    def start_training(self) -> None:
        s = self.settings
        self.translators.requires_grad_(False).eval()
        self.live = copy.deepcopy(self.translators["denoiser"]).requires_grad_(True).train()
        # convolutions compute channels last
        self.live.to(memory_format=torch.channels_last)
        self.adam = torch.optim.AdamW(self.live.parameters(), s.learning_rate, betas=(0.95, 0.999), weight_decay=1e-6)

    def training_step(self, step: int, parts: Sequence[BatchPart], update: Update) -> dict[str, float]:
        for group in self.adam.param_groups:
            group["lr"] = self.rate * self.learning_rate(step)

        def denoising(part: BatchPart) -> tuple[Tensor, dict[str, Tensor]]:
            # one network for each condition knows nothing of "no condition"
            drop = 0.0 if self.settings.separate else self.settings.label_drop
            each = self._losses(self.live, part, update, drop=drop, vary=True)
            return torch.stack(list(each.values())).mean(), each

        losses = update.backward(self.live, parts, denoising)
        update.apply(self.adam, clip=1.0)

        average(self.translators["denoiser"], self.live, step, self.settings.ema)
        return update.mean(losses)

    def learning_rate(self, step: int) -> float:
        """Return AdamW's learning rate at a step: rising, then falling along a cosine or constant."""
        s = self.settings
        rising = min(1.0, (step + 1) / (s.warmup + 1))
        falling = 0.5 * (1 + math.cos(math.pi * min(1.0, step / s.steps))) if s.decay == "cosine" else 1.0
        return s.learning_rate * rising * falling

    @torch.no_grad()
    def held_out_loss(self, part: BatchPart) -> dict[str, float]:
        """Return the averaged denoiser's loss; the same part gives the same noise, so that steps can be compared."""
        losses = self._losses(self.translators["denoiser"], part, Update(), drop=0.0)
        return {name: float(value) for name, value in losses.items()}

    @abstractmethod
    def learned(self, part: BatchPart, *, vary: bool) -> tuple[Tensor, Tensor | None]:
        """Return what is to be denoised, and what the denoiser is shown beside it.

        Both (N, C, H, W), the crops of one condition after those of the other. ``vary`` says that training
        may change them at random.
        """

    def _losses(
        self, network: nn.Module, part: BatchPart, update: Update, *, drop: float, vary: bool = False
    ) -> dict[str, Tensor]:
        """Return the denoising loss of each condition (Karras et al. 2022, eq. 8; the mean over crops)."""
        x0, beside = self.learned(part, vary=vary)
        device, chance = x0.device, part.chance
        # Noise levels that lie evenly, each uniform by itself (Kingma et al. 2021, appendix I.1; the golden ratio
        # spreads any number of them), make the loss of a small batch steadier.
        start = replace(chance, first=0, count=1).uniform("noise level")
        places = np.arange(chance.first, chance.first + chance.count)
        order = np.concatenate([places * len(self.conditions) + i for i in range(len(self.conditions))])
        shares = torch.from_numpy((start + order * GOLDEN) % 1.0).float().to(device)
        noise = np.concatenate([chance.normal(f"noise on {c}", *x0.shape[1:]) for c in self.conditions])
        dropped = np.concatenate([chance.uniform(f"label of {c}") < drop for c in self.conditions])
        labels = np.repeat(np.arange(len(self.conditions)), chance.count)
        told = torch.from_numpy(np.where(dropped, len(self.conditions), labels)).to(device)

        def predict(z: Tensor, time: Tensor) -> Tensor:
            with update.precision():
                return network(z if beside is None else torch.cat([beside, z], dim=1), time, told)

        errors = self.objective.errors(
            x0, torch.from_numpy(noise).to(device), self.objective.quantile(shares), predict
        ).split(chance.count)
        return {f"denoising {name}": each.mean() for name, each in zip(self.conditions, errors, strict=True)}

    def training_state(self) -> dict[str, Any]:
        return {"live": self.live.state_dict(), "adam": self.adam.state_dict()}

    def load_training_state(self, state: dict[str, Any]) -> None:
        self.live.load_state_dict(state["live"])
        self.adam.load_state_dict(state["adam"])
