"""Flicker as a part of scoring: whether translated planes of a stack agree with their neighbors."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.crop_grid import spread
from napari_phenotrans.core.events import Notice, Progressed
from napari_phenotrans.evaluation.pictures import is_paired
from napari_phenotrans.metrics.flicker import MOST_FLICKER, FlickerRow, FlickerSums, flicker_warning
from napari_phenotrans.metrics.score_row import ScoreRow
from napari_phenotrans.translation.stack_flicker import neighbors
from napari_phenotrans.translation.trust import LEAST_ERROR

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari_phenotrans.evaluation.inputs import Comparison, EvaluationSet

FEATURES = "neighboring planes"
MOST_STACKS = 8
NOTE = (
    f"how much what the translation adds changes from plane to plane, where 1 is as much as the real image does; above "
    f"{MOST_FLICKER:g} planes do not agree; n counts pairs of planes"
)


def flicker_rows(
    evaluation_set: EvaluationSet, tick: Callable[[], None]
) -> Generator[Progressed | Notice, None, list[ScoreRow]]:
    """Measure flicker of every direction along Z and T, a row per axis and channel; nothing where no field is a stack.

    Up to 8 stacks count, evenly spread. Where channels flicker a `Notice` warns.
    """
    rows: list[ScoreRow] = []
    for comparison in evaluation_set.comparisons:
        source = comparison.source or ()
        stacks = [place for place, cut in enumerate(source) if len(cut.positions) > 1]
        if not stacks:
            continue
        if not is_paired(comparison):
            yield Notice(
                "Flicker is not measured: which source stack each translated one was made from is not known. Name the "
                "folder of the source with --source."
            )
            continue
        chosen = [stacks[index] for index in spread(len(stacks), MOST_STACKS)]
        found = yield from _measured(comparison, chosen, evaluation_set.channels, tick)
        for axis in dict.fromkeys(row.axis for row in found):
            flickering = [row for row in found if row.axis == axis and row.flicker.flickers]
            if flickering:
                yield Notice(flicker_warning(flickering))
        rows += [
            ScoreRow(
                direction=row.direction,
                metric=f"flicker along {row.axis}",
                features=FEATURES,
                channel=row.channel,
                value=row.flicker.ratio,
                n=row.pairs,
                groups=len({source[place].group for place in chosen}),
                note=NOTE,
            )
            for row in found
        ]
    return rows


def _measured(
    comparison: Comparison, places: list[int], channels: tuple[str, ...], tick: Callable[[], None]
) -> Generator[Progressed, None, list[FlickerRow]]:
    assert comparison.source is not None
    least = (LEAST_ERROR * comparison.source[0].intensity.range).ravel().tolist()
    sums: dict[str, FlickerSums] = defaultdict(lambda: FlickerSums(least))
    for done, place in enumerate(places):
        yield Progressed("measuring flicker", done, len(places))
        real, translated = comparison.source[place], comparison.translated[place]
        planes, made = real.planes(), translated.planes()
        number = {position: index for index, position in enumerate(real.positions)}
        for axis in "ZT":
            for pair in neighbors(real.positions, axis):
                tick()
                at = [number[position] for position in pair]
                sums[axis].add([planes[i] for i in at], [np.asarray(made[i]) for i in at])
    return [
        FlickerRow(axis, name, each.pairs, flicker, comparison.direction)
        for axis, each in sums.items()
        for name, flicker in zip(channels, each.result(), strict=True)
    ]
