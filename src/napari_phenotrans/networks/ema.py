"""Exponential moving average of a network's weights, which translates better than the last weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
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


def widening(width: float, step: int) -> float:
    """Return the decay of an average that reaches over the same share of all steps, however many were made.

    A power function average (Karras et al. 2024, eq. 1 to 3): the weights of step t count as t to the power of gamma, a
    profile whose standard deviation is ``width`` of the steps so far. A fixed decay lags in short trainings, and
    smooths nothing in long ones.

    Parameters
    ----------
    width
        Above 0, at most 0.28.
    step
        Number of updates made before this one.
    """
    square = width**-2
    gamma = float(np.roots([1, 7, 16 - square, 12 - square]).real.max())
    return (1 - 1 / (step + 1)) ** (gamma + 1)
