"""What an engine's update is computed from and with: parts of a batch, in a precision, by one process or several."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_phenotrans.chance import Chance


@dataclass(frozen=True, eq=False)
class Part:
    """A part of one step's batch.

    Parameters
    ----------
    crops
        (n, C, H, W) of each condition, on the engine's device.
    chance
        Gives random numbers for these n crops; an engine draws from nowhere else, so that a step does not depend on
        how its batch was divided.
    """

    crops: dict[str, Tensor]
    chance: Chance


class Update:
    """How gradients become an update: float32 and one process here, more in the run that drives several.

    An engine calls `backward` once per part and then `apply` once, whatever the number of parts and processes.
    """

    def precision(self) -> AbstractContextManager[object]:
        """Return the context in which forward passes run."""
        return nullcontext()

    def backward(self, loss: Tensor) -> None:
        """Add a loss's gradients; the engine has divided it by the number of parts."""
        loss.backward()

    def share(self, gradients: Sequence[Tensor]) -> None:
        """Replace gradients by their mean over the processes."""

    def apply(self, optimizer: torch.optim.Optimizer, *, clip: float | None = None) -> None:
        """Step an optimizer by the gradients' mean over all processes, no longer than ``clip``; then forget them."""
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        self.share([p.grad for p in parameters if p.grad is not None])
        if clip is not None:
            nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def mean(self, losses: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
        """Return losses by name, averaged over parts and processes."""
        if not losses:
            return {}
        names = list(losses[0])
        table = torch.stack([torch.stack([one[name].detach().float() for name in names]) for one in losses]).mean(0)
        self.share([table])
        return dict(zip(names, table.tolist(), strict=True))
