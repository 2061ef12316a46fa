"""Limits of the measures, learned from a data set's own real fields."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.metrics.c2st import c2st
from napari_phenotrans.metrics.groups import Features
from napari_phenotrans.metrics.picture.field import LEAST_NUCLEI, Field
from napari_phenotrans.metrics.picture.marker import learn_marker
from napari_phenotrans.metrics.picture.registry import MEASURES
from napari_phenotrans.metrics.picture.spectrum import band_powers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NUCLEI = re.compile(r"dna|dapi|hoechst|draq|sytox|syto\d|h2b|propidium|nucle|chromatin", re.IGNORECASE)
OF_RANGE = 0.1  # of black to bright: nuclei darker than this do not glow in a channel
INVISIBLE = 0.5  # standard deviations of the noise
CROP = 64
# Of crops that a classifier tells right, condition from condition: fewer, and the condition does not act on a channel.
DIFFERS = 0.6
QUANTILES = (5, 25, 75, 95, 99, 99.9)


@dataclass(frozen=True)
class Limits:
    """What the measures learned from real fields, each of which was taken for a translation to the others.

    Parameters
    ----------
    channels
        Their names.
    nuclei
        Name of the channel that shows the nuclei; empty where none does.
    shared
        Per channel what holds for all conditions.
    numbers
        Per condition and channel what was learned from its fields.
    """

    channels: tuple[str, ...]
    nuclei: str
    shared: Mapping[str, Mapping[str, float]]
    numbers: Mapping[str, Mapping[str, Mapping[str, float]]] = field(repr=False)

    @classmethod
    def fit(
        cls,
        fields: Mapping[str, Sequence[np.ndarray]],
        channels: Sequence[str] | None = None,
        *,
        nuclei: str | None = None,
    ) -> Self:
        """Learn from real fields.

        Parameters
        ----------
        fields
            Per condition real fields (C, H, W) in working pixels, in any linear unit, the same for all. A condition
            with a single field is cut into two halves.
        channels
            Their names.
        nuclei
            Which shows the nuclei; by default the first whose name says DNA, else the first in which any are found.

        Raises
        ------
        InputError
            If a condition has no field, or channels do not fit.
        """
        planes = {condition: [np.asarray(each, np.float32) for each in some] for condition, some in fields.items()}
        counts = {each.shape[0] for some in planes.values() for each in some}
        if len(counts) != 1 or not all(planes.values()):
            raise InputError(
                f"Limits are learned from one real field or more per condition, all with the same channels; got "
                f"{ {condition: [each.shape for each in some] for condition, some in planes.items()} }."
            )
        count = counts.pop()
        names = tuple(channels or (f"channel {index + 1}" for index in range(count)))
        if len(names) != count or (nuclei is not None and nuclei not in names):
            raise InputError(f"Fields have {count} channels, but the names are {names}, nuclei in {nuclei!r}.")
        planes = {condition: some if len(some) > 1 else _halves(some[0]) for condition, some in planes.items()}
        looked, place = _find_nuclei(planes, names, nuclei)

        shared: dict[str, dict[str, float]] = {}
        numbers: dict[str, dict[str, dict[str, float]]] = {condition: {} for condition in looked}
        for index, name in enumerate(names):
            everything = [each for some in looked.values() for each in some]
            ranges = [np.percentile(each.pixels[index], 99.9) - each.background(index) for each in everything]
            shared[name] = {
                "least": OF_RANGE * float(np.mean(ranges)),
                "invisible": INVISIBLE * float(np.mean([each.noise(index) for each in everything])),
                **learn_marker(everything, index),
                **_differs(planes, index),
            }
            for condition, some in looked.items():
                learned = [measure.learn(some, index, shared[name]) for measure in MEASURES.values() if measure.learn]
                numbers[condition][name] = {key: value for each in learned for key, value in each.items()}
        return cls(names, names[place] if place is not None else "", shared, numbers)

    @property
    def nuclei_channel(self) -> int | None:
        return self.channels.index(self.nuclei) if self.nuclei else None

    @property
    def unchanged(self) -> tuple[str, ...]:
        """Channels that the conditions do not act on, as far as real fields tell: nobody can tell them apart."""
        return tuple(name for name in self.channels if self.shared[name].get("differs", 1.0) < DIFFERS)

    def of(self, condition: str, channel: str) -> dict[str, float]:
        """Return what was learned for a channel of a condition.

        Raises
        ------
        InputError
            If nothing was learned about it.
        """
        if condition not in self.numbers or channel not in self.shared:
            raise InputError(
                f"Limits were learned for {', '.join(self.numbers)} and {', '.join(self.channels)}; nothing is known "
                f"of {channel} in {condition}. Learn them from its real fields."
            )
        return {**self.shared[channel], **self.numbers[condition][channel]}

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads: strings and numbers only."""
        return {
            "channels": list(self.channels),
            "nuclei": self.nuclei,
            "shared": {name: dict(some) for name, some in self.shared.items()},
            "numbers": {
                condition: {name: dict(some) for name, some in of.items()} for condition, of in self.numbers.items()
            },
        }

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(tuple(said["channels"]), said["nuclei"], said["shared"], said["numbers"])


def _halves(plane: np.ndarray) -> list[np.ndarray]:
    middle = plane.shape[2] // 2
    return [plane[..., :middle], plane[..., middle:]]


def _find_nuclei(
    planes: Mapping[str, Sequence[np.ndarray]], names: Sequence[str], nuclei: str | None
) -> tuple[dict[str, list[Field]], int | None]:
    """Return the fields, and the place of the channel in which nuclei were found."""
    said = [index for index, name in enumerate(names) if (name == nuclei if nuclei else NUCLEI.search(name))]
    for place in said or range(len(names)):
        looked = {condition: [Field(each, place) for each in some] for condition, some in planes.items()}
        if sum(int(each.nuclei.max()) for some in looked.values() for each in some) >= LEAST_NUCLEI:
            return looked, place
    return {condition: [Field(each, None) for each in some] for condition, some in planes.items()}, None


def _differs(planes: Mapping[str, Sequence[np.ndarray]], channel: int) -> dict[str, float]:
    """Return how many crops a classifier tells right, level and gain taken out, for the two conditions furthest apart.

    Nothing where a condition has a single field.
    """
    sides = []
    for condition, some in planes.items():
        rows, groups = [], []
        for index, plane in enumerate(some):
            for crop in _crops(plane[channel]):
                rows.append(_shape(crop))
                groups.append(f"{condition} {index}")
        sides.append(Features(np.array(rows), np.array(groups)) if rows else None)
    pairs = [
        (one, other)
        for one, other in combinations(sides, 2)
        if one and other and min(len(one.names), len(other.names)) > 1
    ]
    return {"differs": max(c2st(*pair, resamples=0).value for pair in pairs)} if pairs else {}


def _crops(plane: np.ndarray) -> list[np.ndarray]:
    height, width = plane.shape
    return [
        plane[y : y + CROP, x : x + CROP]
        for y in range(0, height - CROP + 1, CROP)
        for x in range(0, width - CROP + 1, CROP)
        if np.ptp(plane[y : y + CROP, x : x + CROP]) > 0
    ]


def _shape(crop: np.ndarray) -> np.ndarray:
    """Return what a crop looks like apart from level and gain: quantiles and band powers of the standardized crop."""
    standard = (crop - crop.mean()) / crop.std()
    return np.concatenate([np.percentile(standard, QUANTILES), band_powers(standard, 1e-3)])
