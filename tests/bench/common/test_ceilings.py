"""The machine's limits, and how much work a call is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.common import ceilings

CPU = torch.device("cpu")
LIMITS = {"float32 GFLOP/s": 100.0, "GB/s": 10.0}


def test_ceilings_are_positive_and_say_their_units() -> None:
    found = ceilings.ceilings("cpu", rounds=1, side=64, megabytes=1)
    assert set(found) == {"float32 GFLOP/s", "GB/s"}
    assert min(found.values()) > 0
    assert "float32 GFLOP/s" in ceilings.describe(found)


def test_work_is_counted_per_layer() -> None:
    layer = nn.Conv2d(3, 8, 3, padding=1)
    x = torch.zeros(2, 3, 16, 16)
    flops, moved = ceilings.work_of(lambda: nn.Sequential(layer, nn.ReLU())(x))
    assert flops == 2 * (2 * 16 * 16) * (3 * 8 * 9)
    floats = x.numel() + 3 * 2 * 8 * 16 * 16 + (3 * 8 * 9 + 8)  # in; out, in and out of the rectifier; weights
    assert moved == 4 * floats


def test_a_training_step_moves_three_times_the_bytes() -> None:
    layer, x = nn.Linear(4, 2), torch.zeros(5, 4)
    once, thrice = (ceilings.work_of(lambda: layer(x), training=said) for said in (False, True))
    assert thrice == (once[0], 3 * once[1])


@pytest.mark.parametrize(
    ("work", "times", "what"),
    [((200_000_000_000, 10), 2.0, "arithmetic"), ((10, 40_000_000_000), 1.0, "moving the bytes")],
)
def test_the_distance_is_that_to_the_nearer_limit(work: tuple[int, int], times: float, what: str) -> None:
    found = ceilings.distance(4.0, work, LIMITS)
    assert found["times_the_limit"] == times
    assert found["said"].startswith(f"{times:.2f} times what ")
    assert what in found["said"]


def test_shares_say_where_the_time_goes_the_largest_first() -> None:
    x = torch.rand(512, 512)
    shares = ceilings.shares_of(lambda: x @ x @ x @ x + 1, CPU)
    assert {"mm", "add"} <= set(shares)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert 0.9 < sum(shares.values()) <= 1.01
