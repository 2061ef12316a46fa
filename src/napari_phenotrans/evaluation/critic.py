"""Classifier two-sample test in the critic form: how far apart a freshly trained critic drives two sets of crops."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_phenotrans.core.events import Progressed
from napari_phenotrans.metrics.groups import interval
from napari_phenotrans.metrics.score_row import ScoreRow
from napari_phenotrans.networks.wgan_critic import Critic

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_phenotrans.evaluation.inputs import Comparison, Side
    from napari_phenotrans.features import ExtractorResources

AT_ONCE = 32
PENALTY = 10.0
BETAS = (0.0, 0.9)
PUBLISHED_STEPS = 5000
LEAST_GROUPS = 4


@dataclass(frozen=True)
class CriticProtocol:
    """How critics are trained and read; scores compare within one protocol only.

    Parameters
    ----------
    steps
        Updates of each critic; the published protocol makes 5000.
    splits
        How often groups are divided.
    passes
        Over the other half when a critic is read, since the penalty's places are drawn.
    batch, rate
        Crops of each side per update, and the learning rate.
    width
        Channels of the critic's first layer.
    """

    steps: int
    splits: int = 10
    passes: int = 5
    batch: int = 64
    rate: float = 1e-4
    width: int = 32


@dataclass(frozen=True, eq=False)
class _Crops:
    """Crops (n, C, crop, crop) of a side, and the group of each."""

    crops: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(cls, side: Side) -> _Crops:
        groups = np.array([cut.group for cut in side for _ in cut.indices])
        return cls(np.concatenate([cut.crops() for cut in side]), groups)


def critic_row(
    comparison: Comparison, protocol: CriticProtocol, resources: ExtractorResources, *, seed: int = 0
) -> Generator[Progressed, None, ScoreRow]:
    """Train critics on halves and read them on the other halves (Osokin et al. 2017, section 5.1).

    Per split, groups of each side are divided at random; a WGAN-GP critic (Gulrajani et al. 2017, algorithm 1) is
    trained on one half of both sides, and the score is minus its loss on the other, the gradient penalty included,
    averaged over five passes: 0 and below where the sides are alike, and without an upper limit. It is a distance that
    a critic reaches in so many steps, not an accuracy, and compares within one protocol only: as many steps, crops and
    channels. Value, floor and copy source are computed on the same numbers of crops: half of the real
    target against its other half, as many translated and as many source crops.

    Parameters
    ----------
    comparison
        The sides.
    protocol
        How critics are trained.
    resources
        Device and ``tick``.
    seed
        Of splits and weights.

    Returns
    -------
    Generator of progress that returns the row; ``low`` and ``high`` are the spread over the splits.
    """
    real, *others = (
        _Crops.of(side) for side in (comparison.real, comparison.translated, comparison.source) if side is not None
    )
    least = min(len(set(side.groups)) for side in (real, *others))
    features = f"WGAN-GP critic, {protocol.steps} steps"
    row = ScoreRow(comparison.direction, metric="critic", features=features, channel="", groups=least)
    if least < LEAST_GROUPS:
        note = f"needs {LEAST_GROUPS} groups on each side, to train on half of them, got {least}"
        return replace(row, n=min(len(side.crops) for side in (real, *others)), note=note)

    # ---- splits, each with its own critics
    rng = np.random.default_rng(seed)
    scores: list[list[float]] = []
    sizes = []
    total, done = protocol.splits * (1 + len(others)) * protocol.steps, 0
    for _ in range(protocol.splits):
        near, offered = _split(real, others, rng)
        sizes.append(min(len(near), *(len(side.crops) for side in offered)))
        trained, judged = _halves(real.groups, near, rng)
        split_scores = []
        for side in offered:
            to_train, to_judge = _halves(side.groups, np.arange(len(side.groups)), rng)
            critic = Critic(side.crops.shape[1], protocol.width, seed=int(rng.integers(2**31))).to(resources.device)
            draw = np.random.default_rng(int(rng.integers(2**31)))
            sides = (real.crops[trained], side.crops[to_train])
            for _step in _train(critic, sides, protocol, draw, resources):
                done += 1
                if done % 10 == 0:
                    yield Progressed("training critics", done, total)
            split_scores.append(_read(critic, (real.crops[judged], side.crops[to_judge]), protocol, draw, resources))
        scores.append(split_scores)

    # ---- over all splits
    table = np.array(scores)
    low, high = interval(table[:, 1])
    floor_low, floor_high = interval(table[:, 0])
    few = f"the published protocol makes {PUBLISHED_STEPS} steps: compare with others of {protocol.steps} only"
    return replace(
        row,
        value=float(table[:, 1].mean()),
        low=low,
        high=high,
        floor=float(table[:, 0].mean()),
        floor_low=floor_low,
        floor_high=floor_high,
        copy_source=float(table[:, 2].mean()) if len(others) > 1 else None,
        n=round(float(np.mean(sizes))),
        note=f"interval over {protocol.splits} splits" + ("" if protocol.steps == PUBLISHED_STEPS else f"; {few}"),
    )


def _split(real: _Crops, others: Sequence[_Crops], rng: np.random.Generator) -> tuple[np.ndarray, list[_Crops]]:
    """Return half of the real target's rows, and what is compared with it: its other half, and as many of others."""
    near, far = _halves(real.groups, np.arange(len(real.groups)), rng)
    offered = [_Crops(real.crops[far], real.groups[far])]
    # as many groups of the others as the real target has in one half
    count = max(2, len(set(real.groups[far])))
    for side in others:
        inside = np.isin(side.groups, rng.permutation(np.unique(side.groups))[:count])
        offered.append(_Crops(side.crops[inside], side.groups[inside]))
    return near, offered


def _train(
    critic: Critic,
    sides: tuple[np.ndarray, np.ndarray],
    protocol: CriticProtocol,
    draw: np.random.Generator,
    resources: ExtractorResources,
) -> Iterator[None]:
    """Train a critic to tell two sides apart, an update at a time."""
    adam = torch.optim.Adam(critic.parameters(), protocol.rate, betas=BETAS)
    for _ in range(protocol.steps):
        resources.tick()
        real, other = (_tensor(crops[draw.choice(len(crops), protocol.batch)], resources) for crops in sides)
        adam.zero_grad()
        critic_loss(critic, real, other, draw).backward()
        adam.step()
        yield


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
    sides: tuple[np.ndarray, np.ndarray],
    protocol: CriticProtocol,
    rng: np.random.Generator,
    resources: ExtractorResources,
) -> float:
    """Return minus the loss on crops that the critic was not trained on."""
    losses = []
    count = min(map(len, sides))
    for _ in range(protocol.passes):
        orders = [rng.permutation(len(crops))[:count] for crops in sides]
        for i in range(0, count, AT_ONCE):
            real, other = (
                _tensor(crops[order[i : i + AT_ONCE]], resources) for crops, order in zip(sides, orders, strict=True)
            )
            losses.append((float(critic_loss(critic, real, other, rng).detach()), len(real)))
    values, weights = zip(*losses, strict=True)
    return -float(np.average(values, weights=weights))


def _tensor(crops: np.ndarray, resources: ExtractorResources) -> Tensor:
    return torch.from_numpy(crops).to(resources.device)


def _halves(groups: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Divide rows into two halves of their groups."""
    names = rng.permutation(np.unique(groups[rows]))
    first = np.isin(groups[rows], names[: len(names) // 2])
    return rows[first], rows[~first]
