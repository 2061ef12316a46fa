"""Whether this machine computes a network's convolutions faster from patches or directly: a short timing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from napari_phenotrans.networks.winograd import use_patches

if TYPE_CHECKING:
    from torch import Tensor, nn

SECONDS = 0.5  # that the timing takes, about


def patches_are_faster(network: nn.Module, x: Tensor, seconds: float = SECONDS) -> bool:
    """Compute a network forwards and backwards both ways in turns, on one thread as parts of a batch are.

    Parameters
    ----------
    network
        In training; its gradients are dropped, and afterwards it computes from patches.
    x
        What it is given (N, C, H, W).
    seconds
        After which the turn that runs is the last.

    Returns
    -------
    Whether the quickest turn from patches was quicker than the quickest direct one.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    best = dict.fromkeys((True, False), float("inf"))
    try:
        began, turns = time.perf_counter(), 0
        # the first turn of each warms up, and counts where there is no other
        while turns < 2 or time.perf_counter() - began < seconds:
            for patches in best:
                use_patches(network, patches)
                start = time.perf_counter()
                network(x).square().mean().backward()
                best[patches] = min(best[patches], time.perf_counter() - start)
            turns += 1
    finally:
        torch.set_num_threads(threads)
        use_patches(network, True)
        network.zero_grad(set_to_none=True)
    return best[True] < best[False]
