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
from torch import Tensor, nn

from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SIGMA_MIN, SIGMA_MAX = 0.005, 80.0
SIGMA_DATA = 0.5  # of data whose SD nobody measured, as published
LEAST_SD = 1e-3  # of a channel on which there is nothing
# Of the logit of t: most of it lies where it is decided what an image shows, from 1/2 to 0.99 of noise.
LOGIT_MEAN, LOGIT_SD = 1.0, 2.0


class Coefficients(NamedTuple):
    """Of Karras et al. 2022, eq. 7; ``time`` is what the network is told of sigma.

    Each of the shape of sigma, (N,); all but ``time`` are (N, C) where they differ between channels.
    """

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
        return wide(c.skip) * x + wide(c.out) * predicted

    def goal(self, x0: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """Return what the network should predict for x = x0 + sigma n (Karras et al. 2022, eq. 8)."""
        c = self.coefficients(sigma)
        return (x0 - wide(c.skip) * x) / wide(c.out)

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
        x = x0 + wide(sigma) * noise
        c = self.coefficients(sigma)
        predicted = network(wide(c.into) * x, c.time)
        return self.weight(sigma) * (predicted.float() - self.goal(x0, x, sigma)).pow(2).mean(dim=(1, 2, 3))


def mean_and_sd(pieces: Mapping[str, Sequence[Tensor]]) -> tuple[Tensor, Tensor]:
    """Return mean and SD (C,) of each channel over pieces (C, h, w) of each condition, which all count the same."""
    moments = []
    for some in pieces.values():
        values = torch.cat([piece.flatten(1) for piece in some], dim=1).double()
        moments.append(torch.stack([values.mean(dim=1), values.square().mean(dim=1)]))
    mean, square = torch.stack(moments).mean(dim=0)
    return mean, (square - mean.square()).clamp(min=0).sqrt().clamp(min=LEAST_SD)


class DataSD(nn.Module):
    """The SD of each channel of the training images, in the units that engines see; 0.5 until it is measured.

    A checkpoint from before it was measured holds none: loading one sets it back to 0.5, with which that one was
    trained.
    """

    sd: Tensor

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.register_buffer("sd", torch.full((channels,), SIGMA_DATA))
        self.register_load_state_dict_pre_hook(_assume_where_missing)

    def measure(self, pieces: Mapping[str, Sequence[Tensor]]) -> None:
        """Take it from pieces, see `mean_and_sd`."""
        self.sd.copy_(mean_and_sd(pieces)[1])


def _assume_where_missing(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    assert isinstance(module, DataSD)
    state.setdefault(f"{prefix}sd", torch.full_like(module.sd, SIGMA_DATA))


class EDM(Objective):
    """Preconditioning and noise of Karras et al. 2022, table 1: unit variance in, unit variance out.

    Their sigma_data is each channel's own. The noise of training, ln sigma of mean -1.2 and SD 1.2, is theirs at
    sigma_data 0.5 and moves along with the channels' geometric mean.

    Parameters
    ----------
    data
        The channels' SD; 0.5 where none is said.
    """

    def __init__(self, data: DataSD | None = None) -> None:
        self.data = data or DataSD()

    def coefficients(self, sigma: Tensor) -> Coefficients:
        sd, noise = self.data.sd.to(sigma.device), sigma[:, None]
        total = noise**2 + sd**2
        # their 1/4 ln sigma is for Fourier features; sinusoids of period 2 pi and longer need it wider
        time = 250 * sigma.log()
        return Coefficients(sd**2 / total, noise * sd / total.sqrt(), total.rsqrt(), time)

    def quantile(self, share: Tensor) -> Tensor:
        usual = torch.exp(-1.2 + 1.2 * torch.special.ndtri(share.clamp(1e-6, 1 - 1e-6)))
        return usual * (self.data.sd / SIGMA_DATA).log().mean().exp().to(share.device)


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


def make_objective(name: str, schedule: Mapping[str, Any], data: DataSD | None = None) -> Objective:
    """Return an objective by its name in the settings; the schedule is for ``discrete``, the SD for ``edm``."""
    match name:
        case "edm":
            return EDM(data)
        case "v":
            return Velocity()
        case "flow":
            return Flow()
    return Discrete(schedule)


def wide(values: Tensor) -> Tensor:
    """Return values per crop (N,), or per crop and channel (N, C), as they multiply (N, C, H, W)."""
    return values[..., None, None] if values.ndim == 2 else values[:, None, None, None]
