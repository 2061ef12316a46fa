"""Translated crops of earlier steps, shown to discriminators again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from napari_phenotrans.core.keyed_random import KeyedRandom


class Pool:
    """Lets a discriminator forget less by showing it earlier translations too (Shrivastava et al. 2017, section 2.3).

    Each place in the batch has a pool of its own, which only crops of that place enter and leave, and whose decisions
    are `KeyedRandom`'s. One pool for all would depend on the order in which crops come and on crops that another
    process holds; so a step comes out the same whether its batch is whole, in parts, or spread over processes. The
    pools of all places together hold about as many crops as the paper's one pool.

    Parameters
    ----------
    size
        Translated crops to keep over the whole batch; 0 keeps none.
    batch
        Crops of the whole batch, over all parts and processes.
    purpose
        Tells this pool's draws from those of others.

    Attributes
    ----------
    stored
        Crops (C, H, W) by their place in the batch: of this process's places only.
    """

    def __init__(self, size: int, batch: int, purpose: str) -> None:
        self.size = max(1, size // batch) if size else 0
        self.purpose = purpose
        self.stored: dict[int, list[Tensor]] = {}

    def show(self, crops: Tensor, chance: KeyedRandom) -> Tensor:
        """Return (N, C, H, W) in which, once the pool is full, about half of the crops are earlier ones."""
        shown = list(crops)
        for index, (stored, slot) in enumerate(self._slots(chance)):
            if slot is not None and slot < len(stored):
                shown[index] = stored[slot]
        return torch.stack(shown)

    def keep(self, crops: Tensor, chance: KeyedRandom) -> None:
        """Put the crops in the places of those that `show` gave for them.

        Apart from `show`, which changes nothing, so that a step that ran out of memory can be computed again.
        """
        for crop, (stored, slot) in zip(crops, self._slots(chance), strict=True):
            if slot is not None:
                stored[slot : slot + 1] = [crop.detach().clone()]

    def _slots(self, chance: KeyedRandom) -> list[tuple[list[Tensor], int | None]]:
        """Return for each crop its place's pool, and which of it the crop replaces: the end where it is not full."""
        slots: list[tuple[list[Tensor], int | None]] = []
        for place, rng in zip(range(chance.first, chance.first + chance.count), chance.each(self.purpose), strict=True):
            stored = self.stored.setdefault(place, [])
            if len(stored) < self.size:
                slots.append((stored, len(stored)))
            else:
                slots.append((stored, int(rng.integers(self.size)) if self.size and rng.random() < 0.5 else None))
        return slots
