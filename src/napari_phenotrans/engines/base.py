"""What an engine is: it trains on crops and translates crops, and knows nothing of files, axes or napari."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from napari_phenotrans.errors import InputError
from napari_phenotrans.networks.norm import fix_statistics, norms, set_mode

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from napari_phenotrans.settings import TrainingSettings


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One network evaluation that a translating engine asks for.

    Whoever drives the engine applies ``network`` to ``x`` (N, C, H, W), whole or tile by tile with blending, and
    sends the result back. ``final`` says that this result, tile by tile, is the translation.
    """

    network: Callable[[Tensor], Tensor]
    x: Tensor
    final: bool


class Engine(ABC):
    """Base of every engine.

    Parameters
    ----------
    settings
        The engine's own settings class.
    channels
        Number of channels of the images.
    conditions
        Names of the conditions, two or more.

    Attributes
    ----------
    stride
        Heights, widths and tile origins are multiples of it.
    smallest
        Least height and width that the networks take.
    context
        Pixels around a pixel on which its translation depends noticeably; the default overlap of tiles.
    translators
        The networks that translating needs, and all that a checkpoint stores.
    """

    stride: ClassVar[int] = 1
    smallest: ClassVar[int] = 1
    context: ClassVar[int] = 0

    def __init__(self, settings: Any, channels: int, conditions: tuple[str, ...]) -> None:
        if len(conditions) < 2 or len(set(conditions)) != len(conditions):
            raise InputError(f"An engine needs two or more different conditions, got {list(conditions)}.")
        self.settings: TrainingSettings = settings
        self.channels = channels
        self.conditions = conditions
        self.translators: nn.ModuleDict = nn.ModuleDict()

    # ---- translating

    @abstractmethod
    def translation(self, x: Tensor, source: str, target: str) -> Generator[Evaluation, Tensor, Tensor]:
        """Translate (N, C, H, W) in about [-1, 1]; yields the network evaluations it needs, returns the translation.

        Source equal to target is the identity control: what the engine changes where nothing should change.
        """

    @torch.no_grad()
    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """Translate (N, C, H, W), whole; H and W must be multiples of ``stride``."""
        steps = self.translation(x, source, target)
        evaluation = next(steps)
        while True:
            try:
                evaluation = steps.send(evaluation.network(evaluation.x))
            except StopIteration as finished:
                return finished.value

    def index(self, condition: str) -> int:
        """Return a condition's place.

        Raises
        ------
        InputError
            If the engine does not know the condition.
        """
        if condition not in self.conditions:
            raise InputError(
                f"The condition {condition!r} is unknown: the engine was trained on {', '.join(self.conditions)}. "
                f"Choose one of these."
            )
        return self.conditions.index(condition)

    @property
    def statistics_are_fixed(self) -> bool:
        """Whether a pixel's translation depends on its surroundings only, so that tiles equal the whole."""
        return all(layer.mode == "fixed" for layer in norms(self.translators))

    def use_fixed_statistics(self, fixed: bool) -> None:
        """Normalize by the stored statistics, or each plane by its own (imported networks)."""
        set_mode(self.translators, "fixed" if fixed else "instance")

    def fix_statistics(self, target: str, crops: Iterable[Tensor]) -> None:
        """Average normalization statistics over crops of what is translated to ``target``, and keep them."""
        fix_statistics(self.networks_to(target), crops)

    def networks_to(self, target: str) -> nn.Module:
        """Return those networks of ``translators`` that translate to ``target``.

        Raises
        ------
        InputError
            If the condition is unknown, or the checkpoint holds no network that translates to it.
        """
        name = str(self.index(target))
        if name not in self.translators:
            known = [condition for condition in self.conditions if str(self.index(condition)) in self.translators]
            raise InputError(
                f"This checkpoint does not translate to {target!r}: it holds only the network that translates "
                f"to {', '.join(map(repr, known))}. Choose that as the target, or import the other direction too."
            )
        return self.translators[name]

    def keep_targets(self, targets: Iterable[str]) -> None:
        """Drop the networks that translate to other conditions: an import may hold one direction only."""
        for dropped in set(self.conditions) - set(targets):
            del self.translators[str(self.index(dropped))]

    def to(self, device: torch.device | str) -> Engine:
        """Move the engine's networks."""
        self.translators.to(device)
        return self

    # ---- training

    @abstractmethod
    def start_training(self) -> None:
        """Make what only training needs: discriminators, optimizers, schedules."""

    @abstractmethod
    def training_step(self, step: int, crops: dict[str, Tensor]) -> dict[str, float]:
        """Update once on (N, C, H, W) crops of each condition; returns the losses by name."""
