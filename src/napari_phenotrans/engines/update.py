"""What an engine's update is computed from and with: parts of a batch, in a precision, by one process or several."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from napari_phenotrans.core.keyed_random import KeyedRandom


T = TypeVar("T")
Extra = TypeVar("Extra")


@dataclass(frozen=True, eq=False)
class BatchPart:
    """A part of one step's batch.

    Parameters
    ----------
    crops
        (n, C, H, W) of each condition, on the engine's device.
    chance
        Gives random numbers for these n crops; an engine draws from nowhere else, so that a step does not depend on
        how its batch was divided.
    masks
        (n, 1, H, W) of each condition, 1 where the objects of its crops are; empty where the engine asks for none.
    """

    crops: dict[str, Tensor]
    chance: KeyedRandom
    masks: dict[str, Tensor] = field(default_factory=dict)


class Update:
    """How gradients become an update: float32 and one process here, more in the run that drives several.

    An engine calls `backward` with all parts and then `apply` once, whatever the number of parts and processes.

    On a processor the parts are computed at once, each on one thread: torch's own way, to share every operation among
    all threads, leaves them waiting for each other between many small ones.
    """

    def precision(self) -> AbstractContextManager[object]:
        """Return the context in which forward passes run."""
        return nullcontext()

    def backward(
        self, network: nn.Module, parts: Sequence[T], loss_of: Callable[[T], tuple[Tensor, Extra]]
    ) -> list[Extra]:
        """Add the gradients of the parts' mean loss to a network's; returns what else `loss_of` gives for each.

        Parameters
        ----------
        network
            Whose weights get gradients: those that require them.
        parts
            Anything that ``loss_of`` takes, of equally many crops each.
        loss_of
            Gives a part's loss and what is to be returned. It changes nothing that another part's would see, for
            it may be called on several threads at once.
        """
        weights = [weight for weight in network.parameters() if weight.requires_grad]

        def compute(part: T) -> tuple[tuple[Tensor | None, ...], Extra]:
            loss, extra = loss_of(part)
            return torch.autograd.grad(loss / len(parts), weights, allow_unused=True), extra

        together = len(parts) > 1 and weights[0].device.type == "cpu"
        extras = []
        # summed in the parts' order: which of them is ready first must not show in the last bit
        for gradients, extra in self._together(compute, parts) if together else map(compute, parts):
            for weight, gradient in zip(weights, gradients, strict=True):
                if gradient is not None:
                    weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                    weight.grad += gradient
            extras.append(extra)
        return extras

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

    def _together(self, compute: Callable[[T], Extra], parts: Sequence[T]) -> Iterable[Extra]:
        threads = torch.get_num_threads()

        def alone(part: T) -> Extra:
            torch.set_num_threads(1)
            return compute(part)

        running = [self._threads.submit(alone, part) for part in parts]
        try:
            # all of them, also where one failed: what comes next may compute the same parts again
            wait(running)
        finally:
            # each thread has a number of its own, but new ones begin with the one that was said last
            torch.set_num_threads(threads)
        return [one.result() for one in running]

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="part of a batch")
