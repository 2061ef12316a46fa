"""What is scored: crops of the real target, the translated source and the real source, cut when they are wanted."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.crop_grid import center, grid, spread
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.resample import factor, rescaled_size, to_size
from napari_phenotrans.dataset.dataset import DataSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_phenotrans.core.image import Image
    from napari_phenotrans.core.intensity import Intensity
    from napari_phenotrans.dataset.dataset import Field

    Planes = Callable[[], list[np.ndarray]]
    """Returns a field's planes, float32 (C, Y, X) in the images' units at the working pixel size."""

FITTED = 256  # crops per condition that extractors are fitted to
BACKGROUND = 5  # percentile of a plane's pixels that is background, whatever is on it
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
    indices
        Which crops are taken, of all that fit, in order.
    background
        Per channel, in about [-1, 1], where the background of each plane is brought to before it is cut; planes are
        taken as they are where None.
    positions
        The (t, z) of each plane, where the field is a stack or a time series.
    """

    group: str
    name: str
    planes: Planes
    intensity: Intensity
    crop: int
    indices: tuple[int, ...]
    background: tuple[float, ...] | None = None
    positions: tuple[tuple[int, int], ...] = ()

    def crops(self) -> np.ndarray:
        """Return float32 (n, C, crop, crop) in about [-1, 1].

        Raises
        ------
        InputError
            If pixels are not finite.
        """
        planes = [self.intensity.normalize(plane) for plane in self.planes()]
        if self.background is not None:
            wanted = np.array(self.background, np.float32)
            planes = [plane + (wanted - background_of(plane))[:, None, None] for plane in planes]
        cut = [grid(center(plane, self.crop, WHOLE)[None], self.crop) for plane in planes]
        crops = np.concatenate(cut)[list(self.indices)]
        if not np.isfinite(crops).all():
            raise InputError(f"{self.name} holds values that are not finite. Replace NaN and infinity first.")
        return crops


def background_of(plane: np.ndarray) -> np.ndarray:
    """Return the background of each channel of a plane (C, Y, X): its 5th percentile, (C,)."""
    return np.percentile(plane, BACKGROUND, axis=(1, 2)).astype(np.float32)


Side = tuple[Cut, ...]


@dataclass(frozen=True, eq=False)
class Comparison:
    """The sides that one row of scores compares.

    ``direction`` names source and target where they are known. Of some translated fields, by their place, ``turned``
    returns how far they are from what is made of them upside down: planes as of `Cut.planes`, at least 0.
    """

    direction: str
    real: Side
    translated: Side
    source: Side | None = None
    turned: Mapping[int, Planes] = dataclasses.field(default_factory=dict)


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
    fit_fields
        Per condition, from which field each of these is; nothing where that is not known.
    about
        Where it comes from, for whoever reads the scores: folders, checkpoint, crop, limits.
    notes
        What has to be known before believing the scores, in sentences.
    kept
        Channels that the engine is to return bit for bit.
    """

    comparisons: tuple[Comparison, ...]
    channels: tuple[str, ...]
    fit: dict[str, np.ndarray]
    about: dict[str, Any] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    fit_fields: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Cutter:
    """How fields are cut into the crops that are compared.

    Parameters
    ----------
    channels
        Names of the channels, as the images have them.
    pixel_size
        Working pixel size in micrometers; None takes pixels as they are.
    intensity, crop
        The data set's limits, and the side of a crop.
    """

    channels: tuple[str, ...]
    pixel_size: float | None
    intensity: Intensity
    crop: int

    def side(self, fields: Sequence[Field], most: int, planes: Sequence[Planes] | None = None) -> Side:
        """Choose up to ``most`` crops, evenly over all that fit into all fields.

        Parameters
        ----------
        fields
            Whose groups, names and sizes count.
        most
            How many crops.
        planes
            Returns each field's planes; where none are given they are read from its file.

        Raises
        ------
        InputError
            If no crop fits.
        """
        planes = planes or [planes_in(field, self.channels, self.pixel_size) for field in fields]
        opened = [field.image() for field in fields]
        sizes = [self._plane_sizes(image) for image in opened]
        positions = [tuple(image.positions()) for image in opened]
        counts = [sum((height // self.crop) * (width // self.crop) for height, width in each) for each in sizes]
        crops = [(number, index) for number, count in enumerate(counts) for index in range(count)]
        if not crops:
            raise InputError(
                f"No crop of {self.crop} × {self.crop} fits into the images of {fields[0].condition}, the largest of "
                f"which is {max(size for each in sizes for size in each)}. Choose a smaller --crop."
            )
        kept: dict[int, list[int]] = {}
        for chosen in spread(len(crops), most):
            number, index = crops[chosen]
            kept.setdefault(number, []).append(index)
        return tuple(
            Cut(
                fields[number].group,
                fields[number].name,
                planes[number],
                self.intensity,
                self.crop,
                tuple(indices),
                positions=positions[number],
            )
            for number, indices in kept.items()
        )

    def fit(self, data_set: DataSet) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Cut the real crops per condition that extractors are fitted to; and from which field each of them is."""
        fit, of_field = {}, {}
        for condition in data_set.conditions:
            side = self.side([field for field in data_set.fields if field.condition == condition], FITTED)
            fit[condition] = np.concatenate([cut.crops() for cut in side])
            of_field[condition] = np.array([cut.name for cut in side for _ in cut.indices])
        return fit, of_field

    def resampled(self, planes: list[np.ndarray], pixel_size_um: float | None) -> Planes:
        """Return what brings planes that are in memory to the working pixel size."""
        scale = self._scale(pixel_size_um)
        return lambda: [to_size(plane, *rescaled_size(plane.shape[1], plane.shape[2], scale)) for plane in planes]

    def about(self, channels: Sequence[str]) -> dict[str, Any]:
        """Return how crops are cut, as `EvaluationSet.about` lists it, with names for the channels."""
        limits = zip(channels, self.intensity.low, self.intensity.high, strict=True)
        return {"crop": self.crop, "limits": {name: [round(low, 4), round(high, 4)] for name, low, high in limits}}

    def _plane_sizes(self, image: Image) -> list[tuple[int, int]]:
        """Return the size of each of an image's planes at the working pixel size, without reading pixels."""
        size = rescaled_size(image.sizes["Y"], image.sizes["X"], self._scale(image.pixel_size_um))
        return [size] * len(list(image.positions()))

    def _scale(self, pixel_size_um: float | None) -> float:
        return factor(pixel_size_um or 1.0, self.pixel_size) if self.pixel_size else 1.0


def planes_in(field: Field, channels: Sequence[str], pixel_size: float | None) -> Planes:
    """Return what reads a field's planes at a working pixel size in micrometers."""

    def planes() -> list[np.ndarray]:
        alone = DataSet(field.path.parent.parent, (field.condition,), (field,))
        return alone.planes(channels, pixel_size)[field.condition]

    return planes
