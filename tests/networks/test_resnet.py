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


def test_a_masked_output_changes_nothing_where_its_mask_is_shut() -> None:
    torch.manual_seed(0)
    network, x = ResNetGenerator(2, 4, 1, output="masked"), torch.rand(1, 2, 16, 16)
    made, mask, unmatched = network.translate(x)
    assert mask is not None
    assert unmatched is None
    assert mask.shape == (1, 1, 16, 16)
    assert bool((mask > 0.5).all())
    assert torch.equal(made, network(x))
    with torch.no_grad():
        network.leave.bias[-1] = -1e4
    assert torch.equal(network(x), x)


@pytest.mark.parametrize("output", ["residual", "masked", "tanh"])
def test_what_has_no_counterpart_is_said_beside_any_output(output: str) -> None:
    torch.manual_seed(0)
    plain, asked = (ResNetGenerator(2, 4, 1, output=output, unmatched=unmatched) for unmatched in (False, True))
    x = torch.rand(1, 2, 16, 16)
    made = asked.translate(x)
    assert made.unmatched is not None
    assert made.unmatched.shape == (1, 1, 16, 16)
    assert bool((made.unmatched < 0.1).all())  # at first everything has to come back
    with torch.no_grad():
        asked.leave.bias[-1] += 10
    shifted = asked.translate(x)
    assert torch.equal(shifted.crops, made.crops)
    assert bool((shifted.unmatched > 0.9).all())
    assert plain.leave.out_channels == asked.leave.out_channels - 1


def test_noise_has_a_say_and_is_not_given_out() -> None:
    torch.manual_seed(0)
    network, x, noise = ResNetGenerator(2, 4, 1, noise=3), torch.rand(1, 2, 16, 16), torch.randn(2, 3, 16, 16)
    one, other = (network(torch.cat([x, each[None]], dim=1)) for each in noise)
    assert one.shape == x.shape
    assert not torch.allclose(one, other)


def test_features_lead_to_the_middle_of_the_network() -> None:
    network, x = ResNetGenerator(2, 4, 3, norm="position"), torch.rand(1, 2, 16, 16)
    maps = network.features(x)
    assert tuple(each.shape[1] for each in maps) == network.feature_widths
    assert [each.shape[2] for each in maps] == [16, 8, 4, 4]
    torch.testing.assert_close(x + network.leave(network.up(network.blocks[2:](maps[-1]))), network(x))
