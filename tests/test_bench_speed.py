"""The benches of speed at tiny sizes: references compute the same as ours; how fast they are is no test's business."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from bench import ceilings, plain_gan, runtimes, training
from bench.phendiff import crops, gap_lines
from bench.phendiff import table as phendiff_table
from click.testing import CliRunner, Result
from torch import nn

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.engines.update import BatchPart, Update

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.engines.base import Engine

SIZES = {"width": 8, "crop": 32, "batch": 2}
CPU = torch.device("cpu")
LIMITS = {"float32 GFLOP/s": 100.0, "GB/s": 10.0}


# ---- the machine's limits


def test_ceilings_are_positive_and_say_their_units() -> None:
    found = ceilings.ceilings("cpu", rounds=1, side=64, megabytes=1)
    assert set(found) == {"float32 GFLOP/s", "GB/s"}
    assert min(found.values()) > 0
    assert "float32 GFLOP/s" in ceilings.describe(found)


def test_work_is_counted_per_layer() -> None:
    layer = nn.Conv2d(3, 8, 3, padding=1)
    x = torch.zeros(2, 3, 16, 16)
    flops, moved = ceilings.work_of(lambda: nn.Sequential(layer, nn.ReLU())(x))
    assert flops == 2 * (2 * 16 * 16) * (3 * 8 * 9)
    floats = x.numel() + 3 * 2 * 8 * 16 * 16 + (3 * 8 * 9 + 8)  # in; out, in and out of the rectifier; weights
    assert moved == 4 * floats


def test_a_training_step_moves_three_times_the_bytes() -> None:
    layer, x = nn.Linear(4, 2), torch.zeros(5, 4)
    once, thrice = (ceilings.work_of(lambda: layer(x), training=said) for said in (False, True))
    assert thrice == (once[0], 3 * once[1])


@pytest.mark.parametrize(
    ("work", "times", "what"),
    [((200_000_000_000, 10), 2.0, "arithmetic"), ((10, 40_000_000_000), 1.0, "moving the bytes")],
)
def test_the_distance_is_that_to_the_nearer_limit(work: tuple[int, int], times: float, what: str) -> None:
    found = ceilings.distance(4.0, work, LIMITS)
    assert found["times_the_limit"] == times
    assert found["said"].startswith(f"{times:.2f} times what ")
    assert what in found["said"]


# ---- training


def test_the_plain_generator_computes_what_ours_does(make_engine: Callable[..., Engine]) -> None:
    own = make_engine("cyclegan", channels=3).translators["0"]
    plain = plain_gan.generator(3, 8, 2)
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


def test_shares_say_which_operator_takes_longest() -> None:
    x = torch.rand(512, 512)
    shares = ceilings.shares_of(lambda: x @ x @ x @ x + 1, CPU)
    assert next(iter(shares)) == "mm" and shares["mm"] > shares["add"]


# ---- PhenDiff's translation


@pytest.fixture(scope="module")
def bundled() -> Checkpoint:
    return Checkpoint.load("bbbc013-phendiff")


@pytest.mark.parametrize("noise", [0.02, 1.0, 40.0])
def test_the_noise_that_diffusers_is_told_is_that_of_our_denoiser(bundled: Checkpoint, noise: float) -> None:
    from bench.plain_ddim import epsilon_of_flow, same_network

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
    from bench.plain_ddim import Plain, depth_table

    from napari_phenotrans.engines.solvers import noise_levels

    objective = bundled.build_engine().objective  # type: ignore[attr-defined]
    plain = Plain.of(nn.Identity(), depth_table(objective, strength), 100, "trailing")
    ours = noise_levels(20, strength, objective.sigma_min, objective.sigma_max)[-1]
    assert float(plain.greatest_noise) == pytest.approx(ours, rel=1e-3)
    assert len(plain.up.timesteps) == len(plain.down.timesteps) == 100
    # one grid: where the way up ends, the way down begins
    assert plain.up.timesteps.flip(0).tolist() == plain.down.timesteps.tolist()


def test_the_published_network_has_the_published_size() -> None:
    from bench.plain_ddim import paper_network

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


# ---- other ways to compute a tile


def test_ways_that_are_not_installed_are_named(
    bench: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(runtimes, "NEEDS", dict.fromkeys(runtimes.NEEDS, "not_installed_here"))
    tiny = ("--tile", 32, "--width", 8, "--blocks", 1, "--repeats", 1)
    shown = bench("runtimes", *tiny, "--json", tmp_path / "all.json")
    assert shown.exit_code == 0, shown.output
    first, *others = json.loads((tmp_path / "all.json").read_text())["rows"]
    assert first["way"] == "napari-phenotrans" and first["difference"] < 1e-4 and len(first["ratios"]) == 1
    assert [row["installed"] for row in others] == [False] * 3
    assert "| ONNX Runtime | not installed |" in shown.output
