from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.engines.objectives import EDM, SIGMA_DATA, DataSD, Discrete, Flow, Velocity, make_objective, wide
from napari_phenotrans.engines.settings import PUBLISHED_SCHEDULE

if TYPE_CHECKING:
    from napari_phenotrans.engines.objectives import Objective


def published(**changes: Any) -> Discrete:
    return Discrete(PUBLISHED_SCHEDULE | changes)


OBJECTIVES = {
    "edm": EDM(),
    "v": Velocity(),
    "flow": Flow(),
    "published": published(),
    "epsilon": published(prediction_type="epsilon", rescale_betas_zero_snr=False),
    "sample": published(prediction_type="sample"),
}
every_objective = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES.keys())


def noisy(objective: Objective, count: int = 64) -> tuple[torch.Tensor, ...]:
    """Images, noise, levels of noise over the whole range, and the images with noise; float64."""
    generator = torch.Generator().manual_seed(0)
    x0, n = torch.randn(2, count, 1, 2, 2, generator=generator, dtype=torch.float64)
    ends = math.log(objective.sigma_min), math.log(objective.sigma_max)
    sigma = torch.linspace(*ends, count, dtype=torch.float64).exp()
    return x0, n, sigma, x0 + sigma[:, None, None, None] * n


@every_objective
def test_a_network_that_predicts_its_goal_denoises(objective: Objective) -> None:
    x0, _, sigma, x = noisy(objective)
    torch.testing.assert_close(objective.denoised(x, sigma, objective.goal(x0, x, sigma)), x0)


@every_objective
def test_time_rises_with_the_noise_and_fits_the_embedding(objective: Objective) -> None:
    _, _, sigma, _ = noisy(objective)
    time = objective.coefficients(sigma).time
    assert (time.diff() > 0).all()
    assert 500 < time[-1] - time[0] < 3000


@every_objective
def test_training_noise_rises_with_the_share(objective: Objective) -> None:
    sigma = objective.quantile(torch.linspace(0, 1, 101, dtype=torch.float64))
    assert torch.isfinite(sigma).all()
    assert (sigma > 0).all()
    assert (sigma.diff() >= 0).all()


def test_edm_keeps_unit_variance_and_its_training_noise() -> None:
    x0, n, sigma, _ = noisy(EDM(), 20_000)
    x0 *= SIGMA_DATA
    x = x0 + sigma[:, None, None, None] * n
    into = wide(EDM().coefficients(sigma).into) * x
    assert into.std().item() == pytest.approx(1, abs=0.01)
    assert EDM().goal(x0, x, sigma).std().item() == pytest.approx(1, abs=0.01)
    drawn = EDM().quantile((torch.arange(10_000) + 0.5) / 10_000).log()
    assert drawn.mean().item() == pytest.approx(-1.2, abs=0.01)
    assert drawn.std().item() == pytest.approx(1.2, abs=0.01)


def test_edm_keeps_unit_variance_of_each_channel_whose_sd_is_measured() -> None:
    sds = torch.tensor([0.05, 0.3])
    generator = torch.Generator().manual_seed(1)
    x0, n = torch.randn(2, 20_000, 2, 2, 2, generator=generator, dtype=torch.float64)
    x0 = x0 * sds[:, None, None] - 0.8
    data = DataSD(2)
    data.measure({"untreated": list(x0[:10_000]), "treated": list(x0[10_000:])})
    torch.testing.assert_close(data.sd, sds, rtol=0.02, atol=0)
    edm = EDM(data)
    sigma = torch.linspace(math.log(0.005), math.log(80), 20_000, dtype=torch.float64).exp()
    x0 = x0 + 0.8
    x = x0 + wide(sigma) * n
    for unit in (wide(edm.coefficients(sigma).into) * x, edm.goal(x0, x, sigma)):
        assert unit.std(dim=(0, 2, 3)).tolist() == pytest.approx([1, 1], abs=0.02)
    # the noise of training stays where it is seen from the data
    drawn, usual = (one.quantile(torch.tensor([0.1, 0.5, 0.9])) for one in (edm, EDM()))
    ratio = float((data.sd[0] * data.sd[1]).sqrt()) / SIGMA_DATA
    torch.testing.assert_close(drawn, usual * ratio)


def test_velocity_is_that_of_the_cosine_schedule() -> None:
    t = torch.linspace(0.01, 0.98, 50, dtype=torch.float64)
    sigma = (t * math.pi / 2).tan()
    x0, n, _, _ = noisy(Velocity(), 50)
    alpha, s = ((f * math.pi / 2)[:, None, None, None] for f in (t, t))
    alpha, s = alpha.cos(), s.sin()
    x = x0 + sigma[:, None, None, None] * n
    c = Velocity().coefficients(sigma)
    torch.testing.assert_close(Velocity().goal(x0, x, sigma), alpha * n - s * x0)
    torch.testing.assert_close(c.into[:, None, None, None] * x, alpha * x0 + s * n)
    torch.testing.assert_close(c.time, 1000 * t)


def test_flow_goes_straight_from_image_to_noise() -> None:
    x0, n, sigma, x = noisy(Flow())
    c = Flow().coefficients(sigma)
    t = (c.time / 1000)[:, None, None, None]
    torch.testing.assert_close(Flow().goal(x0, x, sigma), n - x0)
    torch.testing.assert_close(c.into[:, None, None, None] * x, (1 - t) * x0 + t * n)


@pytest.mark.parametrize("objective", [Velocity(), Flow(), published()], ids=["v", "flow", "published"])
def test_training_times_are_drawn_alike_often(objective: Objective) -> None:
    time = objective.coefficients(objective.quantile((torch.arange(1000.0, dtype=torch.float64) + 0.5) / 1000)).time
    steps = time.diff()
    torch.testing.assert_close(steps, steps.mean().expand_as(steps), atol=0.01, rtol=0)


def test_discrete_predictions_are_noise_image_and_velocity() -> None:
    x0, n, sigma, x = noisy(OBJECTIVES["epsilon"])
    alpha = (1 + sigma**2).rsqrt()[:, None, None, None]
    s = sigma[:, None, None, None] * alpha
    torch.testing.assert_close(OBJECTIVES["epsilon"].goal(x0, x, sigma), n)
    torch.testing.assert_close(OBJECTIVES["sample"].goal(x0, x, sigma), x0)
    torch.testing.assert_close(OBJECTIVES["published"].goal(x0, x, sigma), alpha * n - s * x0)
    # an image predicted where the noise is small counts as much as the noise it amounts to
    torch.testing.assert_close(OBJECTIVES["sample"].weight(sigma), sigma**-2)


@pytest.mark.parametrize("zero", [True, False])
@pytest.mark.parametrize("kind", ["linear", "scaled_linear", "squaredcos_cap_v2"])
def test_discrete_noise_is_that_of_diffusers(kind: str, zero: bool) -> None:
    from diffusers import DDIMScheduler

    said = PUBLISHED_SCHEDULE | {"beta_schedule": kind, "rescale_betas_zero_snr": zero, "num_train_timesteps": 1000}
    theirs = DDIMScheduler(**said).alphas_cumprod.double()
    torch.testing.assert_close(Discrete(said).signal, theirs, atol=2e-6, rtol=0)


def test_discrete_times_are_places_in_the_table() -> None:
    schedule = published()
    # the last level has no signal at all, and images are inverted up to the usual noise only
    assert schedule.signal[-1] < 1e-9
    assert schedule.sigma_max == 80
    assert schedule.sigma_min == pytest.approx(0.01, rel=0.01)
    torch.testing.assert_close(schedule.time(schedule.sigmas), torch.arange(3000.0, dtype=torch.float64))
    between = (schedule.sigmas[10] * schedule.sigmas[11]).sqrt()
    assert schedule.time(between[None]).item() == pytest.approx(10.5)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"beta_schedule": "sigmoid"}, r"'sigmoid' is not known: expected linear, scaled_linear"),
        ({"prediction_type": "score"}, r"'score' is not known: expected epsilon"),
    ],
)
def test_schedules_that_are_not_known_are_refused(said: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_objective("discrete", said)
