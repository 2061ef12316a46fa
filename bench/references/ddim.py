"""PhenDiff's translation from plain calls of diffusers: the reference of ``python -m bench phendiff``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import diffusers
import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint

# Bourou et al. 2024: the noise schedule of their DDIM examples.
TABLE: dict[str, Any] = {
    "num_train_timesteps": 3000,
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "beta_schedule": "scaled_linear",
}
PAPER_WIDTHS = (64, 128, 256)
# of the table that ends at a strength's noise; the schedulers' grids meet where it is a multiple of the steps
LEVELS = 1000


def same_network(checkpoint: Checkpoint, device: torch.device) -> nn.Module:
    """Return the checkpoint's denoiser as diffusers' own network, with the same weights."""
    denoiser: Any = checkpoint.build_engine().translators["denoiser"]
    network = diffusers.UNet2DModel(**{k: v for k, v in denoiser.config.items() if not k.startswith("_")})
    network.load_state_dict(denoiser.state_dict())
    return network.eval().requires_grad_(False).to(device)


def paper_network(channels: int, conditions: int, size: int, device: torch.device) -> nn.Module:
    """Return the published network of 15.7 million weights, with random ones."""
    torch.manual_seed(0)
    network = diffusers.UNet2DModel(
        sample_size=size,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=PAPER_WIDTHS,
        layers_per_block=2,
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        attention_head_dim=8,
        num_class_embeds=conditions + 1,
    )
    return network.eval().requires_grad_(False).to(device)


def depth_table(objective: Any, strength: float) -> np.ndarray:
    """Return a table of 1000 betas: the published one, up to the noise to which our solver goes at a strength.

    So that all steps of the reference serve the way that our evaluations serve.
    """
    low, high = (float(sigma) ** (1 / 7) for sigma in (objective.sigma_min, objective.sigma_max))
    depth = (low + strength * (high - low)) ** 7
    betas = np.linspace(TABLE["beta_start"] ** 0.5, TABLE["beta_end"] ** 0.5, TABLE["num_train_timesteps"]) ** 2
    decline, places = -np.log1p(-betas).cumsum(), np.arange(len(betas))
    end = np.interp(np.log1p(depth**2), decline, places)
    kept = np.interp(np.linspace(0, end, LEVELS), places, decline)
    return -np.expm1(-np.diff(kept, prepend=0))


def epsilon_of_flow(network: nn.Module, z: Tensor, time: Tensor, label: Tensor, signal: Tensor) -> Tensor:
    """Return the noise in z = a x0 + s n, with a² = signal and s² = 1 - signal, from a network that predicts n - x0.

    It was trained on (1 - t) x0 + t n = z / (a + s), where t = s / (a + s), and is told 1000 t.
    """
    a, s = signal.sqrt(), (1 - signal).sqrt()
    predicted = network(z / (a + s), 1000 * s / (a + s), label).sample
    return (z + a * predicted) / (a + s)


@dataclass(frozen=True, eq=False)
class Plain:
    """Invert with DDIMInverseScheduler, generate with DDIMScheduler: the same number of steps each way."""

    predict: Callable[[Tensor, Tensor, Tensor], Tensor]
    up: Any
    down: Any
    version: str = diffusers.__version__

    @classmethod
    def of(cls, network: nn.Module, betas: np.ndarray, steps: int, spacing: str) -> Self:
        """Take a network that predicts flow, and a table of betas."""
        said = {
            "num_train_timesteps": len(betas),
            "trained_betas": betas.astype(np.float32),
            "clip_sample": False,
            "timestep_spacing": spacing,
        }
        up, down = diffusers.DDIMInverseScheduler(**said), diffusers.DDIMScheduler(**said)
        for scheduler in (up, down):
            scheduler.set_timesteps(steps)

        def predict(z: Tensor, t: Tensor, label: Tensor) -> Tensor:
            return epsilon_of_flow(network, z, t, label, down.alphas_cumprod[t])

        return cls(predict, up, down)

    @classmethod
    def published(cls, network: nn.Module, steps: int) -> Self:
        """Take a network that predicts v, with the schedule and settings of the published examples."""
        said = TABLE | {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "clip_sample": True}
        up = diffusers.DDIMInverseScheduler(**said)
        down = diffusers.DDIMScheduler(**said, timestep_spacing="trailing")
        for scheduler in (up, down):
            scheduler.set_timesteps(steps)
        return cls(lambda z, t, label: network(z, t, label).sample, up, down)

    @property
    def greatest_noise(self) -> Tensor:
        """Standard deviation of the most noise that the table has, where the image has the scale it came with."""
        signal = self.down.alphas_cumprod[-1]
        return ((1 - signal) / signal).sqrt()

    def translate(self, x: Tensor, source: int, target: int, *, first: int | None = None) -> Tensor:
        """Translate (N, C, H, W) in about [-1, 1]; only the ``first`` steps of both ways, where that is said."""
        for scheduler, condition in ((self.up, source), (self.down, target)):
            label = torch.full((len(x),), condition, device=x.device)
            for t in scheduler.timesteps[:first]:
                x = scheduler.step(self.predict(x, t, label), t, x).prev_sample
        return x
