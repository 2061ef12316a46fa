"""Scoring a checkpoint: a condition's fields, translated and compared with those of another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_phenotrans.checkpoints.matching import check_conditions, match_channels
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Progressed
from napari_phenotrans.evaluation.inputs import Cutter, EvaluationSet
from napari_phenotrans.evaluation.sources.compare import Direction, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_phenotrans.dataset.dataset import DataSet, Field
    from napari_phenotrans.translation.request import TranslationRequest
    from napari_phenotrans.translation.translator import Translator


def from_checkpoint(
    dataset: DataSet,
    translator: Translator,
    request: TranslationRequest,
    *,
    scored: Callable[[Field], bool] = lambda field: True,
    crops: int = 1000,
    tick: Callable[[], None] | None = None,
) -> Iterator[Progressed | EvaluationSet]:
    """Translate a condition's fields, and compare them with those of another.

    Extractors are fitted to the fields that are not scored, where there are such of both conditions.

    Parameters
    ----------
    dataset
        Holds both conditions.
    translator
        Translates; crops are cut with its checkpoint's limits, at its working pixel size.
    request
        From which condition to which, as the data set and the checkpoint name them, and how.
    scored
        Which fields count, such as those that training did not see.
    crops
        Most crops per side.
    tick
        As of `Translator.translate`.

    Returns
    -------
    Iterator of `Progressed`, and last the `EvaluationSet`.

    Raises
    ------
    InputError
        If conditions or channels do not fit, or a condition has no field that counts.
    """
    card, source, target = translator.card, request.source, request.target
    check_conditions(card, source, target)
    fields = {
        condition: [field for field in dataset.fields if field.condition == condition and scored(field)]
        for condition in (source, target)
    }
    for condition, of_condition in fields.items():
        if not of_condition:
            raise InputError(f"{dataset.folder} has no field of {condition} to score. Choose other conditions.")
    first = fields[source][0].image()
    indices, _ = match_channels(first, card, request.channels)
    # a pixel size that only one of them states compares with nothing
    known = card.pixel_unit == "pixel" or first.pixel_size_um is not None
    cutter = Cutter(
        tuple(first.channels[index] for index in indices),
        card.pixel_size if known else None,
        card.intensity,
        card.crop,
    )
    direction = Direction.translated_by(translator, request, fields, cutter, tick)
    comparisons = yield from compare([direction], cutter, crops)
    yield Progressed("reading fields to compare with", 0, 1)
    rest = tuple(field for field in dataset.fields if not scored(field))
    apart = {field.condition for field in rest} == {source, target}
    fit = replace(dataset, conditions=(source, target), fields=rest if apart else dataset.fields)
    notes = () if apart else ("Features are fitted to the real images that are scored.",)
    crops_to_fit, fit_fields = cutter.fit(fit)
    yield EvaluationSet(
        comparisons,
        card.channels,
        crops_to_fit,
        {
            "data set": dataset.folder.name,
            "checkpoint": translator.checkpoint.name,
            "engine": card.engine,
            **cutter.about(card.channels),
        },
        notes,
        translator.kept,
        fit_fields,
    )
