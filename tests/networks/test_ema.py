import numpy as np
import pytest
import torch
from torch import nn

from napari_phenotrans.networks.ema import average, widening


def moved(step: int, decay: float) -> float:
    """Return how far an average of 0 goes towards a weight of 1."""
    kept, live = nn.Linear(1, 1), nn.Linear(1, 1)
    for network, value in ((kept, 0.0), (live, 1.0)):
        for weight in network.parameters():
            nn.init.constant_(weight, value)
    average(kept, live, step, decay)
    assert kept.bias.item() == kept.weight.item()
    assert torch.all(live.weight == 1)
    return kept.weight.item()


def test_the_average_starts_fast_and_then_keeps_as_much_as_said() -> None:
    assert moved(0, 0.999) == pytest.approx(0.9)
    assert moved(8, 0.999) == pytest.approx(0.5)
    assert moved(10**6, 0.999) == pytest.approx(0.001)
    assert moved(10**6, 0.0) == 1


@pytest.mark.parametrize("steps", [200, 2000])
@pytest.mark.parametrize("width", [0.05, 0.15])
def test_a_widening_average_reaches_over_the_same_share_of_any_number_of_steps(steps: int, width: float) -> None:
    decays = np.array([widening(width, step) for step in range(steps)])
    assert decays[0] == 0  # of the random first weights nothing is kept
    counted = (1 - decays) * np.append(np.cumprod(decays[:0:-1])[::-1], 1)
    assert counted.sum() == pytest.approx(1)
    at = np.arange(1, steps + 1) / steps
    mean = (counted * at).sum()
    assert np.sqrt((counted * (at - mean) ** 2).sum()) == pytest.approx(width, rel=0.06)
