"""What is scored: crops of the real target, the translated source and the real source, cut when they are wanted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.crop_grid import center, grid, spread
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.resample import factor, rescaled_size, to_size
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.io import read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_phenotrans.core.intensity import Intensity
    from napari_phenotrans.dataset.dataset import Field

FITTED = 256  # crops per condition that extractors are fitted to
WHOLE = 10**6  # crops along a plane: all


@dataclass(frozen=True, eq=False)
class Cut:
    """Crops of one field of view, cut side by side from its planes when they are wanted.

    Parameters
    ----------
    group, name
        The group that the field belongs to, and the field's own name.
    planes
        Returns its planes, float32 (C, Y, X) in the images' units at the working pixel size.
    intensity, crop
        The data set's limits, and the side of a crop.
    kept
        Which crops are taken, of all that fit, in order.
    """

    group: str
    name: str
    planes: Callable[[], list[np.ndarray]]
    intensity: Intensity
    crop: int
    kept: tuple[int, ...]

    def crops(self) -> np.ndarray:
        """Return float32 (n, C, crop, crop) in about [-1, 1].

        Raises
        ------
        InputError
            If pixels are not finite.
        """
        cut = [grid(center(self.intensity.normalize(p), self.crop, WHOLE)[None], self.crop) for p in self.planes()]
        chosen = np.concatenate(cut)[list(self.kept)]
        if not np.isfinite(chosen).all():
            raise InputError(f"{self.name} holds values that are not finite. Replace NaN and infinity first.")
        return chosen


Side = tuple[Cut, ...]


@dataclass(frozen=True, eq=False)
class Comparison:
    """The sides that one row of scores compares; ``direction`` names source and target where they are known."""

    direction: str
    real: Side
    translated: Side
    source: Side | None = None


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """All that is to be scored.

    Parameters
    ----------
    comparisons
        One per direction.
    channels
        Names.
    fit
        Real crops (n, C, crop, crop) per condition that extractors are fitted to.
    about
        Where it comes from, for whoever reads the scores: folders, checkpoint, crop, limits.
    notes
        What has to be known before believing the scores, in sentences.
    """

    comparisons: tuple[Comparison, ...]
    channels: tuple[str, ...]
    fit: dict[str, np.ndarray]
    about: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def reading(one: Field, channels: Sequence[str], size: float | None) -> Callable[[], list[np.ndarray]]:
    """Return what reads a field's planes, float32 (C, Y, X) at the working pixel size ``size`` in micrometers."""

    def planes() -> list[np.ndarray]:
        alone = DataSet(one.path.parent.parent, (one.condition,), (one,))
        return alone.planes(channels, size)[one.condition]

    return planes


def resampling(
    planes: list[np.ndarray], pixel_size_um: float | None, size: float | None
) -> Callable[[], list[np.ndarray]]:
    """Return what brings planes that are in memory to the working pixel size ``size``."""
    scale = factor(pixel_size_um or 1.0, size) if size else 1.0
    return lambda: [to_size(plane, *rescaled_size(plane.shape[1], plane.shape[2], scale)) for plane in planes]


def plane_sizes(one: Field, size: float | None) -> list[tuple[int, int]]:
    """Return the size of each of a field's planes at the working pixel size, without reading pixels."""
    image = read(one.path)
    scale = factor(image.pixel_size_um or 1.0, size) if size else 1.0
    return [rescaled_size(image.sizes["Y"], image.sizes["X"], scale)] * len(list(image.positions()))


def cut_side(
    fields: Sequence[Field],
    planes: Sequence[Callable[[], list[np.ndarray]]],
    sizes: Sequence[list[tuple[int, int]]],
    intensity: Intensity,
    crop: int,
    most: int,
) -> Side:
    """Choose up to ``most`` crops, evenly over all that fit into all fields.

    Raises
    ------
    InputError
        If none fits.
    """
    counts = [sum((height // crop) * (width // crop) for height, width in some) for some in sizes]
    places = [(number, index) for number, count in enumerate(counts) for index in range(count)]
    if not places:
        raise InputError(
            f"No crop of {crop} × {crop} fits into the images of {fields[0].condition}, the largest of which is "
            f"{max(one for some in sizes for one in some)}. Choose a smaller --crop."
        )
    chosen: dict[int, list[int]] = {}
    for place in spread(len(places), most):
        chosen.setdefault(places[place][0], []).append(places[place][1])
    return tuple(
        Cut(fields[number].group, fields[number].name, planes[number], intensity, crop, tuple(kept))
        for number, kept in chosen.items()
    )


def fit_crops(
    data_set: DataSet, channels: Sequence[str], size: float | None, intensity: Intensity, crop: int
) -> dict[str, np.ndarray]:
    """Cut the real crops per condition that extractors are fitted to."""
    fit = {}
    for condition in data_set.conditions:
        some = [one for one in data_set.fields if one.condition == condition]
        readings = [reading(one, channels, size) for one in some]
        side = cut_side(some, readings, [plane_sizes(one, size) for one in some], intensity, crop, FITTED)
        fit[condition] = np.concatenate([cut.crops() for cut in side])
    return fit


def limits_of(crop: int, intensity: Intensity, channels: Sequence[str]) -> dict[str, Any]:
    """Return how crops were cut, as `EvaluationSet.about` lists it."""
    limits = zip(channels, intensity.low, intensity.high, strict=True)
    return {"crop": crop, "limits": {name: [round(low, 4), round(high, 4)] for name, low, high in limits}}
