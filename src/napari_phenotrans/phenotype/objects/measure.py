"""Measuring objects: CellProfiler's measurements by cp_measure, and the few that it lacks."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.phenotype.objects import catalog
from napari_phenotrans.phenotype.objects.catalog import Measurement, of_channel
from napari_phenotrans.phenotype.objects.segmentation import cut_by_border, rings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Of the range: both sides of a ratio are raised by so much, so that two dim compartments have a ratio near 1.
LEAST_SIGNAL = 0.01
BACKGROUND = 5  # percentile of a plane
GRAY_LEVELS, TEXTURE_STEP = 64, 3
# An object is sampled to be about so many pixels wide, and opened so many times: granularity looks inside objects.
GRAIN_DIAMETER, GRAINS = 12.0, 5
_FEW = 3
# Of an object or its ring: spreads and correlations of fewer pixels mean nothing.
LEAST_PIXELS = 10


@dataclass(frozen=True)
class Scale:
    """How pixels become units, the same for all planes of a report.

    Parameters
    ----------
    low, high
        (C,) intensities that count as 0 and 1 of the range.
    diameter
        Of a typical object, in pixels.
    pixel_size_um
        Micrometers per pixel; None where it is not known: lengths are in pixels then.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    diameter: float
    pixel_size_um: float | None = None

    def unit(self, power: int) -> str:
        """Return the unit of a length (1), an area (2), or of neither (0)."""
        return ("", "µm", "µm²")[power] if self.pixel_size_um else ("", "px", "px²")[power]

    def size(self, power: int) -> float:
        """Return what a pixel's length or area is in that unit."""
        return (self.pixel_size_um or 1.0) ** power

    def normalize(self, plane: np.ndarray) -> np.ndarray:
        """Map (C, Y, X) in the images' units to shares of the range, float64, unclipped."""
        low, high = (np.asarray(limit, np.float64)[:, None, None] for limit in (self.low, self.high))
        return (plane - low) / (high - low)


@dataclass(frozen=True, eq=False)
class MeasuredPlane:
    """The whole objects of one plane and their values.

    Parameters
    ----------
    labels
        (n,) of each object in the plane's label image.
    centers
        (n, 2) y and x in pixels.
    columns
        The d measurements; none where the plane has no object.
    values
        (n, d) float64; NaN where something cannot be measured, as in a ring for which there is no room.
    field
        Values of the whole plane.
    """

    labels: np.ndarray
    centers: np.ndarray
    columns: tuple[Measurement, ...]
    values: np.ndarray
    field: dict[Measurement, float]


def measure(
    plane: np.ndarray, labels: np.ndarray, channels: Sequence[str], scale: Scale, *, crops: bool = False
) -> MeasuredPlane:
    """Measure every whole object of a plane.

    cp_measure (Muñoz et al. 2025, CellProfiler's measurements as a library) computes intensity, brightness from center
    to border, texture (Haralick et al. 1973; the mean over four directions), granularity (Ravkin & Temov 1988),
    correlation of channels, shape and neighbors. Nucleus over ring and values of the whole plane are computed here.

    Parameters
    ----------
    plane
        (C, Y, X) in the images' units.
    labels
        (Y, X) integers, 0 for background; what has fewer than ten pixels is left out.
    channels
        C names.
    scale
        The same for all planes, real and translated: else their values would not mean the same.
    crops
        Whether objects are squares of the plane: they have no ring, and neither their shape nor their neighbors mean
        anything.

    Raises
    ------
    InputError
        If cp_measure is not installed.
    """
    from scipy import ndimage

    library = _cp_measure()
    labels = _large(labels.astype(np.int32))
    shares = scale.normalize(plane)
    of_field = _whole_plane(shares, channels)
    present = np.unique(labels[labels > 0])
    whole = present if crops else np.setdiff1d(present, cut_by_border(labels))
    if not len(whole):
        return MeasuredPlane(np.zeros(0, int), np.zeros((0, 2)), (), np.zeros((0, 0)), of_field)

    measuring = _Measuring(library, labels, scale, crops)
    for channel, share in zip(channels, shares, strict=True):
        measuring.intensity(channel, share)
        measuring.texture(channel, share)
        measuring.granularity(channel, share)
    for a, b in combinations(range(len(channels)), 2):
        measuring.correlation(f"{channels[a]} with {channels[b]}", shares[a], shares[b])
    if not crops:
        measuring.shape()
        measuring.neighbors()

    centers = np.array(ndimage.center_of_mass(labels > 0, labels, whole)).reshape(-1, 2)
    columns, values = tuple(measuring.columns), np.stack(list(measuring.columns.values()), axis=1)
    return MeasuredPlane(whole, centers, columns, values[whole - 1], of_field)


class _Measuring:
    """Measures the objects of a plane; what was measured so far is in ``columns``, (largest label,) values each.

    Parameters
    ----------
    library
        cp_measure's functions by name.
    labels
        (Y, X), 0 for background.
    scale, crops
        As of `measure`.
    """

    def __init__(
        self, library: Mapping[str, Callable[..., Any]], labels: np.ndarray, scale: Scale, crops: bool
    ) -> None:
        self.columns: dict[Measurement, np.ndarray] = {}
        self._library, self._labels, self._scale, self._crops = library, labels, scale, crops
        self._count = int(labels.max())
        # nuclei are 1 to count, their rings follow: they do not overlap, and both are measured in one go
        self._both = labels
        if not crops:
            ring = _large(rings(labels, scale.diameter))
            self._both = labels + np.where(ring > 0, ring + self._count, 0).astype(np.int32)

    def intensity(self, channel: str, share: np.ndarray) -> None:
        """Measure intensities, their ratio to those of the ring, and brightness from center to border."""
        scale, count = self._scale, self._count
        values = _call(self._library["intensity"], self._both, share, prefix="Intensity_")
        self._by_compartment("Intensity", "intensity", channel, catalog.INTENSITY, values, "of range")
        if self._crops:
            return
        self.columns[catalog.ratio(channel)] = _log_ratio(values["MeanIntensity"], count, share)
        for name, (words, power) in catalog.BORDER.items():
            unit = "of range" if power is None else scale.unit(power)
            column = of_channel("Intensity", name, words, "intensity", channel, "nucleus", unit)
            self.columns[column] = values[name][:count] * (1 if power is None else scale.size(power))
        radial = _call(self._library["radial_distribution"], self._labels, share, prefix="RadialDistribution_")
        for zone, where in catalog.ZONES.items():
            for name, words in catalog.RADIAL.items():
                part = f"{name}_{zone}of4"
                in_zone = f"{words}, zone {zone} of 4 ({where})"
                column = of_channel("RadialDistribution", part, in_zone, "radial", channel, "nucleus")
                self.columns[column] = radial[part]

    def texture(self, channel: str, share: np.ndarray) -> None:
        """Measure texture, the mean over four directions."""
        values = _call(
            self._library["texture"], self._both, np.clip(share, 0, 1), scale=TEXTURE_STEP, gray_levels=GRAY_LEVELS
        )  # fmt: skip
        averaged = {
            name: np.mean([direction for key, direction in values.items() if key.startswith(f"{name}_")], axis=0)
            for name in catalog.TEXTURE
        }
        self._by_compartment("Texture", "texture", channel, catalog.TEXTURE, averaged)

    def granularity(self, channel: str, share: np.ndarray) -> None:
        """Measure in how large grains the light lies."""
        scale, sampled = self._scale, min(1.0, GRAIN_DIAMETER / self._scale.diameter)
        values = _call(
            self._library["granularity"], self._both, np.maximum(share, 0), prefix="Granularity_",
            subsample_size=sampled, element_size=round(GRAIN_DIAMETER), granular_spectrum_length=GRAINS,
        )  # fmt: skip
        wide = [2 * grain / sampled * scale.size(1) for grain in range(1, GRAINS + 1)]
        words = {str(n): f"light in grains about {w:.2g} {scale.unit(1)} wide" for n, w in enumerate(wide, start=1)}
        # the first step also takes away the background, as it does in CellProfiler
        words["1"] = f"light in grains below {wide[0]:.2g} {scale.unit(1)} and in the background"
        self._by_compartment("Granularity", "granularity", channel, words, values, "%")

    def correlation(self, pair: str, one: np.ndarray, other: np.ndarray) -> None:
        """Measure how two channels go together."""
        values = _call(self._library["pearson"], self._both, one, other, prefix="Correlation_")
        self._by_compartment("Correlation", "correlation", pair, {"Pearson": "correlation of pixels"}, values)

    def shape(self) -> None:
        """Measure size and shape of the objects themselves."""
        values = _call(self._library["sizeshape"], self._labels, None, calculate_advanced=False)
        values |= _call(self._library["feret"], self._labels, None)
        for name, (words, power) in catalog.SHAPE.items():
            unit = self._scale.unit(power)
            column = Measurement(f"AreaShape_{name}", f"nucleus: {words}", "shape", "", "nucleus", unit)
            self.columns[column] = values[name] * self._scale.size(power)

    def neighbors(self) -> None:
        """Measure what is around the objects."""
        values = _neighbors(self._library["neighbors"], self._labels, self._scale.diameter)
        for name, (words, power) in catalog.NEIGHBORS.items():
            unit = self._scale.unit(power)
            column = Measurement(f"Neighbors_{name}", words, "neighbors", "", "nucleus", unit)
            self.columns[column] = values[name] * self._scale.size(power)

    def _by_compartment(
        self, group: str, family: str, channel: str, words: Mapping[str, str], values: Mapping[str, np.ndarray],
        unit: str = "",
    ) -> None:  # fmt: skip
        """Divide values of ``_both`` into columns per compartment and name."""
        count = self._count
        for index, compartment in enumerate(("crop",) if self._crops else ("nucleus", "ring")):
            for name, what in words.items():
                column = of_channel(group, name, what, family, channel, compartment, unit)
                self.columns[column] = _filled(values[name], 2 * count)[index * count :][:count]


def _cp_measure() -> dict[str, Callable[..., Any]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its docstrings have escapes that Python warns of
            # imported here: it takes seconds, and nothing else needs it
            from cp_measure.bulk import get_core_measurements, get_correlation_measurements
            from cp_measure.multimask.measureobjectneighbors import measureobjectneighbors
    except ImportError as error:
        raise InputError(
            "cp_measure is not installed, which measures the objects. Run 'pip install napari-phenotrans[report]'."
        ) from error
    core = get_core_measurements(sanitize=False) | get_correlation_measurements(sanitize=False)
    return core | {"neighbors": measureobjectneighbors}


def _large(labels: np.ndarray) -> np.ndarray:
    """Return the labels that have ten pixels or more."""
    return np.where(np.bincount(labels.ravel())[labels] >= LEAST_PIXELS, labels, 0)


def _call(
    function: Callable[..., dict[str, np.ndarray]], labels: np.ndarray, *pixels: np.ndarray | None, prefix: str = "",
    **how: Any,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Measure labels that may have gaps: (largest label,) values, NaN for those that are not there or not finite."""
    present = np.unique(labels[labels > 0])
    number = np.zeros(int(labels.max()) + 1, np.int32)
    number[present] = np.arange(1, len(present) + 1)
    in_a_row = number[labels]
    # of two images cp_measure wants the labels last
    arguments = (*pixels, in_a_row) if len(pixels) == 2 else (in_a_row, *pixels)
    with np.errstate(all="ignore"):  # empty zones and flat objects are divided by nothing: their values are NaN
        values_in_a_row = function(*arguments, **how)
    result = {}
    for name, values in values_in_a_row.items():
        spread = np.full(int(labels.max()), np.nan)
        spread[present - 1] = values
        result[name.removeprefix(prefix)] = np.where(np.isfinite(spread), spread, np.nan)
    return result


def _filled(values: np.ndarray, length: int) -> np.ndarray:
    """Return values by label with NaN for the last ones, where these have no ring."""
    return np.concatenate([values, np.full(max(0, length - len(values)), np.nan)])


def _log_ratio(mean: np.ndarray, count: int, share: np.ndarray) -> np.ndarray:
    """Return the logarithm of nucleus over ring, both above the plane's background and at least the least signal."""
    signal = np.maximum(mean - np.percentile(share, BACKGROUND), 0) + LEAST_SIGNAL
    return np.log(signal[:count] / _filled(signal, 2 * count)[count:])


def _neighbors(function: Callable[..., Any], labels: np.ndarray, diameter: float) -> dict[str, np.ndarray]:
    """Measure neighbors, those of one diameter around; NaN where there are fewer than three objects."""
    if len(np.unique(labels[labels > 0])) < _FEW:
        return {name: np.full(int(labels.max()), np.nan) for name in catalog.NEIGHBORS}
    distance = round(diameter)

    def near(in_a_row: np.ndarray) -> dict[str, np.ndarray]:
        measured = function(in_a_row, in_a_row, distance_method="Within a specified distance", distance=distance)
        return {name.split("_")[1]: np.asarray(values, float) for name, values in measured.items()}

    return _call(near, labels)


def _whole_plane(shares: np.ndarray, channels: Sequence[str]) -> dict[Measurement, float]:
    values = {}
    for channel, share in zip(channels, shares, strict=True):
        for key, words, value in (
            ("Mean", "mean intensity", float(share.mean())),
            ("Background", "background (5th percentile)", float(np.percentile(share, BACKGROUND))),
            ("Bright", "brightest thousandth", float(np.percentile(share, 99.9))),
        ):
            of_field = f"{channel}, whole field: {words}"
            measurement = Measurement(
                f"Field_{key}_{channel}", of_field, "field", channel, "field", "of range", per_field=True
            )
            values[measurement] = value
    return values
