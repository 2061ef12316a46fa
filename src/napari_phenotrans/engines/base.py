"""What an engine is: it trains on crops and translates crops, and knows nothing of files, axes or napari."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.settings import TranslationSettings
from napari_phenotrans.networks.norm import fix_statistics, norms, select_set, set_mode

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from napari_phenotrans.core.background import Offset
    from napari_phenotrans.core.effect import Effect
    from napari_phenotrans.core.keyed_random import KeyedRandom
    from napari_phenotrans.core.settings import TrainingSettings
    from napari_phenotrans.engines.update import BatchPart, Update


@dataclass(frozen=True, eq=False)
class NetworkCall:
    """One network evaluation that a translating engine asks for.

    Whoever drives the engine applies ``network`` to ``x`` (N, C, H, W), whole or tile by tile with blending, and
    sends the result back. ``final`` says that this result, tile by tile, is the translation. ``key`` says on what the
    result depends beside the image, where other translations of the same image ask for it too: it may be kept.
    """

    network: Callable[[Tensor], Tensor]
    x: Tensor
    final: bool
    key: tuple[Any, ...] | None = None


@dataclass(frozen=True, eq=False)
class Drawn:
    """What chance adds to a translation, so that it becomes one of several answers.

    Attributes
    ----------
    noise
        Standard normal, of the shape (N, C, H, W) of what is translated.
    share
        Of the noise that an image is inverted to, how much is replaced by it: 0 nothing, 1 all.
    """

    noise: Tensor
    share: float


@torch.no_grad()
def run_whole(steps: Generator[NetworkCall, Tensor, Tensor]) -> Tensor:
    """Give an engine or a solver every evaluation that it asks for, on the whole of x; returns what it returns."""
    try:
        evaluation = next(steps)
        while True:
            evaluation = steps.send(evaluation.network(evaluation.x))
    except StopIteration as finished:
        return finished.value


def _shifted(network: Callable[[Tensor], Tensor], offset: Sequence[float]) -> Callable[[Tensor], Tensor]:
    def shifted(x: Tensor) -> Tensor:
        made = network(x)
        return made + torch.tensor(offset, dtype=made.dtype, device=made.device)[:, None, None]

    return shifted


def directions(conditions: Sequence[str]) -> list[tuple[str, str]]:
    """Return the (source, target) that are looked at and scored: from the first condition to each other and back.

    With three conditions and more the first is taken for the control that all others are compared with.
    """
    first, *others = conditions
    return [pair for other in others for pair in ((first, other), (other, first))]


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
    tile
        Side of the tiles that the networks were trained for, where they depend on it; None where any will do.
    kept
        Places of the channels that translating always returns as they came; see `kept_by`. Whoever brings a
        translation back to an image's pixels and units takes these from the image itself, so that they are the same
        bit for bit.
    redraws
        Whether what moves is made anew, so that detail of the image finer than a working pixel need not fit it: it is
        then given back as far as real and translated agree around a pixel.
    inverts
        Whether translating first inverts the image with the source condition. What such an engine gets wrong by
        itself shows in source → source, that of others in the round trip.
    draws
        Whether noise beside the image has a say in every translation. It comes as `Drawn.noise`, wholly; where a
        plane is translated whole and nothing is drawn, the engine takes that of the plane's places itself.
    shifts_background
        Whether what a direction adds to the background is to be measured, and taken out: not of engines that invert,
        which keep it, nor of one that does nothing else.
    redraw
        Which `Drawn.share` of the noise makes several answers that differ and keep the places of cells, as measured;
        None where an engine gives one answer only.
    translation_settings
        Class of what `translation` may be told, the same that the registry names.
    translators
        The networks that translating needs, and all that a checkpoint stores.
    rate
        Factor of every learning rate, lowered after a step that went wrong.
    offsets
        What each direction adds to the background; none where it was not measured.
    effect
        How much translating changes at each noise, of engines that invert; None where it was not measured.
    tick
        Called before each evaluation that `calls` asks for; raise in it to stop. None where nobody wants to.
    """

    stride: int = 1
    smallest: int = 1
    context: int = 0
    tile: int | None = None
    kept: tuple[int, ...] = ()
    redraws: bool = False
    inverts: bool = False
    draws: bool = False
    shifts_background: bool = False
    redraw: float | None = None
    translation_settings: type[TranslationSettings] = TranslationSettings

    def __init__(self, settings: Any, channels: int, conditions: tuple[str, ...]) -> None:
        if len(conditions) < 2 or len(set(conditions)) != len(conditions):
            raise InputError(f"An engine needs two or more different conditions, got {list(conditions)}.")
        self.settings: TrainingSettings = settings
        self.channels = channels
        self.conditions = conditions
        self.translators: nn.ModuleDict = nn.ModuleDict()
        self.rate = 1.0
        self.offsets: tuple[Offset, ...] = ()
        self.effect: Effect | None = None
        self.tick: Callable[[], None] | None = None

    # ---- translating

    @abstractmethod
    def translation(
        self, x: Tensor, source: str, target: str, how: TranslationSettings, *, way_back: bool = False
    ) -> Generator[NetworkCall, Tensor, Tensor]:
        """Translate (N, C, H, W) in about [-1, 1]; yields the network evaluations it needs, returns the translation.

        Source equal to target is the identity control: what the engine changes where nothing should change. ``how``
        is of the class that the registry names for this engine. ``way_back`` says that ``x`` is itself a translation
        from ``target`` to ``source``, which networks tell from a real image.
        """

    def answer(
        self, x: Tensor, source: str, target: str, how: TranslationSettings, drawn: Drawn, *, way_back: bool = False
    ) -> Generator[NetworkCall, Tensor, Tensor]:
        """Translate as `translation` does, but to one of several answers, which chance decides.

        Raises
        ------
        InputError
            If the engine gives one answer only.
        """
        raise InputError(
            f"There are no several answers: the engine of this checkpoint ({type(self).__name__}) gives the same one "
            f"always. Ask for one sample, or choose a checkpoint of the engine flow."
        )

    def translate(
        self,
        x: Tensor,
        source: str,
        target: str,
        how: TranslationSettings | None = None,
        *,
        way_back: bool = False,
    ) -> Tensor:
        """Translate (N, C, H, W), whole; H and W must be multiples of ``stride``."""
        how = how or self.translation_settings.make()
        return run_whole(self.calls(x, source, target, how, way_back=way_back))

    def calls(
        self,
        x: Tensor,
        source: str,
        target: str,
        how: TranslationSettings,
        *,
        way_back: bool = False,
        drawn: Drawn | None = None,
    ) -> Generator[NetworkCall, Tensor, Tensor]:
        """Ask for the calls of `translation`, or of `answer` where something is drawn.

        The last one gives the background that ``how`` names.
        """
        if drawn is None:
            steps = self.translation(x, source, target, how, way_back=way_back)
        else:
            steps = self.answer(x, source, target, how, drawn, way_back=way_back)
        offset = self.offset_of(source, target, how, way_back=way_back)
        try:
            call = next(steps)
            while True:
                if self.tick:
                    self.tick()
                if call.final and offset is not None:
                    call = replace(call, network=_shifted(call.network, offset))
                call = steps.send((yield call))
        except StopIteration as finished:
            return finished.value

    def offset_of(
        self, source: str, target: str, how: TranslationSettings, *, way_back: bool = False
    ) -> tuple[float, ...] | None:
        """Return what is added to each channel to give the background that ``how`` names; None where nothing is."""
        if how.background == "engine":
            return None
        for each in self.offsets:
            if (each.source, each.target, each.way_back) == (source, target, way_back):
                return each.to_source if how.background == "source" else each.to_target
        return None

    def noise_said(self, how: TranslationSettings) -> dict[str, Any]:
        """Return to which noise translating so takes an image, as the provenance says it; nothing where to none."""
        return {}

    def kept_by(self, how: TranslationSettings) -> tuple[int, ...]:
        """Return the places of the channels that translating so returns as they came.

        Raises
        ------
        InputError
            If ``how`` names channels that there are not, or leaves none to translate.
        """
        return self.kept

    def round_trip(self, x: Tensor, source: str, target: str, how: TranslationSettings | None = None) -> Tensor:
        """Translate (N, C, H, W) to the target and back."""
        return self.translate(self.translate(x, source, target, how), target, source, how, way_back=True)

    def directions(self) -> list[tuple[str, str]]:
        """Return the (source, target) that are looked at and scored, see `directions`."""
        return directions(self.conditions)

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
    def device(self) -> torch.device:
        """Where the translating networks are."""
        return next(iter(self.translators.state_dict().values())).device

    @property
    def statistics_are_fixed(self) -> bool:
        """Whether a pixel's translation depends on its surroundings only, so that tiles equal the whole."""
        return all(layer.mode == "fixed" for layer in norms(self.translators))

    def use_fixed_statistics(self, fixed: bool) -> None:
        """Normalize by the stored statistics, or each plane by its own (imported networks)."""
        set_mode(self.translators, "fixed" if fixed else "instance")

    @property
    def stores_statistics(self) -> bool:
        """Whether there are normalization statistics to be measured before translating."""
        return bool(norms(self.translators))

    def fix_statistics(
        self, target: str, crops: Iterable[Tensor], source: str | None = None, *, way_back: bool = False
    ) -> None:
        """Average normalization statistics over crops of what is translated to ``target``, and keep them.

        Parameters
        ----------
        target
            Whose network is measured.
        crops
            Batches (N, C, H, W).
        source
            The condition of the crops; where none is said, the statistics serve for every input.
        way_back
            The crops are translations from ``target``.
        """
        index = None if source is None and not way_back else self._statistics_of(source, way_back)
        fix_statistics(self.networks_to(target), crops, index)

    def network(self, source: str, target: str, *, way_back: bool = False) -> Callable[[Tensor], Tensor]:
        """Return the network that translates to ``target``, normalizing as its input wants it."""
        network, index = self.networks_to(target), self._statistics_of(source, way_back)

        def normalizing(x: Tensor) -> Tensor:
            select_set(network, index)
            return network(x)

        return normalizing

    def _statistics_of(self, source: str | None, way_back: bool) -> int:
        """Return which set of statistics is for an input: one for each real condition, the last for translations."""
        return len(self.conditions) if way_back or source is None else self.index(source)

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

    def measure(self, pieces: Mapping[str, Sequence[Tensor]]) -> None:  # noqa: B027 - most engines measure nothing
        """Take from the training images what the engine has to know of them before its first step; by default nothing.

        Parameters
        ----------
        pieces
            (C, h, w) pieces of each condition's planes, in about [-1, 1].
        """

    @property
    def judges_crops_alone(self) -> bool:
        """Whether a crop's losses are the same whatever crops it comes with, so that a batch may be divided freely."""
        return True

    @abstractmethod
    def start_training(self) -> None:
        """Make what only training needs: discriminators, optimizers, averages."""

    @abstractmethod
    def training_step(self, step: int, parts: Sequence[BatchPart], update: Update) -> dict[str, float]:
        """Update once on the parts of a batch, which weigh the same; returns the losses by name.

        All random numbers come from the parts' `KeyedRandom`, and learning rates are a function of ``step``, so that
        resuming and dividing a batch change nothing.
        """

    @abstractmethod
    def training_state(self) -> dict[str, Any]:
        """Return what resuming needs beside ``translators``: tensors, numbers and strings in dicts and lists."""

    @abstractmethod
    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take up what `training_state` returned; after `start_training`."""

    def own_state(self) -> dict[int, Any]:
        """Return what resuming needs of the places in the batch that this process computes, by place."""
        return {}

    def load_own_state(self, state: dict[int, Any]) -> None:
        """Take up what `own_state` returned, of the places that this process computes from now on."""
        assert not state, "an engine that gives out a state of its own takes it up again"

    def clear_gradients(self) -> None:
        """Forget gradients of a step that broke off."""
        for network in vars(self).values():
            if isinstance(network, nn.Module):
                network.zero_grad(set_to_none=True)

    def generate(self, condition: str, chance: KeyedRandom, size: int) -> Tensor | None:
        """Make (count, C, size, size) of a condition from noise alone; None from engines that only translate."""
        return None

    @torch.no_grad()
    def held_out_loss(self, part: BatchPart) -> dict[str, float]:
        """Return losses on held-out crops that rise when the engine overfits; none where there is no such loss."""
        return {}
