"""The turn test as a part of scoring: are fields upside down translated as they are the right way up?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_phenotrans.core.events import Notice, Progressed
from napari_phenotrans.metrics.score_row import ScoreRow
from napari_phenotrans.metrics.turned import TurnSums, turn_sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari_phenotrans.evaluation.inputs import EvaluationSet

FEATURES = "the same upside down"
NOTE = (
    "mean absolute difference between translations of fields as they lie and upside down, turned back; as a share of "
    "the intensity limits' range, and of the change that translating makes; n counts fields"
)


def turn_rows(
    evaluation_set: EvaluationSet, tick: Callable[[], None]
) -> Generator[Progressed | Notice, None, list[ScoreRow]]:
    """Measure the turned disagreement of every direction, two rows per channel; nothing where it is not known."""
    rows: list[ScoreRow] = []
    for done, comparison in enumerate(evaluation_set.comparisons):
        if comparison.source is None or not comparison.turned:
            continue
        yield Progressed("the turn test", done, len(evaluation_set.comparisons))
        sums = TurnSums(comparison.source[0].intensity.range.ravel().tolist())
        for place, apart in comparison.turned.items():
            tick()
            sides = comparison.source[place].planes(), comparison.translated[place].planes(), apart()
            for planes in zip(*sides, strict=True):
                sums.add(*planes)
        found = sums.rows(evaluation_set.channels, comparison.direction)
        yield Notice(turn_sentence(found))
        groups = len({comparison.source[place].group for place in comparison.turned})
        rows += [
            ScoreRow(
                direction=row.direction,
                metric=metric,
                features=FEATURES,
                channel=row.channel,
                value=value,
                n=len(comparison.turned),
                groups=groups,
                note=NOTE,
            )
            for row in found
            for metric, value in (
                ("turned disagreement", row.of_range),
                ("turned disagreement, of the change", row.of_change),
            )
        ]
    return rows
