"""What a denoising network predicts, at which noise it trains, and how its output becomes a denoised image.

Everything is written in sigma, the standard deviation of the noise: x = x0 + sigma n. Whatever a network predicts,
the denoised image is D(x; sigma) = skip x + out F(in x; time) (Karras et al. 2022, eq. 7), so that one solver and one
loss serve every objective.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor

from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIGMA_MIN, SIGMA_MAX = 0.005, 80.0
SIGMA_DATA = 0.5
# Of the logit of t: most of it lies where it is decided what an image shows, from 1/2 to 0.99 of noise.
LOGIT_MEAN, LOGIT_SD = 1.0, 2.0


class Coefficients(NamedTuple):
    """Of Karras et al. 2022, eq. 7, each of the shape of sigma; ``time`` is what the network is told of sigma."""

    skip: Tensor
    out: Tensor
    into: Tensor
    time: Tensor


class Objective(ABC):
    """What the network F predicts.

    Attributes
    ----------
    sigma_min, sigma_max
        Least and greatest noise at which it is asked when translating.
    """

    sigma_min: float = SIGMA_MIN
    sigma_max: float = SIGMA_MAX

    @abstractmethod
    def coefficients(self, sigma: Tensor) -> Coefficients:
        """Return what turns F into a denoised image at this noise."""

    @abstractmethod
    def quantile(self, share: Tensor) -> Tensor:
        """Return the noise below which this share (0 to 1) of the training crops lies."""

    def weight(self, sigma: Tensor) -> Tensor:
        """Return the weight of the squared error of F."""
        return torch.ones_like(sigma)

    def denoised(self, x: Tensor, sigma: Tensor, predicted: Tensor) -> Tensor:
        """Return D(x; sigma) from what the network predicted; (N, C, H, W), sigma (N,)."""
        c = self.coefficients(sigma)
        return _wide(c.skip) * x + _wide(c.out) * predicted

    def goal(self, x0: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """Return what the network should predict for x = x0 + sigma n (Karras et al. 2022, eq. 8)."""
        c = self.coefficients(sigma)
        return (x0 - _wide(c.skip) * x) / _wide(c.out)

    def errors(self, x0: Tensor, noise: Tensor, sigma: Tensor, network: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Return the weighted squared error of each crop, (N,) (Karras et al. 2022, eq. 8; the mean over pixels).

        Parameters
        ----------
        x0, noise
            Crops and standard normal noise, (N, C, H, W).
        sigma
            Of the noise on each crop, (N,).
        network
            Gives F for scaled noisy crops and times (N,).
        """
        x = x0 + _wide(sigma) * noise
        c = self.coefficients(sigma)
        predicted = network(_wide(c.into) * x, c.time)
        return self.weight(sigma) * (predicted.float() - self.goal(x0, x, sigma)).pow(2).mean(dim=(1, 2, 3))


class EDM(Objective):
    """Preconditioning and noise of Karras et al. 2022, table 1: unit variance in, unit variance out."""

    def coefficients(self, sigma: Tensor) -> Coefficients:
        total = sigma**2 + SIGMA_DATA**2
        # their 1/4 ln sigma is for Fourier features; sinusoids of period 2 pi and longer need it wider
        time = 250 * sigma.log()
        return Coefficients(SIGMA_DATA**2 / total, sigma * SIGMA_DATA / total.sqrt(), total.rsqrt(), time)

    def quantile(self, share: Tensor) -> Tensor:
        return torch.exp(-1.2 + 1.2 * torch.special.ndtri(share.clamp(1e-6, 1 - 1e-6)))


class Velocity(Objective):
    """v = alpha n - s x0 on the cosine schedule alpha = cos, s = sin (pi t / 2), t uniform (Salimans & Ho 2022)."""

    def coefficients(self, sigma: Tensor) -> Coefficients:
        alpha = (1 + sigma**2).rsqrt()
        time = 1000 * sigma.atan() / (math.pi / 2)
        return Coefficients(alpha**2, -sigma * alpha, alpha, time)

    def quantile(self, share: Tensor) -> Tensor:
        low, high = math.atan(self.sigma_min), math.atan(self.sigma_max)
        return (low + share * (high - low)).tan()


class Flow(Objective):
    """n - x0 along the straight path (1 - t) x0 + t n (Lipman et al. 2023, eq. 22 and 23).

    Parameters
    ----------
    times
        How t is drawn in training: ``uniform``, or ``logit-normal`` (Esser et al. 2024, eq. 19).
    low, high
        Least and greatest noise, see `Objective`.
    """

    def __init__(
        self,
        times: Literal["uniform", "logit-normal"] = "uniform",
        low: float = SIGMA_MIN,
        high: float = SIGMA_MAX,
    ) -> None:
        self.times = times
        self.sigma_min, self.sigma_max = low, high

    def coefficients(self, sigma: Tensor) -> Coefficients:
        into = 1 / (1 + sigma)
        return Coefficients(into, -sigma * into, into, 1000 * sigma * into)

    def quantile(self, share: Tensor) -> Tensor:
        if self.times == "logit-normal":
            # sigma is t / (1 - t), so its logarithm is the logit
            logit = LOGIT_MEAN + LOGIT_SD * torch.special.ndtri(share.clamp(1e-6, 1 - 1e-6))
            return logit.exp().clamp(self.sigma_min, self.sigma_max)
        low, high = (s / (1 + s) for s in (self.sigma_min, self.sigma_max))
        time = low + share * (high - low)
        return time / (1 - time)


class Discrete(Objective):
    """A table of noise levels t = 0 ... T - 1, drawn alike often: DDPM (Ho et al. 2020) and the published PhenDiff.

    Parameters
    ----------
    schedule
        Configuration of a diffusers scheduler.

    Raises
    ------
    InputError
        If the schedule says what is not known here.
    """

    def __init__(self, schedule: Mapping[str, Any]) -> None:
        steps = int(schedule.get("num_train_timesteps", 1000))
        low, high = float(schedule.get("beta_start", 1e-4)), float(schedule.get("beta_end", 0.02))
        kind = schedule.get("beta_schedule", "linear")
        if schedule.get("trained_betas") is not None:
            betas = torch.tensor(schedule["trained_betas"], dtype=torch.float64)
        elif kind == "linear":
            betas = torch.linspace(low, high, steps, dtype=torch.float64)
        elif kind == "scaled_linear":
            betas = torch.linspace(low**0.5, high**0.5, steps, dtype=torch.float64) ** 2
        elif kind == "squaredcos_cap_v2":  # Nichol & Dhariwal 2021, eq. 17
            level = (torch.arange(steps + 1, dtype=torch.float64) / steps + 0.008) / 1.008 * math.pi / 2
            betas = (1 - (level[1:].cos() / level[:-1].cos()) ** 2).clamp(max=0.999)
        else:
            raise InputError(
                f"The noise schedule {kind!r} is not known: expected linear, scaled_linear or squaredcos_cap_v2."
            )
        self.prediction = schedule.get("prediction_type", "epsilon")
        if self.prediction not in ("epsilon", "v_prediction", "sample"):
            raise InputError(
                f"The prediction type {self.prediction!r} is not known: expected epsilon, v_prediction or sample."
            )
        self.clip = float(schedule.get("clip_sample_range", 1.0)) if schedule.get("clip_sample", True) else math.inf
        self.spacing = schedule.get("timestep_spacing", "leading")
        self.offset = int(schedule.get("steps_offset", 0))
        self.published_signal = (1 - betas).cumprod(0)
        signal = self.published_signal
        if schedule.get("rescale_betas_zero_snr", False):  # Lin et al. 2024, algorithm 1
            root = signal.sqrt()
            signal = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
        self.signal = signal
        # without any signal the noise would be infinite
        kept = signal.clamp(min=1e-20)
        self.sigmas = ((1 - kept) / kept).sqrt()
        self.sigma_min = float(self.sigmas[0])
        self.sigma_max = min(SIGMA_MAX, float(self.sigmas[-1]))

    def coefficients(self, sigma: Tensor) -> Coefficients:
        alpha = (1 + sigma**2).rsqrt()
        time = self.time(sigma)
        if self.prediction == "epsilon":
            return Coefficients(torch.ones_like(sigma), -sigma, alpha, time)
        if self.prediction == "sample":
            return Coefficients(torch.zeros_like(sigma), torch.ones_like(sigma), alpha, time)
        return Coefficients(alpha**2, -sigma * alpha, alpha, time)

    def time(self, sigma: Tensor) -> Tensor:
        """Return the place of a noise in the table, linear in ln sigma between two entries."""
        table, sought = self.sigmas.log().to(sigma.device), sigma.double().log()
        above = torch.searchsorted(table, sought.contiguous()).clamp(1, len(table) - 1)
        share = (sought - table[above - 1]) / (table[above] - table[above - 1])
        return (above - 1 + share.clamp(0, 1)).to(sigma.dtype)

    def quantile(self, share: Tensor) -> Tensor:
        place = (share * len(self.sigmas)).long().clamp(max=len(self.sigmas) - 1)
        return self.sigmas.to(share.device, share.dtype)[place]

    def weight(self, sigma: Tensor) -> Tensor:
        # the published loss of a predicted image is weighted by its signal-to-noise ratio
        return sigma**-2 if self.prediction == "sample" else torch.ones_like(sigma)


def make_objective(name: str, schedule: Mapping[str, Any]) -> Objective:
    """Return an objective by its name in the settings; the schedule is for ``discrete``."""
    match name:
        case "edm":
            return EDM()
        case "v":
            return Velocity()
        case "flow":
            return Flow()
    return Discrete(schedule)


def _wide(values: Tensor) -> Tensor:
    return values[:, None, None, None]
