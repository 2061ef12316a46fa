"""What the way back is given, and what is asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines.kept import places_among

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.core.keyed_random import KeyedRandom
    from napari_phenotrans.engines.settings import GANSettings

LEVELS = 256  # of gray between the intensity limits, to which a camera rounds


def drowned(translated: Tensor, s: GANSettings, camera: Tensor, chance: KeyedRandom, purpose: str) -> Tensor:
    """Return translated crops (N, C, H, W) as a camera would have seen them, in which hidden signals drown.

    Noise before the way back keeps generators from hiding there what they took away (Bashkirova et al. 2019, section
    4.1).

    Parameters
    ----------
    translated
        In about [-1, 1].
    s
        How much noise.
    camera
        (C,) SDs of the camera's own noise.
    chance, purpose
        Draw it.
    """
    if s.cycle_noise or s.cycle_camera:
        sd = torch.hypot(torch.full_like(camera, 2 * s.cycle_noise), s.cycle_camera * camera).to(translated)
        noise = torch.from_numpy(chance.normal(purpose, *translated.shape[1:])).to(translated)
        translated = translated + sd[:, None, None] * noise
    return rounded(translated) if s.cycle_camera else translated


def rounded(x: Tensor) -> Tensor:
    """Round (N, C, H, W) to gray levels; gradients pass as if nothing was done (Bengio et al. 2013, section 4)."""
    step = 2 / (LEVELS - 1)
    return x + (torch.round((x + 1) / step) * step - 1 - x).detach()


def channel_weights(said: Sequence[str], known: Sequence[str] | None, channels: int) -> Tensor:
    """Return (C, 1, 1) by which the L1 errors of channels count.

    Parameters
    ----------
    said
        ``PH3=4``; channels that are not named count once.
    known, channels
        Names of the channels, and how many there are.

    Raises
    ------
    InputError
        If something else is said, or of a channel that there is not.
    """
    weights = torch.ones(channels, 1, 1)
    for pair in said:
        name, _, typed = pair.rpartition("=")
        try:
            weight = float(typed)
        except ValueError:
            weight = -1.0
        if not name or not 0 <= weight < float("inf"):
            raise InputError(
                f"--l1-weights {pair!r} cannot be read: expected a channel's name and a number, 0 or more, as in PH3=4."
            )
        (place,) = places_among([name], known, "to weigh", "--l1-weights")
        weights[place] = weight
    return weights


def difference(back: Tensor, real: Tensor, weights: Tensor, pool: int = 1, free: Tensor | None = None) -> Tensor:
    """Return the L1 error of (N, C, H, W) that came back.

    Parameters
    ----------
    back, real
        What came back, and what should have.
    weights
        (C, 1, 1) by which channels count.
    pool
        Pixels along a side that are averaged before.
    free
        (N, 1, H, W), 1 where nothing has to come back.
    """
    if pool > 1:
        back, real = F.avg_pool2d(back, pool), F.avg_pool2d(real, pool)
        free = None if free is None else F.avg_pool2d(free, pool)
    error = (back - real).abs() * weights.to(back)
    return error.mean() if free is None else (error * (1 - free)).mean()


def feature_difference(back: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Return the mean L1 error of feature maps (N, C, h, w) (Wang and Lin 2018, section 3.1)."""
    return torch.stack([F.l1_loss(ours, theirs.detach()) for ours, theirs in zip(back, real, strict=True)]).mean()
