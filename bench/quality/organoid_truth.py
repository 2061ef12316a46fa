"""What is true of synthetic organoids, judged by distribution: which nuclei the disease takes no engine can know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.quality.scores import PH3_POSITIVE, count_nuclei, count_positive
from napari_phenotrans.dataset.synthetic import CHANNELS, CONDITIONS, Disease, pair
from napari_phenotrans.metrics.picture.marker import fates, find_objects, shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    Planes = Sequence[np.ndarray]

DRAWS = 6
PH3 = CHANNELS.index("PH3")
SCORED = CHANNELS.index("DAPI"), PH3
TRUTH = "the truth"


@dataclass(frozen=True)
class Distribution:
    """What became of healthy organoids.

    Parameters
    ----------
    gone, half, kept
        Shares of mitoses by their PH3, translated over real.
    nuclei, positive
        Per field, DAPI and PH3-positive.
    rms
        Of DAPI and PH3 against the one drawn truth, over that of copying. No goal: fading everything makes it small.
    """

    gone: float
    half: float
    kept: float
    nuclei: float
    positive: float
    rms: tuple[float, float]


def distribution(healthy: Planes, made: Planes, truth: Planes) -> Distribution:
    """Judge translations of healthy planes (3, Y, X); the truth is what the disease made of each."""
    of = [
        fates(before[PH3].astype(float), after[PH3].astype(float), find_objects(before[PH3], PH3_POSITIVE))
        for before, after in zip(healthy, made, strict=True)
    ]
    found = shares(np.concatenate(of))
    errors = [
        np.mean(
            [np.square(a[list(SCORED)].astype(float) - b[list(SCORED)]).mean(axis=(1, 2)) for a, b in pairs], axis=0
        )
        for pairs in (list(zip(made, truth, strict=True)), list(zip(healthy, truth, strict=True)))
    ]
    dapi, ph3 = np.sqrt(errors[0] / errors[1]).tolist()
    counts = [np.mean([count(plane) for plane in made]) for count in (count_nuclei, count_positive)]
    return Distribution(found["gone"], found["half"], found["kept"], float(counts[0]), float(counts[1]), (dapi, ph3))


def baselines(
    seeds: Sequence[int], size: int = 256
) -> tuple[dict[str, Distribution], list[np.ndarray], list[np.ndarray]]:
    """Return what pictures reach that no engine makes, and the healthy planes and their truth.

    A perfect engine takes the right share, but others than the truth; one erases every mitosis and keeps all nuclei;
    one fades everything, to the mean of six draws of the disease.
    """
    pairs = [pair(seed, size=size) for seed in seeds]
    healthy, truth = ([getattr(p, name).image.plane() for p in pairs] for name in CONDITIONS)
    drawn = [
        [pair(seed, size=size, disease=Disease(draw=draw)).diseased.image.plane() for seed in seeds]
        for draw in range(1, DRAWS + 1)
    ]
    erased = [
        pair(seed, size=size, disease=Disease(nuclei_lost=0, mitoses_lost=1)).diseased.image.plane() for seed in seeds
    ]
    faded = [np.mean(of_seed, axis=0) for of_seed in zip(*drawn, strict=True)]
    made = {
        TRUTH: truth,
        "copying": healthy,
        "a perfect engine: the right share, at random": drawn[0],
        "every mitosis erased, nuclei kept": erased,
        "everything faded": faded,
    }
    return {name: distribution(healthy, planes, truth) for name, planes in made.items()}, healthy, truth


def lines(rows: dict[str, Distribution]) -> list[str]:
    """Return the table as Markdown, two heaps of mitoses first, the error last."""
    said = [
        "| healthy → diseased | mitoses gone | half | kept | nuclei per field | PH3+ per field | *RMS to the "
        "drawn truth over copying, DAPI* | *PH3* |",
        "|---|---|---|---|---|---|---|---|",
    ]
    said += [
        f"| {name} | {row.gone:.2f} | {row.half:.2f} | {row.kept:.2f} | {row.nuclei:.0f} | {row.positive:.1f} | "
        f"*{row.rms[0]:.2f}* | *{row.rms[1]:.2f}* |"
        for name, row in rows.items()
    ]
    return said
