"""Mean shift: the smallest thing that may call itself an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_phenotrans.engines.base import Engine, Evaluation

if TYPE_CHECKING:
    from collections.abc import Generator


class Shift(Engine):
    """Adds the difference of the conditions' mean intensities, per channel.

    A baseline: an engine that does not beat it has learned nothing but brightness.
    """

    def __init__(self, settings: object, channels: int, conditions: tuple[str, ...]) -> None:
        super().__init__(settings, channels, conditions)
        for index in range(len(conditions)):
            self.translators[str(index)] = MeanIntensity(channels)

    def translation(self, x: Tensor, source: str, target: str) -> Generator[Evaluation, Tensor, Tensor]:
        shift = (self._means(target).mean - self._means(source).mean)[:, None, None]
        return (yield Evaluation(lambda crop: crop + shift, x, final=True))

    def start_training(self) -> None:
        for condition in self.conditions:
            means = self._means(condition)
            means.mean.zero_()
            means.seen = 0

    def training_step(self, step: int, crops: dict[str, Tensor]) -> dict[str, float]:
        losses = {}
        for condition, batch in crops.items():
            means = self._means(condition)
            seen = batch.mean(dim=(0, 2, 3))
            losses[f"mean error {condition}"] = float((seen - means.mean).abs().mean())
            means.seen += 1
            means.mean += (seen - means.mean) / means.seen
        return losses

    def _means(self, condition: str) -> MeanIntensity:
        network = self.networks_to(condition)
        assert isinstance(network, MeanIntensity)
        return network


class MeanIntensity(nn.Module):
    """Mean of a condition's crops per channel."""

    mean: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.seen = 0
