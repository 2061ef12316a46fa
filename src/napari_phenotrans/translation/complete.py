"""Completing an image: drawing a channel from the kept ones alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.checkpoints.matching import find_channel, match_channels
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice
from napari_phenotrans.core.kinds import COMPLETED, unit_word
from napari_phenotrans.core.region import Region
from napari_phenotrans.io.lazy import LazyPixels
from napari_phenotrans.io.scratch import Scratch
from napari_phenotrans.translation.events import Event, PlaneDone, RegionDone, SampleDone, SpreadDone
from napari_phenotrans.translation.provenance import of_answers
from napari_phenotrans.translation.request import Answers, TranslationRequest
from napari_phenotrans.translation.translate import put_answer
from napari_phenotrans.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
    from napari_phenotrans.core.image import Image
    from napari_phenotrans.core.region import View
    from napari_phenotrans.io.lazy import Within
    from napari_phenotrans.translation.translate import ResultSink


@dataclass(frozen=True)
class CompletionRequest:
    """What to draw, and of which image.

    Parameters
    ----------
    condition
        Which one to draw: usually that of the image, for what is kept is its own.
    drawn
        The channels to draw, as the checkpoint names them; all that move where none are said.
    channels
        The image's name for a channel of the checkpoint where they differ: ``{"DAPI": "Hoechst"}``.
    positions, region
        As of `TranslationRequest`.
    answers
        How many samples, from which seed; a completion draws all of the noise.
    how
        What the engine is told; how deep it goes is not asked, for it begins at noise.
    allow_translated, dated
        As of `TranslationRequest`.
    """

    condition: str
    drawn: tuple[str, ...] = ()
    channels: Mapping[str, str] = field(default_factory=dict)
    positions: Sequence[tuple[int, int]] | None = None
    region: Region | None = None
    answers: Answers = field(default_factory=Answers)
    how: Mapping[str, Any] = field(default_factory=dict)
    allow_translated: bool = False
    dated: bool = False


@dataclass(frozen=True, eq=False)
class Completion:
    """A completed image.

    Attributes
    ----------
    samples
        The image with the drawn channels in place of its own, or in addition; one for each sample. All other channels
        are the image's own.
    mean, spread
        Of several samples their mean, and their standard deviation in float32.
    notices, provenance
        What the user should know, and how it was made.
    """

    samples: tuple[Image, ...]
    mean: Image | None
    spread: Image | None
    notices: tuple[str, ...]
    provenance: dict[str, Any]

    @property
    def completed(self) -> Image:
        """The first sample."""
        return self.samples[0]

    @property
    def images(self) -> tuple[Image, ...]:
        """All that was made: each sample, their mean and their spread."""
        return self.samples if self.mean is None or self.spread is None else (*self.samples, self.mean, self.spread)

    @property
    def provenances(self) -> list[dict[str, Any]]:
        """The provenance of each of `images`."""
        return of_answers(self.provenance, len(self.samples)) or [self.provenance]


def complete_image(
    image: Image,
    checkpoint: Checkpoint | Translator | str | Path,
    *,
    condition: str,
    channel: str | Sequence[str] = (),
    samples: int = 1,
    seed: int = 0,
    on_event: Callable[[Event], None] = lambda event: None,
    **more: Any,
) -> Completion:
    """Draw a channel of an image from its kept channels alone, and return the image with it.

    Nothing of the image's own channel is used, and it may be absent.

    Parameters
    ----------
    image
        Any image with the channels that the checkpoint keeps.
    checkpoint
        A checkpoint of the engine flow that keeps channels, the name of a bundled one, a file, or a `Translator`.
    condition
        Which one to draw: usually the image's own.
    channel
        The channels to draw, by name; all that move where none are said.
    samples
        How many answers to draw, 1 to 100.
    seed
        Of the noise that they are drawn from; a sample depends on it and its number alone.
    on_event
        Sees every event, to draw progress with.
    **more
        Those of `CompletionRequest` (``channels``, ``positions``, ``region``, ``how``, ``allow_translated``,
        ``dated``), of `Translator` (``device``, ``precision``) and of `completing`.

    Returns
    -------
    The completion: ``completed`` is the image with the drawn channels in place of its own, in its dtype and units;
    of several samples each, their mean and their spread (standard deviation, float32).

    Raises
    ------
    InputError
        If the checkpoint cannot draw these channels, or a kept channel is missing.

    Examples
    --------
    >>> import napari_phenotrans as pt
    >>> image = pt.sample("bbbc013-untreated")
    >>> drawn = pt.complete_image(
    ...     image, "bbbc013-flow", condition="wortmannin", region=pt.Region(0, 0, 64, 64), how={"evaluations": 2}
    ... )
    >>> drawn.completed.channels, drawn.completed.plane().shape
    (('DNA', 'FKHR-EGFP'), (2, 64, 64))
    """
    computed = {name: more.pop(name) for name in ("device", "precision") if name in more}
    translator = checkpoint if isinstance(checkpoint, Translator) else Translator(checkpoint, **computed)
    drawn = (channel,) if isinstance(channel, str) else tuple(channel)
    names = ("channels", "positions", "region", "how", "allow_translated", "dated")
    asked = {name: more.pop(name) for name in names if more.get(name) is not None}
    request = CompletionRequest(condition, drawn, answers=Answers(samples, seed=seed), **asked)
    for event in completing(image, translator, request, **more):
        if isinstance(event, Completion):
            return event
        on_event(event)
    raise AssertionError("a completion ends with its result")


def completing(
    image: Image,
    translator: Translator,
    request: CompletionRequest,
    *,
    rooms: Callable[[Image], Sequence[ResultSink]] | None = None,
    look_at: Callable[[], View | None] | None = None,
    tick: Callable[[], None] | None = None,
) -> Iterator[Event | Completion]:
    """Yield what `Translator.translate` does, which also says the last two arguments; at the end the `Completion`.

    A `PlaneDone` is of the first sample; its difference is meant for the spread alone. ``rooms`` makes room for
    `Completion.images` once it is known what they will be like; where none is given it is in memory, above 512 MB in
    temporary files.

    Raises
    ------
    InputError
        If the checkpoint cannot draw these channels, or a kept channel is missing.
    """
    plan, answers = CompletionPlan.of(image, translator, request), request.answers
    positions = image.checked_positions(request.positions)
    events = translator.translate(plan.image, plan.request, in_regions=True, look_at=look_at, tick=tick)

    # ---- what is given out: the image's own channels and the drawn ones
    given = [p for p, name in enumerate(translator.card.channels) if name in plan.present or name in plan.drawn]
    like = plan.image.part(channels=given, positions=positions, region=request.region)
    sinks = rooms(like) if rooms else _scratch(like, answers.samples)
    top, left = (request.region.top, request.region.left) if request.region else (0, 0)
    place_of = dict(zip(positions, like.positions(), strict=True))
    said = list(plan.notices)
    yield from map(Notice, plan.notices)
    for event in events:
        yield event
        if isinstance(event, Notice):
            said.append(event.text)
        elif isinstance(event, PlaneDone | RegionDone | SampleDone | SpreadDone):
            place = (*place_of[event.t, event.z], event.top - top, event.left - left)
            if isinstance(event, SampleDone | SpreadDone):
                put_answer(_only(event, given), sinks, place)
            elif not answers.several:
                sinks[0].put(event.translated[given], *place)
    provenance = plan.provenance(translator) | {"notices": said}
    abouts = of_answers(provenance, answers.samples) or [provenance]
    made = [sink.image().replace(provenance=about, display=()) for sink, about in zip(sinks, abouts, strict=True)]
    *samples, mean, spread = made + [None, None] * (not answers.several)
    yield Completion(tuple(each for each in samples if each is not None), mean, spread, tuple(said), provenance)


@dataclass(frozen=True, eq=False)
class CompletionPlan:
    """A completion as a translator takes it: from one condition to itself, by way of nothing but noise.

    Attributes
    ----------
    image
        With the checkpoint's channels: 0 in those that are drawn, or that the real one lacks.
    request
        What to ask of the translator.
    drawn, present
        The channels that are drawn, and those that the real image has.
    notices
        What the user should know.
    """

    image: Image
    request: TranslationRequest
    drawn: tuple[str, ...]
    present: tuple[str, ...]
    notices: tuple[str, ...]
    matched: Mapping[str, str]

    @classmethod
    def of(cls, image: Image, translator: Translator, request: CompletionRequest) -> CompletionPlan:
        """Plan it; nothing is read.

        Raises
        ------
        InputError
            If the checkpoint cannot draw these channels, or a kept channel is missing.
        """
        card, kept = translator.card, translator.engine.kept
        drawn = request.drawn or tuple(name for place, name in enumerate(card.channels) if place not in kept)
        whole, present, notices = _with_room(image, card, kept, drawn, request.channels)
        # the image's own background is none of the drawn channel's, which need not be there
        how = {**request.how, "depth": 1.0, "scale": "noise", "background": "engine"}
        asked = TranslationRequest(
            request.condition,
            request.condition,
            positions=request.positions,
            region=request.region,
            how=how,
            answers=replace(request.answers, redraw=1.0),
            drawn_channels=drawn,
            allow_translated=request.allow_translated,
            dated=request.dated,
        )
        matched = {name: theirs for name, theirs in request.channels.items() if name in present}
        return cls(whole, asked, drawn, tuple(present), tuple(notices), matched)

    def provenance(self, translator: Translator) -> dict[str, Any]:
        """Return what is needed to say, and to repeat, how it was made."""
        kept = [translator.card.channels[place] for place in translator.engine.kept]
        return translator.provenance(self.image, self.request) | {
            "kind": COMPLETED,
            "unit": unit_word(self.image.dtype),
            "completion": f"{', '.join(self.drawn)} drawn from {', '.join(kept)} alone",
            "completed": list(self.drawn),
            "seed": self.request.answers.seed,
            "absent": [name for name in self.drawn if name not in self.present],
            "channels": dict(self.matched),
        }


def _only(event: SampleDone | SpreadDone, channels: list[int]) -> SampleDone | SpreadDone:
    """Return the event with some of its channels."""
    if isinstance(event, SampleDone):
        return replace(event, translated=event.translated[channels])
    return replace(event, mean=event.mean[channels], spread=event.spread[channels])


def _scratch(image: Image, samples: int) -> list[ResultSink]:
    answers = [image.dtype, np.dtype(np.float32)] if samples > 1 else []
    return [Scratch(image, dtype) for dtype in (*[image.dtype] * samples, *answers)]


def _with_room(
    image: Image, card: Card, kept: tuple[int, ...], drawn: Sequence[str], synonyms: Mapping[str, str]
) -> tuple[Image, list[str], list[str]]:
    """Return the image with the checkpoint's channels, 0 in those that are drawn or absent; nothing is read.

    Also which of the checkpoint's channels it has, and what the user should know.

    Raises
    ------
    InputError
        If a kept channel is missing.
    """
    if unknown := [name for name in drawn if name not in card.channels]:
        raise InputError(
            f"{', '.join(unknown)} is no channel of the checkpoint, which knows {', '.join(card.channels)}. Say one of "
            f"these with --channel."
        )
    try:
        present = list(card.channels)
        indices, notices = match_channels(image, card, synonyms)
    except InputError:
        # an image that lacks what can be drawn will do
        needed = [card.channels[place] for place in kept]
        present = [n for n in card.channels if n in needed or find_channel(image, n, synonyms) is not None]
        said = {name: theirs for name, theirs in synonyms.items() if name in present}
        indices, notices = match_channels(image, card.model_copy(update={"channels": tuple(present)}), said)
    found = dict(zip(present, indices, strict=True))
    sources = [None if name in drawn else found.get(name) for name in card.channels]
    colors = tuple(image.colors[found[name]] if name in found else None for name in card.channels)
    whole = image.replace(
        pixels=_Room(image, sources).pixels,
        axes="".join(letter for letter in image.axes if letter in "TZ") + "CYX",
        channels=card.channels,
        colors=colors,
        pyramid=(),
    )
    return whole, present, notices


class _Room:
    """Planes of an image whose channels come from another one, or are 0 where ``sources`` names none."""

    def __init__(self, image: Image, sources: Sequence[int | None]) -> None:
        self._image, self._sources = image, sources
        self._letters = [letter for letter in image.axes if letter in "TZ"]
        sizes = image.sizes
        shape = (*(sizes[letter] for letter in self._letters), len(sources), sizes["Y"], sizes["X"])
        where = image.path or Path("memory")
        self.pixels = LazyPixels(shape, image.dtype, len(self._letters), self._read, path=where, expected="an image")

    def _read(self, position: tuple[int, ...], within: Within) -> np.ndarray:
        channels, rows, columns = (slice(part, part + 1) if isinstance(part, int) else part for part in within)
        (top, bottom, down), (left, right, across) = (
            part.indices(self._image.sizes[letter]) for letter, part in zip("YX", (rows, columns), strict=True)
        )
        at = dict(zip(self._letters, position, strict=True))
        real = self._image.plane(at.get("T"), at.get("Z"), Region(top, left, bottom - top, right - left))
        real = real[:, ::down, ::across]
        box = np.stack(
            [np.zeros_like(real[0]) if source is None else real[source] for source in self._sources[channels]]
        )
        return box[tuple(0 if isinstance(part, int) else slice(None) for part in within)]
