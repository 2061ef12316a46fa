"""Mean shift: the smallest thing that may call itself an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_phenotrans.engines.base import Engine, NetworkCall

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_phenotrans.core.settings import TranslationSettings
    from napari_phenotrans.engines.update import BatchPart, Update


class Shift(Engine):
    """Adds the difference of the conditions' mean intensities, per channel.

    A baseline: an engine that does not beat it has learned nothing but brightness.
    """

    def __init__(self, settings: object, channels: int, conditions: tuple[str, ...]) -> None:
        super().__init__(settings, channels, conditions)
        for index in range(len(conditions)):
            self.translators[str(index)] = MeanIntensity(channels)

    def translation(
        self, x: Tensor, source: str, target: str, how: TranslationSettings, *, way_back: bool = False
    ) -> Generator[NetworkCall, Tensor, Tensor]:
        shift = (self._means(target).mean - self._means(source).mean)[:, None, None]
        return (yield NetworkCall(lambda crop: crop + shift, x, final=True))

    def start_training(self) -> None:
        """Nothing to make: the first step replaces the means, the next ones are averaged with it."""

    def training_step(self, step: int, parts: Sequence[BatchPart], update: Update) -> dict[str, float]:
        errors: dict[str, Tensor] = {}
        for condition in self.conditions:
            mean = self._means(condition).mean
            seen = torch.stack([part.crops[condition].mean(dim=(0, 2, 3)) for part in parts]).mean(0)
            update.share([seen])
            errors[f"mean error {condition}"] = (seen - mean).abs().mean()
            mean += (seen - mean) / (step + 1)
        return update.mean([errors])

    def training_state(self) -> dict[str, Any]:
        return {}

    def load_training_state(self, state: dict[str, Any]) -> None:
        pass

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
