from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_phenotrans.core.keyed_random import USUAL_SAMPLE, USUAL_SEED, KeyedRandom, plane_noise
from napari_phenotrans.core.region import Region
from napari_phenotrans.engines.base import Drawn, run_whole
from napari_phenotrans.engines.noise_input import with_drawn, with_usual
from napari_phenotrans.engines.update import Update
from napari_phenotrans.networks.coarse_noise import coarse

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.engines.base import Engine
    from napari_phenotrans.engines.update import BatchPart


def test_noise_comes_after_the_image_and_of_each_crop_and_purpose_another() -> None:
    x, chance = torch.rand(4, 2, 32, 32), KeyedRandom(0, 3, 0, 2)
    seen = with_drawn(x, chance, "one", "other")
    assert torch.equal(seen[:, :2], x)
    noise = seen[:, 2:].flatten(1)
    assert torch.corrcoef(noise).fill_diagonal_(0).abs().max() < 0.7
    alone = with_drawn(x[2:3], KeyedRandom(0, 3, 0, 1), "other")
    assert torch.equal(alone, seen[2:3])


def test_the_usual_noise_is_that_of_the_planes_places() -> None:
    x = torch.zeros(2, 3, 40, 48)
    first = torch.from_numpy(plane_noise(USUAL_SEED, USUAL_SAMPLE, 3, Region(0, 0, 40, 48)))
    assert torch.equal(with_usual(x)[:1, 3:], coarse(first[None]))
    assert not np.array_equal(with_usual(x)[0], with_usual(x)[1])


def test_training_draws_and_noise_decides(
    make_engine: Callable[..., Engine], make_parts: Callable[..., list[BatchPart]]
) -> None:
    engine = make_engine("cyclegan", noise=True)
    assert engine.draws
    assert engine.redraw == 1.0
    assert make_engine("cyclegan").redraw is None
    engine.start_training()
    for step in range(2):
        engine.training_step(step, make_parts(step), Update())
    x = torch.rand(1, 2, 32, 32)
    made = engine.translate(x, "untreated", "treated")
    assert made.shape == x.shape
    assert torch.equal(made, engine.translate(x, "untreated", "treated"))
    how, noise = engine.translation_settings.make(), torch.randn(2, 1, 2, 32, 32)
    one, other = (run_whole(engine.calls(x, "untreated", "treated", how, drawn=Drawn(each, 1.0))) for each in noise)
    assert not torch.allclose(one, other)
