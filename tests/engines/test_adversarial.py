"""Tests of napari_phenotrans.engines.adversarial."""

from __future__ import annotations

import pytest
import torch

from napari_phenotrans.engines.adversarial import ADVERSARIAL, LeastSquares, Relativistic, steepness


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_each_side_gains_what_the_other_loses(name: str) -> None:
    loss, real = ADVERSARIAL[name](), torch.ones(2, 1, 3, 3)
    caught, believed = torch.zeros_like(real), torch.full_like(real, 0.9)
    assert loss.judge(real, caught) < loss.judge(real, believed)
    assert loss.deceive(caught, real) > loss.deceive(believed, real)


def test_least_squares_wants_fixed_logits_and_relativistic_only_their_difference() -> None:
    real, shown = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 0.5])
    assert float(LeastSquares().judge(real, shown)) == pytest.approx(0.5 + 0.125)
    torch.testing.assert_close(Relativistic().judge(real + 7, shown + 7), Relativistic().judge(real, shown))
    assert LeastSquares().judge(real + 7, shown + 7) > 30


def test_steepness_is_half_the_squared_gradient_whatever_the_number_of_logits() -> None:
    weight = torch.randn(3, 8, 8, requires_grad=True)

    def discriminator(crops: torch.Tensor) -> torch.Tensor:
        return (crops * weight).sum((1, 2, 3))[:, None].expand(-1, 5)

    steep = steepness(discriminator, torch.rand(4, 3, 8, 8))
    torch.testing.assert_close(steep, 0.5 * weight.square().sum())
    steep.backward()
    torch.testing.assert_close(weight.grad, weight.detach())
