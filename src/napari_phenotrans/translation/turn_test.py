"""The turn test of one translated place: would the same cells upside down have been translated alike?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.metrics.turned import TurnSums
from napari_phenotrans.translation.events import EvaluationDone, TurnedDone, TurnTested

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.translation.request import TranslationRequest
    from napari_phenotrans.translation.translator import Translator


def turn_test(
    translator: Translator,
    image: Image,
    request: TranslationRequest,
    difference: np.ndarray,
    *,
    tick: Callable[[], None] | None = None,
) -> Iterator[EvaluationDone | TurnedDone | TurnTested]:
    """Translate a plane, or a region of one, as it lies and upside down, and say how far the two differ.

    Parameters
    ----------
    translator, image, request
        What was translated, by what: one plane, or a region of it.
    difference
        The difference map (C, h, w) that came of it, in the image's units: what counts as its change.
    tick
        Called before every network evaluation; raise in it to stop.

    Returns
    -------
    Iterator of `EvaluationDone`, the map as a `TurnedDone`, and last a `TurnTested`.

    Raises
    ------
    InputError
        As `Translator.translate`.
    """
    sums = TurnSums(translator.card.intensity.range.ravel().tolist())
    for event in translator.translate(image, replace(request, turns=2), tick=tick):
        if isinstance(event, EvaluationDone):
            yield event
        elif isinstance(event, TurnedDone):
            sums.add(np.zeros_like(difference), difference, event.disagreement)
            yield event
    yield TurnTested(tuple(sums.rows(translator.card.channels)))
