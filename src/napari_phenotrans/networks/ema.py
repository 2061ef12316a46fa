"""The average of a network's weights over training, which translates better than the last ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn


@torch.no_grad()
def average(kept: nn.Module, live: nn.Module, step: int, decay: float) -> None:
    """Move an averaged network towards the one in training.

    Parameters
    ----------
    kept, live
        The average, which is changed, and the network in training: of the same kind.
    step
        Number of updates made before this one.
    decay
        Share of the average that a step keeps; less in the first steps, so that the average starts fast and the first
        random weights are forgotten.
    """
    keep = min(decay, (1 + step) / (10 + step))
    for averaged, weight in zip(kept.parameters(), live.parameters(), strict=True):
        averaged.lerp_(weight, 1 - keep)
