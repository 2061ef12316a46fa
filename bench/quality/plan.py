"""What is trained for the table of engines, and on what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.quality.bundle import DENOISER, FLOW, HALF, prepare_bbbc013, prepare_organoids
from napari_phenotrans.dataset.dataset import DataSet, Field

if TYPE_CHECKING:
    from pathlib import Path

OBJECTIVES = ("edm", "v", "flow")  # of PhenDiff, compared in equal minutes


ROWS = ("D", "C", "B")  # the held-out plate row of seed 0, 1, 2


@dataclass(frozen=True)
class Entry:
    """One training: an engine with its settings, on a share of the groups, for so many minutes."""

    name: str
    data: str
    engine: str
    share: float
    seed: int
    minutes: float
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        return f"{self.data}-{self.name}-{round(100 * self.share)}-{self.seed}"


ENGINES: dict[str, tuple[str, dict[str, Any]]] = {
    "CycleGAN": ("cyclegan", HALF),
    # the same identity weight for both, so that they differ in their discriminators only
    "SCGAN": ("scgan", HALF | {"identity": 5.0}),
    "CycleGAN + DiffAugment (fluorescence)": ("cyclegan", HALF | {"augment": "fluorescence"}),
    "CycleGAN + DiffAugment (original)": ("cyclegan", HALF | {"augment": "original"}),
    "flow": ("flow", FLOW),
    "PhenDiff": ("phendiff", DENOISER),
    **{f"PhenDiff ({goal})": ("phendiff", DENOISER | {"objective": goal}) for goal in OBJECTIVES},
}


PIXEL_SIZE = {"bbbc013": 2.0, "control": 2.0, "organoids": 1.3}
KEPT = {"bbbc013": ("DNA",), "organoids": ("ZO1",)}  # by flows


def plan(minutes: float) -> list[Entry]:
    """List the trainings, those first that matter most."""

    def entries(names: tuple[str, ...], share: float, seeds: range, factor: float = 1.0, data: str = "bbbc013") -> Any:
        for seed in seeds:
            for name in names:
                engine, settings = ENGINES[name]
                said = settings | {"pixel_size": PIXEL_SIZE[data]}
                said |= {"kept": KEPT[data]} if engine == "flow" else {}
                yield Entry(name, data, engine, share, seed, minutes * factor, said)

    augmented = ("CycleGAN + DiffAugment (fluorescence)", "CycleGAN + DiffAugment (original)")
    return [
        *entries(("SCGAN", "CycleGAN"), 0.4, range(3)),
        *entries(("flow",), 0.4, range(3)),
        *entries(("flow", "PhenDiff", "SCGAN", "CycleGAN"), 1.0, range(1), 6.0),
        *entries(augmented[:1], 0.4, range(3)),
        *entries(augmented[1:], 0.4, range(1)),
        *entries(("CycleGAN",), 1.0, range(1), data="control"),
        *entries(("flow", "SCGAN", "CycleGAN"), 0.2, range(1)),
        *entries(("flow", "PhenDiff", "SCGAN"), 1.0, range(1), 2.0, data="organoids"),
        *entries(tuple(f"PhenDiff ({goal})" for goal in OBJECTIVES), 1.0, range(1)),
    ]


def prepare(work: Path) -> dict[str, DataSet]:
    """Write the images once: BBBC013 by condition, untreated wells by plate column (the control), organoids."""
    prepared = {}
    for name, make in (("bbbc013", prepare_bbbc013), ("organoids", prepare_organoids)):
        folder = work / "images" / name
        prepared[name] = DataSet.open(folder) if folder.exists() else make(folder)
    untreated = [one for one in prepared["bbbc013"].fields if one.condition == "untreated"]
    halves = tuple(
        Field(one.path, f"column {int(one.group[1:])}", one.group) for one in sorted(untreated, key=lambda f: f.group)
    )
    prepared["control"] = DataSet(prepared["bbbc013"].folder, ("column 1", "column 2"), halves)
    return prepared


def split(dataset: DataSet, data: str, share: float, seed: int) -> tuple[DataSet, DataSet]:
    """Hold out the plate row of this seed (of organoids, a tenth of the groups), and thin the rest to a share.

    At least one group of each condition stays.
    """
    if data == "organoids":
        training, held_out = dataset.split(0.1, seed)
    else:
        training, held_out = dataset.split(sorted({f.group for f in dataset.fields if f.group[0] == ROWS[seed]}))
    rng = np.random.default_rng(seed)
    kept: set[str] = set()
    for condition in dataset.conditions:
        groups = sorted({f.group for f in training.fields if f.condition == condition})
        kept |= set(rng.permutation(groups)[: max(1, round(share * len(groups)))].tolist())
    thinned = DataSet(dataset.folder, dataset.conditions, tuple(f for f in training.fields if f.group in kept))
    return thinned, held_out
