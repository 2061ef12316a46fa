"""Classifier two-sample test in the critic form: how far apart a freshly trained critic drives two sets of crops."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_phenotrans.core.events import Progressed
from napari_phenotrans.metrics.groups import interval
from napari_phenotrans.metrics.score_row import ScoreRow
from napari_phenotrans.networks.wgan_critic import Critic

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_phenotrans.evaluation.inputs import Comparison, Side
    from napari_phenotrans.features import ExtractorResources

SPLITS = 10
PASSES = 5  # over the other half, since the penalty's places are drawn
BATCH = 64
AT_ONCE = 32
PENALTY = 10.0
RATE, BETAS = 1e-4, (0.0, 0.9)
PUBLISHED_STEPS = 5000
LEAST_GROUPS = 4


def critic_row(
    comparison: Comparison, steps: int, means: ExtractorResources, *, seed: int = 0
) -> Generator[Progressed, None, ScoreRow]:
    """Train critics on halves and read them on the other halves (Osokin et al. 2017, section 5.1).

    Per split, groups of each side are divided at random; a WGAN-GP critic (Gulrajani et al. 2017, algorithm 1) is
    trained on one half of both sides, and the score is minus its loss on the other, the gradient penalty included,
    averaged over five passes: 0 and below where the sides are alike, and without an upper limit. It is a distance that
    a critic reaches in so many steps, not an accuracy, and compares within one protocol only: the same number of
    steps, crops and channels. Value, floor and copy source are computed on the same numbers of crops: half of the real
    target against its other half, as many translated and as many source crops.

    Parameters
    ----------
    comparison
        The sides.
    steps
        Updates of each critic; the published protocol makes 5000.
    means
        Device and ``tick``.
    seed
        Of splits and weights.

    Returns
    -------
    Generator of progress that returns the row; ``low`` and ``high`` are the spread over ten splits.
    """
    sides = [side for side in (comparison.real, comparison.translated, comparison.source) if side is not None]
    loaded = [_load(side) for side in sides]
    groups = [np.array([cut.group for cut in side for _ in cut.kept]) for side in sides]
    least = min(len(set(each)) for each in groups)
    finished = partial(
        ScoreRow,
        direction=comparison.direction,
        metric="critic",
        features=f"WGAN-GP critic, {steps} steps",
        channel="",
        groups=least,
    )
    if least < LEAST_GROUPS:
        note = f"needs {LEAST_GROUPS} groups on each side, to train on half of them, got {least}"
        return finished(n=min(map(len, loaded)), note=note)

    # ---- ten splits, each with its own critics
    rng = np.random.default_rng(seed)
    scores: list[list[float]] = []
    sizes = []
    total, done = SPLITS * len(sides) * steps, 0
    for _ in range(SPLITS):
        near, far = _halves(groups[0], np.arange(len(groups[0])), rng)
        # as many groups of the others as the real target has in one half
        count = max(2, len(set(groups[0][far])))
        offered = [(loaded[0], groups[0], far)]
        for crops, names in zip(loaded[1:], groups[1:], strict=True):
            chosen = rng.permutation(np.unique(names))[:count]
            offered.append((crops, names, np.flatnonzero(np.isin(names, chosen))))
        sizes.append(min(len(near), *(len(places) for *_, places in offered)))
        trained, judged = _halves(groups[0], near, rng)
        row = []
        for crops, names, places in offered:
            to_train, to_judge = _halves(names, places, rng)
            critic = Critic(crops.shape[1], seed=int(rng.integers(2**31))).to(means.device)
            draw = np.random.default_rng(int(rng.integers(2**31)))
            adam = torch.optim.Adam(critic.parameters(), RATE, betas=BETAS)
            for _step in range(steps):
                means.tick()
                pair = (
                    _batch(loaded[0], draw.choice(trained, BATCH), means),
                    _batch(crops, draw.choice(to_train, BATCH), means),
                )
                adam.zero_grad()
                critic_loss(critic, *pair, draw).backward()
                adam.step()
                done += 1
                if done % 10 == 0:
                    yield Progressed("training critics", done, total)
            row.append(_read(critic, loaded[0], judged, crops, to_judge, draw, means))
        scores.append(row)

    table = np.array(scores)
    low, high = interval(table[:, 1])
    floor_low, floor_high = interval(table[:, 0])
    few = f"the published protocol makes {PUBLISHED_STEPS} steps: compare with others of {steps} only"
    return finished(
        value=float(table[:, 1].mean()),
        low=low,
        high=high,
        floor=float(table[:, 0].mean()),
        floor_low=floor_low,
        floor_high=floor_high,
        copy_source=float(table[:, 2].mean()) if len(sides) > 2 else None,
        n=round(float(np.mean(sizes))),
        note="interval over ten splits" + ("" if steps == PUBLISHED_STEPS else f"; {few}"),
    )


def critic_loss(critic: Critic, real: Tensor, other: Tensor, rng: np.random.Generator) -> Tensor:
    """Return the critic's loss, E[D(other)] - E[D(real)] + 10 E[(‖∇D(x)‖ - 1)²], x between the two (WGAN-GP, eq. 3)."""
    at = torch.from_numpy(rng.random((len(real), 1, 1, 1), dtype=np.float32)).to(real.device)
    between = (at * real + (1 - at) * other).requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
    return critic(other).mean() - critic(real).mean() + PENALTY * penalty


def _read(
    critic: Critic,
    real: np.ndarray,
    real_places: np.ndarray,
    other: np.ndarray,
    other_places: np.ndarray,
    rng: np.random.Generator,
    means: ExtractorResources,
) -> float:
    """Return minus the loss on crops that the critic was not trained on."""
    losses = []
    count = min(len(real_places), len(other_places))
    for _ in range(PASSES):
        ours, theirs = rng.permutation(real_places)[:count], rng.permutation(other_places)[:count]
        for i in range(0, count, AT_ONCE):
            pair = _batch(real, ours[i : i + AT_ONCE], means), _batch(other, theirs[i : i + AT_ONCE], means)
            losses.append((float(critic_loss(critic, *pair, rng).detach()), len(pair[0])))
    values, weights = zip(*losses, strict=True)
    return -float(np.average(values, weights=weights))


def _load(side: Side) -> np.ndarray:
    return np.concatenate([cut.crops() for cut in side])


def _batch(crops: np.ndarray, places: np.ndarray, means: ExtractorResources) -> Tensor:
    return torch.from_numpy(crops[places]).to(means.device)


def _halves(groups: np.ndarray, places: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Divide rows into two halves of their groups."""
    names = rng.permutation(np.unique(groups[places]))
    first = np.isin(groups[places], names[: len(names) // 2])
    return places[first], places[~first]
