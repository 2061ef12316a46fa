import pytest
import torch
from torch import nn

from napari_phenotrans.networks.ema import average


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
