"""Solvers of the probability flow ODE, both ways: from an image to noise and from noise to an image.

In sigma the ODE reads dx/dsigma = (x - D(x; sigma)) / sigma (Karras et al. 2022, eq. 3 with s = 1, sigma = t; Song et
al. 2021), D the denoised image. Every solver is a generator of network evaluations, so that whoever drives it may cut
each evaluation into tiles.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from napari_phenotrans.engines.base import NetworkCall

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from torch import Tensor

    from napari_phenotrans.engines.objectives import Discrete

    Steps = Generator[NetworkCall, Tensor, Tensor]
    Denoiser = Callable[[Tensor, float], Tensor]
    Predictor = Callable[[Tensor, float], Tensor]
    Way = tuple[Any, ...]
    Node = Callable[[Tensor, float], Tensor]

RHO = 7


def noise_levels(intervals: int, strength: float, low: float, high: float, *, geometric: bool = False) -> list[float]:
    """Return rising levels of noise, ``low`` first, equidistant in sigma^(1/7) (Karras et al. 2022, eq. 5) or ln sigma.

    All strengths share their levels, so that what an inversion evaluates on its way serves every other one. Only the
    last level is exactly at the strength; the step to it has half to one and a half times the length of the others.

    Parameters
    ----------
    intervals
        Steps from ``low`` to ``high``; a smaller strength takes a share of them.
    strength
        Share of the way from ``low`` to ``high`` at which the levels end, above 0, up to 1.
    low, high
        Least and greatest noise.
    geometric
        Whether levels are equidistant in ln sigma: each is the same factor above the one before.
    """
    count = max(1, round(intervals * strength))
    shares = [*(i / intervals for i in range(1, count)), strength]
    return [low, *(noise_at(share, low, high, geometric=geometric) for share in shares)]


def noise_at(share: float, low: float, high: float, *, geometric: bool = False) -> float:
    """Return the noise at a share of the way from ``low`` to ``high``; parameters as for `noise_levels`."""
    if geometric:
        return low * (high / low) ** share
    first, span = low ** (1 / RHO), high ** (1 / RHO) - low ** (1 / RHO)
    return (first + span * share) ** RHO


def way_to(sigma: float, low: float, high: float, *, geometric: bool = False) -> float:
    """Return at which share of the way, 0 to 1, a noise lies: undoes `noise_at`."""
    if geometric:
        share = math.log(sigma / low) / math.log(high / low)
    else:
        first, span = low ** (1 / RHO), high ** (1 / RHO) - low ** (1 / RHO)
        share = (sigma ** (1 / RHO) - first) / span
    return min(1.0, max(0.0, share))


def _as_it_is(x: Tensor, sigma: float) -> Tensor:
    return x


def dpm(
    x: Tensor,
    sigmas: Sequence[float],
    denoiser: Denoiser,
    *,
    final: bool,
    key: Way | None = None,
    at_node: Node = _as_it_is,
) -> Steps:
    """DPM-Solver++ (2M): second order at one evaluation per step (Lu et al. 2022, algorithm 2).

    Parameters
    ----------
    x
        (N, C, H, W) at the noise ``sigmas[0]``.
    sigmas
        Levels of noise to pass, rising or falling.
    denoiser
        Gives D(x; sigma).
    final
        Whether the last result is the translation: the last step is then of first order, which a tile can take alone.
    key
        What the way depends on beside the image, where its evaluations serve other ways too: the same one on the same
        levels, as far as these go.
    at_node
        Given x and its noise after each step but the last of a translation, gives x to go on with; it may change the
        one that it is given.
    """
    before: Tensor | None = None
    previous = 0.0
    for place, (sigma, following) in enumerate(pairwise(sigmas), start=2):
        if final and place == len(sigmas):
            return (yield _last(denoiser, x, sigma, following))
        denoised = yield _denoising(denoiser, x, sigma, key, place)
        step = math.log(sigma / following)
        ahead = denoised
        if before is not None:
            ahead = denoised + (denoised - before) * (step / (2 * math.log(previous / sigma)))
        x = at_node((following / sigma) * x - math.expm1(-step) * ahead, following)
        before, previous = denoised, sigma
    return x


def heun(
    x: Tensor,
    sigmas: Sequence[float],
    denoiser: Denoiser,
    *,
    final: bool,
    key: Way | None = None,
    at_node: Node = _as_it_is,
) -> Steps:
    """Heun's method: second order at two evaluations per step (Karras et al. 2022, algorithm 1).

    Parameters as for `dpm`; ``at_node`` is also given what each step tries first.
    """
    for place, (sigma, following) in enumerate(pairwise(sigmas), start=2):
        if final and place == len(sigmas):
            return (yield _last(denoiser, x, sigma, following))
        slope = (x - (yield _denoising(denoiser, x, sigma, key, place))) / sigma
        there = at_node(x + (following - sigma) * slope, following)
        slope_there = (there - (yield _denoising(denoiser, there, following, key, -place))) / following
        x = at_node(x + (following - sigma) * (slope + slope_there) / 2, following)
    return x


def published_inversion(
    z: Tensor, schedule: Discrete, count: int, part: int, predictor: Predictor, *, key: Way | None = None
) -> Steps:
    """Invert as the published PhenDiff does: DDIM (Song et al. 2021, eq. 12) on a grid and table of its own.

    The scheduler that it uses starts at t = 0, whatever the spacing that generating has, and knows nothing of the
    rescaling to zero signal; so what is generated from the result is not quite the image. Kept for comparison.

    Parameters
    ----------
    z
        (N, C, H, W), an image.
    schedule
        The table of noise levels.
    count, part
        Steps of the whole grid, and how many of them to take.
    predictor
        Gives the network's output for z and t.
    key
        As for `dpm`.
    """
    stride = len(schedule.signal) // count
    signal = schedule.published_signal.tolist()
    for t in range(0, part * stride, stride):
        predicted = yield _prediction(predictor, z, t + schedule.offset, key)
        following = signal[t + schedule.offset + stride] if t + schedule.offset + stride < len(signal) else 0.0
        z = _ddim(schedule, z, predicted, signal[t + schedule.offset], following)
    return z


def published_generation(z: Tensor, schedule: Discrete, count: int, part: int, predictor: Predictor) -> Steps:
    """Generate as the published PhenDiff does: DDIM on the schedule's own grid; parameters as for the inversion."""
    steps = len(schedule.signal)
    stride = steps // count
    if schedule.spacing == "trailing":
        times = [round(steps - i * steps / count) - 1 for i in range(count)]
    else:
        times = [i * stride + schedule.offset for i in reversed(range(count))]
    signal = schedule.signal.tolist()
    times = times[count - part :]
    for place, t in enumerate(times, start=1):
        following = signal[t - stride] if t >= stride else 1.0
        if place == len(times):

            def last(tile: Tensor, t: int = t, following: float = following) -> Tensor:
                return _ddim(schedule, tile, predictor(tile, t), signal[t], following)

            return (yield NetworkCall(last, z, final=True))
        predicted = yield _prediction(predictor, z, t)
        z = _ddim(schedule, z, predicted, signal[t], following)
    return z


def _denoising(denoiser: Denoiser, x: Tensor, sigma: float, key: Way | None, place: int) -> NetworkCall:
    return NetworkCall(lambda tile: denoiser(tile, sigma), x, False, None if key is None else (*key, place, sigma))


def _last(denoiser: Denoiser, x: Tensor, sigma: float, following: float) -> NetworkCall:
    """Euler's step; the slope is (x - D) / sigma."""
    return NetworkCall(lambda tile: tile + (following - sigma) / sigma * (tile - denoiser(tile, sigma)), x, final=True)


def _prediction(predictor: Predictor, z: Tensor, t: int, key: Way | None = None) -> NetworkCall:
    return NetworkCall(lambda tile: predictor(tile, t), z, False, None if key is None else (*key, t))


def _ddim(schedule: Discrete, z: Tensor, predicted: Tensor, signal: float, following: float) -> Tensor:
    """Step from one share of signal to another (Song et al. 2021, eq. 12 without noise)."""
    alpha, noise = math.sqrt(signal), math.sqrt(1 - signal)
    if schedule.prediction == "v_prediction":
        image, epsilon = alpha * z - noise * predicted, alpha * predicted + noise * z
    elif schedule.prediction == "epsilon":
        image, epsilon = (z - noise * predicted) / max(alpha, 1e-6), predicted
    else:
        image, epsilon = predicted, (z - alpha * predicted) / max(noise, 1e-6)
    image = image.clamp(-schedule.clip, schedule.clip)
    return math.sqrt(following) * image + math.sqrt(1 - following) * epsilon
