"""Pictures of the same objects before and after: the largest changes, the typical ones, those lost and gained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.phenotype.objects.pairs import largest_and_typical
from napari_phenotrans.phenotype.objects.tables import signal
from napari_phenotrans.phenotype.result import GalleryRow

if TYPE_CHECKING:
    from napari_phenotrans.phenotype.objects.catalog import Measurement
    from napari_phenotrans.phenotype.objects.tables import Table
    from napari_phenotrans.phenotype.pipeline import Gathered
    from napari_phenotrans.phenotype.statistics.effects import Effect

SHOWN = 6
WIDE = 3.0  # diameters


def gallery(
    gathered: Gathered, effect: Effect | None, diameter: float, objects: str, shown_in: str
) -> tuple[GalleryRow, ...]:
    """Cut out objects before and after.

    Parameters
    ----------
    gathered
        What was measured.
    effect
        Of an object's measurement, whose changes are shown; None shows no changes.
    diameter
        In pixels.
    objects
        What they are called.
    shown_in
        Channel that shows them.
    """
    source, translated = gathered.tables["source"], gathered.tables["translated"]
    side = 2 * round(WIDE * diameter / 2)
    rows = []

    def row(title: str, table: Table, places: np.ndarray, captions: list[str]) -> None:
        cut = [_cut(gathered, table, place, side) for place in places]
        if cut:
            before, after = (np.stack(each) for each in zip(*cut, strict=True))
            rows.append(GalleryRow(title, before, after, tuple(captions)))

    if effect is not None:
        m = effect.measurement
        changes = gathered.pairs.changes(source, translated, m)
        largest, typical = largest_and_typical(changes, SHOWN)
        for title, numbers in (
            (f"Largest changes: {m.words}", largest),
            (f"Typical changes (nearest to the median): {m.words}", typical),
        ):
            before = source.values[gathered.pairs.before[numbers], source.columns.index(m)]
            captions = [
                f"{source.places[source.plane[place]].field}: {_value(was, m)} → {_value(was + change, m)}"
                for place, was, change in zip(gathered.pairs.before[numbers], before, changes[numbers], strict=True)
            ]
            row(title, source, gathered.pairs.before[numbers], captions)
    for title, table, places in (
        (f"Lost: {objects} that no translated image shows", source, gathered.pairs.lost),
        (f"Gained: {objects} that no real image shows", translated, gathered.pairs.gained),
    ):
        # spread over the fields, which are in order
        numbers = places[np.unique(np.linspace(0, len(places) - 1, min(SHOWN, len(places))).astype(int))]
        bright = signal(table, shown_in) / np.median(signal(source, shown_in))
        captions = [
            f"{table.places[table.plane[place]].field}: {shown_in} {bright[place]:.0%} of a typical one"
            for place in numbers
        ]
        row(title, table, numbers, captions)
    return tuple(rows)


def _cut(gathered: Gathered, table: Table, place: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut (C, side, side) around an object out of its real and its translated plane; smaller planes whole."""
    where = table.places[table.plane[place]]
    y, x = table.centers[place]
    cut = []
    for path in gathered.pictures[where]:
        plane = np.load(path)
        starts = [
            int(np.clip(round(center) - side // 2, 0, max(0, size - side)))
            for center, size in zip((y, x), plane.shape[1:], strict=True)
        ]
        cut.append(plane[:, starts[0] : starts[0] + side, starts[1] : starts[1] + side])
    return cut[0], cut[1]


def _value(value: float, measurement: Measurement) -> str:
    return f"{np.exp(value):.2f}" if measurement.log else f"{value:.3g}"
