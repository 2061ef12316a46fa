"""What a report says of the translated pictures themselves: the gate on its own fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.checkpoints.matching import working_scale
from napari_phenotrans.core.crop_grid import spread
from napari_phenotrans.core.events import Progressed
from napari_phenotrans.core.resample import rescaled_size, to_size
from napari_phenotrans.translation.pictures import MOST_FIELDS, PictureJudge, Pictures, middle

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.metrics.picture import Verdict
    from napari_phenotrans.phenotype.objects.tables import Place
    from napari_phenotrans.phenotype.pipeline import Gathered, Optics
    from napari_phenotrans.phenotype.selection import Subject


def judge_pictures(
    subject: Subject, conditions: tuple[str, str], gathered: Gathered, optics: Optics, tick: Callable[[], None]
) -> Generator[Progressed, None, Verdict]:
    """Judge the translated fields by limits learned from the real ones, in working pixels.

    Of each condition up to 16 fields count, of a field the middle of its middle plane.
    """
    yield Progressed("judging pictures", 0, 1)
    sources = {field.name: field for field in subject.fields["source"]}
    real, made, groups = [], [], []
    by_field = _by_field(gathered.pictures)
    for places in (by_field[index] for index in spread(len(by_field), MOST_FIELDS)):
        tick()
        place = places[len(places) // 2]
        image = sources[place.field].image()
        before, after = (_working(np.load(file), image, optics) for file in gathered.pictures[place])
        real.append(before)
        made.append(after)
        groups.append(place.group)
    target, target_groups = [], []
    of_target = subject.fields["target"]
    for field in (of_target[index] for index in spread(len(of_target), MOST_FIELDS)):
        tick()
        image = field.image()
        of_field = [plane for _, _, plane in optics.planes(image)]
        target.append(_working(of_field[len(of_field) // 2], image, optics))
        target_groups.append(field.group)

    card, source = optics.translator.card, Pictures(real, groups)
    judge = PictureJudge(
        {conditions[0]: source, conditions[1]: Pictures(target, target_groups)}, card.channels, card.intensity
    )
    return judge.judge(
        Pictures(made, groups), source, conditions[1], kept=optics.translator.kept, direction=" → ".join(conditions)
    )


def _by_field(pictures: Mapping[Place, object]) -> list[list[Place]]:
    by_field: dict[str, list[Place]] = {}
    for place in pictures:
        by_field.setdefault(place.field, []).append(place)
    return list(by_field.values())


def _working(plane: np.ndarray, image: Image, optics: Optics) -> np.ndarray:
    """Return the middle of a plane at the report's pixel size in working pixels."""
    scale, _ = working_scale(image, optics.translator.card)
    return middle(to_size(plane, *rescaled_size(image.sizes["Y"], image.sizes["X"], scale)))
