"""The picture gate as a part of scoring: each direction's translated fields beside the real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_phenotrans.core.crop_grid import spread
from napari_phenotrans.core.events import Notice, Progressed
from napari_phenotrans.translation.pictures import MOST_FIELDS, PictureJudge, Pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari_phenotrans.evaluation.inputs import Comparison, EvaluationSet, Side
    from napari_phenotrans.metrics.picture import Verdict


def judge_pictures(
    evaluation_set: EvaluationSet, tick: Callable[[], None]
) -> Generator[Progressed | Notice, None, tuple[Verdict, ...]]:
    """Judge the translated fields of every direction by limits learned from its real fields.

    Of each side up to 16 fields count, of a field the middle of its middle plane.
    """
    verdicts = []
    for done, comparison in enumerate(evaluation_set.comparisons):
        yield Progressed("judging pictures", done, len(evaluation_set.comparisons))
        tick()
        paired = is_paired(comparison)
        if comparison.source and not paired:
            where = f" ({comparison.direction})" if comparison.direction else ""
            yield Notice(
                f"Which source image each translated one was made from is not known{where}: pictures are judged "
                f"without what needs it (a fine grid, scars, moved nuclei, half-gone objects)."
            )
        real = {"target": pictures_of(comparison.real)}
        if comparison.source:
            real["source"] = pictures_of(comparison.source)
        judge = PictureJudge(real, evaluation_set.channels, comparison.real[0].intensity)
        verdict = judge.judge(
            pictures_of(comparison.translated),
            real["source"] if paired else None,
            "target",
            kept=evaluation_set.kept,
            direction=comparison.direction,
        )
        verdicts.append(verdict)
    return tuple(verdicts)


def is_paired(comparison: Comparison) -> bool:
    """Return whether each translated field is known to be made from the source field at its place."""
    source, translated = comparison.source, comparison.translated
    if source is None or len(source) != len(translated):
        return False
    return all(
        made.group == real.group and made.indices == real.indices for made, real in zip(translated, source, strict=True)
    )


def pictures_of(side: Side) -> Pictures:
    """Return up to 16 fields of a side, evenly spread, each by its middle plane."""
    cuts = [side[index] for index in spread(len(side), MOST_FIELDS)]
    planes = []
    for cut in cuts:
        of_field = cut.planes()
        planes.append(of_field[len(of_field) // 2])
    return Pictures(planes, [cut.group for cut in cuts])
