"""PhenDiff (Bourou et al., MICCAI 2024): one denoiser that inverts an image to noise and generates another."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines.base import Engine, NetworkCall, run_whole
from napari_phenotrans.engines.objectives import Discrete, make_objective
from napari_phenotrans.engines.settings import PUBLISHED_SCHEDULE, PhenDiffSettings, PhenDiffTranslation
from napari_phenotrans.engines.solvers import dpm, heun, noise_levels, published_generation, published_inversion
from napari_phenotrans.engines.update import Update
from napari_phenotrans.networks.ema import average
from napari_phenotrans.networks.unet import build_unet, unet_config

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from napari_phenotrans.core.keyed_random import KeyedRandom
    from napari_phenotrans.core.settings import TranslationSettings
    from napari_phenotrans.engines.update import BatchPart

GOLDEN = (math.sqrt(5) - 1) / 2


class PhenDiff(Engine):
    """One denoiser for all conditions, told which one it looks at.

    An image is taken to be at the least noise. Translating inverts it with the source condition up to a noise that
    the strength sets, and generates from there with the target condition. ``translators`` holds the averaged
    denoiser; the one in training is apart, so that nothing has to be swapped.
    """

    inverts = True
    translation_settings = PhenDiffTranslation

    def __init__(self, settings: PhenDiffSettings, channels: int, conditions: tuple[str, ...]) -> None:
        super().__init__(settings, channels, conditions)
        self.settings: PhenDiffSettings = settings
        self.objective = make_objective(settings.objective, settings.schedule or PUBLISHED_SCHEDULE)
        config = settings.network or unet_config(
            channels,
            len(conditions),
            width=settings.width,
            levels=settings.levels,
            layers=settings.layers,
            crop=settings.crop,
        )
        self.translators["denoiser"] = build_unet(config, channels, len(conditions))
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

    # ---- translating

    def networks_to(self, target: str) -> nn.Module:
        self.index(target)
        return self.translators["denoiser"]

    def keep_targets(self, targets: Iterable[str]) -> None:
        """Keep the denoiser: it is the same for every condition."""

    def translation(
        self, x: Tensor, source: str, target: str, how: TranslationSettings, *, way_back: bool = False
    ) -> Generator[NetworkCall, Tensor, Tensor]:
        assert isinstance(how, PhenDiffTranslation)
        network, origin, aim = self.networks_to(target), self.index(source), self.index(target)
        if how.strength == 0:
            return x
        if how.solver == "ddim":
            if not isinstance(self.objective, Discrete):
                raise InputError(
                    f"The solver ddim is for denoisers of the discrete objective, this one was trained with "
                    f"{self.settings.objective}. Say --solver dpm."
                )
            count = min(how.evaluations, len(self.objective.signal))
            grid = (self.objective, count, max(1, round(count * how.strength)))
            inverter = partial(self._predict_at, network, origin, 1.0)
            x = yield from published_inversion(x, *grid, inverter, key=("ddim", count, source))
            predictor = partial(self._predict_at, network, aim, how.guidance)
            return (yield from published_generation(x, *grid, predictor))
        # Heun's method evaluates twice per step
        solver, intervals = (dpm, how.evaluations) if how.solver == "dpm" else (heun, how.evaluations // 2)
        sigmas = noise_levels(intervals, how.strength, self.objective.sigma_min, self.objective.sigma_max)
        # how to invert does not depend on the target, and its first evaluations not on the strength
        way = (how.solver, how.evaluations, source)
        x = yield from solver(x, sigmas, partial(self.denoise, network, origin, 1.0), final=False, key=way)
        denoiser = partial(self.denoise, network, aim, how.guidance)
        return (yield from solver(x, sigmas[::-1], denoiser, final=True))

    def denoise(self, network: nn.Module, condition: int, guidance: float, x: Tensor, sigma: float) -> Tensor:
        """Return D(x; sigma) for crops or tiles (N, C, H, W) of one condition at one noise, in float32.

        With a guidance other than 1 it is moved away from (or towards) what the network says without a condition
        (Ho & Salimans 2022, eq. 6, whose w is this guidance less 1).
        """
        sigmas = torch.full((len(x),), sigma, device=x.device)
        c = self.objective.coefficients(sigmas)
        predicted = self._predict(network, condition, guidance, c.into[:, None, None, None] * x, c.time)
        return self.objective.denoised(x, sigmas, predicted)

    def _predict_at(self, network: nn.Module, condition: int, guidance: float, z: Tensor, time: float) -> Tensor:
        return self._predict(network, condition, guidance, z, torch.full((len(z),), float(time), device=z.device))

    def _predict(self, network: nn.Module, condition: int, guidance: float, z: Tensor, time: Tensor) -> Tensor:
        labels = torch.full((len(z),), condition, device=z.device)
        if guidance == 1:
            return network(z, time, labels).float()
        nothing = torch.full_like(labels, len(self.conditions))
        both = network(torch.cat([z, z]), torch.cat([time, time]), torch.cat([labels, nothing])).float()
        told, untold = both.chunk(2)
        return untold + guidance * (told - untold)

    def generate(self, condition: str, chance: KeyedRandom, size: int) -> Tensor:
        """Generate (count, C, size, size) of a condition from noise alone, to be held against the training crops."""
        noise = torch.from_numpy(chance.normal("noise to generate from", self.channels, size, size))
        sigmas = noise_levels(50, 1.0, self.objective.sigma_min, self.objective.sigma_max)[::-1]
        network = self.networks_to(condition)
        x = sigmas[0] * noise.to(self.device)
        return run_whole(dpm(x, sigmas, partial(self.denoise, network, self.index(condition), 1.0), final=True))

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
            each = self._losses(self.live, part, update, drop=self.settings.label_drop)
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
        return {k: float(v) for k, v in self._losses(self.translators["denoiser"], part, Update(), drop=0.0).items()}

    def _losses(self, network: nn.Module, part: BatchPart, update: Update, *, drop: float) -> dict[str, Tensor]:
        """Return the denoising loss of each condition (Karras et al. 2022, eq. 8; the mean over crops)."""
        x0 = torch.cat([part.crops[condition] for condition in self.conditions])
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

        sigma = self.objective.quantile(shares)
        x = x0 + sigma[:, None, None, None] * torch.from_numpy(noise).to(device)
        c = self.objective.coefficients(sigma)
        with update.precision():
            predicted = network(c.into[:, None, None, None] * x, c.time, told)
        error = (predicted.float() - self.objective.goal(x0, x, sigma)).pow(2).mean(dim=(1, 2, 3))
        weighted = (self.objective.weight(sigma) * error).split(chance.count)
        return {f"denoising {name}": each.mean() for name, each in zip(self.conditions, weighted, strict=True)}

    def training_state(self) -> dict[str, Any]:
        return {"live": self.live.state_dict(), "adam": self.adam.state_dict()}

    def load_training_state(self, state: dict[str, Any]) -> None:
        self.live.load_state_dict(state["live"])
        self.adam.load_state_dict(state["adam"])
