"""How far a translation can be trusted: the engine's own error, and the changes that exceed it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.checkpoints.describe import card_warnings
from napari_phenotrans.checkpoints.matching import check_conditions, match_channels, outside_intensities, working_scale
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.region import Region
from napari_phenotrans.metrics.agreement import FACTOR
from napari_phenotrans.translation.events import ErrorDone, EvaluationDone, PlaneDone, TileDone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from napari_phenotrans.checkpoints.checkpoint import Card, Score
    from napari_phenotrans.core.events import Notice
    from napari_phenotrans.core.image import Image
    from napari_phenotrans.translation.request import TranslationRequest
    from napari_phenotrans.translation.translator import Translator

# Standard deviation, in working pixels, of the window that an engine's error is averaged over. Where an error changes
# its sign a single pixel is right by chance, so that neighbors have to speak for it; but not those of the compartment
# beside: a nucleus has about 25 working pixels, and the window is about 5 wide (full width at half maximum).
WINDOW = 2.0
# Share of the range that counts as error in any case: the same that a faster arithmetic may cost. Where an engine
# makes next to no error, on an empty background, any breath of a change would else be many times that.
LEAST_ERROR = 0.005
MOST = 5.0


# ---- what the engine gets wrong


def check_translation(
    translator: Translator,
    image: Image,
    request: TranslationRequest,
    translated_difference: np.ndarray,
    *,
    tick: Callable[[], None] | None = None,
) -> Iterator[EvaluationDone | Notice | ErrorDone]:
    """Measure the engine's own error where it translated a plane, or a region of one.

    Round trip: the translated plane, unrounded, is translated back; what does not come back is the error. Of engines
    that invert the image with the source condition first (`Engine.inverts`), source → source at the same settings is
    the error instead: what they lose by inverting, without the mistakes that only the way back makes.

    The engine error is the local root mean square of that: its square, blurred by a Gaussian of 2 working pixels, and
    at least 0.5 % of the range.

    Parameters
    ----------
    translator
        Made the translation.
    image, request
        What was translated: one plane, or a region of it.
    translated_difference
        The difference map (C, h, w) that came of it, float32, in the image's units.
    tick
        Called before every network evaluation; raise in it to stop.

    Returns
    -------
    Iterator of `EvaluationDone`, rarely a `Notice`, and last an `ErrorDone`. Around a region the way back sees it
    mirrored, as at a plane's border.

    Raises
    ------
    InputError
        If conditions, channels, position or region do not fit, the difference is not of this place, or the checkpoint
        cannot translate back. Raised here, before the first event.
    """
    card, source, target = translator.card, request.source, request.target
    check_conditions(card, source, target)
    if source not in card.targets:
        raise InputError(
            f"This translation cannot be checked: the checkpoint was imported in one direction only, to "
            f"{', '.join(map(repr, card.targets))}, so that nothing translates back to {source!r}. Import the other "
            f"direction too, or judge the translation by real images of {target!r}."
        )
    region = request.region or Region(0, 0, image.sizes["Y"], image.sizes["X"])
    image.refuse_outside(region)
    expected = (len(card.channels), region.height, region.width)
    if translated_difference.shape != expected:
        raise InputError(
            f"The difference to check has the shape {translated_difference.shape}, but {expected} was translated "
            f"(channels, height, width). Give the difference of the same place."
        )
    channels, _ = match_channels(image, card, request.channels)
    scale, _ = working_scale(image, card)
    positions = image.checked_positions(request.positions)
    assert len(positions) == 1, "one plane is checked at a time"
    return _check_events(translator, image, request, translated_difference, channels, scale, tick)


def _check_events(
    translator: Translator,
    image: Image,
    request: TranslationRequest,
    translated_difference: np.ndarray,
    channels: list[int],
    scale: float,
    tick: Callable[[], None] | None,
) -> Iterator[EvaluationDone | Notice | ErrorDone]:
    ((t, z),) = image.checked_positions(request.positions)
    height, width = image.sizes["Y"], image.sizes["X"]
    region = request.region or Region(0, 0, height, width)
    real = image.plane(t, z, request.region)[channels]

    # ---- there and back
    translated = image.replace(
        pixels=_InPlace(real.astype(np.float32) + translated_difference, region, (height, width)),
        axes="CYX",
        channels=translator.card.channels,
        colors=(),
        pyramid=(),
    )
    turned = replace(request, source=request.target, target=request.source, channels={}, positions=None)
    back = translator.translate(translated, replace(turned, way_back=True), tick=tick)
    round_trip = (yield from _difference(back, t, z)) + translated_difference

    # ---- source → source, where that is the error
    error = round_trip
    if translator.engine.inverts:
        same = translator.translate(image, replace(request, target=request.source), tick=tick)
        error = yield from _difference(same, t, z)
    engine_error = local_error(error, translator.card, WINDOW / scale)
    yield ErrorDone(t, z, region.top, region.left, round_trip, engine_error)


class _InPlace:
    """Part of a plane (C, h, w) in its place of the whole; beyond its border it goes on mirrored."""

    def __init__(self, part: np.ndarray, region: Region, size: tuple[int, int]) -> None:
        self._part, self._region = part, region
        self.shape = (len(part), *size)
        self.dtype = part.dtype

    def __getitem__(self, index: tuple[slice, slice, slice]) -> np.ndarray:
        channels, rows, columns = (np.arange(n)[each] for n, each in zip(self.shape, index, strict=True))
        y = _mirrored(rows - self._region.top, self._region.height)
        x = _mirrored(columns - self._region.left, self._region.width)
        return self._part[np.ix_(channels, y, x)]


def _mirrored(index: np.ndarray, length: int) -> np.ndarray:
    period = max(1, 2 * (length - 1))
    index = index % period
    return np.minimum(index, period - index) if length > 1 else index


def _difference(events: Iterator[Any], t: int, z: int) -> Any:
    """Pass on the progress of a translation of one plane; returns its difference."""
    began = False
    for event in events:
        if isinstance(event, PlaneDone):
            return event.difference
        if isinstance(event, (EvaluationDone, TileDone)):
            began = True
            yield EvaluationDone(t, z, event.done, event.total)
        elif began:
            # what comes earlier is about the image, and was said when it was translated
            yield event
    raise AssertionError("a translation ends with its plane")


def local_error(error: np.ndarray, card: Card, sigma: float) -> np.ndarray:
    """Return the local root mean square of an error (C, h, w), over ``sigma`` pixels, at least 0.5 % of the range."""
    # loaded when first used: a dock opens without it
    from scipy import ndimage

    blurred = ndimage.gaussian_filter(error.astype(np.float32) ** 2, (0, sigma, sigma))
    return np.maximum(np.sqrt(np.maximum(blurred, 0)), LEAST_ERROR * card.intensity.range)


# ---- what goes beyond it


def believed(difference: np.ndarray, engine_error: np.ndarray, factor: float = FACTOR) -> np.ndarray:
    """Return the difference where its amount is larger than ``factor`` times the engine's error, else 0.

    Parameters
    ----------
    difference
        translated - real, any shape, signed.
    engine_error
        Of the same shape and units, at least 0; NaN where it is not known, and nothing is believed there.
    factor
        0 believes every change. Of changes that are no more than such error 32 % pass at 1, 5 % at 2, see `by_chance`.
    """
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(difference) > factor * engine_error, difference, difference.dtype.type(0))


def by_chance(factor: float) -> float:
    """Return the share of changes that lie above ``factor`` times the error if they are nothing but such error.

    Both taken as normally distributed around 0.
    """
    return math.erfc(factor / math.sqrt(2))


@dataclass(frozen=True)
class TrustRow:
    """What a translation changed in one channel, and what of it goes beyond the engine's error.

    Attributes
    ----------
    channel
        As the checkpoint names it.
    mean_change, mean_amount
        Mean of the difference, and of its amount, over all pixels in the image's units.
    span
        Of the intensity limits in the image's units: what "of the range" means.
    above
        Share of all checked pixels, background included, whose amount of change is larger than ``factor`` times the
        engine's error. No threshold tells cells from background here: it would differ from image to image.
    factor
        See `believed`.
    round_trip
        Mean amount of the round-trip error over the mean amount of change: 0 where everything came back, 1 where as
        much is wrong after the round trip as was changed; None where nothing was changed.
    scores
        The card's held-out scores of this direction: those of this channel, and those of none in particular.
    turned
        Mean amount by which the translation of the image upside down, turned back, differs, over the mean amount of
        change; None where that was not tried, or nothing was changed.
    """

    channel: str
    mean_change: float
    mean_amount: float
    span: float
    above: float
    factor: float
    round_trip: float | None
    scores: tuple[Score, ...]
    turned: float | None = None


def trust_table(
    card: Card, source: str, target: str, checked: Iterable[tuple[np.ndarray, ErrorDone]], factor: float = FACTOR
) -> list[TrustRow]:
    """Summarize the changes, and what of them can be believed, in a row per channel.

    Parameters
    ----------
    card, source, target
        Of the translation.
    checked
        Per checked plane or region its difference map (C, h, w) and what `check_translation` ended with.
    factor
        See `believed`.
    """
    sums = np.zeros((4, len(card.channels)))
    pixels = 0
    for difference, error in checked:
        amount = np.abs(difference)
        each = (difference, amount, np.abs(error.round_trip), amount > factor * error.engine_error)
        sums += [values.sum(axis=(1, 2), dtype=np.float64) for values in each]
        pixels += amount[0].size
    if not pixels:
        return []
    return [
        TrustRow(
            channel=name,
            mean_change=change,
            mean_amount=amount,
            span=float(span),
            above=above,
            factor=factor,
            round_trip=error / amount if amount else None,
            scores=tuple(score for score in held_out(card, source, target) if _is_about(score, name, card)),
        )
        for name, span, (change, amount, error, above) in zip(
            card.channels, card.intensity.range.ravel(), (sums / pixels).T.tolist(), strict=True
        )
    ]


def held_out(card: Card, source: str, target: str) -> list[Score]:
    """Return the card's scores of one direction."""
    return [score for score in card.scores if score.direction == f"{source} → {target}"]


def _is_about(score: Score, channel: str, card: Card) -> bool:
    named = {name for name in card.channels if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", score.what)}
    return not named or channel in named


# ---- what speaks against it before anything is computed


def doubts(
    card: Card,
    image: Image,
    *,
    channels: Mapping[str, str] | None = None,
    position: tuple[int, int] | None = None,
    region: Region | None = None,
) -> list[str]:
    """Return what makes a translation of this image by this checkpoint doubtful, each with what that means.

    A checkpoint without held-out scores or of synthetic images, what had to be guessed of the image, channels that were
    matched by position or are left out, a pixel size that is unknown or far off and, where ``position`` is said,
    intensities outside what training saw.

    Parameters
    ----------
    card, image
        Checkpoint and image.
    channels
        As of `TranslationRequest`.
    position, region
        The (t, z), and the part of that plane, whose intensities are looked at; that much is read.

    Raises
    ------
    InputError
        If image and checkpoint do not belong together.
    """
    indices, about_channels = match_channels(image, card, channels or {})
    _, about_size = working_scale(image, card)
    texts = [*card_warnings(card), *image.notes, *about_channels, *about_size]
    if position is not None:
        t, z = position
        plane = image.plane(t, z, region)
        texts += outside_intensities(card.intensity.normalize(plane[indices]), card).values()
    return texts
