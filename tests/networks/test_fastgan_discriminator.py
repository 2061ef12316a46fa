from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_phenotrans.networks.fastgan_discriminator import SelfSupervisedDiscriminator, SpectralConv, quarter


def test_the_published_size_has_the_published_number_of_parameters() -> None:
    """11.53 M, of which the decoders hold 3.14 M, for three channels of 256 × 256."""
    network = SelfSupervisedDiscriminator(3, 64, 256, "batch")
    count = sum(p.numel() for p in network.parameters())
    decoders = nn.ModuleList([network.decode_last, network.decode_copy, network.decode_part])
    assert round(count / 1e6, 2) == 11.53
    assert round(sum(p.numel() for p in decoders.parameters()) / 1e6, 2) == 3.14


@pytest.mark.parametrize(
    ("crop", "logits", "reconstructed"),
    [(32, 5, 32), (36, 6, 32), (48, 9, 48), (64, 5, 64), (96, 9, 64), (128, 5, 64), (256, 5, 128)],
)
@pytest.mark.parametrize("channels", [1, 5])
def test_last_maps_are_of_one_size_for_every_crop(crop: int, logits: int, reconstructed: int, channels: int) -> None:
    network = SelfSupervisedDiscriminator(channels, 8, crop, "group")
    x = torch.rand(2, channels, crop, crop) * 2 - 1
    look = network.look(x)
    assert look.logits.shape == (2, 2, logits, logits)
    pairs = network.reconstruct(look, x, torch.tensor([0, 3]))
    shape = (2, channels, reconstructed, reconstructed)
    assert [(seen.shape, made.shape) for seen, made in pairs] == [(shape, shape)] * 3


def test_both_branches_judge_and_every_decoder_teaches() -> None:
    network = SelfSupervisedDiscriminator(2, 8, 32, "group")
    x = torch.rand(2, 2, 32, 32)
    look = network.look(x)
    assert torch.equal(network(x), look.logits)
    first = [network.enter, network.copy]
    for branch in range(2):
        one = look.logits[:, branch].square().sum()
        gradients = [torch.autograd.grad(one, network[0].weight, retain_graph=True)[0] for network in first]
        assert [bool(gradient.any()) for gradient in gradients] == [branch == 0, branch == 1]
    errors = [(made - goal).abs().mean() for goal, made in network.reconstruct(look, x, torch.tensor([0, 1]))]
    reached = [
        [torch.autograd.grad(e, n[0].weight, retain_graph=True, allow_unused=True)[0] is not None for n in first]
        for e in errors
    ]
    assert reached == [[True, False], [False, True], [True, False]]


def test_quarter_cuts_maps_and_images_alike() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4).repeat(4, 1, 1, 1)
    cut = quarter(x, torch.tensor([0, 1, 2, 3]))
    assert cut[:, 0, 0, 0].tolist() == [0, 2, 8, 10]
    assert torch.equal(quarter(nn.functional.avg_pool2d(x, 2), torch.arange(4)), nn.functional.avg_pool2d(cut, 2))


def test_a_decoder_is_given_the_part_that_it_is_held_against() -> None:
    """The image changes in its last quarter alone: so do the goals, and no others'."""
    network = SelfSupervisedDiscriminator(1, 8, 64, "group")
    x = torch.zeros(1, 1, 64, 64)
    changed = x.clone()
    changed[..., 40:, 40:] = 1
    for corner in range(4):
        goals = [network.reconstruct(network.look(one), one, torch.tensor([corner]))[2][0] for one in (x, changed)]
        assert torch.equal(*goals) == (corner != 3)


def test_group_norm_judges_each_image_by_itself_and_batch_norm_does_not() -> None:
    x = torch.rand(4, 2, 32, 32)
    for norm, alike in (("group", True), ("batch", False)):
        torch.manual_seed(0)
        network = SelfSupervisedDiscriminator(2, 8, 32, norm)
        together, apart = network(x), torch.cat([network(x[:2]), network(x[2:])])
        assert torch.allclose(together, apart, atol=1e-5) == alike


def test_spectral_norm_is_one_and_stands_still_until_told() -> None:
    torch.manual_seed(0)
    layer = SpectralConv(8, 16, 3, padding=1)
    layer.follow_weights(100)
    before = layer(torch.ones(1, 8, 8, 8))
    unit = layer.weight / (layer.u @ layer.weight.flatten(1) @ layer.v)
    assert float(torch.linalg.svdvals(unit.detach().flatten(1))[0]) == pytest.approx(1, rel=1e-3)
    with torch.no_grad():
        layer.weight *= 7
    torch.testing.assert_close(layer(torch.ones(1, 8, 8, 8)), before)
    vectors = layer.u.clone()
    layer(torch.rand(1, 8, 8, 8))
    assert torch.equal(layer.u, vectors)


def test_what_it_sees_can_be_reconstructed() -> None:
    """On four pictures with a spot each, all three reconstructions come to show the spots."""
    torch.manual_seed(0)
    network = SelfSupervisedDiscriminator(1, 8, 32, "group")
    adam = torch.optim.Adam(network.parameters(), 2e-3, (0.5, 0.999))
    x = torch.full((4, 1, 32, 32), -0.8)
    for i, crop in enumerate(x):
        crop[0, 4 + 4 * i : 12 + 4 * i, 18 - 4 * i : 26 - 4 * i] = 0.8
    history = []
    for _ in range(40):
        errors = [(made - seen).abs().mean() for seen, made in network.reconstruct(network.look(x), x, torch.arange(4))]
        history.append([float(e.detach()) for e in errors])
        adam.zero_grad()
        sum(errors).backward()
        adam.step()
        network.follow_weights()
    assert all(last < 0.5 * first for first, last in zip(history[0], history[-1], strict=True))
