import pytest
import torch

from napari_phenotrans.networks.patchgan import PatchDiscriminator
from napari_phenotrans.networks.resnet import ResNetGenerator


@pytest.mark.parametrize(("blocks", "millions"), [(6, 7.838), (9, 11.378)])
def test_size_is_the_published_one(blocks: int, millions: float) -> None:
    network = ResNetGenerator(3, 64, blocks, "transposed", "tanh")
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.001)


def test_discriminator_has_the_published_size_and_output() -> None:
    network = PatchDiscriminator(3)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(2.765, abs=0.001)
    assert network(torch.zeros(1, 3, 256, 256)).shape == (1, 1, 30, 30)


@pytest.mark.parametrize("upsampling", ["resize", "transposed", "antialias"])
@pytest.mark.parametrize("size", [(16, 16), (20, 36)])
def test_any_upsampling_keeps_the_shape(upsampling: str, size: tuple[int, int]) -> None:
    assert ResNetGenerator(2, 4, 1, upsampling)(torch.zeros(1, 2, *size)).shape == (1, 2, *size)


def test_residual_output_has_no_ceiling_and_tanh_has_one() -> None:
    x = torch.full((1, 1, 16, 16), 3.0)
    assert ResNetGenerator(1, 4, 1, output="residual")(x).mean() > 2
    assert ResNetGenerator(1, 4, 1, output="tanh")(x).abs().max() <= 1
