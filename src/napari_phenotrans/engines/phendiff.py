"""PhenDiff (Bourou et al., MICCAI 2024): one denoiser that inverts an image to noise and generates another."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines.base import NetworkCall, run_whole
from napari_phenotrans.engines.denoiser import DenoiserEngine
from napari_phenotrans.engines.kept import places_of
from napari_phenotrans.engines.objectives import DataSD, Discrete, make_objective, wide
from napari_phenotrans.engines.settings import PUBLISHED_SCHEDULE, PhenDiffSettings, PhenDiffTranslation
from napari_phenotrans.engines.solvers import dpm, heun, noise_levels, published_generation, published_inversion

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from napari_phenotrans.core.keyed_random import KeyedRandom
    from napari_phenotrans.core.settings import TranslationSettings
    from napari_phenotrans.engines.update import BatchPart


class PhenDiff(DenoiserEngine):
    """One denoiser for all conditions, told which one it looks at.

    An image is taken to be at the least noise. Translating inverts it with the source condition up to a noise that
    the strength sets, and generates from there with the target condition. Channels that are to be kept are put back on
    the way back to what the inversion made of them at the same noise: the others are generated beside them.
    """

    translation_settings = PhenDiffTranslation
    amount = "strength"

    def __init__(self, settings: PhenDiffSettings, channels: int, conditions: tuple[str, ...]) -> None:
        data = DataSD(channels) if settings.objective == "edm" else None
        objective = make_objective(settings.objective, settings.schedule or PUBLISHED_SCHEDULE, data)
        super().__init__(settings, channels, conditions, objective)
        if data is not None:
            self.translators["data"] = data
        self.settings: PhenDiffSettings = settings

    # ---- translating

    def translation(
        self, x: Tensor, source: str, target: str, how: TranslationSettings, *, way_back: bool = False
    ) -> Generator[NetworkCall, Tensor, Tensor]:
        assert isinstance(how, PhenDiffTranslation)
        network, origin, aim = self.networks_to(target), self.index(source), self.index(target)
        kept = list(self.kept_by(how))
        if self.settings.separate and how.guidance != 1:
            raise InputError(
                f"This checkpoint has a network for each condition and none without, so that there is nothing to guide "
                f"by: got a guidance of {how.guidance:g}. Say --guidance 1."
            )
        if how.strength == 0:
            return x
        if how.solver == "ddim":
            if not isinstance(self.objective, Discrete):
                raise InputError(
                    f"The solver ddim is for denoisers of the discrete objective, this one was trained with "
                    f"{self.settings.objective}. Say --solver dpm."
                )
            if kept:
                raise InputError(
                    "The solver ddim goes back on other levels of noise than there, so that it can keep no channels. "
                    "Say --solver dpm or heun, or leave --kept out."
                )
            count = min(how.evaluations, len(self.objective.signal))
            grid = (self.objective, count, max(1, round(count * self._share_of_table(self.objective, how))))
            inverter = partial(self._predict_at, network, origin, 1.0)
            x = yield from published_inversion(x, *grid, inverter, key=("ddim", count, source))
            predictor = partial(self._predict_at, network, aim, how.guidance)
            return (yield from published_generation(x, *grid, predictor))
        # Heun's method evaluates twice per step
        solver, intervals = (dpm, how.evaluations) if how.solver == "dpm" else (heun, how.evaluations // 2)
        sigmas = self.levels(how, intervals)
        # how to invert does not depend on the target, and its first evaluations not on the strength
        way = (how.solver, how.evaluations, source)
        # What the kept channels are at each level is all that is held of the way; half precision is much finer than
        # the noise on them.
        path: dict[float, Tensor] = {}

        def note(z: Tensor, sigma: float) -> Tensor:
            path[sigma] = z[:, kept].half()
            return z

        def hold(z: Tensor, sigma: float) -> Tensor:
            z[:, kept] = path[sigma].to(z.dtype)
            return z

        z = yield from solver(
            x, sigmas, partial(self.denoise, network, origin, 1.0), final=False, key=way, at_node=note
        )
        denoiser = partial(self.denoise, network, aim, how.guidance)
        translated = yield from solver(z, sigmas[::-1], denoiser, final=True, at_node=hold)
        translated[:, kept] = x[:, kept]
        return translated

    def _share_of_table(self, table: Discrete, how: PhenDiffTranslation) -> float:
        """Return how far through the table of noise levels, which are not those of the other solvers, to go."""
        if how.scale == "noise" or self.effect is None:
            return how.strength
        return (float(table.time(torch.tensor([self.noise(how)]))) + 1) / len(table.signal)

    @property
    def data_sds(self) -> tuple[float, ...]:
        measured = self.translators["data"].state_dict()["sd"].tolist() if "data" in self.translators else ()
        return super().data_sds or tuple(measured)

    def kept_by(self, how: TranslationSettings) -> tuple[int, ...]:
        assert isinstance(how, PhenDiffTranslation)
        return places_of(how.kept or (), self.settings.channels, self.channels)

    def denoise(self, network: nn.Module, condition: int, guidance: float, x: Tensor, sigma: float) -> Tensor:
        """Return D(x; sigma) for crops or tiles (N, C, H, W) of one condition at one noise, in float32.

        With a guidance other than 1 it is moved away from (or towards) what the network says without a condition
        (Ho & Salimans 2022, eq. 6, whose w is this guidance less 1).
        """
        sigmas = torch.full((len(x),), sigma, device=x.device)
        c = self.objective.coefficients(sigmas)
        predicted = self._predict(network, condition, guidance, wide(c.into) * x, c.time)
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

    def measure(self, pieces: Mapping[str, Sequence[Tensor]]) -> None:
        if "data" in self.translators:
            data = self.translators["data"]
            assert isinstance(data, DataSD)
            data.measure(pieces)

    def learned(self, part: BatchPart, *, vary: bool) -> tuple[Tensor, None]:
        return torch.cat([part.crops[condition] for condition in self.conditions]), None
