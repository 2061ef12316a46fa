"""Tests of napari_phenotrans.networks.winograd."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_phenotrans.networks.winograd import AT_ONCE, WinogradConvolution, is_suited


def a_convolution(entering: int = 64, leaving: int = 80, **said: object) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(entering, leaving, 3, **{"padding": 1, **said})


@torch.no_grad()
def both(convolution: nn.Conv2d, shape: tuple[int, ...], *, rectified: bool = False) -> tuple[torch.Tensor, ...]:
    """Return the convolution in float64 and from patches in float32."""
    torch.manual_seed(1)
    x = torch.randn(shape)
    quick = WinogradConvolution(convolution, rectified=rectified)(x)
    exact = convolution.double()(x.double())
    return (exact.relu() if rectified else exact), quick


def apart(quick: torch.Tensor, exact: torch.Tensor) -> float:
    """Return the RMS difference, in units of the outputs' own root mean square."""
    return float((quick.double() - exact).pow(2).mean().sqrt() / exact.pow(2).mean().sqrt())


@pytest.mark.parametrize("padding_mode", ["zeros", "reflect"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("count", "height", "width"),
    [(1, 32, 32), (2, 17, 30), (5, 5, 23), (1, 8, 4 * AT_ONCE + 3), (3 * AT_ONCE // 16, 16, 16)],
    ids=["whole", "odd", "flat", "wider than what is computed together", "many small ones"],
)
def test_it_computes_what_the_convolution_does(
    padding_mode: str, bias: bool, count: int, height: int, width: int
) -> None:
    exact, quick = both(a_convolution(padding_mode=padding_mode, bias=bias), (count, 64, height, width))
    assert apart(quick, exact) < 1e-5


def test_negative_outputs_become_0() -> None:
    exact, quick = both(a_convolution(), (1, 64, 32, 32), rectified=True)
    assert quick.min() == 0
    assert apart(quick, exact) < 1e-5


@pytest.mark.parametrize("rectified", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 8])
def test_inputs_of_few_patches_are_convolved_directly(size: int, rectified: bool) -> None:
    exact, quick = both(a_convolution(), (1, 64, size, size), rectified=rectified)
    assert apart(quick, exact) < 1e-5


def test_a_reflected_border_that_is_wider_than_the_input_is_convolved_directly() -> None:
    convolution = a_convolution(padding_mode="reflect")
    exact, quick = both(convolution, (40, 64, 2, 2))
    assert apart(quick, exact) < 1e-5


@pytest.mark.parametrize(
    "layer",
    [
        a_convolution(stride=2),
        a_convolution(padding=0),
        a_convolution(dilation=2, padding=2),
        a_convolution(groups=16),
        a_convolution(padding_mode="circular"),
        a_convolution(entering=32),
        a_convolution(leaving=3),
        nn.Conv2d(64, 64, 5, padding=2),
        nn.ConvTranspose2d(64, 64, 3),
    ],
    ids=str,
)
def test_other_layers_are_not_suited(layer: nn.Module) -> None:
    assert is_suited(a_convolution())
    assert not is_suited(layer)
