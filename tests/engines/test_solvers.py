"""Solvers against data whose denoiser is known exactly: a mixture of Gaussians for each of two conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import torch

from napari_phenotrans.engines.base import NetworkCall, run_whole
from napari_phenotrans.engines.objectives import SIGMA_MAX, SIGMA_MIN, Discrete
from napari_phenotrans.engines.settings import PUBLISHED_SCHEDULE, PhenDiffTranslation
from napari_phenotrans.engines.solvers import dpm, heun, noise_levels, published_generation, published_inversion

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from torch import Tensor

    from napari_phenotrans.engines.base import Engine

SIDE, MODES, SPREAD = 16, 24, 0.08
Denoiser = Callable[[torch.Tensor, float], torch.Tensor]


class Exact(NamedTuple):
    """Images (N, 1, 16, 16) of condition 0, and the denoisers of both conditions."""

    real: Tensor
    denoisers: tuple[Denoiser, Denoiser]


@pytest.fixture(scope="module")
def exact() -> Exact:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    first = normal(MODES, SIDE**2) * 0.35
    second = first[torch.randperm(MODES, generator=generator)] * 0.6 + normal(MODES, SIDE**2) * 0.22
    modes = (first.clamp(-0.9, 0.9), second.clamp(-0.9, 0.9))

    def denoiser(condition: int) -> Denoiser:
        def denoise(x: Tensor, sigma: float) -> Tensor:
            flat, variance = x.flatten(1), SPREAD**2 + sigma**2
            share = torch.softmax(-(torch.cdist(flat, modes[condition]) ** 2) / (2 * variance), dim=1)
            return ((SPREAD**2 * flat + sigma**2 * (share @ modes[condition])) / variance).reshape(x.shape)

        return denoise

    chosen = torch.randint(MODES, (48,), generator=generator)
    real = modes[0][chosen] + SPREAD * normal(48, SIDE**2)
    return Exact(real.reshape(-1, 1, SIDE, SIDE), (denoiser(0), denoiser(1)))


@pytest.fixture
def exact_engine(exact: Exact, make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The engine with the exact denoisers in place of its network's."""
    engine = make_engine("phendiff", channels=1, width=8, levels=3)

    def denoise(network: Any, condition: int, guidance: float, x: Tensor, sigma: float) -> Tensor:
        return exact.denoisers[condition](x, sigma)

    monkeypatch.setattr(engine, "denoise", denoise)
    return engine


@pytest.fixture(scope="module")
def reference(exact: Exact) -> dict[float, Tensor]:
    """Translations at two strengths, solved with a thousand evaluations in each direction."""
    solved = {}
    for strength in (0.5, 1.0):
        sigmas = noise_levels(round(500 / strength), strength, SIGMA_MIN, SIGMA_MAX)
        noise = run_whole(heun(exact.real, sigmas, exact.denoisers[0], final=False))
        solved[strength] = run_whole(heun(noise, sigmas[::-1], exact.denoisers[1], final=True))
    return solved


def euler(x: Tensor, sigmas: Sequence[float], denoiser: Denoiser) -> Tensor:
    for sigma, following in pairwise(sigmas):
        x = x + (following - sigma) / sigma * (x - denoiser(x, sigma))
    return x


def rms(a: Tensor, b: Tensor) -> float:
    return (a - b).pow(2).mean().sqrt().item()


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_default_solver_translates_and_returns_within_0_002(
    strength: float, exact: Exact, exact_engine: Engine, reference: dict[float, Tensor]
) -> None:
    how = PhenDiffTranslation(strength=strength)
    assert 2 * how.evaluations <= 100
    translated = exact_engine.translate(exact.real, "untreated", "treated", how)
    same = exact_engine.translate(exact.real, "untreated", "untreated", how)
    assert rms(reference[strength], exact.real) > 0.3
    assert rms(translated, reference[strength]) < 0.002
    assert rms(same, exact.real) < 0.002


def test_first_order_misses_that_bound_at_as_many_evaluations(exact: Exact, reference: dict[float, Tensor]) -> None:
    sigmas = noise_levels(PhenDiffTranslation().evaluations, 1.0, SIGMA_MIN, SIGMA_MAX)
    noise = euler(exact.real, sigmas, exact.denoisers[0])
    assert rms(euler(noise, sigmas[::-1], exact.denoisers[1]), reference[1.0]) > 0.01
    assert rms(euler(noise, sigmas[::-1], exact.denoisers[0]), exact.real) > 0.01


def test_half_strength_lies_off_the_line_between_real_and_translated(
    make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where conditions differ in fine and in coarse structure, the fine is translated first."""
    engine = make_engine("phendiff", channels=1, width=8, levels=3)
    fine, coarse = (0.1, 0.2), (0.5, 0.25)

    def denoise(network: Any, condition: int, guidance: float, x: Tensor, sigma: float) -> Tensor:
        """Exact for normal pixels of one spread around a normal brightness of the image."""
        brightness = x.mean(dim=(2, 3), keepdim=True)
        pixels, whole = fine[condition] ** 2, coarse[condition] ** 2
        kept = brightness * whole / (whole + sigma**2 / SIDE**2)
        return kept + (x - brightness) * pixels / (pixels + sigma**2)

    monkeypatch.setattr(engine, "denoise", denoise)
    generator = torch.Generator().manual_seed(0)
    brightness = torch.full((4, 1, 1, 1), coarse[0])
    real = brightness + fine[0] * torch.randn(4, 1, SIDE, SIDE, generator=generator)
    half, full = (engine.translate(real, "untreated", "treated", PhenDiffTranslation(strength=s)) for s in (0.5, 1.0))
    assert full.std(dim=(2, 3)).mean().item() == pytest.approx(0.2, rel=0.1)
    assert full.mean().item() == pytest.approx(0.25, rel=0.1)
    along, there = (full - real).flatten(1), (half - real).flatten(1)
    share = (along * there).sum(1, keepdim=True) / along.pow(2).sum(1, keepdim=True)
    distance = (there - share * along).norm(dim=1) / along.norm(dim=1)
    assert ((share > 0.1) & (share < 0.9)).all()
    assert distance.min() > 0.15


def test_strength_0_returns_the_image_itself(exact: Exact, exact_engine: Engine) -> None:
    translated = exact_engine.translate(exact.real, "untreated", "treated", PhenDiffTranslation(strength=0))
    assert torch.equal(translated, exact.real)


@pytest.mark.parametrize(("solver", "order"), [(dpm, 2), (heun, 2)])
@pytest.mark.parametrize("up", [True, False])
def test_halving_the_steps_quarters_the_error(solver: Callable[..., Any], order: int, up: bool) -> None:
    """One Gaussian of spread s: x grows as sqrt(s² + sigma²), whatever the direction."""
    spread, x = 0.3, torch.ones(1, 1, 1, 1, dtype=torch.float64)

    def denoise(x: Tensor, sigma: float) -> Tensor:
        return x * spread**2 / (spread**2 + sigma**2)

    errors = []
    for intervals in (200, 400):
        sigmas = noise_levels(intervals, 1.0, 0.05, 10.0)
        sigmas = sigmas if up else sigmas[::-1]
        solved = run_whole(solver(x, sigmas, denoise, final=False)).item()
        truth = math.sqrt((spread**2 + sigmas[-1] ** 2) / (spread**2 + sigmas[0] ** 2))
        errors.append(abs(solved / truth - 1))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.3)


@pytest.mark.parametrize(("solver", "count"), [(dpm, 10), (heun, 19)])
def test_only_the_last_evaluation_is_final_and_tiles_can_take_it_alone(
    solver: Callable[..., Any], count: int, exact: Exact
) -> None:
    """Evaluated half by half, the batch gives what it gives whole."""
    sigmas = noise_levels(10, 1.0, SIGMA_MIN, SIGMA_MAX)[::-1]
    noise = SIGMA_MAX * torch.randn(exact.real.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    whole = run_whole(solver(noise, sigmas, exact.denoisers[0], final=True))

    finals = []

    def halves(steps: Generator[NetworkCall, Tensor, Tensor]) -> Generator[NetworkCall, Tensor, Tensor]:
        result: Tensor | None = None
        while True:
            try:
                evaluation = steps.send(result) if result is not None else next(steps)
            except StopIteration as finished:
                return finished.value
            finals.append(evaluation.final)
            network = evaluation.network
            cut = NetworkCall(lambda x, n=network: torch.cat([n(h) for h in x.split(24)]), evaluation.x, False)
            result = yield cut

    torch.testing.assert_close(run_whole(halves(solver(noise, sigmas, exact.denoisers[0], final=True))), whole)
    assert finals == [False] * (count - 1) + [True]


@pytest.mark.parametrize("solver", [dpm, heun])
def test_the_last_step_follows_the_slope(solver: Callable[..., Any]) -> None:
    x = torch.tensor([1.0, -2.0]).reshape(1, 2, 1, 1)
    done = run_whole(solver(x, [0.5, 0.2], lambda x, sigma: x * sigma, final=True))
    torch.testing.assert_close(done, x - 0.3 * (x - 0.5 * x) / 0.5)


def test_noise_levels_are_karras_and_strength_keeps_their_density() -> None:
    whole, half = (noise_levels(50, s, 0.002, 80.0) for s in (1.0, 0.5))
    assert (len(whole), len(half)) == (51, 26)
    assert whole[0] == 0.002
    assert whole[-1] == pytest.approx(80)
    assert half == pytest.approx(whole[:26])
    # eq. 5, counted from the other end
    assert whole[49] == pytest.approx((80 ** (1 / 7) + (0.002 ** (1 / 7) - 80 ** (1 / 7)) / 50) ** 7)
    assert len(noise_levels(50, 0.001, 0.002, 80.0)) == 2


def test_all_strengths_share_their_levels_but_the_last_and_take_no_tiny_step() -> None:
    def root(sigma: float) -> float:
        return (sigma ** (1 / 7) - 0.002 ** (1 / 7)) / (80 ** (1 / 7) - 0.002 ** (1 / 7))

    whole = noise_levels(50, 1.0, 0.002, 80.0)
    for strength in (0.03, 0.21, 0.29, 0.305, 0.36, 0.5, 0.999):
        levels = noise_levels(50, strength, 0.002, 80.0)
        assert levels[:-1] == whole[: len(levels) - 1]
        assert root(levels[-1]) == pytest.approx(strength)
        assert 0.49 <= (root(levels[-1]) - root(levels[-2])) * 50 <= 1.51


@pytest.mark.parametrize("solver", [dpm, heun])
def test_evaluations_that_serve_other_ways_are_known_by_place_and_noise(
    solver: Callable[..., Any], exact: Exact
) -> None:
    def keys(strength: float) -> list[tuple[Any, ...] | None]:
        sigmas = noise_levels(10, strength, SIGMA_MIN, SIGMA_MAX)
        steps = solver(exact.real, sigmas, exact.denoisers[0], final=False, key=("way",))
        seen = []
        try:
            evaluation = next(steps)
            while True:
                seen.append(evaluation.key)
                evaluation = steps.send(evaluation.network(evaluation.x))
        except StopIteration:
            return seen

    deep, shallow = keys(1.0), keys(0.5)
    assert len(set(deep)) == len(deep) == (10 if solver is dpm else 20)
    assert deep[: len(shallow)] == shallow
    assert all(key[0] == "way" for key in deep)


# ---- the published sampler


def test_published_generation_is_that_of_diffusers() -> None:
    from diffusers import DDIMScheduler

    generator = torch.Generator().manual_seed(0)
    z = torch.randn(2, 1, 4, 4, generator=generator)
    mixing = torch.randn(16, 16, generator=generator) / 4

    def predict(z: Tensor, time: float) -> Tensor:
        return (z.flatten(1) @ mixing).reshape(z.shape) * math.cos(time / 500)

    theirs, scheduler = z, DDIMScheduler(**PUBLISHED_SCHEDULE)
    scheduler.set_timesteps(20)
    for t in scheduler.timesteps:
        theirs = scheduler.step(predict(theirs, int(t)), t, theirs).prev_sample
    ours = run_whole(published_generation(z, Discrete(PUBLISHED_SCHEDULE), 20, 20, predict))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_published_inversion_steps_on_the_unscaled_table_from_0_on() -> None:
    """Where v = 0, a step from angle a to angle b of the schedule only multiplies by cos(b - a)."""
    asked: list[float] = []

    def still(z: Tensor, time: float) -> Tensor:
        asked.append(time)
        return torch.zeros_like(z)

    z = torch.full((1, 1, 2, 2), 0.5)
    # a third of the published steps, with which the rescaling to zero signal makes a difference
    schedule = Discrete(PUBLISHED_SCHEDULE | {"num_train_timesteps": 1000})
    inverted = run_whole(published_inversion(z, schedule, 100, 90, still))
    assert asked == list(range(0, 900, 10))
    betas = torch.linspace(1e-4**0.5, 0.02**0.5, 1000, dtype=torch.float64) ** 2
    angles = (1 - betas).cumprod(0).sqrt().acos()[0:901:10]
    torch.testing.assert_close(inverted, (z * angles.diff().cos().prod()).float(), atol=1e-5, rtol=0)


def test_published_sampler_returns_what_second_order_keeps_only_roughly(exact: Exact) -> None:
    schedule = Discrete(PUBLISHED_SCHEDULE)
    signal = schedule.signal.clamp(min=1e-12)

    def predict(z: Tensor, time: float) -> Tensor:
        alpha = signal[int(time)].sqrt().item()
        noise = math.sqrt(1 - alpha**2)
        image = exact.denoisers[0](z / alpha, noise / alpha)
        return (alpha * z - image) / noise

    z = run_whole(published_inversion(exact.real, schedule, 100, 100, predict))
    back = run_whole(published_generation(z, schedule, 100, 100, predict))
    assert 0.01 < rms(back, exact.real) < 0.2
