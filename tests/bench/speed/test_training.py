"""The bench of training at tiny sizes: references learn the same as ours; how fast they are is no test's business."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from bench.references import gan
from bench.speed import training
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.engines.update import BatchPart, Update

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.engines.base import Engine

SIZES = {"width": 8, "crop": 32, "batch": 2}
CPU = torch.device("cpu")
LIMITS = {"float32 GFLOP/s": 100.0, "GB/s": 10.0}


def test_the_plain_generator_computes_what_ours_does(make_engine: Callable[..., Engine]) -> None:
    own = make_engine("cyclegan", channels=3).translators["0"]
    plain = gan.generator(3, 8, 2)
    training.carry(own, plain)
    x = torch.rand(2, 3, 36, 32) * 2 - 1
    assert torch.allclose(plain(x), own(x), atol=1e-5)


@pytest.mark.parametrize("name", ["cyclegan", "scgan"])
@pytest.mark.parametrize("batch", [2, 8])
def test_the_plain_discriminators_compute_what_ours_do(name: str, batch: int) -> None:
    sizes = {"width": 8, "crop": 64, "batch": batch}
    engine, reference = training.pair(name, sizes, 3, CPU)
    x = torch.rand(batch, 3, 64, 64) * 2 - 1
    own, plain = training.trained(engine)[2:], reference.networks()[2:]
    for ours, theirs in zip(own, plain, strict=True):
        # torch's spectral norm changes its estimate in training
        theirs.eval()
        assert torch.allclose(theirs(x), ours(x), atol=1e-5)
        if name == "scgan":
            pairs = ours.reconstruct(ours.look(x), x, torch.full((batch,), 2))
            for mine, other in zip(pairs, theirs.look(x, 2)[1], strict=True):
                assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(mine, other, strict=True))


@pytest.mark.parametrize("name", training.NAMES)
def test_both_sides_train_as_many_weights(name: str) -> None:
    engine, reference = training.pair(name, SIZES, 3, CPU)
    assert training.parameters(training.trained(engine)) == training.parameters(reference.networks())


@pytest.mark.parametrize("name", ["cyclegan", "scgan"])
def test_the_first_step_has_the_same_losses(name: str) -> None:
    engine, reference = training.pair(name, SIZES, 3, CPU)
    real = training.fixed_crops(SIZES, 3, CPU)
    own = engine.training_step(0, [BatchPart(real, KeyedRandom(0, 0, 0, 2))], Update())
    plain = reference.step([real[c] for c in training.CONDITIONS])
    for kind in ("adversarial", "round trip", "identity", "discriminator"):
        summed = sum(value for key, value in own.items() if key.startswith(kind))
        assert plain[kind] == pytest.approx(summed, rel=2e-3 if name == "scgan" else 1e-4), kind


def test_the_plain_denoiser_learns_what_ours_does() -> None:
    engine: Any
    engine, reference = training.pair("phendiff", SIZES, 3, CPU)
    x, noise = (torch.randn(4, 3, 32, 32) for _ in range(2))
    labels, time = torch.tensor([0, 0, 1, 2]), torch.tensor([0.05, 0.3, 0.6, 0.9])
    sigma = time / (1 - time)
    noisy = x + sigma[:, None, None, None] * noise
    c = engine.objective.coefficients(sigma)
    goal = engine.objective.goal(x, noisy, sigma)
    predicted = engine.live(c.into[:, None, None, None] * noisy, c.time, labels)
    own = (predicted - goal).pow(2).mean()
    assert reference.loss(x, labels, time, noise).item() == pytest.approx(own.item(), rel=1e-4)


def test_networks_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot take"):
        training.carry(nn.Conv2d(3, 8, 3), nn.Sequential(nn.Conv2d(3, 8, 5)))


@pytest.mark.slow
def test_the_training_bench_says_all_that_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "ceilings", lambda device: LIMITS)
    out = tmp_path / "out.json"
    words = ["--engine", "phendiff", "--engine", "cyclegan", "--repeats", "1", "--json", str(out)]
    sizes = [word for name, value in SIZES.items() for word in (f"--{name}", str(value))]
    shown = CliRunner().invoke(training.training, [*words, *sizes])
    assert shown.exit_code == 0, shown.output
    result = json.loads(out.read_text())
    assert result["ceilings"] == LIMITS
    assert [row["engine"] for row in result["rows"]] == ["phendiff", "cyclegan"]
    for row in result["rows"]:
        assert row["ratio"] > 0
        assert row["limit"]["ours"]["gflop"] > 0
        assert all(0 < sum(shares.values()) <= 1.01 for shares in row["shares"].values())
    assert {"commit", "date", "cpu", "cores", "torch", "threads"} <= result.keys()
    for expected in ("## Training", "| cyclegan |", "alone would take", "convolution", result["cpu"]):
        assert expected in shown.output
