"""Exponential moving average of a network's weights, which translates better than the last weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn


@torch.no_grad()
def average(averaged: nn.Module, live: nn.Module, step: int, decay: float) -> None:
    """Move an averaged network towards the one in training.

    Parameters
    ----------
    averaged, live
        The average, which is changed, and the network in training, with the same parameters.
    step
        Number of updates made before this one.
    decay
        Share of the average that a step keeps; less in the first steps, so that the random first weights are forgotten
        soon.
    """
    keep = min(decay, (1 + step) / (10 + step))
    for mean, weight in zip(averaged.parameters(), live.parameters(), strict=True):
        mean.lerp_(weight, 1 - keep)
