"""The bench at a tiny size: both ways must agree; how fast they are is no test's business."""

from __future__ import annotations

import json
import platform

import pytest
import torch

from bench.speed import translate
from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
from napari_phenotrans.engines import ENGINES


@pytest.fixture(params=["residual", "tanh"])
def random_checkpoint(request, tmp_path):
    torch.manual_seed(0)
    said = {"width": 8, "blocks": 1, "output": request.param}
    entry = ENGINES["cyclegan"]
    engine = entry.load()(entry.settings.make(**said), 2, ("dim", "bright"))
    for network in engine.translators.parameters():
        network.data.normal_(0, 0.1)
    for target in engine.conditions:
        engine.fix_statistics(target, [torch.rand(4, 2, 64, 64) * 2 - 1])
    card = Card(
        engine="cyclegan",
        settings=said,
        conditions=engine.conditions,
        channels=("DNA", "GFP"),
        low=(0, 100),
        high=(200, 4000),
        pixel_size=2,
        crop=64,
    )
    return Checkpoint.of(engine, card).save(tmp_path / "random.safetensors")


# a whole plane has only rounding to differ by; tiles also have the networks' own padding, faintly
@pytest.mark.parametrize(("tile", "allowed"), [(160, 1e-3), (128, 0.1)])
def test_both_ways_of_the_translate_bench_agree(bench, random_checkpoint, tmp_path, monkeypatch, tile, allowed):
    monkeypatch.setattr(translate, "ceilings", lambda device: {"float32 GFLOP/s": 100.0, "GB/s": 10.0})
    out = tmp_path / "out.json"
    shown = bench(
        "translate", "--checkpoint", random_checkpoint, "--size", 160, "--tile", tile, "--repeats", 2, "--json", out
    )
    assert shown.exit_code == 0, shown.output
    assert "megapixels/s" in shown.output
    result = json.loads(out.read_text())
    assert (result["tile"], result["overlap"]) == (tile, 96)
    assert result["rms_difference_percent"] < allowed
    assert [len(seconds) for seconds in result["seconds"].values()] == [2, 2]
    assert result["ratio"] > 0
    assert {"commit", "date", "cpu", "cores", "torch"} <= result.keys()
    assert str(tmp_path) not in shown.output
    assert platform.node() not in out.read_text()


def test_the_translate_bench_refuses_what_it_cannot_measure(bench, random_checkpoint, tmp_path):
    shown = bench("translate", "--checkpoint", tmp_path / "none")
    assert (shown.exit_code, "There is no checkpoint" in shown.output) == (2, True)
    shown = bench("translate", "--checkpoint", random_checkpoint, "--size", 161)
    assert (shown.exit_code, "multiple of 4, got 161" in shown.output) == (2, True)
