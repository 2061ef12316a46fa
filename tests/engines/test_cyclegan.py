from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_phenotrans.engines.cyclegan import Pool, decay
from napari_phenotrans.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.engines.base import Engine


def test_learning_rate_is_constant_then_falls_to_zero() -> None:
    assert [decay(step, 100) for step in (0, 49, 50, 75, 100)] == [1, 1, 1, 0.5, 0]


def test_pool_fills_then_shows_about_half_earlier_crops() -> None:
    pool = Pool(4, seed=0)
    first = torch.arange(4.0).reshape(4, 1, 1, 1)
    assert torch.equal(pool.swap(first), first)
    shown = torch.cat([pool.swap(torch.full((4, 1, 1, 1), 10.0 + i)) for i in range(100)])
    earlier = sum(float(value) != 10.0 + index // 4 for index, value in enumerate(shown.flatten()))
    assert 140 < earlier < 260
    assert len(pool.crops) == 4


def test_pool_of_zero_shows_what_came() -> None:
    batch = torch.rand(2, 1, 4, 4)
    assert Pool(0, seed=0).swap(batch) is batch


def test_translating_uses_the_averaged_generators(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine("cyclegan", ema=0.9)
    engine.start_training()
    x = torch.rand(2, 2, 32, 32)
    for step in range(3):
        engine.training_step(step, {"untreated": x, "treated": -x})
    averaged = dict(engine.translators["1"].named_parameters())
    live = dict(engine.generators[1].named_parameters())
    assert any(not torch.equal(averaged[key], live[key]) for key in averaged)
    assert not any(p.requires_grad for p in averaged.values())


def test_fixing_statistics_leaves_the_networks_in_training_alone(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine("cyclegan")
    engine.start_training()
    engine.fix_statistics("treated", [torch.rand(2, 2, 32, 32)])
    live, kept = engine.generators[1].enter[1], engine.translators["1"].enter[1]
    assert kept.mode == "fixed"
    assert live.mode == "instance"
    assert kept.mean.abs().max() > 0
    assert engine.translators["0"].enter[1].mode == "instance"


def test_three_conditions_are_refused(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine("cyclegan")
    with pytest.raises(InputError, match=r"two conditions, got 3: a, b, c"):
        type(engine)(engine.settings, 2, ("a", "b", "c"))
