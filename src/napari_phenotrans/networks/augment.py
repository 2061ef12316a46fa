"""Differentiable augmentation of what discriminators see, for few images (Zhao et al., NeurIPS 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from napari_phenotrans.core.keyed_random import KeyedRandom

# Of crops (N, C, H, W), by draws for a purpose.
Augmentation: TypeAlias = "Callable[[Tensor, KeyedRandom, str], Tensor]"

# How far crops are shifted, as a share of their side, in both kinds: the published 12.5 %.
SHIFT = 1 / 8


def nothing(crops: Tensor, chance: KeyedRandom, purpose: str) -> Tensor:
    """Return the crops."""
    return crops


def level(crops: Tensor, chance: KeyedRandom, purpose: str, *, gain: float = 0.1, offset: float = 0.05) -> Tensor:
    """Vary gain and offset of each channel, by as much as exposure and background differ between neighboring fields.

    Far less than phenotypes do: a brightness of ±25 % of the range would hide the effects that biologists look for.
    Parameters and result are `fluorescence`'s.
    """
    drawn = chance.uniform(f"{purpose}: gain and offset", 2, crops.shape[1], 1, 1) * 2 - 1
    return (crops + 1) * _like(1 + gain * drawn[:, 0], crops) - 1 + _like(offset * drawn[:, 1], crops)


def fluorescence(
    crops: Tensor,
    chance: KeyedRandom,
    purpose: str,
    *,
    gain: float = 0.1,
    offset: float = 0.05,
    shift: float = SHIFT,
) -> Tensor:
    """Vary gain and offset of each channel (`level`), place and orientation of each crop.

    Only what changes between fields of one condition anyway. So there is no hole, and channels never mix (saturation
    would blend stains). A shift fills in mirrored pixels, not one value, whose edge images never hold.

    Parameters
    ----------
    crops
        (N, C, H, W) in about [-1, 1], -1 the lower intensity limit.
    chance
        Gives the draws, crop by crop.
    purpose
        Tells these draws from others of the same step.
    gain
        Largest change of the gain, about the lower intensity limit: 0.1 is ±10 %.
    offset
        Largest offset: 0.05 is ±2.5 % of the limits' range.
    shift
        Largest shift, as a share of the side.

    Returns
    -------
    Tensor
        (N, C, H, W), differentiable in ``crops``.
    """
    height, width = crops.shape[2:]
    crops = level(crops, chance, purpose, gain=gain, offset=offset)

    down, right = int(shift * height + 0.5), int(shift * width + 0.5)
    wide = F.pad(crops, (right, right, down, down), mode="reflect")
    moved = []
    for crop, rng in zip(wide, chance.each(f"{purpose}: place and orientation"), strict=True):
        top, left = int(rng.integers(2 * down + 1)), int(rng.integers(2 * right + 1))
        turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        turned = torch.rot90(crop[:, top : top + height, left : left + width], turns, dims=(1, 2))
        moved.append(turned.flip(2) if mirrored else turned)
    return torch.stack(moved)


def original(crops: Tensor, chance: KeyedRandom, purpose: str, *, shift: float = SHIFT, hole: float = 1 / 2) -> Tensor:
    """Apply the published color, translation and cutout, for comparison: made for photographs.

    Brightness ±0.5, saturation × U(0, 2) about the channels' mean, contrast × U(0.5, 1.5) about the crop's mean; a
    shift of up to 12.5 %, filled with 0; a hole of half the side, centered anywhere, filled with 0 (Zhao et al. 2020,
    section 3.1 and the authors' defaults). Parameters and result as for `fluorescence`; ``hole`` is a share of the
    side.
    """
    height, width = crops.shape[2:]
    color = _like(chance.uniform(f"{purpose}: color", 3, 1, 1, 1), crops)
    crops = crops + (color[:, 0] - 0.5)
    gray = crops.mean(dim=1, keepdim=True)
    crops = (crops - gray) * (2 * color[:, 1]) + gray
    mean = crops.mean(dim=(1, 2, 3), keepdim=True)
    crops = (crops - mean) * (color[:, 2] + 0.5) + mean

    down, right = int(shift * height + 0.5), int(shift * width + 0.5)
    high, wide = int(hole * height + 0.5), int(hole * width + 0.5)
    padded = F.pad(crops, (right, right, down, down))
    moved = []
    for crop, rng in zip(padded, chance.each(f"{purpose}: translation and cutout"), strict=True):
        top, left = int(rng.integers(2 * down + 1)), int(rng.integers(2 * right + 1))
        # centered on any pixel, so that most holes are cut by the border
        y = int(rng.integers(height + (high + 1) % 2)) - high // 2
        x = int(rng.integers(width + (wide + 1) % 2)) - wide // 2
        mask = crop.new_ones(height, width)
        mask[max(0, y) : y + high, max(0, x) : x + wide] = 0
        moved.append(crop[:, top : top + height, left : left + width] * mask)
    return torch.stack(moved)


AUGMENTATIONS: dict[str, Augmentation] = {
    "none": nothing,
    "level": level,
    "fluorescence": fluorescence,
    "original": original,
}


def _like(draws: np.ndarray, crops: Tensor) -> Tensor:
    return torch.from_numpy(draws).to(crops)
