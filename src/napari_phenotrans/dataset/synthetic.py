"""Invented neural organoids in DAPI, PH3 and ZO1, with a disease whose every change is known.

One seed is one organoid: both conditions have the same rosettes, nuclei, illumination and camera noise, and
the diseased one lacks some nuclei and some mitoses. Nothing here was measured; sizes are about those of human cells.
"""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.settings import Settings
from napari_phenotrans.dataset.synthetic_anatomy import Anatomy
from napari_phenotrans.dataset.synthetic_stack import Depths, Stack, photograph_stack
from napari_phenotrans.io import write
from napari_phenotrans.io.atomic import refuse_existing, replacing

if TYPE_CHECKING:
    from numpy.random import Generator

CHANNELS = ("DAPI", "PH3", "ZO1")
COLORS = ("#3d6bff", "#ff3b30", "#35d04b")
CONDITIONS = ("healthy", "diseased")
NOTE = "Synthetic: this organoid was invented by napari-phenotrans and never seen in a microscope."


class Disease(Settings):
    """What the disease does to an organoid; it changes nothing else."""

    nuclei_lost: float = Field(default=0.35, ge=0, le=1, description="Share of the nuclei that are missing.")
    mitoses_lost: float = Field(
        default=0.7, ge=0, le=1, description="Share of the remaining mitoses back in interphase."
    )
    swelling: float = Field(default=1, ge=0.7, le=1.5, description="Area of the nuclei in interphase, over healthy.")
    zo1: float = Field(default=1, ge=0, le=3, description="Light of the junctions, over healthy.")
    draw: int = Field(default=0, ge=0, description="Another number takes others of the same organoid, as many.")


#: Diseases of which each moves other measurements: fewer nuclei and mitoses; larger nuclei; dimmer junctions.
DISEASES = {
    "loss": Disease(),
    "swelling": Disease(nuclei_lost=0, mitoses_lost=0, swelling=1.3),
    "junctions": Disease(nuclei_lost=0, mitoses_lost=0, zo1=0.6),
}


@dataclass(frozen=True)
class Nucleus:
    """One nucleus; lengths and places in pixels.

    Parameters
    ----------
    label
        Its value in ``Organoid.labels``, from 1.
    y, x
        Center; may lie just outside the image for a nucleus that its border cuts.
    major, minor
        Full lengths of the axes of the interphase ellipse.
    angle
        Of the major axis, in radians from X towards Y, in [-π/2, π/2).
    stage
        "interphase", "prophase", "metaphase" (plate seen from its side), "polar" (from a pole) or "anaphase".
    present
        False where the disease removed it.
    """

    label: int
    y: float
    x: float
    major: float
    minor: float
    angle: float
    stage: str
    present: bool

    @property
    def mitotic(self) -> bool:
        """PH3-positive."""
        return self.stage != "interphase"


@dataclass(frozen=True)
class StackNucleus(Nucleus):
    """One nucleus of a stack: ``z`` is the plane of its center, from 0 and not rounded, ``depth`` its planes in all."""

    z: float
    depth: float


@dataclass(frozen=True, eq=False)
class Organoid:
    """A synthetic organoid and what is true of it.

    Parameters
    ----------
    image
        uint16, axes CYX, or ZCYX for a stack, channels DAPI, PH3, ZO1.
    nuclei
        Every nucleus that the healthy image shows, also those the disease removed (``present`` is False).
    labels
        (Y, X) or (Z, Y, X) int32: 0 is background, else ``Nucleus.label``; of a mitosis its chromatin is labeled.
    seed, condition
        What it was made from.
    """

    image: Image
    nuclei: tuple[Nucleus, ...]
    labels: np.ndarray
    seed: int
    condition: str


@dataclass(frozen=True)
class Change:
    """What the disease did to one nucleus: ``change`` is "removed", "mitosis to interphase" or "swollen"."""

    label: int
    y: float
    x: float
    stage: str
    change: str


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """The same organoid in both conditions, and all that differs."""

    healthy: Organoid
    diseased: Organoid
    changes: tuple[Change, ...]

    @property
    def summary(self) -> dict[str, int]:
        """Counts of nuclei and mitoses per condition, and of each change."""
        counts: dict[str, int] = {}
        for organoid_ in (self.healthy, self.diseased):
            there = [nucleus for nucleus in organoid_.nuclei if nucleus.present]
            counts[f"nuclei {organoid_.condition}"] = len(there)
            counts[f"mitoses {organoid_.condition}"] = sum(nucleus.mitotic for nucleus in there)
        for change in ("removed", "mitosis to interphase", *(["swollen"] if self._swollen else [])):
            counts[change] = sum(entry.change == change for entry in self.changes)
        return counts

    @property
    def _swollen(self) -> bool:
        return any(entry.change == "swollen" for entry in self.changes)

    def rows(self) -> list[dict[str, Any]]:
        """One row per change, for a CSV file."""
        return [asdict(change) for change in self.changes]


def organoid(
    seed: int,
    condition: str = "healthy",
    *,
    size: int = 256,
    pixel_size_um: float = 0.65,
    disease: Disease | None = None,
    stack: Stack | None = None,
) -> Organoid:
    """Invent one organoid.

    Parameters
    ----------
    seed
        At least 0; the same seed, size and pixel size give the same organoid, to the byte.
    condition
        "healthy" or "diseased".
    size
        Pixels along Y and X, at least 64.
    pixel_size_um
        Micrometers per pixel, 0.2 to 1.5.
    disease
        What the disease takes; by default 35 % of the nuclei and 70 % of the mitoses among the rest.
    stack
        The planes of a stack, in which nuclei are ellipsoids; one flat image where none is said.

    Raises
    ------
    InputError
        If an argument lies outside, or a disease that swells or dims is asked for in a stack.
    """
    if condition not in CONDITIONS:
        raise InputError(f"Condition {condition!r} came, synthetic organoids know {list(CONDITIONS)}. Say one of them.")
    return _photograph(_anatomy(seed, size, pixel_size_um), seed, condition, disease or Disease(), stack)


def pair(
    seed: int,
    *,
    size: int = 256,
    pixel_size_um: float = 0.65,
    disease: Disease | None = None,
    stack: Stack | None = None,
) -> Counterfactual:
    """Invent one organoid in both conditions; arguments as in :func:`organoid`.

    Pixels differ only where a nucleus changed and within 10 µm around it, where its light reaches; ZO1 is the same,
    unless the disease dims it.
    """
    anatomy = _anatomy(seed, size, pixel_size_um)
    healthy, diseased = (_photograph(anatomy, seed, condition, disease or Disease(), stack) for condition in CONDITIONS)
    changes = tuple(
        Change(was.label, was.y, was.x, was.stage, _change(was, now))
        for was, now in zip(healthy.nuclei, diseased.nuclei, strict=True)
        if was != now
    )
    return Counterfactual(healthy, diseased, changes)


def write_dataset(
    folder: str | Path,
    count: int,
    *,
    size: int = 256,
    pixel_size_um: float = 0.65,
    disease: Disease | None = None,
    first_seed: int = 0,
    stack: Stack | None = None,
    overwrite: bool = False,
) -> Path:
    """Write an unpaired data set: ``count`` organoids per condition, no seed in both.

    Writes ``healthy/organoid_0001.ome.tif`` and so on, ``diseased/`` likewise, ``fields.csv`` (file, group; one
    group per organoid) and ``truth.csv`` (one row per nucleus, also of those removed).

    Returns
    -------
    The folder.

    Raises
    ------
    InputError
        If ``count`` is below 1, a file exists and may not be overwritten, or the folder cannot be written to.
    """
    folder = Path(folder)
    if count < 1:
        raise InputError(f"A data set of {count} organoids per condition was asked for. Say at least 1.")
    names = [f"{condition}/organoid_{number + 1:04}.ome.tif" for condition in CONDITIONS for number in range(count)]
    for name in ("fields.csv", "truth.csv", *names):
        refuse_existing(folder / name, overwrite)
    field_rows: list[dict[str, Any]] = []
    truth_rows: list[dict[str, Any]] = []
    for index, name in enumerate(names):
        seed = first_seed + index
        made = organoid(
            seed, CONDITIONS[index // count], size=size, pixel_size_um=pixel_size_um, disease=disease, stack=stack
        )
        origin = {"origin": NOTE, "seed": seed, "condition": made.condition}
        write(made.image, folder / name, overwrite=overwrite, metadata=origin)
        field_rows.append({"file": name, "group": f"seed-{seed}"})
        truth_rows += [
            {
                "file": name,
                "seed": seed,
                "condition": made.condition,
                **asdict(nucleus),
                "mitotic": nucleus.mitotic,
            }
            for nucleus in made.nuclei
        ]
    _write_rows(folder / "fields.csv", field_rows, overwrite)
    _write_rows(folder / "truth.csv", truth_rows, overwrite)
    return folder


def _anatomy(seed: int, size: int, pixel_size_um: float) -> Anatomy:
    if seed < 0 or size < 64 or not 0.2 <= pixel_size_um <= 1.5:
        raise InputError(
            f"Seed {seed}, size {size} and pixel size {pixel_size_um} µm came for a synthetic organoid. Say a seed "
            f"of at least 0, a size of at least 64 pixels and a pixel size from 0.2 to 1.5 µm."
        )
    return Anatomy(seed, size, pixel_size_um)


def _photograph(anatomy: Anatomy, seed: int, condition: str, disease: Disease, stack: Stack | None = None) -> Organoid:
    if stack is not None and (disease.swelling, disease.zo1) != (1, 1):
        raise InputError("Nuclei swell and junctions dim in flat synthetic images only. Leave the stack out.")
    cells = anatomy.cells
    missing: set[int] = set()
    calmed: set[int] = set()
    if condition == "diseased":
        # mitoses and the rest are lost at the same rate, so that density and PH3 share fall independently; the
        # order is the seed's alone, so that a disease that takes more nuclei takes the same ones and more
        rng = np.random.default_rng([seed, len(cells), *([disease.draw] if disease.draw else [])])
        mitoses = [index for index, cell in enumerate(cells) if cell.stage != "interphase"]
        others = [index for index, cell in enumerate(cells) if cell.stage == "interphase"]
        kept_mitoses, lost = _lose(rng, mitoses, disease.nuclei_lost)
        missing = {*lost, *_lose(rng, others, disease.nuclei_lost)[1]}
        calmed = set(_lose(None, kept_mitoses, disease.mitoses_lost)[1])
    known: dict[str, Any] = {
        "pixel_size_um": 1 / anatomy.per_um, "unit": "µm", "colors": COLORS, "description": NOTE,
    }  # fmt: skip
    sick = condition == "diseased"
    swells = [sick and (cell.stage == "interphase" or index in calmed) for index, cell in enumerate(cells)]
    grown = [disease.swelling**0.5 if yes else 1.0 for yes in swells]
    nuclei = [
        Nucleus(
            label=index + 1,
            y=round(float(cell.y) - anatomy.border, 2),
            x=round(float(cell.x) - anatomy.border, 2),
            major=round(float(2 * cell.a) * grown[index], 2),
            minor=round(float(2 * cell.b) * grown[index], 2),
            angle=round(float((cell.angle + np.pi / 2) % np.pi - np.pi / 2), 4),
            stage="interphase" if index in calmed else cell.stage,
            present=index not in missing,
        )
        for index, cell in enumerate(cells)
    ]
    if stack is None:
        effect = {"swelling": disease.swelling, "junctions": disease.zo1} if sick else {}
        pixels, labels = anatomy.photograph(missing, calmed, **effect)
        return Organoid(Image(pixels, "CYX", CHANNELS, **known), tuple(nuclei), labels, seed, condition)
    depths = Depths.of(anatomy, seed)
    pixels, labels = photograph_stack(anatomy, depths, stack, missing, calmed, seed)
    image = Image(pixels, "ZCYX", CHANNELS, z_step_um=stack.z_step_um, **known)
    center = (depths.center - stack.depths_um[0]) / stack.z_step_um
    deep = [
        StackNucleus(**asdict(nucleus), z=round(float(z), 2), depth=round(2 * float(half) / stack.z_step_um, 2))
        for nucleus, z, half in zip(nuclei, center, depths.half, strict=True)
    ]
    return Organoid(image, tuple(deep), labels, seed, condition)


def _change(was: Nucleus, now: Nucleus) -> str:
    if not now.present:
        return "removed"
    return "mitosis to interphase" if was.stage != now.stage else "swollen"


def _lose(rng: Generator | None, indices: list[int], share: float) -> tuple[list[int], list[int]]:
    """Part ``indices``, shuffled where a generator came, into those that stay and the share that goes."""
    order = list(rng.permutation(indices).tolist()) if rng else indices
    count = round(share * len(order))
    return order[: len(order) - count], order[len(order) - count :]


def _write_rows(path: Path, rows: list[dict[str, Any]], overwrite: bool) -> None:
    with (
        replacing(path, overwrite=overwrite) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
