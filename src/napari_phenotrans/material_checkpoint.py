"""What is scored of a data set and any checkpoint: the fields of its source, translated for it, beside real ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_phenotrans.errors import InputError
from napari_phenotrans.events import PlaneDone, Progressed
from napari_phenotrans.io import read
from napari_phenotrans.matching import check_conditions, match_channels
from napari_phenotrans.material import (
    Comparison,
    Material,
    Side,
    cut_side,
    fit_crops,
    limits_of,
    plane_sizes,
    reading,
    resampling,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np

    from napari_phenotrans.dataset import DataSet, Field
    from napari_phenotrans.translator import Translator


def from_checkpoint(
    dataset: DataSet,
    translator: Translator,
    source: str,
    target: str,
    *,
    scored: Callable[[Field], bool] = lambda field: True,
    channels: Mapping[str, str] | None = None,
    how: Mapping[str, object] | None = None,
    crops: int = 1000,
    tick: Callable[[], None] | None = None,
) -> Iterator[Progressed | Material]:
    """Translate a condition's fields, and compare them with those of another.

    Extractors are fitted to the fields that are not scored, where there are such of both conditions.

    Parameters
    ----------
    dataset
        Holds both conditions.
    translator
        Translates; crops are cut with its checkpoint's limits, at its working pixel size.
    source, target
        Conditions, as the data set and the checkpoint name them.
    scored
        Which fields count, such as those that training did not see.
    channels
        The images' name for a channel of the checkpoint where they differ.
    how
        What the engine is told.
    crops
        Most crops per side.
    tick
        As of `Translator.translate`.

    Returns
    -------
    Iterator of `Progressed`, and last the `Material`.

    Raises
    ------
    InputError
        If conditions or channels do not fit, or a condition has no field that counts.
    """
    card = translator.card
    check_conditions(card, source, target)
    fields = {
        condition: [one for one in dataset.fields if one.condition == condition and scored(one)]
        for condition in (source, target)
    }
    for condition, some in fields.items():
        if not some:
            raise InputError(f"{dataset.folder} has no field of {condition} to score. Choose other conditions.")
    first = read(fields[source][0].path)
    indices, _ = match_channels(first, card, channels or {})
    names = tuple(first.channels[index] for index in indices)
    # a pixel size that only one of them states compares with nothing
    known = card.pixel_unit == "pixel" or first.pixel_size_um is not None
    size = card.pixel_size if known else None

    def cut(some: Sequence[Field], planes: Sequence[Callable[[], list[np.ndarray]]]) -> Side:
        return cut_side(some, planes, [plane_sizes(one, size) for one in some], card.intensity, card.crop, crops)

    real = {condition: cut(some, [reading(one, names, size) for one in some]) for condition, some in fields.items()}
    made = []
    for done, one in enumerate(fields[source]):
        yield Progressed(f"translating {one.name}", done, len(fields[source]))
        image = read(one.path)
        planes = [
            event.translated
            for event in translator.translate(
                image, source=source, target=target, channels=channels or {}, how=how or {}, tick=tick
            )
            if isinstance(event, PlaneDone)
        ]
        made.append(resampling(planes, image.pixel_size_um, size))
    yield Progressed("reading fields to compare with", 0, 1)
    rest = tuple(one for one in dataset.fields if not scored(one))
    apart = {one.condition for one in rest} == {source, target}
    fit = replace(dataset, conditions=(source, target), fields=rest if apart else dataset.fields)
    notes = () if apart else ("Features are fitted to the real images that are scored.",)
    yield Material(
        (Comparison(f"{source} → {target}", real[target], cut(fields[source], made), real[source]),),
        card.channels,
        fit_crops(fit, names, size, card.intensity, card.crop),
        {
            "data set": dataset.folder.name,
            "checkpoint": translator.checkpoint.name,
            "engine": card.engine,
            **limits_of(card.crop, card.intensity, card.channels),
        },
        notes,
    )
