"""Translating and checking on the background thread: the jobs of the translate dock, and their events."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_phenotrans.core.kinds import AGREEMENT, TURNED
from napari_phenotrans.core.region import Region
from napari_phenotrans.metrics.agreement import agreement_rows, agreement_sentence
from napari_phenotrans.metrics.turned import TurnSums, turn_sentence
from napari_phenotrans.translation.events import (
    AgreementDone,
    FlickerDone,
    PlaneDone,
    SampleDone,
    TileDone,
    TurnedDone,
)
from napari_phenotrans.translation.request import Answers, TranslationRequest
from napari_phenotrans.widgets.common.worker import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.core.region import View
    from napari_phenotrans.metrics.agreement import AgreementSums
    from napari_phenotrans.translation.translate import Translator
    from napari_phenotrans.widgets.common.worker import Engines


@dataclass(frozen=True)
class Recipe:
    """How to translate: checkpoint, conditions, device, the engine's translation settings ``how``, how many answers.

    The checkpoint may be the folder of a family, whose trainings translate together. Of several ``turns`` of the image
    the translation is the mean. Where channels are ``drawn``, it is a completion: both conditions are the one they are
    drawn in.
    """

    checkpoint: str
    source: str
    target: str
    device: str = "auto"
    precision: str = "auto"
    tile: int | None = None
    how: dict[str, Any] = field(default_factory=dict)
    answers: Answers = field(default_factory=Answers)
    drawn: tuple[str, ...] = ()
    turns: int = 1


class SharedView:
    """The visible part of the image, written by the main thread and read by the one that computes."""

    def __init__(self, view: View | None = None) -> None:
        self.view = view


@dataclass(frozen=True)
class Ready:
    """The engine stands on its device."""

    device: str
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Shrunk:
    """Memory made the tile smaller; the translation's provenance with the one that is used from here on."""

    provenance: dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What the maps of a translation come to, in a sentence, about `TURNED` or `AGREEMENT`."""

    about: str
    text: str


@dataclass(frozen=True, eq=False)
class Tile:
    """A `TileDone` with its difference map (C, h, w), float32."""

    tile: TileDone
    difference: np.ndarray


class Translate(Job):
    """Translate planes, or a region of them.

    Parameters
    ----------
    image
        The real layers as an image, in the order of the checkpoint's channels.
    recipe
        How to translate.
    positions
        The (t, z) to translate.
    region
        The part of the planes; None for all of it.
    channels
        The image's name for a channel of the checkpoint where they differ.
    shared_view
        The visible part of the image, which comes first; it may change while the job runs.
    reals
        The real layers, for the main thread; nothing here touches them.
    preview
        Whether this is a look at a crop while a slider moves.

    Attributes
    ----------
    quick
        Whether a preview's crop is translated without its surroundings, which are most of the work: near its edges it
        is not what the plane will show.
    """

    quick = False

    def __init__(
        self,
        image: Image,
        recipe: Recipe,
        positions: tuple[tuple[int, int], ...],
        region: Region | None = None,
        *,
        channels: Mapping[str, str] | None = None,
        shared_view: SharedView | None = None,
        reals: tuple[Any, ...] = (),
        preview: bool = False,
    ) -> None:
        super().__init__()
        self.image, self.recipe, self.positions, self.region = image, recipe, positions, region
        self.channels = dict(channels or {})
        self.shared_view = shared_view or SharedView()
        self.reals, self.preview = reals, preview

    def events(self, engines: Engines, tick: Callable[[], None]) -> Iterator[Any]:
        from napari_phenotrans.engines.device import describe_device

        recipe = self.recipe
        translator = engines.get(recipe.checkpoint, recipe.device, recipe.precision, recipe.tile)
        answers = Answers(seed=recipe.answers.seed) if self.preview else recipe.answers
        image, request = (
            self.image,
            TranslationRequest(
                recipe.source,
                recipe.target,
                self.channels,
                self.positions,
                self.region,
                recipe.how,
                answers=answers,
                turns=1 if self.preview else recipe.turns,
                # what was not measured is only offered once the user allowed it
                allow_translated=True,
            ),
        )
        made = partial(translator.provenance, image, request)
        if recipe.drawn:
            from napari_phenotrans.translation.complete import CompletionPlan, CompletionRequest

            asked = CompletionRequest(
                recipe.target, recipe.drawn, self.channels, self.positions, self.region, answers, recipe.how, True
            )
            plan = CompletionPlan.of(image, translator, asked)
            image, request, made = plan.image, plan.request, partial(plan.provenance, translator)
        if self.quick and self.region is not None and not recipe.drawn:
            events = self._alone(translator, request, self.region, tick)
        else:
            events = translator.translate(image, request, look_at=lambda: self.shared_view.view, tick=tick)
        yield Ready(describe_device(translator.device), made())
        tile, maps = translator.tile, MapWords(translator, self.image, request)
        read: tuple[tuple[int, int], np.ndarray] | None = None
        top = left = 0
        for event in events:
            if translator.tile != tile:
                tile = translator.tile
                yield Shrunk(made())
            if isinstance(event, PlaneDone | SampleDone) and recipe.drawn:
                yield self._against_real(event)
                continue
            if not isinstance(event, TileDone):
                yield event
                yield from () if self.preview else maps.about(event)
                continue
            if read is None or read[0] != (event.t, event.z):
                read = (event.t, event.z), self.image.plane(event.t, event.z, self.region)
                top, left = (self.region.top, self.region.left) if self.region else (0, 0)
            height, width = event.translated.shape[1:]
            rows = slice(event.top - top, event.top - top + height)
            real = read[1][:, rows, event.left - left : event.left - left + width]
            yield Tile(event, event.translated.astype("float32") - real.astype("float32"))

    def _alone(
        self, translator: Translator, request: TranslationRequest, region: Region, tick: Callable[[], None]
    ) -> Iterator[Any]:
        """Translate the region as if it were an image, and say of what comes where in the plane it lies."""
        from napari_phenotrans.engines.device import one_thread

        ((t, z),) = self.positions
        crop = self.image.replace(pixels=self.image.plane(t, z, region), axes="CYX", pyramid=())
        events = translator.translate(crop, replace(request, positions=[(0, 0)], region=None), tick=tick)
        while True:
            with one_thread():
                event = next(events, None)
            if event is None:
                return
            if isinstance(event, TileDone | PlaneDone):
                top, left = event.top + region.top, event.left + region.left
                yield replace(event, t=t, z=z, top=top, left=left)
            else:
                yield event

    def _against_real(self, event: PlaneDone | SampleDone) -> PlaneDone | SampleDone:
        """Return what was drawn beside nothing, with its difference from the channel that the image has."""
        height, width = event.translated.shape[1:]
        real = self.image.plane(event.t, event.z, Region(event.top, event.left, height, width))
        return replace(event, difference=event.translated.astype("float32") - real.astype("float32"))


class MapWords:
    """Adds up the maps of a translation, plane by plane, and says what they come to."""

    def __init__(self, translator: Translator, image: Image, request: TranslationRequest) -> None:
        self._image, self._turns, self._channels = image, request.turns, translator.card.channels
        trainings = getattr(translator, "members", ())
        self._count, self._what = (len(trainings), "training") if trainings else (request.answers.samples, "sample")
        self._turned = TurnSums(translator.card.intensity.range.ravel().tolist())
        self._agreed: AgreementSums | None = None

    def about(self, event: Any) -> Iterator[Said]:
        """Say what all planes together come to, after another one; nothing of what is no map."""
        if isinstance(event, TurnedDone):
            height, width = event.upright.shape[1:]
            real = self._image.plane(event.t, event.z, Region(event.top, event.left, height, width))
            self._turned.add(real, event.upright, event.disagreement)
            yield Said(TURNED, turn_sentence(self._turned.rows(self._channels), self._turns))
        elif isinstance(event, AgreementDone):
            self._agreed = event.sums if self._agreed is None else self._agreed + event.sums
            rows = agreement_rows(self._channels, self._agreed)
            yield Said(AGREEMENT, agreement_sentence(rows, self._count, self._what))


@dataclass(frozen=True)
class Beside:
    """The planes (t, z) near one that is checked, itself among them, and what returns their difference maps."""

    positions: tuple[tuple[int, int], ...]
    difference: Callable[[int, int], np.ndarray]


class Check(Job):
    """Measure what the engine gets wrong by itself where it translated.

    Parameters
    ----------
    image, recipe, channels
        As they were translated.
    position, region
        The (t, z), and the part of the plane; None for all of it.
    difference
        The difference map (C, h, w) that came of it, float32.
    targets
        Real images of the target, with their names for the checkpoint's channels where they differ: the picture is
        judged by them, too.
    beside
        What was translated around the plane, where it is one of a stack: whether neighbors agree is measured, too.

    Attributes
    ----------
    upside_down
        Whether it is also translated upside down, to see whether that makes a difference.
    """

    upside_down = False

    def __init__(
        self,
        image: Image,
        recipe: Recipe,
        position: tuple[int, int],
        region: Region | None,
        difference: np.ndarray,
        channels: Mapping[str, str],
        targets: Sequence[tuple[Image, Mapping[str, str]]] = (),
        beside: Beside | None = None,
    ) -> None:
        super().__init__()
        self.targets, self.beside = targets, beside
        self.image, self.recipe, self.position, self.region = image, recipe, position, region
        self.difference, self.channels = difference, channels

    def events(self, engines: Engines, tick: Callable[[], None]) -> Iterator[Any]:
        from napari_phenotrans.translation.pictures import judge_image
        from napari_phenotrans.translation.stack_flicker import stack_flicker
        from napari_phenotrans.translation.trust import check_translation
        from napari_phenotrans.translation.turn_test import turn_test

        recipe = self.recipe
        translator = engines.get(recipe.checkpoint, recipe.device, recipe.precision, recipe.tile)
        request = TranslationRequest(
            recipe.source, recipe.target, self.channels, [self.position], self.region, recipe.how, turns=recipe.turns
        )
        yield from check_translation(translator, self.image, request, self.difference, tick=tick)
        if self.upside_down:
            yield from turn_test(translator, self.image, request, self.difference, tick=tick)
        if self.beside:
            rows = stack_flicker(
                self.image,
                translator.card,
                self.beside.difference,
                self.beside.positions,
                channels=self.channels,
                region=self.region,
                tick=tick,
            )
            yield FlickerDone(tuple(rows))
        if self.targets:
            tick()
            yield judge_image(translator, self.image, request, self.difference, self.targets)
