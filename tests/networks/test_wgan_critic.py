"""The critic: sizes, seeds, and no normalization."""

from __future__ import annotations

import pytest
import torch

from napari_phenotrans.networks.wgan_critic import Critic


@pytest.mark.parametrize(("channels", "side"), [(1, 16), (3, 33), (5, 48)])
def test_any_number_of_channels_and_any_size(channels, side):
    critic = Critic(channels, width=4, outputs=3)
    x = torch.rand(2, channels, side, side)
    assert critic(x).shape == (2, 3)
    assert critic.features(x).shape == (2, 32)


def test_brightness_shows_and_crops_do_not_see_each_other():
    critic = Critic(2, width=4)
    x = torch.rand(3, 2, 32, 32)
    assert not torch.allclose(critic(x), critic(0.5 * x))
    torch.testing.assert_close(critic(x)[:1], critic(x[:1]))


def test_the_seed_decides_the_weights_and_torchs_own_numbers_do_not():
    torch.manual_seed(1)
    one = Critic(1, width=4, seed=5)
    torch.manual_seed(2)
    x = torch.rand(1, 1, 16, 16)
    torch.testing.assert_close(Critic(1, width=4, seed=5)(x), one(x))
    assert not torch.allclose(Critic(1, width=4, seed=6)(x), one(x))
