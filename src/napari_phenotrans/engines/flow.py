"""Flow with kept channels: a flow (Lipman et al. 2023) of the channels that move, given those that stay."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines.base import Drawn, NetworkCall, run_whole
from napari_phenotrans.engines.denoiser import DenoiserEngine
from napari_phenotrans.engines.kept import places_among, places_of
from napari_phenotrans.engines.objectives import Flow, mean_and_sd
from napari_phenotrans.engines.settings import FLOW_REDRAW, FlowSettings, FlowTranslation
from napari_phenotrans.engines.solvers import dpm, noise_levels

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from napari_phenotrans.core.keyed_random import KeyedRandom
    from napari_phenotrans.core.settings import TranslationSettings
    from napari_phenotrans.engines.update import BatchPart

# Of the noise, in SDs of a channel; sigma is t / (1 - t), so that t runs from 0.003 to 0.9975. What shows at a glance
# in an image is decided between 1 and 100, evenly on a logarithmic scale.
LEAST, GREATEST = 0.003, 400.0


class KeptFlow(DenoiserEngine):
    """A denoiser of the moving channels that sees the kept ones.

    Translating takes the moving channels towards noise with the source condition, and from there back with the target
    condition; the kept ones are the same all the way. Without kept channels all move.
    """

    translation_settings = FlowTranslation
    amount = "depth"
    geometric = True
    guidances = (0.3, 1.0)
    redraws = True
    redraw = FLOW_REDRAW

    def __init__(self, settings: FlowSettings, channels: int, conditions: tuple[str, ...]) -> None:
        kept = places_of(settings.kept or (), settings.channels, channels)
        moving = [index for index in range(channels) if index not in kept]
        super().__init__(settings, channels, conditions, Flow(settings.times, LEAST, GREATEST), len(moving))
        self.settings: FlowSettings = settings
        self.kept, self.moving = kept, moving
        self.translators["scale"] = Standardization(channels)

    # ---- translating

    def translation(
        self, x: Tensor, source: str, target: str, how: TranslationSettings, *, way_back: bool = False
    ) -> Generator[NetworkCall, Tensor, Tensor]:
        return (yield from self._there_and_back(x, source, target, how, None))

    def answer(
        self, x: Tensor, source: str, target: str, how: TranslationSettings, drawn: Drawn, *, way_back: bool = False
    ) -> Generator[NetworkCall, Tensor, Tensor]:
        return (yield from self._there_and_back(x, source, target, how, drawn))

    def _there_and_back(
        self, x: Tensor, source: str, target: str, how: TranslationSettings, drawn: Drawn | None
    ) -> Generator[NetworkCall, Tensor, Tensor]:
        assert isinstance(how, FlowTranslation)
        if how.depth == 0:
            return x
        origin, aim = self.index(source), self.index(target)
        sigmas = self.levels(how, how.evaluations)
        # how to invert does not depend on the target, and its first evaluations not on the depth
        way = ("flow", how.evaluations, source)
        z = self._scale(x)
        if drawn is None or drawn.share < 1:
            z = yield from dpm(z, sigmas, partial(self.denoise, origin, origin, None), final=False, key=way)
        if drawn is not None:
            z = self._redrawn(z, sigmas[-1], drawn)
        denoiser = partial(self.denoise, aim, origin, self.guidance_of(how))
        translated = yield from self._in_image_units(dpm(z, sigmas[::-1], denoiser, final=True))
        translated[:, self.kept] = x[:, self.kept]
        return translated

    def guidance_trials(self, markers: Sequence[str]) -> list[dict[str, Any]]:
        """Return those of all channels, and one of the markers alone.

        Guidance makes rare objects whole or gone where they would be half faded, but overdoes what is everywhere.
        """
        moving = [name for name in self.settings.channels or () if name not in (self.settings.kept or ())]
        guided = tuple(name for name in moving if name in markers)
        alone = [{"guidance": self.guidances[0], "guided": guided}] if 0 < len(guided) < len(moving) else []
        return super().guidance_trials(markers) + alone

    @property
    def noise_unit(self) -> Tensor:
        return self._scale.sd.flatten().cpu()

    @property
    def data_sds(self) -> tuple[float, ...]:
        return super().data_sds or (1.0,) * self.channels

    def _redrawn(self, z: Tensor, sigma: float, drawn: Drawn) -> Tensor:
        """Replace a share of what the moving channels are at this noise by what was drawn; their variance stays.

        There image and noise together have the variance 1 + sigma^2, for channels are in SDs.
        """
        fresh = math.sqrt(1 + sigma**2) * drawn.noise[:, self.moving]
        z = z.clone()
        z[:, self.moving] = math.sqrt(1 - drawn.share**2) * z[:, self.moving] + drawn.share * fresh
        return z

    def guidance_of(self, how: FlowTranslation) -> Tensor | None:
        """Return by how much each moving channel is guided, (moving, 1, 1); None where none is.

        Raises
        ------
        InputError
            If channels are to be guided that there are not, or that are kept.
        """
        guided = places_among(how.guided or (), self.settings.channels, "to guide", "--guided")
        if kept := [name for name in how.guided or () if name in (self.settings.kept or ())]:
            raise InputError(
                f"{', '.join(kept)} is kept, so that no guidance can act on it. Guide channels that move, or none by "
                f"name."
            )
        if how.guidance == 0:
            return None
        acts = [float(not guided or place in guided) for place in self.moving]
        return how.guidance * torch.tensor(acts, device=self.device)[:, None, None]

    def denoise(self, condition: int, other: int, guidance: Tensor | None, z: Tensor, sigma: float) -> Tensor:
        """Return D(z; sigma) for crops or tiles (N, C, H, W) in SDs of the channels; kept channels as they are.

        With a guidance it is moved away from what the denoiser says of the ``other`` condition.
        """
        count = len(z)
        sigmas = torch.full((count,), sigma, device=z.device)
        c = self.objective.coefficients(sigmas)
        moving = z[:, self.moving]
        seen = torch.cat([z[:, self.kept], c.into[:, None, None, None] * moving], dim=1)
        network = self.networks_to(self.conditions[condition])
        label = partial(torch.full, (count,), device=z.device)
        if guidance is None or condition == other:
            predicted = network(seen, c.time, label(fill_value=condition)).float()
        else:
            labels = torch.cat([label(fill_value=condition), label(fill_value=other)])
            told, untold = network(torch.cat([seen, seen]), c.time.repeat(2), labels).float().chunk(2)
            predicted = told + guidance * (told - untold)
        denoised = z.clone()
        denoised[:, self.moving] = self.objective.denoised(moving, sigmas, predicted)
        return denoised

    def _in_image_units(self, steps: Generator[NetworkCall, Tensor, Tensor]) -> Generator[NetworkCall, Tensor, Tensor]:
        """Pass a solver's evaluations on, the last one, tile by tile, in about [-1, 1]."""
        call = next(steps)
        while not call.final:
            call = steps.send((yield call))
        solved = call.network
        return (yield replace(call, network=lambda tile: self._scale.back(solved(tile))))

    def complete(self, x: Tensor, condition: str, chance: KeyedRandom, evaluations: int = 50) -> Tensor:
        """Draw the moving channels of (count, C, H, W) from noise, given the kept ones: what else could be beside them.

        Parameters
        ----------
        x
            In about [-1, 1]; nothing of its moving channels is used.
        condition
            Which to make.
        chance
            Gives the noise of each of the ``count`` crops.
        evaluations
            Network evaluations.
        """
        z, label = self._scale(x), self.index(condition)
        noise = torch.from_numpy(chance.normal("noise to generate from", len(self.moving), *x.shape[2:])).to(x.device)
        sigmas = noise_levels(evaluations, 1.0, self.objective.sigma_min, self.objective.sigma_max, geometric=True)
        z[:, self.moving] = sigmas[-1] * noise
        denoiser = partial(self.denoise, label, label, None)
        made = run_whole(self._in_image_units(dpm(z, sigmas[::-1], denoiser, final=True)))
        made[:, self.kept] = x[:, self.kept]
        return made

    def generate(self, condition: str, chance: KeyedRandom, size: int) -> Tensor | None:
        """Generate (count, C, size, size) of a condition from noise alone; None where channels are kept."""
        if self.kept:
            return None
        nothing = torch.zeros(chance.count, self.channels, size, size, device=self.device)
        return self.complete(nothing, condition, chance)

    # ---- training

    def measure(self, pieces: Mapping[str, Sequence[Tensor]]) -> None:
        self._scale.measure(pieces)

    def learned(self, part: BatchPart, *, vary: bool) -> tuple[Tensor, Tensor | None]:
        crops = torch.cat([part.crops[condition] for condition in self.conditions])
        kept, jitter = crops[:, self.kept], self.settings.kept_jitter
        if self.kept and vary and jitter:
            drawn = np.concatenate([part.chance.normal(f"gain in {c}", len(self.kept)) for c in self.conditions])
            gain = torch.exp(jitter * torch.from_numpy(drawn)).to(crops.device)[:, :, None, None]
            # brightness counts from -1, where the data set's intensity limits begin
            crops = crops.clone()
            crops[:, self.kept] = (kept + 1) * gain - 1
        scaled = self._scale(crops)
        return scaled[:, self.moving], scaled[:, self.kept] if self.kept else None

    @property
    def _scale(self) -> Standardization:
        scale = self.translators["scale"]
        assert isinstance(scale, Standardization)
        return scale


class Standardization(nn.Module):
    """Each channel in SDs from its mean over the training images, and back; (N, C, H, W)."""

    mean: Tensor
    sd: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("sd", torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.sd

    def back(self, z: Tensor) -> Tensor:
        """Undo it."""
        return z * self.sd + self.mean

    def measure(self, pieces: Mapping[str, Sequence[Tensor]]) -> None:
        """Take mean and SD over pieces (C, h, w) of each condition; every condition counts the same."""
        mean, sd = mean_and_sd(pieces)
        self.mean.copy_(mean[:, None, None])
        self.sd.copy_(sd[:, None, None])
