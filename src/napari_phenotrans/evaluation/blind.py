"""Can you tell? Translated and real crops in random order, and what a person says of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.crop_grid import spread
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.evaluation.inputs import EvaluationSet
from napari_phenotrans.evaluation.pictures import pictures_of
from napari_phenotrans.evaluation.sources import from_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_phenotrans.core.events import Progressed
    from napari_phenotrans.dataset.dataset import DataSet, Field
    from napari_phenotrans.translation.request import TranslationRequest
    from napari_phenotrans.translation.translator import Translator

SIDE, COUNT = 96, 40
FIELDS = 6  # of each condition: the more, the longer it takes to translate them
LEAST = 16  # pixels of a crop's side
TRIES = 100
EMPTY = 0.1  # of black to bright: where no channel of a crop shows more contrast, nothing is on it
DARK, BRIGHT = 1, 99.8  # percentiles of real fields that are black and white
GAMMA = 0.7


@dataclass(frozen=True, eq=False)
class BlindCrop:
    """One crop, and what it is.

    Parameters
    ----------
    pixels
        (C, side, side), float32 in [0, 1] as it is shown: each channel in one gray scale for all crops.
    translated
        Whether an engine made it.
    field, y, x
        Which field of its kind it was cut from, and where.
    """

    pixels: np.ndarray
    translated: bool
    field: int
    y: int
    x: int


def shown_range(real: Sequence[np.ndarray]) -> np.ndarray:
    """Return per channel what is shown black and white, (C, 2), from real fields (C, H, W)."""
    pooled = np.concatenate([plane.reshape(len(plane), -1) for plane in real], axis=1)
    low, high = np.percentile(pooled, (DARK, BRIGHT), axis=1)
    return np.stack([low, np.maximum(high, low + 1e-6)], axis=1)


def draw_crops(
    real: Sequence[np.ndarray],
    translated: Sequence[np.ndarray],
    *,
    shown: np.ndarray,
    count: int = COUNT,
    side: int = SIDE,
    seed: int = 0,
) -> list[BlindCrop]:
    """Draw crops, as many real as translated ones, and shuffle them.

    Crops on which nothing is are drawn anew, by one rule for both kinds.

    Parameters
    ----------
    real, translated
        Fields (C, H, W) of the target: measured, and made from the source. Working pixels, in one unit.
    shown
        What is black and white, see `shown_range`; of real fields alone.
    count
        Crops in all, an even number.
    side
        Of a crop in pixels; smaller where a field is.
    seed
        Of places and order.

    Raises
    ------
    InputError
        If there are no fields of a kind, or they are too small to see anything.
    """
    if not real or not translated:
        raise InputError(f"Real and translated fields are needed, got {len(real)} and {len(translated)}.")
    side = min(side, *(length for plane in (*real, *translated) for length in plane.shape[1:]))
    if side < LEAST:
        raise InputError(
            f"The fields have {side} pixels at the narrowest, {LEAST} at least are needed to see anything."
        )
    rng = np.random.default_rng(seed)
    crops = [
        _draw(some, made, shown, side, rng) for made, some in ((False, real), (True, translated)) for _ in _half(count)
    ]
    return [crops[index] for index in rng.permutation(len(crops))]


def _half(count: int) -> range:
    return range(max(1, count // 2))


def _draw(some: Sequence[np.ndarray], made: bool, shown: np.ndarray, side: int, rng: np.random.Generator) -> BlindCrop:
    for _ in range(TRIES):
        index = int(rng.integers(len(some)))
        y, x = (int(rng.integers(length - side + 1)) for length in some[index].shape[1:])
        cut = some[index][:, y : y + side, x : x + side].astype(np.float32)
        low, high = shown[:, 0, None, None], shown[:, 1, None, None]
        scaled = (cut - low) / (high - low)
        if (np.subtract(*np.percentile(scaled, (99, 5), axis=(1, 2))) > EMPTY).any():
            break
    return BlindCrop((np.clip(scaled, 0, 1) ** GAMMA).astype(np.float32), made, index, y, x)


@dataclass
class BlindTrial:
    """A person's answers to crops, one after the other.

    Parameters
    ----------
    crops
        In the order in which they are shown.
    answers
        Of each crop that was answered, whether the person took it for translated.
    """

    crops: Sequence[BlindCrop]
    answers: list[bool] = field(default_factory=list)

    @property
    def current(self) -> BlindCrop | None:
        """The crop that is asked about; None where all were answered."""
        return None if self.done else self.crops[len(self.answers)]

    @property
    def done(self) -> bool:
        return len(self.answers) == len(self.crops)

    @property
    def right(self) -> int:
        """How many answers were right."""
        return sum(said == crop.translated for said, crop in zip(self.answers, self.crops, strict=False))

    def answer(self, translated: bool) -> None:
        """Take the present crop for translated, or for real."""
        assert not self.done, "there is a crop to answer to"
        self.answers.append(translated)

    def take_back(self) -> None:
        """Ask about the crop before once more, if there is one."""
        if self.answers and not self.done:
            self.answers.pop()


def draw_from_checkpoint(
    dataset: DataSet,
    translator: Translator,
    request: TranslationRequest,
    *,
    scored: Callable[[Field], bool] = lambda field: True,
    count: int = COUNT,
    seed: int = 0,
    tick: Callable[[], None] | None = None,
) -> Iterator[Progressed | tuple[BlindCrop, ...]]:
    """Translate some fields of a condition, and draw crops of them and of real fields of the target.

    Parameters
    ----------
    dataset, translator, request, scored, tick
        As of `from_checkpoint`; up to 6 fields of each condition count, evenly spread.
    count, seed
        As of `draw_crops`.

    Returns
    -------
    Iterator of `Progressed`, and last the crops in the order in which they are to be shown.

    Raises
    ------
    InputError
        If conditions or channels do not fit, or there is nothing to draw from.
    """
    chosen = set()
    for condition in (request.source, request.target):
        of_condition = [each.name for each in dataset.fields if each.condition == condition and scored(each)]
        chosen |= {of_condition[index] for index in spread(len(of_condition), FIELDS)}
    for event in from_checkpoint(dataset, translator, request, scored=lambda each: each.name in chosen, tick=tick):
        if not isinstance(event, EvaluationSet):
            yield event
            continue
        (comparison,) = event.comparisons
        real, translated = (pictures_of(side).planes for side in (comparison.real, comparison.translated))
        yield tuple(draw_crops(real, translated, shown=shown_range(real), count=count, seed=seed))
