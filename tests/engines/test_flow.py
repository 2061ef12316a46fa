from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.engines.base import Drawn, run_whole
from napari_phenotrans.engines.flow import GREATEST, KeptFlow, Standardization
from napari_phenotrans.engines.settings import FlowTranslation
from napari_phenotrans.engines.update import BatchPart, Update
from napari_phenotrans.translation.translate import Translation, Translator, translate_image

if TYPE_CHECKING:
    from collections.abc import Callable

CONDITIONS = ("untreated", "treated")
NAMES = ("DNA", "GFP", "actin")
QUICK = {"evaluations": 4}
TINY = {"crop": 32, "width": 8, "levels": 3, "warmup": 0, "batch": 2, "steps": 20}


def make(
    *kept: str, channels: tuple[str, ...] = NAMES, conditions: tuple[str, ...] = CONDITIONS, **said: Any
) -> KeptFlow:
    torch.manual_seed(0)
    entry = ENGINES["flow"]
    settings = entry.settings.make(**{**TINY, "kept": kept, "channels": channels, **said})
    engine = entry.load()(settings, len(channels), conditions)
    assert isinstance(engine, KeptFlow)
    return engine


def crops(count: int = 2, channels: int = 3, side: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def parts(engine: KeptFlow, step: int, *, batch: int = 2, divided: int = 1) -> list[BatchPart]:
    chances = [KeyedRandom(0, step, first, batch // divided) for first in range(0, batch, batch // divided)]
    return [
        BatchPart(
            {c: torch.from_numpy(one.uniform(c, engine.channels, 32, 32)) * 2 - 1 for c in engine.conditions}, one
        )
        for one in chances
    ]


def checkpoint_of(engine: KeptFlow, **card: Any) -> Checkpoint:
    said = {
        "engine": "flow",
        "settings": engine.settings.model_dump(mode="json"),
        "conditions": engine.conditions,
        "channels": engine.settings.channels,
        "low": (0.0,) * engine.channels,
        "high": (60_000.0,) * engine.channels,
        "crop": 32,
        "translation": QUICK,
    }
    return Checkpoint.of(engine, Card(**(said | card)))


# ---- what is kept


@pytest.mark.parametrize("kept", [("GFP",), ("actin", "DNA")])
def test_kept_channels_come_back_and_the_others_move(kept: tuple[str, ...]) -> None:
    engine = make(*kept)
    x = crops()
    y = engine.translate(x, "untreated", "treated", FlowTranslation.make(**QUICK))
    for place, name in enumerate(NAMES):
        assert torch.equal(y[:, place], x[:, place]) == (name in kept)
    assert engine.kept == tuple(place for place, name in enumerate(NAMES) if name in kept)


def test_without_kept_channels_all_move() -> None:
    engine = make()
    x = crops()
    y = engine.translate(x, "untreated", "treated", FlowTranslation.make(**QUICK))
    assert engine.kept == ()
    assert all((y[:, place] - x[:, place]).abs().max() > 1e-3 for place in range(3))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float64])
def test_a_file_gets_its_own_pixels_back(dtype: type) -> None:
    """Bit for bit, although the engine sees them resampled, tile by tile and in float32."""
    values = np.random.default_rng(0).integers(0, 200, (3, 150, 170)).astype(dtype)
    if dtype in (np.int64, np.float64):
        values = values + np.asarray(2**53 - 1 if dtype is np.int64 else 1 / 3).astype(dtype)
    checkpoint = checkpoint_of(make("DNA"), pixel_size=1.0, pixel_unit="um", high=(200.0,) * 3)
    # the file names its channels in another order
    image = Image(values, "CYX", ("GFP", "actin", "DNA"), pixel_size_um=0.6)
    result = translate_image(image, checkpoint, source="untreated", target="treated")
    assert result.translated.channels == NAMES
    assert result.translated.pixels.dtype == dtype
    np.testing.assert_array_equal(result.translated.pixels[0], values[2])
    assert (result.difference.pixels[0] == 0).all()
    assert np.abs(result.difference.pixels[1:]).max() > 1


def test_channels_that_cannot_be_kept_are_refused_in_words() -> None:
    with pytest.raises(InputError, match=r"Every channel is to be kept \(DNA, GFP, actin\).*nothing is left to tran"):
        make(*NAMES)
    with pytest.raises(InputError, match=r"not among the images': tubulin\. Expected some of DNA, GFP, actin\."):
        make("DNA", "tubulin")
    with pytest.raises(InputError, match="which have no names here"):
        ENGINES["flow"].load()(ENGINES["flow"].settings.make(**TINY, kept=("DNA",)), 3, CONDITIONS)


def test_a_checkpoint_knows_what_is_kept_by_name() -> None:
    """Also where the run took all channels of its images without saying them."""
    engine = make("actin")
    card = {"settings": engine.settings.model_dump(mode="json") | {"channels": None}, "channels": NAMES}
    assert checkpoint_of(engine, **card).build_engine().kept == (2,)


# ---- translating


def test_tiles_equal_the_whole() -> None:
    """Where the denoiser sees no farther than the overlap: the kept channel reaches every tile in its place."""

    class Pointwise(torch.nn.Module):
        def forward(self, x: torch.Tensor, time: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return 0.3 * x[:, 1:] + x[:, :1] * labels[:, None, None, None] - 0.2

    image = Image(np.random.default_rng(1).integers(0, 60_000, (3, 96, 128)).astype(np.uint16), "CYX", NAMES)
    checkpoint = checkpoint_of(make("DNA"))

    def translated(tile: int) -> Translation:
        translator = Translator(checkpoint, tile=tile, overlap=16)
        translator.engine.networks_to("treated").forward = Pointwise().forward  # type: ignore[method-assign]
        return translate_image(image, translator, source="untreated", target="treated")

    whole, tiled = translated(128), translated(32)
    assert np.abs(whole.difference.pixels[1:]).max() > 100
    # float32 rounds where the noise is 400 times the image
    np.testing.assert_allclose(tiled.difference.pixels, whole.difference.pixels, atol=2e-4 * 60_000)


def test_an_exact_denoiser_loses_nothing_from_source_to_source() -> None:
    """Of Gaussian pixels, whose denoiser is known; and from source to target it moves them to the target's mean."""
    engine = make("DNA", channels=("DNA", "GFP"))
    means = torch.tensor([-1.0, 1.0])

    def exact(x: torch.Tensor, time: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        t, mean = (time / 1000)[:, None, None, None], means[labels][:, None, None, None]
        z = x[:, 1:]
        # (1 - t) y + t n with y of variance 1: E[n - y]
        return (z - (1 - t) * mean) * (2 * t - 1) / ((1 - t) ** 2 + t**2) - mean

    engine.networks_to("treated").forward = exact  # type: ignore[method-assign]
    x = torch.randn(2, 2, 32, 32, generator=torch.Generator().manual_seed(3)) - 1
    how = FlowTranslation.make(evaluations=30)
    torch.testing.assert_close(engine.translate(x, "untreated", "untreated", how), x, atol=0.02, rtol=0)
    deep = FlowTranslation.make(evaluations=60, depth=1.0)
    torch.testing.assert_close(engine.translate(x, "untreated", "treated", deep)[:, 1], x[:, 1] + 2, atol=0.05, rtol=0)


def test_depth_is_how_far_the_noise_goes_and_0_returns_the_image() -> None:
    engine = make("DNA")
    x = crops()
    assert torch.equal(engine.translate(x, "untreated", "treated", FlowTranslation.make(depth=0)), x)
    for depth, expected in ((1.0, 0.9975), (0.9, 0.992), (0.5, 0.523)):
        told: list[float] = []

        def note(x: torch.Tensor, time: torch.Tensor, labels: torch.Tensor, told: list[float] = told) -> torch.Tensor:
            told.append(float(time[0]) / 1000)
            return x[:, 1:]

        engine.networks_to("treated").forward = note  # type: ignore[method-assign]
        engine.translate(x, "untreated", "treated", FlowTranslation.make(depth=depth, evaluations=20))
        assert max(told) == pytest.approx(expected, abs=1e-3)
        assert min(told) == pytest.approx(0.003, abs=1e-4)
        assert len(told) == 2 * 20 * depth


def test_guidance_acts_on_the_channels_that_it_is_to_act_on() -> None:
    engine = make("DNA")
    guide = engine.guidance_of
    assert guide(FlowTranslation.make(guided=("GFP",))) is None
    all_of_them, one = (guide(FlowTranslation.make(guidance=0.5, guided=names)) for names in (None, ("actin",)))
    assert all_of_them is not None
    assert one is not None
    assert (all_of_them.flatten().tolist(), one.flatten().tolist()) == ([0.5, 0.5], [0.0, 0.5])
    for names, words in ((("PH3",), "to guide are not among"), (("DNA",), "DNA is kept")):
        with pytest.raises(InputError, match=words):
            engine.translate(crops(), *CONDITIONS, FlowTranslation.make(**QUICK, guidance=1, guided=names))


def test_a_marker_beside_other_channels_is_worth_guiding_alone() -> None:
    engine = make("DNA")
    usual = [{"guidance": 0.3}, {"guidance": 1.0}]
    assert engine.guidance_trials(["GFP"]) == [*usual, {"guidance": 0.3, "guided": ("GFP",)}]
    # none moves, or all that move do
    assert engine.guidance_trials(["DNA"]) == usual
    assert engine.guidance_trials(["GFP", "actin"]) == usual


def test_guidance_moves_away_from_what_the_source_has() -> None:
    """Told + g (told - other), on the way back alone; source to source has no other."""
    engine = make("DNA", channels=("DNA", "GFP"))
    seen: list[list[int]] = []

    def labelled(x: torch.Tensor, time: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        seen.append(labels.tolist())
        return (labels[:, None, None, None] + 1.0) * torch.ones_like(x[:, 1:])

    engine.networks_to("treated").forward = labelled  # type: ignore[method-assign]
    z = crops(1, 2)
    plain, other = (engine.denoise(label, label, None, z, 2.0) for label in (1, 0))
    half = torch.full((len(engine.moving), 1, 1), 0.5)
    torch.testing.assert_close(engine.denoise(1, 0, half, z, 2.0), plain + 0.5 * (plain - other))
    seen.clear()
    engine.translate(z, "untreated", "treated", FlowTranslation.make(evaluations=2, depth=1, guidance=1))
    assert seen == [[0], [0], [1, 0], [1, 0]]
    seen.clear()
    engine.translate(z, "treated", "treated", FlowTranslation.make(evaluations=2, depth=1, guidance=1))
    assert seen == [[1], [1], [1], [1]]


def test_completion_depends_on_what_is_kept_and_on_the_seed_alone() -> None:
    engine = make("DNA")
    x, chance = crops(), KeyedRandom(0, 0, 0, 2)
    made = engine.complete(x, "treated", chance, evaluations=4)
    assert torch.equal(made[:, 0], x[:, 0])
    other = x.clone()
    other[:, 1:] = crops(seed=9)[:, 1:]
    assert torch.equal(engine.complete(other, "treated", chance, evaluations=4), made)
    assert not torch.equal(engine.complete(x, "treated", KeyedRandom(1, 0, 0, 2), evaluations=4), made)
    assert not torch.equal(engine.complete(x, "untreated", chance, evaluations=4), made)
    assert engine.generate("treated", chance, 32) is None
    free = make().generate("treated", chance, 32)
    assert free is not None
    assert free.shape == (2, 3, 32, 32)


def test_three_conditions_translate_and_train() -> None:
    engine = make("DNA", conditions=("a", "b", "c"))
    engine.start_training()
    losses = engine.training_step(0, parts(engine, 0), Update())
    assert list(losses) == [f"denoising {name}" for name in "abc"]
    x = crops()
    how = FlowTranslation.make(**QUICK)
    made = [engine.translate(x, "a", target, how) for target in "abc"]
    assert all(not torch.equal(made[i], made[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    assert engine.directions() == [("a", "b"), ("b", "a"), ("a", "c"), ("c", "a")]


# ---- training


def test_a_step_in_parts_has_the_bits_of_a_step_in_parts_and_the_seed_shows() -> None:
    def train(seed: int, divided: int) -> list[float]:
        engine = make("DNA", batch=4)
        engine.start_training()
        engine.rate = 1e-6
        some = parts(engine, seed, batch=4, divided=divided)
        return list(engine.training_step(0, some, Update()).values())

    assert train(0, 2) == train(0, 2)
    assert train(0, 2) == pytest.approx(train(0, 1), rel=1e-5)
    assert train(0, 1) != train(1, 1)


def test_only_the_brightness_of_kept_channels_is_varied_and_only_in_training() -> None:
    engine = make("GFP", kept_jitter=0.5)
    (part,) = parts(engine, 0)
    plain, shown = engine.learned(part, vary=False)
    moving, varied = engine.learned(part, vary=True)
    assert shown is not None
    assert varied is not None
    assert torch.equal(plain, torch.cat([part.crops[c][:, [0, 2]] for c in CONDITIONS]))
    assert torch.equal(moving, plain)
    gain = (varied + 1) / (shown + 1)
    torch.testing.assert_close(gain, gain.mean(dim=(2, 3), keepdim=True).expand_as(gain), atol=1e-3, rtol=1e-3)
    assert gain[:, 0, 0, 0].log().std() > 0.1
    # the crops themselves are as they were
    assert torch.equal(engine.learned(part, vary=False)[0], plain)


def test_the_denoiser_is_shown_kept_channels_without_noise_and_learns_n_minus_y() -> None:
    engine = make("DNA")
    (part,) = parts(engine, 0)
    seen: list[torch.Tensor] = []

    def network(x: torch.Tensor, time: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        seen.extend([x, time])
        return torch.zeros_like(x[:, 1:])

    engine.networks_to("treated").forward = network  # type: ignore[method-assign]
    losses = engine.held_out_loss(part)
    x, t = seen[0], seen[1][:, None, None, None] / 1000
    y = torch.cat([part.crops[c] for c in CONDITIONS])
    assert torch.equal(x[:, :1], y[:, :1])
    n = (x[:, 1:] - (1 - t) * y[:, 1:]) / t
    assert n.std() == pytest.approx(1, abs=0.05)
    squares = (n - y[:, 1:]).square().mean(dim=(1, 2, 3)).split(2)
    assert list(losses.values()) == pytest.approx([float(each.mean()) for each in squares], rel=1e-3)


@pytest.mark.parametrize(("times", "share"), [("uniform", 0.02), ("logit-normal", 0.074)])
def test_times_are_drawn_as_said(times: str, share: float) -> None:
    sigma = make("DNA", times=times).objective.quantile((torch.arange(10_000.0) + 0.5) / 10_000)
    t = sigma / (1 + sigma)
    assert float((t > 0.98).float().mean()) == pytest.approx(share, abs=0.005)
    assert float(sigma.max()) <= GREATEST * 1.001


def test_channels_are_seen_in_sds_of_all_conditions_alike() -> None:
    """A condition with more images does not count more; a channel of one value is not divided by 0."""
    rng = torch.Generator().manual_seed(0)
    bright = [torch.randn(2, 40, 40, generator=rng) * torch.tensor([0.1, 0.0])[:, None, None] + 0.5 for _ in range(3)]
    dark = [torch.randn(2, 60, 50, generator=rng) * torch.tensor([0.1, 0.0])[:, None, None] - 0.5]
    scale = Standardization(2)
    scale.measure({"untreated": bright, "treated": dark})
    assert scale.mean.flatten().tolist() == pytest.approx([0, 0], abs=0.01)
    assert scale.sd.flatten().tolist() == pytest.approx([(0.5**2 + 0.1**2) ** 0.5, 0.5], abs=0.01)
    flat = Standardization(1)
    flat.measure({"untreated": [torch.ones(1, 8, 8)]})
    assert torch.isfinite(flat(torch.ones(1, 1, 8, 8))).all()
    x = torch.randn(1, 2, 8, 8)
    torch.testing.assert_close(scale.back(scale(x)), x)


def test_what_was_measured_is_in_the_checkpoint(make_engine: Callable[..., Any]) -> None:
    engine = make("DNA")
    engine.measure({c: [crops(1, seed=i)[0] * 0.1] for i, c in enumerate(CONDITIONS)})
    loaded = checkpoint_of(engine).build_engine()
    scale = engine.translators["scale"]
    assert torch.equal(loaded.translators["scale"].sd, scale.sd)
    assert float(scale.sd.max()) < 0.1


def test_the_card_says_what_is_kept() -> None:
    from napari_phenotrans.checkpoints.describe import describe_card

    assert "kept DNA; actin)" in describe_card("flow", checkpoint_of(make("DNA", "actin")).card)


# ---- several answers


def answer(engine: KeptFlow, x: torch.Tensor, share: float, seed: int = 0, **how: Any) -> torch.Tensor:
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
    said = FlowTranslation.make(**(QUICK | how))
    return run_whole(engine.calls(x, "untreated", "treated", said, drawn=Drawn(noise, share)))


def test_an_answer_without_any_chance_is_the_translation() -> None:
    engine, x = make("DNA"), crops()
    plain = engine.translate(x, "untreated", "treated", FlowTranslation.make(**QUICK))
    assert torch.equal(answer(engine, x, 0.0), plain)
    assert torch.equal(answer(engine, x, 0.5, depth=0.0), x)


def test_answers_differ_in_what_moves_and_come_back_alike() -> None:
    engine, x = make("DNA"), crops()
    first, again, other = (answer(engine, x, 0.5, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert torch.equal(first[:, 0], other[:, 0])
    assert torch.equal(first[:, 0], x[:, 0])
    assert (first - other)[:, 1:].abs().amax(dim=(0, 2, 3)).min() > 1e-3


def test_noise_that_is_drawn_keeps_the_variance() -> None:
    engine, sigma = make("DNA"), 20.0
    inverted = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(5)) * (1 + sigma**2) ** 0.5
    for share in (0.3, 0.7, 1.0):
        drawn = Drawn(torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(6)), share)
        z = engine._redrawn(inverted, sigma, drawn)
        assert float(z[:, 1:].std()) == pytest.approx(float(inverted[:, 1:].std()), rel=0.03)
        assert torch.equal(z[:, 0], inverted[:, 0])
        correlation = torch.corrcoef(torch.stack([z[:, 1:].flatten(), inverted[:, 1:].flatten()]))[0, 1]
        assert float(correlation) == pytest.approx((1 - share**2) ** 0.5, abs=0.03)


def test_what_is_drawn_whole_sees_nothing_of_what_moves() -> None:
    engine, x = make("DNA"), crops()
    other = crops(seed=9)
    other[:, 0] = x[:, 0]
    assert torch.equal(answer(engine, x, 1.0), answer(engine, other, 1.0))
    assert not torch.equal(answer(engine, x, 0.9), answer(engine, other, 0.9))
