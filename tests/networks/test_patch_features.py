"""Tests of napari_phenotrans.networks.patch_features."""

from __future__ import annotations

import torch

from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.networks.patch_features import PatchProjections

CHANCE = KeyedRandom(0, 0, 0, 2)


def maps(seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, width, side, side, generator=generator) for width, side in ((4, 16), (8, 4))]


def test_places_that_stay_are_told_from_places_that_were_exchanged() -> None:
    torch.manual_seed(0)
    loss = PatchProjections((4, 8), 16)
    same, exchanged = loss(maps(1), maps(1), CHANCE), loss(maps(1), [m.flip(3) for m in maps(1)], CHANCE)
    assert same < 0.2 * exchanged


def test_what_is_drawn_follows_the_chance_and_only_the_translation_learns() -> None:
    torch.manual_seed(0)
    loss = PatchProjections((4, 8), 16)
    real, made = ([m.requires_grad_(True) for m in maps(seed)] for seed in (1, 2))
    once = loss(real, made, CHANCE, places=8)
    assert torch.equal(once, loss(real, made, CHANCE, places=8))
    assert not torch.equal(once, loss(real, made, KeyedRandom(0, 1, 0, 2), places=8))
    once.backward()
    assert all(m.grad is None for m in real)
    assert all(m.grad is not None and m.grad.abs().max() > 0 for m in made)


def test_a_batch_may_be_divided() -> None:
    torch.manual_seed(0)
    loss = PatchProjections((4, 8), 16)
    halves = [
        loss([m[i : i + 1] for m in maps(1)], [m[i : i + 1] for m in maps(2)], KeyedRandom(0, 0, i, 1)) for i in (0, 1)
    ]
    torch.testing.assert_close(torch.stack(halves).mean(), loss(maps(1), maps(2), CHANCE))
