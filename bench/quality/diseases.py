"""Does it change nothing, or something else? Three diseases whose truth is known: ``python -m bench diseases``.

An engine is trained on each disease of synthetic organoids, and translates organoids that it never saw. Of eight
measurements it is known which must move and which must not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from skimage.measure import regionprops

from bench.common.paired import circumstances
from bench.quality.phenotype import find_nuclei
from bench.quality.scores import count_positive, translate_plane
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.dataset.synthetic import CONDITIONS, DISEASES, pair, write_dataset
from napari_phenotrans.engines import ENGINES, engine_entry
from napari_phenotrans.runs.paths import checkpoints_in
from napari_phenotrans.training.run import Run
from napari_phenotrans.translation.translate import Translator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

UNSEEN = 7000
DRAWS = 2000
# Of the healthy mean: less is no change that a biologist would speak of. Of the true change: less is not shown.
LEAST, SHOWN = 0.03, 0.25


@dataclass(frozen=True)
class Moved:
    """What one measurement does, as shares of its healthy mean, with 95 % intervals over organoids.

    Attributes
    ----------
    name
        Of the measurement.
    true, made
        (mean, low, high) of what the disease changes, and of what the engine does beyond source → source.
    """

    name: str
    true: tuple[float, float, float]
    made: tuple[float, float, float]

    @property
    def must(self) -> bool:
        """Whether the disease moves it."""
        return _beyond_zero(self.true) and abs(self.true[0]) >= LEAST

    @property
    def moves(self) -> bool:
        """Whether the engine moves it: in the right direction and far enough to be seen, where it must."""
        if not _beyond_zero(self.made) or abs(self.made[0]) < LEAST:
            return False
        return not self.must or self.made[0] / self.true[0] >= SHOWN

    @property
    def word(self) -> str:
        """Whether that is right."""
        if self.must:
            return "hit" if self.moves else "missed"
        return "false alarm" if self.moves else "rightly still"


def _beyond_zero(change: tuple[float, float, float]) -> bool:
    return change[1] > 0 or change[2] < 0


# ---- what is measured of a field (3, Y, X)


def _areas(plane: np.ndarray) -> list[float]:
    nuclei = find_nuclei(plane[0], sigma=1, smallest=20, split=3)
    return [region.area for region in regionprops(nuclei.labels)]


def _lit(plane: np.ndarray) -> float:
    """Return DAPI in nuclei above the field's background."""
    mask = find_nuclei(plane[0], sigma=1, smallest=20, split=3).mask
    return float(plane[0][mask].mean() - np.percentile(plane[0], 2))


def _above(channel: int, percentile: float) -> Callable[[np.ndarray], float]:
    return lambda plane: float(np.subtract(*np.percentile(plane[channel], (percentile, 2))))


MEASUREMENTS: dict[str, Callable[[np.ndarray], float]] = {
    "nuclei per field": lambda plane: len(_areas(plane)),
    "area of a nucleus": lambda plane: float(np.median(_areas(plane))),
    "share that nuclei cover": lambda plane: sum(_areas(plane)) / plane[0].size,
    "DAPI in nuclei": _lit,
    "PH3-positive per field": count_positive,
    "PH3-positive of the nuclei": lambda plane: count_positive(plane) / max(1, len(_areas(plane))),
    "ZO1 of junctions": _above(2, 99.5),
    "ZO1 between them": _above(2, 50),
}


def moved(healthy: Sequence, true: Sequence, made: Sequence, same: Sequence, seed: int = 0) -> list[Moved]:
    """Say of each measurement what the disease does and what the engine does; planes of one organoid at each place."""
    rows = []
    for name, measure in MEASUREMENTS.items():
        values = [np.array([measure(np.asarray(plane)) for plane in side]) for side in (healthy, true, made, same)]
        mean = max(abs(values[0].mean()), 1e-9)
        changes = (values[1] - values[0]) / mean, (values[2] - values[3]) / mean
        rows.append(Moved(name, *(_interval(change, seed) for change in changes)))
    return rows


def _interval(values: np.ndarray, seed: int) -> tuple[float, float, float]:
    drawn = np.random.default_rng(seed).integers(0, len(values), (DRAWS, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), (2.5, 97.5))
    return float(values.mean()), float(low), float(high)


# ---- in words


def lines(engine: str, disease: str, rows: Sequence[Moved]) -> list[str]:
    """Return lines of the Markdown table."""

    def said(change: tuple[float, float, float]) -> str:
        return f"{100 * change[0]:+.0f} [{100 * change[1]:+.0f}, {100 * change[2]:+.0f}]".replace("-", "−")

    return [f"| {engine} | {disease} | {r.name} | {said(r.true)} | {said(r.made)} | {r.word} |" for r in rows]


HEAD = "| engine | disease | measurement | the disease, % | the engine, % | |\n|---|---|---|---|---|---|"


@click.command("diseases")
@click.option("--engine", type=click.Choice(list(ENGINES)), default="flow", show_default=True)
@click.option("--preset", default="look", show_default=True)
@click.option("--disease", "diseases", multiple=True, type=click.Choice(list(DISEASES)), default=tuple(DISEASES))
@click.option("--groups", default=24, show_default=True, help="Organoids of each condition to train on.")
@click.option("--unseen", default=8, show_default=True, help="Organoids to translate.")
@click.option("--size", default=192, show_default=True)
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Folder for images, runs and results.")
def diseases(
    engine: str, preset: str, diseases: tuple[str, ...], groups: int, unseen: int, size: int, work: Path
) -> None:
    """Train an engine on each disease, and count what it shows of it, and what it moves that the disease leaves."""
    click.echo(HEAD)
    for name in diseases:
        images, folder = work / name, work / f"{name}-{engine}-{preset}"
        if not images.exists():
            write_dataset(images, groups, size=size, disease=DISEASES[name])
        if not checkpoints_in(folder):
            settings_class = engine_entry(engine).settings
            training, held_out = DataSet.open(images, CONDITIONS).split(0.2)
            settings = settings_class.make(**settings_class.presets.get(preset, {}), seed=0)
            list(Run(folder, training, engine, settings, held_out, synthetic=True).events())
        translator = Translator(checkpoints_in(folder)[0])
        pairs = [pair(UNSEEN + index, size=size, disease=DISEASES[name]) for index in range(unseen)]
        healthy, true = ([getattr(each, side).image.plane() for each in pairs] for side in CONDITIONS)
        made = [translate_plane(plane, translator, *CONDITIONS) for plane in healthy]
        same = [translate_plane(plane, translator, CONDITIONS[0], CONDITIONS[0]) for plane in healthy]
        rows = moved(healthy, true, made, same)
        click.echo("\n".join(lines(engine, name, rows)))
        found = {"engine": engine, "preset": preset, "disease": name, **circumstances()}
        found["rows"] = [{**vars(row), "word": row.word} for row in rows]
        (folder / "diseases.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
