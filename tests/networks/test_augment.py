from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.networks.augment import AUGMENTATIONS, fluorescence, original

every_kind = pytest.mark.parametrize("kind", AUGMENTATIONS)


def crops(count: int, channels: int = 3, size: int = 32) -> torch.Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


@every_kind
def test_gradients_flow_and_the_shape_stays(kind: str) -> None:
    x = crops(6).requires_grad_()
    y = AUGMENTATIONS[kind](x, KeyedRandom(0, 0, 0, 6), "test")
    assert y.shape == x.shape
    y.square().sum().backward()
    assert all(one.abs().sum() > 0 for one in x.grad)


@every_kind
def test_a_divided_batch_is_augmented_alike(kind: str) -> None:
    x = crops(4)
    whole = AUGMENTATIONS[kind](x, KeyedRandom(3, 5, 0, 4), "test")
    parts = [AUGMENTATIONS[kind](x[i : i + 2], KeyedRandom(3, 5, i, 2), "test") for i in (0, 2)]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-6)


@every_kind
def test_purposes_and_steps_are_drawn_apart(kind: str) -> None:
    x = crops(2)
    one, again = (AUGMENTATIONS[kind](x, KeyedRandom(0, 0, 0, 2), "real") for _ in range(2))
    others = [
        AUGMENTATIONS[kind](x, KeyedRandom(0, 0, 0, 2), "translated"),
        AUGMENTATIONS[kind](x, KeyedRandom(0, 1, 0, 2), "real"),
    ]
    assert torch.equal(one, again)
    assert [torch.equal(one, other) for other in others] == [kind == "none"] * 2


def test_fluorescence_never_mixes_channels() -> None:
    x = crops(8)
    changed = x.clone()
    changed[:, 1] = torch.rand(8, 32, 32)
    one, other = (AUGMENTATIONS["fluorescence"](each, KeyedRandom(0, 0, 0, 8), "test") for each in (x, changed))
    assert torch.equal(one[:, [0, 2]], other[:, [0, 2]])
    assert not torch.equal(one[:, 1], other[:, 1])
    # and the published colors do, which is why
    one, other = (AUGMENTATIONS["original"](each, KeyedRandom(0, 0, 0, 8), "test") for each in (x, changed))
    assert not torch.allclose(one[:, [0, 2]], other[:, [0, 2]])


def test_gain_and_offset_are_small_each_channels_own_and_about_the_lower_limit() -> None:
    x = torch.full((400, 2, 32, 32), -1.0)
    offset = AUGMENTATIONS["fluorescence"](x, KeyedRandom(0, 0, 0, 400), "test")[:, :, 0, 0] + 1
    bright = AUGMENTATIONS["fluorescence"](x + 1, KeyedRandom(0, 0, 0, 400), "test")[:, :, 0, 0] + 1
    gain = bright - offset
    assert -0.05 <= offset.min() < -0.045
    assert 0.045 < offset.max() <= 0.05
    assert 0.9 <= gain.min() < 0.91
    assert 1.09 < gain.max() <= 1.1
    for draws in (gain, offset):
        assert abs(np.corrcoef(draws.T.numpy())[0, 1]) < 0.15


def test_fluorescence_turns_are_the_eight_symmetries() -> None:
    """Without gain, offset and shift each crop is an exact permutation of its pixels, and all eight occur."""
    x = torch.arange(64.0).reshape(1, 1, 8, 8) / 64
    y = fluorescence(x.repeat(200, 1, 1, 1), KeyedRandom(0, 0, 0, 200), "test", gain=0, offset=0, shift=0)
    eight = [torch.rot90(t, turns, (2, 3))[0] for t in (x, x.flip(3)) for turns in range(4)]
    counts = [sum(torch.equal(crop, one) for crop in y) for one in eight]
    assert sum(counts) == 200
    assert min(counts) > 10


def test_what_a_shift_brings_in_is_mirrored_or_black() -> None:
    x = torch.full((64, 1, 32, 32), 0.5)
    torch.testing.assert_close(fluorescence(x, KeyedRandom(0, 0, 0, 64), "test", gain=0, offset=0), x)
    # published: up to an eighth of the side, evenly, filled with zeros
    y = original(torch.full((400, 1, 32, 32), 2.0), KeyedRandom(0, 0, 0, 400), "test", hole=0)
    filled = (y[:, 0] == 0).float()
    down = filled.amin(dim=2).sum(dim=1)
    right = filled.amin(dim=1).sum(dim=1)
    for empty in (down, right):
        assert sorted(set(empty.tolist())) == [0, 1, 2, 3, 4]
        assert abs(float((empty == 0).float().mean()) - 1 / 9) < 0.06


def test_originals_colors_are_as_published() -> None:
    x = crops(1, size=8).repeat(600, 1, 1, 1)
    y = original(x, KeyedRandom(0, 0, 0, 600), "test", shift=0, hole=0)
    brightness = y.mean(dim=(1, 2, 3)) - x.mean(dim=(1, 2, 3))
    gray = [t.mean(dim=1).std(dim=(1, 2)) for t in (x, y)]
    contrast = gray[1] / gray[0]
    spread = [(t - t.mean(dim=1, keepdim=True)).std(dim=(1, 2, 3)) for t in (x, y)]
    saturation = spread[1] / spread[0] / contrast
    for draws, low, high in ((brightness, -0.5, 0.5), (saturation, 0, 2), (contrast, 0.5, 1.5)):
        assert low - 1e-3 <= draws.min() < low + 0.05
        assert high - 0.05 < draws.max() <= high + 1e-3
        assert abs(float(draws.mean()) - (low + high) / 2) < 0.08


def test_originals_hole_is_half_as_wide_and_centered_anywhere() -> None:
    y = original(torch.full((400, 1, 32, 32), 2.0), KeyedRandom(0, 0, 0, 400), "test", shift=0)
    hole = (y[:, 0] == 0).float()
    high = hole.amax(dim=2).sum(dim=1)
    assert high.max() == 16
    assert 8 <= high.min() <= 9  # half of it beyond the border
    assert hole.mean(dim=0).min() > 0.02
