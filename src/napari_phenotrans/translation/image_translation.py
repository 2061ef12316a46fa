"""Translating one image plane by plane, in one piece or in several, and back into its own units."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.checkpoints.matching import check_conditions, match_channels, outside_intensities, working_scale
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice
from napari_phenotrans.core.intensity import to_dtype
from napari_phenotrans.core.keyed_random import USUAL_SAMPLE, USUAL_SEED, plane_noise
from napari_phenotrans.core.region import Region
from napari_phenotrans.core.turns import turned, turned_back
from napari_phenotrans.metrics.agreement import Agreement
from napari_phenotrans.translation.events import (
    AgreementDone,
    EvaluationDone,
    PlaneDone,
    RegionDone,
    SampleDone,
    SpreadDone,
    TileDone,
    TurnedDone,
)
from napari_phenotrans.translation.spread import Spread
from napari_phenotrans.translation.streaming import Stream, StreamedRegion, rows_at_once
from napari_phenotrans.translation.tiled_inference import Evaluated, Task, Tiled, Whole
from napari_phenotrans.translation.trust import WINDOW, local_error
from napari_phenotrans.translation.working_plane import Cut, WorkingPlane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_phenotrans.checkpoints.checkpoint import Card
    from napari_phenotrans.core.image import Image
    from napari_phenotrans.core.region import View
    from napari_phenotrans.core.settings import TranslationSettings
    from napari_phenotrans.translation.events import Event
    from napari_phenotrans.translation.request import TranslationRequest
    from napari_phenotrans.translation.tiled_inference import TiledInference


@dataclass(frozen=True)
class _PlaneNumber:
    """A plane at (t, z); with it ``done`` of ``total`` planes are finished."""

    t: int
    z: int
    done: int
    total: int


class ImageTranslation:
    """An image that can be translated as it was asked for.

    Parameters
    ----------
    driver
        What makes the evaluations.
    card
        The checkpoint's.
    image, request, how
        What to translate, and what the engine is told.

    Raises
    ------
    InputError
        If conditions, channels (also those to be kept), positions or region do not fit.
    """

    def __init__(
        self,
        driver: TiledInference,
        card: Card,
        image: Image,
        request: TranslationRequest,
        how: TranslationSettings,
    ) -> None:
        self._driver, self._card, self._image, self._request, self._how = driver, card, image, request, how
        check_conditions(card, request.source, request.target)
        self._channels, about_channels = match_channels(image, card, request.channels)
        self._scale, about_scale = working_scale(image, card)
        self._positions = image.checked_positions(request.positions)
        self._fixed = card.statistics == "fixed"
        about_region = []
        if request.region is not None:
            image.refuse_outside(request.region)
            if not self._fixed:
                about_region.append(
                    "This imported network normalizes by the statistics of what it sees: the region is translated by "
                    "its own, not quite as it would be in the whole plane."
                )
        self._drawn_channels = self._refuse_or_find(card.channels, request)
        untouched = set(range(len(card.channels))) - set(self._drawn_channels) if self._drawn_channels else set()
        # of these the image's own pixels are given out
        self._kept = sorted(untouched | set(driver.engine.kept_by(how)))
        self._notices = [*about_channels, *about_region, *about_scale]
        # the channels of which was said that their intensities lie outside what training saw
        self._noticed: set[str] = set()

    def _refuse_or_find(self, names: tuple[str, ...], request: TranslationRequest) -> list[int]:
        """Return the places of the channels that are completed; refuse what the engine cannot give."""
        engine, wanted = self._driver.engine, request.drawn_channels
        moving = [name for place, name in enumerate(names) if place not in engine.kept]
        if (wanted and not engine.redraws) or (request.answers.several and engine.redraw is None):
            raise InputError(
                f"The engine {self._card.engine} of this checkpoint gives one answer only, and draws no channel from "
                f"others. Leave --samples out, or choose a checkpoint of the engine flow."
            )
        if wanted and not engine.kept:
            raise InputError(
                "This checkpoint keeps no channel, so that there is nothing to draw the others from. Choose one that "
                "was trained with --kept."
            )
        if unknown := [name for name in wanted if name not in moving]:
            raise InputError(
                f"{', '.join(unknown)} cannot be drawn by this checkpoint: expected some of {', '.join(moving)}, which "
                f"it draws from {', '.join(names[place] for place in engine.kept)}."
            )
        return [names.index(name) for name in wanted]

    def events(
        self, *, in_regions: bool, look_at: Callable[[], View | None] | None, tick: Callable[[], None] | None
    ) -> Iterator[Event]:
        """Translate plane after plane; parameters as of `Translator.translate`."""
        yield from (Notice(text) for text in self._notices)
        image, limits = self._image, self._driver.limits
        cut = self._cut(self._request.region or Region(0, 0, image.sizes["Y"], image.sizes["X"]))

        def view_in_cut() -> Region | None:
            view = look_at() if look_at else None
            return cut.seen(view.region) if view else None

        request = self._request
        task = Task(request.source, request.target, self._how, view_in_cut, tick or (lambda: None), request.way_back)
        in_regions = in_regions and self._fixed
        # a strip does not know its place, on which noise depends
        once = in_regions and request.turns == 1 and not self._driver.engine.draws and self._driver.evaluates_once(task)
        large = in_regions and cut.working.height * cut.working.width > limits.large_plane
        left = list(self._positions)
        while left:
            view = look_at() if look_at else None
            t, z = min(left, key=lambda position: _distance(position, view))
            left.remove((t, z))
            plane = _PlaneNumber(t, z, len(self._positions) - len(left), len(self._positions))
            if once:
                yield from self._in_strips(plane, cut, task)
            elif large:
                yield from self._in_squares(plane, cut, task)
            else:
                yield from self._in_one(plane, cut, task, glimpse=plane.done == 1)

    def _in_one(
        self, plane: _PlaneNumber, cut: Cut, task: Task, *, glimpse: bool = False, keep: bool = True
    ) -> Iterator[Event]:
        """Translate a cut of a plane; ``glimpse`` and ``keep`` as of `TiledInference.translation`."""
        engine = self._driver.engine
        # Into the engine's world: working pixels, about [-1, 1], whole multiples of its stride.
        working = WorkingPlane(cut, self._reader(plane), self._card.intensity, redrawn=engine.redraws)
        yield from self._outside(working.x)

        # Tile by tile, and back: a difference that is added to the image's own pixels.
        padded = working.padded(engine.stride, engine.smallest)
        several = self._request.answers.several
        first = task
        if self._drawn_channels or engine.draws:
            first = self._answer(task, cut, padded, 1 if self._drawn_channels else USUAL_SAMPLE)
        done: PlaneDone | None = None
        # what several answers have in common is an inversion of this very cut
        for event in self._driver.translation(padded, first, glimpse=glimpse, keep=keep or several):
            if isinstance(event, Notice):
                yield event
            elif isinstance(event, Evaluated):
                yield EvaluationDone(plane.t, plane.z, event.done, event.total)
            elif isinstance(event, Tiled):
                brought = working.difference(event.tile, event.values, event.shown)
                if brought:
                    where, difference = brought
                    translated, _ = self._translated(working.real(where), difference)
                    yield TileDone(plane.t, plane.z, where.top, where.left, translated, event.done, event.total)
            else:
                done = self._finished(plane, working, event)
                if self._request.turns == 1:
                    yield done
        if done is not None and self._request.turns > 1:
            yield from self._turned(done, plane, task, working, padded)
        if several and done is not None:
            yield from self._answers(done, plane, cut, task, working, padded)

    def _answers(
        self,
        done: PlaneDone,
        plane: _PlaneNumber,
        cut: Cut,
        task: Task,
        working: WorkingPlane,
        padded: np.ndarray,
    ) -> Iterator[Event]:
        """Draw the answers for what is ``done``; of a completion that is the first of them."""
        samples, spread = self._request.answers.samples, Spread()
        agreement, error = Agreement(), None
        if self._request.answers.agreement and not self._drawn_channels:
            # what the engine changes where it should change nothing; the inversion is there already
            for event in self._driver.translation(padded, replace(task, target=task.source)):
                if isinstance(event, Whole):
                    same = self._finished(plane, working, event).difference
                    error = local_error(same, self._card, WINDOW / self._scale)
                elif isinstance(event, Evaluated | Tiled):
                    yield EvaluationDone(plane.t, plane.z, event.done, event.total)
        for sample in range(1, samples + 1):
            each = done
            if sample > 1 or not self._drawn_channels:
                for event in self._driver.translation(padded, self._answer(task, cut, padded, sample)):
                    if isinstance(event, Notice):
                        yield event
                    elif isinstance(event, Whole):
                        each = self._finished(plane, working, event, sample)
                    else:
                        yield EvaluationDone(plane.t, plane.z, event.done, event.total)
            spread.add(each.difference)
            if error is not None:
                agreement.add(each.difference, error)
            yield SampleDone(**vars(each), sample=sample, samples=samples)
        real = working.real(Region(done.top, done.left, *done.translated.shape[1:]))
        mean, _ = self._translated(real, spread.mean)
        yield SpreadDone(plane.t, plane.z, mean, spread.sd, done.top, done.left)
        if error is not None:
            yield AgreementDone(plane.t, plane.z, agreement.map, agreement.sums, done.top, done.left)

    def _turned(
        self, upright: PlaneDone, plane: _PlaneNumber, task: Task, working: WorkingPlane, padded: np.ndarray
    ) -> Iterator[Event]:
        """Translate in all other turns, too; of what is ``upright`` the mean over all is given out."""
        turns, whole = self._request.turns, replace(task, view=lambda: None)
        total, apart = upright.difference.copy(), np.zeros_like(upright.difference)
        for number in range(1, turns):
            for event in self._driver.translation(turned(padded, number), whole, keep=False):
                if isinstance(event, Notice):
                    yield event
                elif isinstance(event, Whole):
                    other = self._finished(plane, working, Whole(turned_back(event.values, number))).difference
                    total += other
                    apart += np.abs(other - upright.difference)
                else:
                    yield EvaluationDone(plane.t, plane.z, event.done, event.total)
        mean = total / turns
        real = working.real(Region(upright.top, upright.left, *mean.shape[1:]))
        translated, clipped = self._translated(real, mean)
        yield replace(upright, translated=translated, difference=mean, clipped=clipped)
        apart /= turns - 1
        yield TurnedDone(plane.t, plane.z, upright.translated, apart, upright.top, upright.left)

    def _answer(self, task: Task, cut: Cut, padded: np.ndarray, sample: int) -> Task:
        """Return the task with the noise of one sample; what a pixel gets depends on its place in the plane alone.

        Of engines that always draw, the sample `USUAL_SAMPLE` is the one where nobody asks for another answer.
        """
        answers, default = self._request.answers, self._driver.engine.redraw
        redraw = 1.0 if self._drawn_channels else default if answers.redraw is None else answers.redraw
        place = Region(cut.working.top, cut.working.left, *padded.shape[1:])
        noise = plane_noise(answers.seed, sample, len(padded), place)
        if self._driver.engine.draws:
            usual = plane_noise(USUAL_SEED, USUAL_SAMPLE, len(padded), place)
            share, redraw = 0.0 if sample == USUAL_SAMPLE else redraw or 0.0, 1.0
            noise = math.sqrt(1 - share**2) * usual + share * noise
        return replace(task, noise=noise, redraw=redraw or 0.0)

    def _finished(self, plane: _PlaneNumber, working: WorkingPlane, event: Whole, sample: int = 0) -> PlaneDone:
        answers = self._request.answers
        to_come = (answers.samples - sample) / (1 + answers.samples) if answers.several else 0.0
        whole = Region(0, 0, *event.values.shape[1:])
        brought = working.difference(whole, event.values, whole)
        assert brought is not None
        where, difference = brought
        translated, clipped = self._translated(working.real(where), difference)
        at = plane.done, plane.total, where.top, where.left
        return PlaneDone(plane.t, plane.z, translated, difference, clipped, *at, to_come=to_come)

    def _in_squares(self, plane: _PlaneNumber, cut: Cut, task: Task) -> Iterator[Event]:
        """Translate a large plane region by region, each with its surroundings."""
        squares = cut.region.squares(self._driver.limits.square)
        for number, square in enumerate(squares, start=1):
            done = plane.done if number == len(squares) else plane.done - 1
            part = _PlaneNumber(plane.t, plane.z, done, plane.total)
            for event in self._in_one(part, self._cut(square), task, keep=False):
                if isinstance(event, PlaneDone):
                    yield RegionDone(**vars(event), share=number / len(squares))
                elif not isinstance(event, TileDone):
                    yield event

    def _in_strips(self, plane: _PlaneNumber, cut: Cut, task: Task) -> Iterator[Event]:
        """Translate a plane row of tiles by row of tiles, with an engine that evaluates once."""
        rows = rows_at_once(self._image)
        stream = Stream(self._driver, cut, self._reader(plane), rows, self._card.intensity, task)
        share = 0.0
        for event in stream:
            if isinstance(event, Evaluated):
                share = event.done / event.total
                yield EvaluationDone(plane.t, plane.z, event.done, event.total)
            elif isinstance(event, StreamedRegion):
                where = event.region
                translated, clipped = self._translated(event.real, event.difference)
                last = (where.bottom, where.right) == (cut.region.bottom, cut.region.right)
                yield RegionDone(
                    plane.t,
                    plane.z,
                    translated,
                    event.difference,
                    clipped,
                    plane.done if last else plane.done - 1,
                    plane.total,
                    where.top,
                    where.left,
                    share=1.0 if last else min(share, 0.999),
                )
            else:
                yield event
        yield from self._outside(stream.sample)

    def _translated(self, real: np.ndarray, difference: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
        """Return real + difference, see `to_dtype`; real itself in channels that stay, whose difference is set to 0.

        Raises
        ------
        InputError
            If the difference is not finite.
        """
        kept = self._kept
        difference[kept] = 0
        if not np.isfinite(difference).all():
            raise InputError(
                "The engine made values that are not finite of this image, so there is no translation. Expected "
                "numbers: say --precision fp32 if bf16 was chosen, or take an earlier checkpoint of its training."
            )
        translated, clipped = to_dtype(real + difference, self._image.dtype)
        translated[kept] = real[kept]
        return translated, clipped

    def _reader(self, plane: _PlaneNumber) -> Callable[[Region], np.ndarray]:
        """Return what reads a region of a plane: the checkpoint's channels, (C, h, w) in the image's units."""

        def read(region: Region) -> np.ndarray:
            pixels = self._image.plane(plane.t, plane.z, region)
            pixels = pixels if self._channels == list(range(len(pixels))) else pixels[self._channels]
            if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
                raise InputError(
                    f"{self._image.path or 'The image'} holds values that are not finite at t={plane.t}, z={plane.z}. "
                    f"Replace NaN and infinity before translating."
                )
            return pixels

        return read

    def _outside(self, x: np.ndarray) -> Iterator[Notice]:
        """Say once of each channel that its intensities lie outside what training saw."""
        for subject, text in outside_intensities(x, self._card).items():
            if subject not in self._noticed:
                self._noticed.add(subject)
                yield Notice(text)

    def _cut(self, region: Region) -> Cut:
        driver, engine = self._driver, self._driver.engine
        return Cut.around(
            region,
            (self._image.sizes["Y"], self._image.sizes["X"]),
            self._scale,
            context=max(engine.context, driver.overlap),
            stride=engine.stride,
            smallest=engine.smallest,
            grid=(driver.tile, driver.overlap) if engine.tile else None,
        )


def _distance(position: tuple[int, int], view: View | None) -> int:
    """Planes between a position (t, z) and what the user looks at."""
    if view is None:
        return 0
    return sum(abs(at - looked) for at, looked in zip(position, (view.t, view.z), strict=True) if looked is not None)
