"""Translating whole images: puts together what `Translator` yields plane by plane."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_phenotrans.checkpoints.matching import match_channels
from napari_phenotrans.core.events import Notice
from napari_phenotrans.core.kinds import AGREEMENT, TURNED
from napari_phenotrans.io.scratch import Scratch
from napari_phenotrans.metrics.agreement import AgreementSums, agreement_rows, agreement_sentence
from napari_phenotrans.translation.events import (
    AgreementDone,
    Event,
    PlaneDone,
    RegionDone,
    SampleDone,
    SpreadDone,
    TurnedDone,
)
from napari_phenotrans.translation.provenance import of_images
from napari_phenotrans.translation.request import Answers, TranslationRequest
from napari_phenotrans.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint
    from napari_phenotrans.core.image import Image
    from napari_phenotrans.core.region import View

__all__ = ["Answers", "Event", "Translation", "TranslationRequest", "Translator", "translate", "translate_image"]


@dataclass(frozen=True, eq=False)
class Translation:
    """A translated image.

    Attributes
    ----------
    real
        Its translated channels and planes only.
    translated, difference
        The translation, without chance; translated - real, float32.
    notices, provenance
        What the user should know, and how it was made.
    samples
        Where several answers were asked for, each of them.
    mean, spread
        Their mean, and their standard deviation in float32.
    extras
        Maps that were asked for, by their kind, float32: how far turns differ from the upright translation, where the
        translation is their mean; where several trainings or samples agree.
    """

    real: Image
    translated: Image
    difference: Image
    notices: tuple[str, ...]
    provenance: dict[str, Any]
    samples: tuple[Image, ...] = ()
    mean: Image | None = None
    spread: Image | None = None
    extras: Mapping[str, Image] = field(default_factory=dict)

    @property
    def images(self) -> tuple[Image, ...]:
        """All that was made: translated, difference, `extras`, of several answers each, their mean and their spread."""
        answers = () if self.mean is None or self.spread is None else (*self.samples, self.mean, self.spread)
        return self.translated, self.difference, *self.extras.values(), *answers

    @property
    def turned(self) -> Image | None:
        """How far turns differ, where they were asked for."""
        return self.extras.get(TURNED)

    @property
    def agreement(self) -> Image | None:
        """Where trainings or samples agree, where that was asked for."""
        return self.extras.get(AGREEMENT)

    @property
    def provenances(self) -> list[dict[str, Any]]:
        """The provenance of each of `images`: its ``kind``, the ``unit`` of its pixels, which sample it is."""
        return of_images(self.provenance, self.real.dtype, len(self.samples), tuple(self.extras))


class ResultSink(Protocol):
    """Where a result goes while it comes: `io.scratch.Scratch`, or a file that grows."""

    def put(self, values: np.ndarray, t: int, z: int, top: int, left: int) -> None:
        """Write (C, h, w); every pixel once."""

    def image(self) -> Image:
        """Return what was written."""


def translate(
    image: Image,
    checkpoint: Checkpoint | str | Path,
    *,
    source: str,
    target: str,
    device: str = "auto",
    precision: str = "auto",
    **more: Any,
) -> Iterator[Event]:
    """Translate an image as events, tile by tile, while it is computed.

    Parameters
    ----------
    image
        Any image with the checkpoint's channels; lazy pixels are read plane by plane.
    checkpoint
        A checkpoint, the name of a bundled one, or a file.
    source, target
        Conditions that the checkpoint knows; equal ones are the identity control.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    precision
        ``fp32``, ``bf16``, or ``auto``, which computes in bf16 only where the card says that it costs next to nothing.
    **more
        Those of `TranslationRequest` (``channels``, ``positions``, ``region``, ``how``, ``turns`` and so on), of
        `Answers` (``samples``, ``redraw``, ``seed``) and of `Translator.translate` (``look_at``, ``tick``).

    Returns
    -------
    Iterator of events: `Notice`, `TileDone` and `PlaneDone` among them. Pixels are (C, h, w) in the image's units and
    dtype, differences float32 in its units.

    Raises
    ------
    InputError
        If conditions, channels, positions, region or settings do not fit; nothing is computed then.

    Examples
    --------
    >>> import napari_phenotrans as pt
    >>> image = pt.sample("bbbc013-untreated")
    >>> part = pt.Region(0, 0, 128, 128)
    >>> events = pt.translate(image, "bbbc013-cyclegan", source="untreated", target="wortmannin", region=part)
    >>> done = [event for event in events if isinstance(event, pt.PlaneDone)]
    >>> done[0].translated.shape, done[0].translated.dtype.name, done[0].difference.dtype.name
    ((2, 128, 128), 'uint8', 'float32')
    """
    translator = Translator(checkpoint, device=device, precision=precision)
    request, others = _requested(source, target, more)
    return translator.translate(image, request, **others)


def translate_image(
    image: Image,
    checkpoint: Checkpoint | Translator | str | Path,
    *,
    source: str,
    target: str,
    device: str = "auto",
    precision: str = "auto",
    on_event: Callable[[Event], None] = lambda event: None,
    **more: Any,
) -> Translation:
    """Translate an image from one condition to another, and return it.

    Parameters
    ----------
    image
        Any image with the checkpoint's channels, of any size, axes out of TZCYX; lazy pixels are read plane by plane.
    checkpoint
        A checkpoint, the name of a bundled one, a file, or a `Translator` that has translated before.
    source, target
        Conditions that the checkpoint knows; equal ones are the identity control.
    device, precision
        As of `translate`.
    on_event
        Sees every event, to draw progress with.
    **more
        Those of `TranslationRequest` (``channels={"DAPI": "Hoechst"}``, ``positions=[(t, z)]``, ``region``,
        ``how={"strength": 0.7}``, ``turns``), of `Answers` (``samples=5, seed=0``) and of `translating` (``rooms``,
        ``look_at``, ``tick``).

    Returns
    -------
    The translation: ``translated`` in the image's dtype and units, ``difference`` (translated - real, float32), what
    the user should know, and how it was made. Where positions or a region are asked for, the images hold these only.

    Raises
    ------
    InputError
        If conditions, channels, positions, region or settings do not fit, or the image was made by an engine itself.

    Examples
    --------
    >>> import napari_phenotrans as pt
    >>> image = pt.sample("bbbc013-untreated")
    >>> part = pt.Region(0, 0, 128, 128)
    >>> result = pt.translate_image(image, "bbbc013-cyclegan", source="untreated", target="wortmannin", region=part)
    >>> result.translated.sizes, result.translated.dtype.name
    ({'C': 2, 'Y': 128, 'X': 128}, 'uint8')
    >>> float(abs(result.difference.plane()).mean()) > 1
    True
    """
    translator = (
        checkpoint if isinstance(checkpoint, Translator) else Translator(checkpoint, device=device, precision=precision)
    )
    request, others = _requested(source, target, more)
    for event in translating(image, translator, request, **others):
        if isinstance(event, Translation):
            return event
        on_event(event)
    raise AssertionError("a translation ends with its result")


def translating(
    image: Image,
    translator: Translator,
    request: TranslationRequest,
    *,
    rooms: Callable[[Image], Sequence[ResultSink]] | None = None,
    look_at: Callable[[], View | None] | None = None,
    tick: Callable[[], None] | None = None,
) -> Iterator[Event | Translation]:
    """Yield what `Translator.translate` does, which also says the last two arguments; at the end the `Translation`.

    Where positions or a region are asked for, the images of the translation hold these only; positions have to be all
    those of some T with some Z. ``rooms`` makes room for `Translation.images` once it is known what they will be like.
    Where none is given it is in memory, above 512 MB in temporary files. Planes come in regions where the engine
    allows it, so that memory stays at a part of one.
    """
    positions, region = image.checked_positions(request.positions), request.region
    request = replace(request, positions=positions)
    events = translator.translate(image, request, in_regions=True, look_at=look_at, tick=tick)
    indices, _ = match_channels(image, translator.card, request.channels)
    real = image.part(channels=indices, positions=positions, region=region)
    extras = translator.extras(request)
    sinks = rooms(real) if rooms else scratch_for(real, request.answers.samples, len(extras))
    translated, difference, *maps = sinks[: 2 + len(extras)]
    answers = sinks[2 + len(extras) :]
    top, left = (region.top, region.left) if region else (0, 0)
    position_in_result = dict(zip(positions, real.positions(), strict=True))
    notices: list[str] = []
    agreed: AgreementSums | None = None
    clipped = np.zeros(len(indices), np.int64)
    for event in events:
        yield event
        if isinstance(event, Notice):
            notices.append(event.text)
        elif isinstance(event, PlaneDone | RegionDone):
            position = (*position_in_result[event.t, event.z], event.top - top, event.left - left)
            translated.put(event.translated, *position)
            difference.put(event.difference, *position)
            clipped += event.clipped
        elif isinstance(event, TurnedDone | AgreementDone):
            at = (*position_in_result[event.t, event.z], event.top - top, event.left - left)
            maps[0].put(event.disagreement if isinstance(event, TurnedDone) else event.agreement, *at)
            if isinstance(event, AgreementDone):
                agreed = event.sums if agreed is None else agreed + event.sums
        elif isinstance(event, SampleDone | SpreadDone):
            put_answer(event, answers, (*position_in_result[event.t, event.z], event.top - top, event.left - left))
    for name, count in zip(real.channels, clipped, strict=True):
        if count:
            notices.append(
                f"{count} translated pixels of {name} lie outside what {real.dtype} can hold and were set to its "
                f"nearest value; the difference map has them in full."
            )
            yield Notice(notices[-1])
    provenance = translator.provenance(image, request)
    if agreed is not None:
        rows = agreement_rows(real.channels, agreed)
        several = provenance.get("trainings")
        notices.append(
            agreement_sentence(rows, several or request.answers.samples, "training" if several else "sample")
        )
        yield Notice(notices[-1])
        provenance["agreement"] = {row.channel: None if row.again is None else round(row.again, 4) for row in rows}
    provenance |= {"notices": notices}
    abouts = of_images(provenance, real.dtype, request.answers.samples, extras)
    made = [sink.image().replace(provenance=about, display=()) for sink, about in zip(sinks, abouts, strict=True)]
    by_kind = dict(zip(extras, made[2:], strict=False))
    *samples, mean, spread = made[2 + len(extras) :] or (None, None)
    whole = real, made[0], made[1], tuple(notices), provenance
    yield Translation(*whole, tuple(samples), mean, spread, by_kind)


def put_answer(
    event: SampleDone | SpreadDone, answers: Sequence[ResultSink], position: tuple[int, int, int, int]
) -> None:
    """Write one of several answers, or what they have in common, to its sink: samples, mean, spread."""
    if isinstance(event, SampleDone):
        answers[event.sample - 1].put(event.translated, *position)
        return
    answers[-2].put(event.mean, *position)
    answers[-1].put(event.spread, *position)


def _requested(source: str, target: str, arguments: dict[str, Any]) -> tuple[TranslationRequest, dict[str, Any]]:
    """Divide arguments into what is asked for and all others."""
    names, drawn = ({field.name for field in fields(kind)} for kind in (TranslationRequest, Answers))
    asked = {name: value for name, value in arguments.items() if name in names and value is not None}
    if chance := {name: value for name, value in arguments.items() if name in drawn}:
        asked["answers"] = Answers(**chance)
    others = {name: value for name, value in arguments.items() if name not in names | drawn}
    return TranslationRequest(source, target, **asked), others


def scratch_for(image: Image, samples: int, extras: int = 0) -> list[ResultSink]:
    """Make room for `Translation.images`, of which so many are ``extras``."""
    number = np.dtype(np.float32)
    answers = [*[image.dtype] * samples, image.dtype, number] if samples > 1 else []
    return [Scratch(image, dtype) for dtype in (image.dtype, number, *[number] * extras, *answers)]
