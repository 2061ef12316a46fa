"""Tests of napari_phenotrans.networks.winograd."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from napari_phenotrans.networks.winograd import AT_ONCE, Convolution


def a_convolution(entering: int = 64, leaving: int = 80, **said: object) -> Convolution:
    torch.manual_seed(0)
    return Convolution(entering, leaving, **{"kernel_size": 3, "padding": 1, **said})


def operations(convolution: nn.Module, x: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        convolution(x)
    return counter.get_total_flops()


def apart(quick: torch.Tensor, exact: torch.Tensor) -> float:
    """Return the RMS difference, in units of the root mean square."""
    return float((quick.double() - exact).pow(2).mean().sqrt() / exact.pow(2).mean().sqrt())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels last"])
@pytest.mark.parametrize("padding_mode", ["zeros", "reflect"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("count", "height", "width"),
    [(1, 32, 32), (2, 17, 30), (5, 5, 23), (1, 8, 4 * AT_ONCE + 3), (3 * AT_ONCE // 16, 16, 16)],
    ids=["whole", "odd", "flat", "wider than what is computed together", "many small ones"],
)
def test_it_computes_what_a_convolution_does(
    layout: torch.memory_format, padding_mode: str, bias: bool, count: int, height: int, width: int
) -> None:
    quick = a_convolution(padding_mode=padding_mode, bias=bias)
    exact = nn.Conv2d(64, 80, 3, padding=1, padding_mode=padding_mode, bias=bias).double()
    exact.load_state_dict(quick.state_dict())
    quick.to(memory_format=layout)
    x = torch.randn(count, 64, height, width)
    one = x.clone(memory_format=layout).requires_grad_(True)
    other = x.double().requires_grad_(True)
    weights = torch.randn(count, 80, height, width)

    seen, expected = quick(one), exact(other)
    assert seen.shape == expected.shape
    assert apart(seen.detach(), expected.detach()) < 1e-5
    (seen * weights).sum().backward()
    (expected * weights).sum().backward()
    assert apart(one.grad, other.grad) < 1e-5
    for mine, its in zip(quick.parameters(), exact.parameters(), strict=True):
        assert apart(mine.grad, its.grad) < 1e-5


def test_it_takes_fewer_operations() -> None:
    x, quick = torch.randn(1, 64, 32, 32), a_convolution()
    direct = nn.Conv2d(64, 80, 3, padding=1)
    # a quarter of the products, and what it takes to get there and back
    assert operations(quick, x) < 0.45 * operations(direct, x)


@pytest.mark.parametrize(
    ("said", "shape"),
    [
        ({}, (1, 64, 8, 8)),
        ({"padding_mode": "reflect"}, (40, 64, 2, 2)),
        ({"stride": 2}, (1, 64, 32, 32)),
        ({"padding": 0}, (1, 64, 32, 32)),
        ({"dilation": 2, "padding": 2}, (1, 64, 32, 32)),
        ({"groups": 16}, (1, 64, 32, 32)),
        ({"padding_mode": "circular"}, (1, 64, 32, 32)),
        ({"entering": 16}, (1, 16, 32, 32)),
        ({"leaving": 3}, (1, 64, 32, 32)),
        ({"kernel_size": 5, "padding": 2}, (1, 64, 32, 32)),
    ],
    ids=str,
)
def test_elsewhere_it_is_torchs_own(said: dict[str, object], shape: tuple[int, ...]) -> None:
    convolution = a_convolution(**said)
    x = torch.randn(shape)
    with torch.no_grad():
        assert torch.equal(convolution(x), nn.Conv2d.forward(convolution, x))


def test_doubles_are_convolved_as_doubles() -> None:
    convolution = a_convolution()
    x = torch.randn(1, 64, 32, 32)
    with torch.no_grad():
        exact = copy.deepcopy(convolution).double()(x.double())
    assert exact.dtype == torch.float64
    assert torch.equal(exact, nn.Conv2d.forward(copy.deepcopy(convolution).double(), x.double()))
