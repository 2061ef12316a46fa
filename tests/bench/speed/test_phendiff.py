"""The bench of PhenDiff's translation: both sides go to the same noise, and the table says what was measured."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from bench.common import ceilings
from bench.references.ddim import Plain, depth_table, epsilon_of_flow, paper_network, same_network
from bench.speed.phendiff import crops, gap_lines, in_noise
from bench.speed.phendiff import table as phendiff_table
from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.engines.solvers import noise_levels

CPU = torch.device("cpu")
LIMITS = {"float32 GFLOP/s": 100.0, "GB/s": 10.0}


@pytest.fixture(scope="module")
def bundled() -> Checkpoint:
    return Checkpoint.load("bbbc013-phendiff")


@pytest.mark.parametrize("noise", [0.02, 1.0, 40.0])
def test_the_noise_that_diffusers_is_told_is_that_of_our_denoiser(bundled: Checkpoint, noise: float) -> None:
    engine: Any = bundled.build_engine()
    x = crops(64, 1)
    noisy = x + noise * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    signal = torch.tensor(1 / (1 + noise**2))
    z = noisy * signal.sqrt()
    with torch.inference_mode():
        epsilon = epsilon_of_flow(same_network(bundled, CPU), z, torch.tensor(0), torch.tensor([1]), signal)
        denoised = engine.denoise(engine.networks_to("untreated"), 1, 1.0, noisy, noise)
    assert torch.allclose(noisy - noise * epsilon, denoised, atol=1e-5 * max(1.0, noise))


@pytest.mark.parametrize("strength", [0.36, 1.0])
def test_both_sides_go_to_the_same_noise(bundled: Checkpoint, strength: float) -> None:
    objective = bundled.build_engine().objective  # type: ignore[attr-defined]
    plain = Plain.of(nn.Identity(), depth_table(objective, strength), 100, "trailing")
    ours = noise_levels(20, strength, objective.sigma_min, objective.sigma_max)[-1]
    assert float(plain.greatest_noise) == pytest.approx(ours, rel=1e-3)
    assert len(plain.up.timesteps) == len(plain.down.timesteps) == 100
    # one grid: where the way up ends, the way down begins
    assert plain.up.timesteps.flip(0).tolist() == plain.down.timesteps.tolist()


def test_what_is_shipped_is_told_in_noise(bundled: Checkpoint) -> None:
    shipped = in_noise(bundled)
    assert (shipped.strength, shipped.scale) == (0.36, "noise")


def test_the_published_network_has_the_published_size() -> None:
    count = sum(p.numel() for p in paper_network(3, 2, 128, CPU).parameters())
    assert count / 1e6 == pytest.approx(15.7, abs=0.05)


def test_the_table_of_translating_is_complete() -> None:
    limit = {who: ceilings.distance(1.0, (10**9, 10**6), LIMITS) for who in ("ours", "reference")}
    timed = {"seconds": {"ours": [1.0, 1.1], "reference": [5.0, 5.1]}, "ratios": [5.0, 4.6], "limit": limit}
    rows = [
        {"row": "A", "what": "a", "against": "b", "round_trip_percent": {"ours": 0.5, "reference": 0.6}, **timed},
        {"row": "B", "what": "c", "against": "d", **timed},
    ]
    gap = {"wells": {"untreated": 2}, "side": 128, "directions": {"a → b": {50: 0.5, 200: 0.56}}, "difference": 0.06}
    said = {"cpu": "chip", "cores": 2, "threads": 2, "torch": "2", "date": "2026-01-01T00:00", "commit": "abc"}
    result = {
        "crops": [4, 2, 64, 64],
        "device": "cpu",
        "repeats": 2,
        "rows": rows,
        "gap": gap,
        "limits": "some",
        **said,
    }
    text = "\n".join(phendiff_table(result))
    for expected in ("0.5 % (0.6 %)", "≥ 4 ", "≥ 15 ", "4.80 (4.60 to 5.00)", "missed: 0.060", "commit abc"):
        assert expected in text
    assert "held: 0.040" in gap_lines(gap | {"difference": 0.04})[0]
