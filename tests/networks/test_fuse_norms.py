"""Tests of napari_phenotrans.networks.fuse_norms."""

from __future__ import annotations

import copy
from typing import get_args

import pytest
import torch
from torch import nn

from napari_phenotrans.networks.fuse_norms import quicken
from napari_phenotrans.networks.norm import CropNorm, fix_statistics, make_sets, select_set, set_mode
from napari_phenotrans.networks.resnet import Output, ResNetGenerator, Upsampling
from napari_phenotrans.networks.unet import build_unet, unet_config


def a_generator(width: int = 32, upsampling: Upsampling = "resize", output: Output = "residual") -> ResNetGenerator:
    """Return a generator whose layers all matter, normalizing by statistics of other crops."""
    torch.manual_seed(0)
    network = ResNetGenerator(2, width, 2, upsampling, output).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0, 0.1)
    fix_statistics(network, [torch.randn(2, 2, 32, 32) for _ in range(2)])
    return network


def apart(after: torch.Tensor, before: torch.Tensor) -> float:
    """Return the RMS difference, in standard deviations of what was there before."""
    return float((after.double() - before).pow(2).mean().sqrt() / before.std())


@pytest.mark.parametrize("output", get_args(Output))
@pytest.mark.parametrize("upsampling", get_args(Upsampling))
def test_a_generator_translates_as_before(upsampling: Upsampling, output: Output) -> None:
    network = a_generator(upsampling=upsampling, output=output)
    x = torch.randn(1, 2, 52, 64)
    with torch.inference_mode():
        before = copy.deepcopy(network).double()(x.double())
        quicken(networks := nn.ModuleDict({"0": network}))
        after = networks["0"](x)
    assert before.std() > 0.1
    assert apart(after, before) < 1e-5
    assert not any(isinstance(layer, CropNorm) for layer in network.modules())


def test_a_network_that_normalizes_by_what_it_sees_keeps_its_norms() -> None:
    network = a_generator()
    set_mode(network, "instance")
    x = torch.randn(1, 2, 64, 64)
    with torch.inference_mode():
        before = copy.deepcopy(network).double()(x.double())
        quicken(networks := nn.ModuleDict({"0": network}))
        after = networks["0"](x)
    assert apart(after, before) < 1e-5
    assert any(isinstance(layer, CropNorm) for layer in network.modules())


def test_a_denoiser_predicts_as_before() -> None:
    torch.manual_seed(0)
    network = build_unet(unet_config(2, 2, width=64, levels=2, layers=1, crop=32), 2, 2).eval()
    x, time, labels = torch.randn(2, 2, 32, 32), torch.tensor(300.0), torch.tensor([0, 1])
    with torch.inference_mode():
        before = copy.deepcopy(network).double()(x.double(), time, labels)
        quicken(networks := nn.ModuleDict({"0": network}))
        after = networks["0"](x, time, labels)
    assert apart(after, before) < 1e-5


def test_it_does_not_train_any_more() -> None:
    network = a_generator().requires_grad_(True)
    quicken(nn.ModuleDict({"0": network}))
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_each_kind_of_input_is_normalized_by_its_own_statistics() -> None:
    network = a_generator()
    make_sets(network, 2)
    x = torch.randn(1, 2, 32, 32)
    with torch.inference_mode():
        fix_statistics(network, [torch.randn(2, 2, 32, 32) * 3], 1)
        before = []
        for index in range(2):
            select_set(network, index)
            before.append(network(x))
        quicken(networks := nn.ModuleDict({"0": network}))
        # in another order, and one of them again
        for index in (1, 0, 1):
            select_set(networks, index)
            assert apart(networks["0"](x), before[index]) < 1e-5
    assert apart(before[0], before[1]) > 0.1
