"""Cutting real and translated fields into the sides that are scored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_phenotrans.core.crop_grid import spread
from napari_phenotrans.core.events import Progressed
from napari_phenotrans.evaluation.inputs import Comparison
from napari_phenotrans.translation.events import PlaneDone, TurnedDone

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from napari_phenotrans.dataset.dataset import Field
    from napari_phenotrans.evaluation.inputs import Cutter, Planes
    from napari_phenotrans.translation.request import TranslationRequest
    from napari_phenotrans.translation.translator import Translator

# Fields of each direction that are translated upside down besides: more would hardly change the number.
TURNED_FIELDS = 4


@dataclass(frozen=True, eq=False)
class Direction:
    """Fields that one comparison is made of.

    Parameters
    ----------
    name
        ``source → target``, empty where they are not known.
    real, source
        Fields of the real target and of the real source, which may be missing.
    translated
        The fields that a translation each is compared of: those of the source, or translated images.
    planes
        Returns what gives a translation's planes.
    doing
        What is done for each, in a few words.
    turned
        Returns the same planes, and how far they are from those that are made upside down; None where nothing can be
        translated.
    """

    name: str
    real: Sequence[Field]
    source: Sequence[Field] | None
    translated: Sequence[Field]
    planes: Callable[[Field], Planes]
    doing: Callable[[Field], str]
    turned: Callable[[Field], tuple[Planes, Planes]] | None = None

    @classmethod
    def translated_by(
        cls,
        translator: Translator,
        request: TranslationRequest,
        fields: Mapping[str, Sequence[Field]],
        cutter: Cutter,
        tick: Callable[[], None] | None,
    ) -> Direction:
        """Translate a condition's fields as they come; ``fields`` are those of each condition."""

        def planes(field: Field) -> Planes:
            image = field.image()
            events = translator.translate(image, request, tick=tick)
            translated = [event.translated for event in events if isinstance(event, PlaneDone)]
            return cutter.resampled(translated, image.pixel_size_um)

        def turned(field: Field) -> tuple[Planes, Planes]:
            image = field.image()
            events = translator.translate(image, replace(request, turns=2), tick=tick)
            done = [event for event in events if isinstance(event, TurnedDone)]
            upright, apart = ([getattr(each, name) for each in done] for name in ("upright", "disagreement"))
            return cutter.resampled(upright, image.pixel_size_um), cutter.resampled(apart, image.pixel_size_um)

        source, target = request.source, request.target
        return cls(
            f"{source} → {target}",
            fields[target],
            fields[source],
            fields[source],
            planes,
            lambda field: f"translating {field.name} to {target}",
            turned if request.turns == 1 else None,
        )


def compare(
    directions: Sequence[Direction], cutter: Cutter, crops: int
) -> Generator[Progressed, None, tuple[Comparison, ...]]:
    """Have the translations of all directions, and cut all sides into crops."""
    # what is the target of one direction is the source of another: it is cut, and later measured, once
    real_fields = {id(fields): fields for each in directions for fields in (each.real, each.source) if fields}
    real_sides = {key: cutter.side(fields, crops) for key, fields in real_fields.items()}
    total = sum(len(direction.translated) for direction in directions)
    done = 0
    comparisons = []
    for direction in directions:
        planes, turned = [], {}
        tested = spread(len(direction.translated), TURNED_FIELDS) if direction.turned else ()
        for place, field in enumerate(direction.translated):
            yield Progressed(direction.doing(field), done, total)
            if direction.turned and place in tested:
                upright, turned[place] = direction.turned(field)
                planes.append(upright)
            else:
                planes.append(direction.planes(field))
            done += 1
        real, source = (real_sides.get(id(fields)) for fields in (direction.real, direction.source))
        assert real is not None
        translated = cutter.side(direction.translated, crops, planes)
        # a field too small for a crop is no cut
        by_name = {(cut.group, cut.name): index for index, cut in enumerate(translated)}
        fields = direction.translated
        kept = {(fields[place].group, fields[place].name): apart for place, apart in turned.items()}
        tests = {by_name[key]: apart for key, apart in kept.items() if key in by_name}
        comparisons.append(Comparison(direction.name, real, translated, source, tests))
    return tuple(comparisons)
