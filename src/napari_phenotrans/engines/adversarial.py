"""What generators and discriminators want of each other's logits, and a penalty that keeps discriminators smooth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable


class AdversarialLoss(ABC):
    """What both sides want of logits of any shape.

    ``compares`` says whether a translated crop is judged beside a real one.
    """

    compares: ClassVar[bool]

    @abstractmethod
    def deceive(self, on_translated: Tensor, on_real: Tensor | None = None) -> Tensor:
        """Return the generator's loss; ``on_real`` is needed where crops are compared."""

    @abstractmethod
    def judge(self, on_real: Tensor, on_shown: Tensor) -> Tensor:
        """Return the discriminator's loss."""


class LeastSquares(AdversarialLoss):
    """Least squares (Mao et al. 2017, eq. 9): logits of 1 for real crops, of 0 for translated ones."""

    compares = False

    def deceive(self, on_translated: Tensor, on_real: Tensor | None = None) -> Tensor:
        return (on_translated - 1).pow(2).mean()

    def judge(self, on_real: Tensor, on_shown: Tensor) -> Tensor:
        return (on_real - 1).pow(2).mean() + on_shown.pow(2).mean()


class Relativistic(AdversarialLoss):
    """Whether a translated crop looks more real than a real one beside it (Jolicoeur-Martineau 2019, eq. 11 and 12).

    Has fewer ways to collapse than losses of each crop by itself (Huang et al. 2024, R3GAN, section 2).
    """

    compares = True

    def deceive(self, on_translated: Tensor, on_real: Tensor | None = None) -> Tensor:
        assert on_real is not None, "real crops are compared with"
        return F.softplus(on_real - on_translated).mean()

    def judge(self, on_real: Tensor, on_shown: Tensor) -> Tensor:
        return F.softplus(on_shown - on_real).mean()


ADVERSARIAL: dict[str, type[AdversarialLoss]] = {"least-squares": LeastSquares, "relativistic": Relativistic}


def steepness(discriminator: Callable[[Tensor], Tensor], crops: Tensor) -> Tensor:
    """Return half the squared gradient of a discriminator's logits by the crops' pixels, the mean over crops.

    Added to its loss for real and for translated crops, it lets the game converge (Mescheder et al. 2018, eq. 9;
    Huang et al. 2024, eq. 3 and 4). A crop's logits are averaged, so that it does not depend on the crop's size.
    """
    crops = crops.detach().requires_grad_(True)
    logits = discriminator(crops).flatten(1).mean(1)
    (gradient,) = torch.autograd.grad(logits.sum(), crops, create_graph=True)
    return 0.5 * gradient.square().sum((1, 2, 3)).mean()
