from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.engines.round_trip import channel_weights, difference, drowned, feature_difference, rounded
from napari_phenotrans.engines.settings import CycleGANSettings
from napari_phenotrans.engines.update import Update

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.engines.base import Engine
    from napari_phenotrans.engines.update import BatchPart

CHANCE = KeyedRandom(0, 0, 0, 2)


def test_hidden_signals_drown_in_the_cameras_noise_of_each_channel() -> None:
    x, camera = torch.zeros(2, 2, 64, 64), torch.tensor([0.01, 0.05])
    assert drowned(x, CycleGANSettings(), camera, CHANCE, "noise") is x
    noisy = drowned(x, CycleGANSettings(cycle_camera=2), camera, CHANCE, "noise")
    torch.testing.assert_close(noisy.std((0, 2, 3)), torch.tensor([0.02, 0.1]), rtol=0.05, atol=0)
    both = drowned(x, CycleGANSettings(cycle_camera=2, cycle_noise=0.05), camera, CHANCE, "noise")
    torch.testing.assert_close(
        both.std((0, 2, 3)), torch.tensor([0.02, 0.1]).hypot(torch.tensor(0.1)), rtol=0.05, atol=0
    )


def test_what_goes_back_has_256_levels_and_gradients_pass() -> None:
    x = torch.linspace(-1, 1, 4096).reshape(1, 1, 64, 64).requires_grad_(True)
    seen = rounded(x)
    assert len(seen.unique()) == 256
    assert float((seen - x).detach().abs().max()) <= 1 / 255 + 1e-6
    seen.sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


def test_camera_noise_is_measured_in_each_channel(make_engine: Callable[..., Engine]) -> None:
    generator = torch.Generator().manual_seed(0)
    sds = torch.tensor([0.02, 0.1])[:, None, None]
    pieces = {
        c: [sds * torch.randn(2, 64, 64, generator=generator) for _ in range(3)] for c in ("untreated", "treated")
    }
    engine = make_engine("cyclegan", cycle_camera=1)
    engine.measure(pieces)
    torch.testing.assert_close(engine.camera, sds.flatten(), rtol=0.15, atol=0)


def test_errors_count_by_channel_and_where_something_must_come_back() -> None:
    real, back = torch.zeros(1, 2, 8, 8), torch.ones(1, 2, 8, 8)
    once = torch.ones(2, 1, 1)
    assert difference(back, real, once) == 1
    assert difference(back, real, channel_weights(["PH3=4"], ("DAPI", "PH3"), 2)) == 2.5
    free = torch.zeros(1, 1, 8, 8)
    free[..., :2] = 1
    assert difference(back, real, once, free=free) == 0.75
    assert difference(back, real, once, pool=4, free=free) == 0.75
    checkered = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2.0 - 1
    assert difference(checkered.expand(1, 2, 8, 8), real, once, pool=2) == 0


@pytest.mark.parametrize("said", ["PH3", "PH3=much", "=4", "PH3=-1", "PH3=inf", "PH3=nan"])
def test_weights_that_cannot_be_read_are_refused(said: str) -> None:
    with pytest.raises(InputError, match=r"--l1-weights .* cannot be read: .* as in PH3=4"):
        channel_weights([said], ("DAPI", "PH3"), 2)


def test_a_weight_of_an_unknown_channel_is_refused() -> None:
    with pytest.raises(InputError, match=r"to weigh are not among the images': GFP\. .*--l1-weights"):
        channel_weights(["GFP=2"], ("DAPI", "PH3"), 2)


def test_features_are_compared_and_pixels_are_not(make_engine: Callable[..., Engine]) -> None:
    for name in ("cyclegan", "scgan"):
        engine = make_engine(name)
        engine.start_training()
        x = torch.rand(2, 2, 32, 32)
        maps = engine.discriminators[0].features(x)
        assert all(each.shape[:1] == (2,) for each in maps)
        assert feature_difference(maps, maps) == 0
        assert feature_difference(engine.discriminators[0].features(x.flip(3)), maps) > 0


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_share_of_features_is_that_of_the_round_trip(
    share: float, make_engine: Callable[..., Engine], make_parts: Callable[..., list[BatchPart]]
) -> None:
    trips = []
    for settings in ({}, {"cycle_features": share}, {"cycle_features": 1.0}):
        engine = make_engine("cyclegan", **settings)
        engine.start_training()
        with torch.no_grad():
            x, real = torch.rand(2, 2, 32, 32), make_parts(0)[0].crops["untreated"]
            trips.append(float(engine._round_trip(0, x * 0 + 0.5, real, None, CHANCE)))
    pixels, mixed, features = trips
    assert pixels != pytest.approx(features)
    assert mixed == pytest.approx((1 - share) * pixels + share * features, rel=1e-5)


def test_a_mask_without_a_price_is_not_there_and_a_cheap_one_opens(
    make_engine: Callable[..., Engine], make_parts: Callable[..., list[BatchPart]]
) -> None:
    """Where the way back costs more than the mask, the mask is what is learned; where less, it stays shut."""
    assert not make_engine("cyclegan").translators["0"].unmatched
    shares = []
    for price in (0.01, 100.0):
        engine = make_engine("cyclegan", unmatched=price, learning_rate=0.02)
        engine.start_training()
        for step in range(12):
            losses = engine.training_step(step, make_parts(0), Update())
        shares.append(losses["no counterpart treated"])
    assert shares[0] > 0.3
    assert shares[1] < 0.05
