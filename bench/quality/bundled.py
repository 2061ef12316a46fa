"""Every bundled checkpoint on all fields that it never saw, with intervals: ``python -m bench bundled``.

Of BBBC013 two untreated wells are unseen, too few for intervals over wells: each well counts as its four quarters, so
that an interval holds how far parts of wells differ, not how far plates do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from bench.common.paired import circumstances
from bench.quality.phenotype import find_nuclei, overlap
from bench.quality.plan import PIXEL_SIZE
from bench.quality.run_scores import Extractor, phenotype
from bench.quality.scores import BBBC013_FIELDS, HELD_OUT, HELD_OUT_SEEDS, translate_plane
from bench.quality.table import cell
from napari_phenotrans.checkpoints.checkpoint import BUNDLED, Checkpoint
from napari_phenotrans.dataset.synthetic import organoid, pair
from napari_phenotrans.io import read
from napari_phenotrans.metrics import METRICS, Features, floor
from napari_phenotrans.translation.translate import Translator

if TYPE_CHECKING:
    Planes = dict[str, np.ndarray]  # by field

OTHER_SEEDS = {"diseased": 100, "healthy": 200}  # how much later seeds begin that are no counterparts
MEASUREMENTS = {
    "bbbc013": ("GFP nucleus over ring",),
    "organoids": ("nuclei per field", "PH3-positive nuclei per field"),
}


@dataclass(frozen=True, eq=False)
class Unseen:
    """Real fields of two conditions that training never saw, and what features of them are measured by.

    Parameters
    ----------
    data
        ``"bbbc013"`` or ``"organoids"``.
    planes
        By condition and field, (C, Y, X).
    real
        Further real planes of the same kind, by condition, that the unseen ones' translations are compared to; the
        unseen ones themselves where they have no counterpart.
    quartered
        Whether a field counts as its four quarters.
    """

    data: str
    planes: dict[str, Planes]
    real: dict[str, Planes]
    quartered: bool

    @cached_property
    def extractor(self) -> Extractor:
        """The extractor, fitted to all real planes."""
        every = [plane for side in (self.planes, self.real) for some in side.values() for plane in some.values()]
        return Extractor.fit(every, PIXEL_SIZE[self.data])

    def pieces(self, planes: Planes) -> Planes:
        """Return what counts as a group of its own."""
        if not self.quartered:
            return planes
        return {
            f"{name}, quarter {number}": quarter
            for name, plane in planes.items()
            for number, quarter in enumerate(quarters(plane), start=1)
        }


def quarters(plane: np.ndarray) -> list[np.ndarray]:
    """Cut a plane (C, Y, X) into four."""
    return [part for half in np.array_split(plane, 2, axis=1) for part in np.array_split(half, 2, axis=2)]


@cache
def unseen_wells() -> Unseen:
    """Return row D of BBBC013."""
    planes = {
        condition: {well: read(BBBC013_FIELDS / condition / f"{well}.tif").plane() for well in wells}
        for condition, wells in HELD_OUT.items()
    }
    return Unseen("bbbc013", planes, planes, quartered=True)


@cache
def unseen_organoids(count: int) -> Unseen:
    """Return so many synthetic organoids, and twelve others to compare their translations to."""
    pairs = {str(seed): pair(seed) for seed in HELD_OUT_SEEDS[:count]}
    planes = {
        "healthy": {name: one.healthy.image.plane() for name, one in pairs.items()},
        "diseased": {name: one.diseased.image.plane() for name, one in pairs.items()},
    }
    real = {
        condition: {str(seed + later): organoid(seed + later, condition).image.plane() for seed in HELD_OUT_SEEDS}
        for condition, later in OTHER_SEEDS.items()
    }
    return Unseen("organoids", planes, real, quartered=False)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--organoids", default=12, show_default=True, help="Unseen synthetic organoids of each condition.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The Markdown file to write.")
def bundled(names: tuple[str, ...], organoids: int, out: Path) -> None:
    """Score bundled checkpoints (all where none is named) on all fields that they never saw, with intervals."""
    chosen = names or tuple(sorted(path.stem for path in BUNDLED.glob("*.safetensors")))
    rows: dict[str, dict[str, list[str]]] = {}
    for name in chosen:
        checkpoint = Checkpoint.load(name)
        unseen = unseen_organoids(organoids) if checkpoint.card.synthetic else unseen_wells()
        for way, row in score(checkpoint, unseen).items():
            known = rows.setdefault(f"{unseen.data}: {way}", {})
            if not known:
                known |= ceilings(unseen, *way.split(" → "))
            known[name] = row
            click.echo(f"{name}, {way}: {' | '.join(row)}")
    made = circumstances()
    lines = [
        f"At commit {made['commit']}, {str(made['date'])[:10]}, {made['cpu']}, torch {made['torch']}.",
        *(line for way, some in rows.items() for line in table(way, some)),
    ]
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def score(checkpoint: Checkpoint, unseen: Unseen) -> dict[str, list[str]]:
    """Return the cells of a checkpoint's row for each direction."""
    translator = Translator(checkpoint)
    spans = np.asarray(checkpoint.card.intensity.range, float).reshape(-1)
    one, other = unseen.planes
    rows = {}
    for source, target in ((one, other), (other, one)):
        real = unseen.planes[source]
        made, same = (
            {name: translate_plane(plane, translator, source, each) for name, plane in real.items()}
            for each in (target, source)
        )
        back = {name: translate_plane(plane, translator, target, source, way_back=True) for name, plane in made.items()}
        kept = [overlap(find_nuclei(real[name][0]).mask, find_nuclei(made[name][0]).mask) for name in real]
        identity = 100 * np.mean([_difference(real[name], same[name]) for name in real], axis=0) / spans
        round_trip, change = (np.mean([_difference(real[name], each[name]) for name in real]) for each in (back, made))
        rows[f"{source} → {target}"] = [
            *distances(unseen, source, target, made),
            f"{np.mean(kept):.2f}",
            ", ".join(f"{value:.2f}" for value in identity),
            f"{round_trip / change:.2f}",
        ]
    return rows


def distances(unseen: Unseen, source: str, target: str, made: Planes) -> list[str]:
    """Return KID and the gap closed in each measurement, with their intervals, of translated planes."""
    extractor = unseen.extractor
    sides = [unseen.pieces(some) for some in (unseen.real[target], made, unseen.planes[source])]
    found = [METRICS["kid"](*(extractor(list(side.values()), list(side)) for side in sides))]
    values = zip(*(measured(unseen.data, side) for side in sides), strict=True)
    found += [METRICS["gap closed"](*each) for each in values]
    return [cell(each) for each in found]


def ceilings(unseen: Unseen, source: str, target: str) -> dict[str, list[str]]:
    """Return what real fields of the target reach, and what the source reaches as it is."""
    extractor = unseen.extractor
    to, from_ = unseen.pieces(unseen.real[target]), unseen.pieces(unseen.planes[source])
    features = [extractor(list(side.values()), list(side)) for side in (to, from_)]
    values = zip(measured(unseen.data, to), measured(unseen.data, from_), strict=True)
    best = [floor(METRICS["kid"], *features), *(floor(METRICS["gap closed"], *each) for each in values)]
    nothing = ["1.00", ", ".join(["0.00"] * len(next(iter(from_.values())))), "–"]
    return {
        "*real target, half against half*": [*map(cell, best), "–", "–", "–"],
        "*source as it is*": [*distances(unseen, source, target, unseen.planes[source]), *nothing],
    }


def measured(data: str, planes: Planes) -> list[Features]:
    """Return each measurement of planes, a group each."""
    values = {name: phenotype(plane, data) for name, plane in planes.items()}
    return [
        Features(
            np.concatenate([each[what] for each in values.values()])[:, None],
            np.repeat(list(values), [len(each[what]) for each in values.values()]),
        )
        for what in MEASUREMENTS[data]
    ]


def _difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs(one.astype(float) - other).mean(axis=(1, 2))


def table(way: str, rows: dict[str, list[str]]) -> list[str]:
    """Return a direction's Markdown table, a line per checkpoint."""
    data, direction = way.split(": ")
    heads = ["", "KID", *(f"gap closed: {what}" for what in MEASUREMENTS[data])]
    heads += ["overlap of nuclei", "source → source, % of the range, by channel", "round trip / change"]
    lines = ["", f"### {direction}", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return [*lines, *(f"| {name} | {' | '.join(row)} |" for name, row in rows.items())]
