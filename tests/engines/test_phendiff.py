from __future__ import annotations

import copy
import io
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.engines.settings import PhenDiffTranslation
from napari_phenotrans.engines.update import Update
from napari_phenotrans.io import read, write
from napari_phenotrans.translation.provenance import translate_command
from napari_phenotrans.translation.translate import TranslationRequest, Translator, translate_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from napari_phenotrans.engines.base import Engine
    from napari_phenotrans.engines.phendiff import PhenDiff
    from napari_phenotrans.engines.update import BatchPart

    MakeParts = Callable[..., list[BatchPart]]

TINY = {"width": 8, "levels": 3, "warmup": 2}


@pytest.fixture
def make(make_engine: Callable[..., Engine]) -> Callable[..., PhenDiff]:
    """Build a tiny PhenDiff, ready to train."""

    def build(**said: Any) -> PhenDiff:
        engine = make_engine("phendiff", **{**TINY, **said})
        engine.start_training()
        return engine  # type: ignore[return-value]

    return build


def train(engine: PhenDiff, parts: MakeParts, first: int, last: int, **how: Any) -> list[dict[str, float]]:
    return [engine.training_step(step, parts(step, **how), Update()) for step in range(first, last)]


def weights(network: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in network.parameters()]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


# ---- training


@pytest.mark.parametrize("objective", ["edm", "v", "flow", "discrete"])
def test_every_objective_trains_and_translates(
    objective: str, make: Callable[..., PhenDiff], make_parts: MakeParts
) -> None:
    engine = make(objective=objective)
    (losses,) = train(engine, make_parts, 0, 1)
    assert set(losses) == {"denoising untreated", "denoising treated"}
    assert all(0 < loss < 10 for loss in losses.values())
    x = torch.rand(1, 2, 32, 32) * 2 - 1
    translated = engine.translate(x, "untreated", "treated", PhenDiffTranslation(evaluations=4))
    assert translated.dtype == torch.float32
    assert torch.isfinite(translated).all()
    assert not torch.equal(translated, x)


def test_the_sd_of_the_data_is_measured_and_an_earlier_checkpoint_keeps_its_half(
    make: Callable[..., PhenDiff], make_checkpoint: Callable[..., Checkpoint], tmp_path: Path
) -> None:
    """A file from before it was measured holds none, and denoises bit for bit as then."""
    engine = make(objective="edm")
    generator = torch.Generator().manual_seed(0)
    pieces = [torch.randn(2, 64, 64, generator=generator) * torch.tensor([0.1, 0.2])[:, None, None] for _ in range(2)]
    engine.measure({"untreated": pieces[:1], "treated": pieces[1:]})
    assert engine.translators.state_dict()["data.sd"].tolist() == pytest.approx([0.1, 0.2], rel=0.02)

    card = make_checkpoint("phendiff").card
    settings = engine.settings.model_dump(mode="json")
    measured = Checkpoint.of(engine, card.model_copy(update={"settings": settings}))
    without = {name: value for name, value in measured.tensors.items() if name != "data.sd"}
    Checkpoint(measured.card, without).save(tmp_path / "earlier.safetensors")
    earlier = Checkpoint.load(tmp_path / "earlier.safetensors").build_engine()
    x, sigma, half = torch.rand(2, 2, 32, 32, generator=generator), torch.full((2,), 0.7), 0.5
    total = sigma**2 + half**2
    skip, out, into = (
        value[:, None, None, None] for value in (half**2 / total, sigma * half / total.sqrt(), total.rsqrt())
    )
    network = earlier.networks_to("treated")
    with torch.no_grad():
        expected = skip * x + out * network(into * x, 250 * sigma.log(), torch.tensor([1, 1]))
        assert torch.equal(earlier.denoise(network, 1, 1.0, x, 0.7), expected)
        now = measured.build_engine()
        assert not torch.allclose(now.denoise(now.networks_to("treated"), 1, 1.0, x, 0.7), expected, atol=1e-3)
    # a run that starts from it is preconditioned as it was
    engine.translators.load_state_dict(
        {name: value for name, value in engine.translators.state_dict().items() if name != "data.sd"}
    )
    assert engine.translators.state_dict()["data.sd"].tolist() == [half, half]


def test_a_divided_batch_gives_the_same_step(make: Callable[..., PhenDiff], make_parts: MakeParts) -> None:
    class Watching(Update):
        """Keeps the gradients, whose size neither AdamW nor the clipping would show."""

        def apply(self, optimizer: torch.optim.Optimizer, *, clip: float | None = None) -> None:
            gradients.append([p.grad.clone() for group in optimizer.param_groups for p in group["params"]])
            super().apply(optimizer, clip=clip)

    gradients: list[list[Tensor]] = []
    losses = [make(batch=4).training_step(0, make_parts(0, batch=4, divided=divided), Watching()) for divided in (1, 4)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for whole, divided in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, divided, atol=1e-5, rtol=1e-3)


def test_resuming_is_exact_and_restores_the_average(make: Callable[..., PhenDiff], make_parts: MakeParts) -> None:
    through = make()
    train(through, make_parts, 0, 2)
    stored = io.BytesIO()
    torch.save((through.translators.state_dict(), through.training_state()), stored)
    expected = train(through, make_parts, 2, 4)

    resumed = make(seed=1)
    stored.seek(0)
    translators, state = torch.load(stored, weights_only=True)
    resumed.translators.load_state_dict(translators)
    resumed.load_training_state(state)
    assert train(resumed, make_parts, 2, 4) == expected
    assert same(weights(resumed.live), weights(through.live))
    assert same(weights(resumed.translators), weights(through.translators))
    assert not same(weights(resumed.translators), weights(resumed.live))


def test_translating_and_scoring_in_between_change_nothing(
    make: Callable[..., PhenDiff], make_parts: MakeParts
) -> None:
    alone, watched = make(), make()
    train(alone, make_parts, 0, 3)
    for step in range(3):
        train(watched, make_parts, step, step + 1)
        before = weights(watched.translators)
        watched.translate(torch.rand(1, 2, 32, 32), "untreated", "treated", PhenDiffTranslation(evaluations=2))
        watched.held_out_loss(make_parts(0)[0])
        watched.generate("treated", KeyedRandom(0, 0, 0, 1), 16)
        assert same(weights(watched.translators), before)
    assert same(weights(watched.live), weights(alone.live))
    assert same(weights(watched.translators), weights(alone.translators))


def test_the_average_starts_fast_and_then_keeps_as_much_as_said(
    make: Callable[..., PhenDiff], make_parts: MakeParts
) -> None:
    engine = make(ema=0.8)
    for step, keep in ((0, 0.1), (1, 2 / 11), (1000, 0.8)):
        before = weights(engine.translators)
        train(engine, make_parts, step, step + 1)
        for old, kept, live in zip(before, weights(engine.translators), weights(engine.live), strict=True):
            torch.testing.assert_close(kept, keep * old + (1 - keep) * live)
    assert not any(p.requires_grad for p in engine.translators.parameters())


def test_learning_rate_rises_then_falls_and_follows_the_rate(
    make: Callable[..., PhenDiff], make_parts: MakeParts
) -> None:
    engine = make(steps=100, warmup=10, learning_rate=1e-3)
    rates = [engine.learning_rate(step) for step in range(101)]
    assert max(rates) == max(rates[8:14])
    assert rates[0] < 2e-4
    assert rates[50] == pytest.approx(5e-4)
    assert rates[100] == pytest.approx(0)
    assert make(decay="constant", warmup=0, learning_rate=1e-3).learning_rate(15) == 1e-3
    engine.rate = 0.5
    train(engine, make_parts, 30, 31)
    assert engine.adam.param_groups[0]["lr"] == rates[30] / 2


class Recorder(nn.Module):
    """In place of the denoiser: keeps what it is told and predicts zeros, halves for no condition."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def forward(self, x: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        self.seen.append((x, time, labels))
        return self.weight + 0.5 * (labels == 2)[:, None, None, None] + torch.zeros_like(x)


def test_conditions_are_dropped_crop_by_crop(make: Callable[..., PhenDiff], make_parts: MakeParts) -> None:
    engine = make(label_drop=0.1)
    engine.live = recorder = Recorder()
    for step in range(50):
        engine._losses(recorder, make_parts(step, batch=8)[0], Update(), drop=0.1)
    labels = torch.stack([labels for _, _, labels in recorder.seen])
    dropped = labels == 2
    assert 0.06 < dropped.float().mean() < 0.14
    # each crop by itself: hardly any batch loses all, and many lose some
    assert not dropped.all(dim=1).any()
    assert dropped.any(dim=1).float().mean() > 0.5
    assert (labels[:, :8][~dropped[:, :8]] == 0).all()
    assert (labels[:, 8:][~dropped[:, 8:]] == 1).all()


def test_noise_levels_of_a_batch_are_spread_and_of_the_objective(
    make: Callable[..., PhenDiff], make_parts: MakeParts
) -> None:
    engine = make(objective="edm")
    recorder = Recorder()
    for step in range(100):
        engine._losses(recorder, make_parts(step, batch=8)[0], Update(), drop=0.0)
    logs = torch.stack([time / 250 for _, time, _ in recorder.seen])
    assert logs.mean().item() == pytest.approx(-1.2, abs=0.05)
    assert logs.std().item() == pytest.approx(1.2, abs=0.05)
    # the mean of sixteen independent draws would vary by 1.2 / 4
    assert logs.mean(dim=1).std() < 0.15


def test_held_out_loss_is_that_of_the_average_and_repeats(make: Callable[..., PhenDiff], make_parts: MakeParts) -> None:
    engine = make(label_drop=0.5, ema=0.5)
    part = make_parts(0)[0]
    first = engine.held_out_loss(part)
    assert engine.held_out_loss(part) == first
    kept = copy.deepcopy(engine.translators)
    train(engine, make_parts, 0, 3)
    assert engine.held_out_loss(part) != first
    engine.translators.load_state_dict(kept.state_dict())
    assert engine.held_out_loss(part) == first


def test_gradients_are_cut_and_forgotten(make: Callable[..., PhenDiff], make_parts: MakeParts) -> None:
    engine = make()
    clips = []

    class Watching(Update):
        def apply(self, optimizer: torch.optim.Optimizer, *, clip: float | None = None) -> None:
            clips.append(clip)
            super().apply(optimizer, clip=clip)

    engine.training_step(0, make_parts(0), Watching())
    assert clips == [1.0]
    assert all(p.grad is None for p in engine.live.parameters())


def test_only_the_network_computes_in_bf16(make: Callable[..., PhenDiff], make_parts: MakeParts) -> None:
    class Half(Update):
        def precision(self) -> AbstractContextManager[object]:
            return torch.autocast("cpu", torch.bfloat16)

    full, half = make(), make()
    for step in range(2):
        exact = full.training_step(step, make_parts(step), Update())
        rough = half.training_step(step, make_parts(step), Half())
        assert rough == pytest.approx(exact, rel=0.05)
        assert rough != exact
    assert all(p.dtype == torch.float32 for p in half.live.parameters())
    x = torch.rand(1, 2, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        assert half.denoise(half.networks_to("treated"), 1, 1.0, x, 0.005).dtype == torch.float32


# ---- translating


def asked(engine: PhenDiff, x: Tensor, **how: Any) -> tuple[list[bool], list[tuple[Tensor, Tensor, Tensor]], Tensor]:
    """Return which evaluations were final, what the network was told, and the translation."""
    engine.translators["denoiser"] = recorder = Recorder().requires_grad_(False)
    steps, finals = engine.translation(x, "untreated", "treated", PhenDiffTranslation(**how)), []
    result: Tensor | None = None
    try:
        while True:
            evaluation = steps.send(result) if result is not None else next(steps)
            finals.append(evaluation.final)
            result = evaluation.network(evaluation.x)
    except StopIteration as finished:
        return finals, recorder.seen, finished.value


@pytest.mark.parametrize(
    ("how", "count"),
    [
        ({"strength": 1, "evaluations": 50}, 100),
        ({"strength": 0.5, "evaluations": 50}, 50),
        ({"strength": 0.01, "evaluations": 10}, 2),
        ({"strength": 1, "evaluations": 50, "solver": "heun"}, 99),
    ],
)
def test_evaluations_are_as_many_as_said_and_only_the_last_is_final(
    how: dict[str, Any], count: int, make: Callable[..., PhenDiff]
) -> None:
    finals, told, _ = asked(make(), torch.zeros(1, 2, 32, 32), **how)
    assert finals == [False] * (count - 1) + [True]
    labels = [int(labels) for _, _, labels in told]
    assert labels == sorted(labels)
    assert set(labels) == {0, 1}


def test_strength_sets_the_greatest_noise(make: Callable[..., PhenDiff]) -> None:
    def deepest(strength: float) -> float:
        _, told, _ = asked(make(objective="edm"), torch.zeros(1, 2, 32, 32), strength=strength, evaluations=20)
        return max(math.exp(time.item() / 250) for _, time, _ in told)

    assert deepest(1) == pytest.approx(80, rel=1e-3)
    assert 1 < deepest(0.5) < 5
    assert deepest(0.1) < deepest(0.3) < deepest(0.5)


def test_strength_0_asks_nothing(make: Callable[..., PhenDiff]) -> None:
    x = torch.rand(1, 2, 32, 32)
    finals, _, translated = asked(make(), x, strength=0)
    assert finals == []
    assert torch.equal(translated, x)


def test_guidance_asks_with_and_without_the_condition_when_generating_only(make: Callable[..., PhenDiff]) -> None:
    x = torch.rand(2, 2, 32, 32)
    _, told, _ = asked(make(), x, strength=1, evaluations=2, guidance=3)
    assert [labels.tolist() for _, _, labels in told] == [[0, 0], [0, 0], [1, 1, 2, 2], [1, 1, 2, 2]]
    engine = make()
    engine.translators["denoiser"] = Recorder()
    network = engine.translators["denoiser"]
    # told predicts 0 and untold 0.5, so guidance g predicts 0.5 - 0.5 g
    sigmas = torch.full((2,), 0.7)
    for guidance in (0.0, 1.0, 3.0):
        predicted = torch.full_like(x, 0.5 - 0.5 * guidance)
        expected = engine.objective.denoised(x, sigmas, predicted)
        torch.testing.assert_close(engine.denoise(network, 1, guidance, x, 0.7), expected)


def test_the_published_sampler_is_for_the_discrete_objective(make: Callable[..., PhenDiff]) -> None:
    x = torch.rand(1, 2, 32, 32)
    finals, told, _ = asked(make(objective="discrete"), x, strength=1, evaluations=10, solver="ddim")
    assert finals == [False] * 19 + [True]
    times = [int(time) for _, time, _ in told]
    assert times == [*range(0, 3000, 300), *range(2999, 0, -300)]
    with pytest.raises(InputError, match=r"ddim is for denoisers of the discrete objective.*--solver dpm"):
        make(objective="edm").translate(x, "untreated", "treated", PhenDiffTranslation(solver="ddim"))


def test_generating_depends_on_chance_and_condition_alone(make: Callable[..., PhenDiff]) -> None:
    engine = make()
    one = engine.generate("treated", KeyedRandom(0, 0, 0, 2), 16)
    assert one.shape == (2, 2, 16, 16)
    assert torch.equal(engine.generate("treated", KeyedRandom(0, 0, 0, 2), 16), one)
    torch.testing.assert_close(engine.generate("treated", KeyedRandom(0, 0, 1, 1), 16), one[1:], atol=1e-3, rtol=0)
    assert not torch.allclose(engine.generate("untreated", KeyedRandom(0, 0, 0, 2), 16), one, atol=1e-2)


def test_generating_starts_from_noise_of_the_greatest_level(make: Callable[..., PhenDiff]) -> None:
    engine = make(objective="edm")
    engine.translators["denoiser"] = recorder = Recorder().requires_grad_(False)
    engine.generate("treated", KeyedRandom(0, 0, 0, 2), 32)
    x, time, labels = recorder.seen[0]
    assert x.std().item() == pytest.approx(1, abs=0.1)
    assert (time / 250).exp().tolist() == pytest.approx([80, 80], rel=1e-3)
    assert labels.tolist() == [1, 1]


# ---- what it is made of


def test_one_denoiser_serves_any_number_of_conditions() -> None:
    entry = ENGINES["phendiff"]
    engine = entry.load()(entry.settings.make(crop=32, **TINY), 1, ("a", "b", "c"))
    assert engine.networks_to("a") is engine.networks_to("c")
    engine.keep_targets(["b"])
    x = torch.rand(1, 1, 32, 32)
    assert engine.translate(x, "c", "a", PhenDiffTranslation(evaluations=2)).shape == x.shape
    with pytest.raises(InputError, match="'d' is unknown"):
        engine.translate(x, "d", "a", PhenDiffTranslation(evaluations=2))


def test_tiles_are_the_crops_of_training(make: Callable[..., PhenDiff]) -> None:
    engine = make(crop=64, levels=4)
    assert (engine.tile, engine.stride, engine.context) == (64, 8, 16)


def test_a_crop_that_cannot_be_halved_is_refused_with_those_that_can(make: Callable[..., PhenDiff]) -> None:
    with pytest.raises(InputError, match=r"crop of 72 .*multiple of 16. Say --crop 64 or --crop 80"):
        make(crop=72, levels=5)


def test_an_imported_configuration_goes_before_the_sizes(make: Callable[..., PhenDiff]) -> None:
    from napari_phenotrans.networks.unet import unet_config

    theirs = unet_config(2, 2, width=16, levels=2, layers=2, crop=32)
    engine = make(network=theirs)
    assert engine.stride == 2
    assert engine.translators["denoiser"].conv_in.out_channels == 16


@pytest.mark.parametrize("preset", ["paper", "paper-small"])
def test_presets_are_settings_with_the_published_noise(preset: str) -> None:
    entry = ENGINES["phendiff"]
    said = entry.settings.make(**entry.settings.presets[preset])
    assert said.objective == "discrete"
    assert said.schedule["num_train_timesteps"] == 3000
    assert said.schedule["prediction_type"] == "v_prediction"


# ---- channels that are kept


def named(engine: PhenDiff) -> PhenDiff:
    """Return the engine with names for its channels, as a checkpoint gives it."""
    engine.settings = engine.settings.model_copy(update={"channels": ("DNA", "GFP")})
    return engine


@pytest.mark.parametrize("solver", ["dpm", "heun"])
def test_kept_channels_are_held_on_their_own_way(solver: str, make: Callable[..., PhenDiff]) -> None:
    """At each noise on the way back the network sees the kept channel as the inversion saw it."""
    engine = named(make())
    x = torch.rand(1, 2, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    seen: dict[int, dict[float, list[Tensor]]] = {0: {}, 1: {}}

    def denoise(network: nn.Module, condition: int, guidance: float, z: Tensor, sigma: float) -> Tensor:
        seen[condition].setdefault(sigma, []).append(z.clone())
        return 0.6 * z.flip(1) + 0.1 * condition

    engine.denoise = denoise  # type: ignore[method-assign]
    how = PhenDiffTranslation(strength=0.6, evaluations=12, solver=solver, kept=("DNA",))
    y = engine.translate(x, "untreated", "treated", how)
    assert torch.equal(y[:, 0], x[:, 0])
    assert engine.kept_by(how) == (0,)
    there, back = seen[0], seen[1]
    # where an inversion ends it does not ask the network any more
    both = (set(back) & set(there)) - {max(back)}
    assert len(both) >= 3
    moved = 0.0
    for sigma in both:
        # the last of them is where the inversion went on from
        torch.testing.assert_close(back[sigma][-1][:, 0], there[sigma][-1][:, 0], rtol=1e-3, atol=1e-3)
        moved = max(moved, float((back[sigma][-1][:, 1] - there[sigma][-1][:, 1]).abs().max()))
    assert moved > 0.05
    assert (y[:, 1] - x[:, 1]).abs().max() > 0.05
    # nothing is held where nothing is kept
    free = engine.translate(x, "untreated", "treated", how.model_copy(update={"kept": None}))
    assert (free[:, 0] - x[:, 0]).abs().max() > 0.05


def test_a_file_gets_its_kept_channels_back_and_the_command_says_them(
    make_checkpoint: Callable[..., Checkpoint], tmp_path: Path
) -> None:
    """Bit for bit in its own dtype, although the engine sees them resampled and tile by tile."""
    path = make_checkpoint("phendiff", pixel_size=1.0, pixel_unit="um").save(tmp_path / "tiny.safetensors")
    values = np.random.default_rng(0).integers(0, 255, (2, 70, 90)).astype(np.float64) + 1 / 3
    write(Image(values, "CYX", ("marker 1", "marker 0"), pixel_size_um=0.7), tmp_path / "real.ome.tif")
    translator = Translator(path, how={"kept": ["marker 1"], "evaluations": 4})
    image = read(tmp_path / "real.ome.tif")
    result = translate_image(image, translator, source="untreated", target="treated")
    assert result.translated.channels == ("marker 0", "marker 1")
    np.testing.assert_array_equal(result.translated.pixels[1], values[0])
    assert (result.difference.pixels[1] == 0).all()
    assert np.abs(result.difference.pixels[0]).max() > 1
    assert result.provenance["kept"] == ("marker 1",)
    command = translate_command(json.loads(json.dumps(result.provenance)))
    assert "--kept 'marker 1'" in command


def test_what_cannot_be_kept_is_refused_before_anything_is_translated(
    make_checkpoint: Callable[..., Checkpoint], make: Callable[..., PhenDiff]
) -> None:
    checkpoint = make_checkpoint("phendiff")
    image = Image(np.zeros((2, 40, 40), np.uint8), "CYX", ("marker 0", "marker 1"))
    for kept, said in ((["tubulin"], "not among the images': tubulin"), (["marker 0", "marker 1"], "Every channel")):
        translator = Translator(checkpoint, how={"kept": kept})
        with pytest.raises(InputError, match=said):
            translator.translate(image, TranslationRequest("untreated", "treated"))
    engine = named(make(objective="discrete"))
    how = PhenDiffTranslation(solver="ddim", evaluations=4, kept=("DNA",))
    with pytest.raises(InputError, match=r"Say --solver dpm or heun, or leave --kept out"):
        engine.translate(torch.zeros(1, 2, 32, 32), "untreated", "treated", how)
