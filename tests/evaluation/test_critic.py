"""The critic form of the two-sample test, with a few steps of tiny critics."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_phenotrans.core.events import Progressed
from napari_phenotrans.core.intensity import Intensity
from napari_phenotrans.evaluation.critic import CriticProtocol, critic_loss, critic_row
from napari_phenotrans.evaluation.inputs import Comparison, Cut
from napari_phenotrans.features import ExtractorResources


def side(seed: int, shift: float, groups: int = 6) -> tuple[Cut, ...]:
    def planes(group: int) -> list[np.ndarray]:
        rng = np.random.default_rng(100 * seed + group)
        return [(rng.normal(-0.3 + shift, 0.2, (1, 32, 32))).astype(np.float32)]

    limits = Intensity((-1.0,), (1.0,))
    return tuple(Cut(f"{seed} {g}", "", lambda g=g: planes(g), limits, 16, (0, 1, 2, 3)) for g in range(groups))


def score(comparison: Comparison, steps: int, **more):
    events, row = [], None
    protocol = CriticProtocol(steps, splits=3, batch=8, rate=1e-3, width=4)
    scoring = critic_row(comparison, protocol, ExtractorResources(), **more)
    while True:
        try:
            events.append(next(scoring))
        except StopIteration as end:
            row = end.value
            return row, events


def test_a_difference_is_driven_apart_and_none_stays_at_zero():
    comparison = Comparison("a → b", side(1, 0.5), side(2, 0.45), side(3, 0.0))
    row, events = score(comparison, 30)
    assert row.copy_source > row.value + 0.3
    assert row.copy_source > row.floor + 0.3
    assert row.low <= row.value <= row.high
    assert (row.metric, row.direction, row.features) == ("critic", "a → b", "WGAN-GP critic, 30 steps")
    assert "5000 steps" in row.note
    assert [type(event) for event in events] == [Progressed] * (3 * 3 * 3)
    assert events[-1].done == events[-1].total == 270


def test_the_same_seed_gives_the_same_score_and_torchs_random_numbers_are_left_alone():
    comparison = Comparison("", side(1, 0.5), side(2, 0.4))
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first, _ = score(comparison, 2)
    assert torch.equal(torch.rand(1), expected)
    assert score(comparison, 2)[0] == first
    assert first.copy_source is None
    assert score(comparison, 2, seed=5)[0] != first


def test_the_loss_is_wgan_gps():
    """A linear critic has the same slope everywhere: its penalty is known."""

    class Linear(torch.nn.Module):
        def forward(self, x):
            return 0.5 * x.flatten(1).sum(dim=1, keepdim=True)

    real, other = torch.full((3, 1, 2, 2), 1.0), torch.full((3, 1, 2, 2), 0.25)
    loss = critic_loss(Linear(), real, other, np.random.default_rng(0))
    slope = 0.5 * 4**0.5
    assert float(loss) == pytest.approx(0.5 * 4 * (0.25 - 1.0) + 10 * (slope - 1) ** 2)


def test_four_groups_are_needed_on_each_side():
    row, events = score(Comparison("", side(1, 0.5), side(2, 0.4, groups=3)), 2)
    assert row.value is None
    assert "needs 4 groups on each side" in row.note
    assert events == []
