"""Features of crops by classical measurements: no download, no network, the same for every engine."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Self

import numpy as np

from napari_phenotrans.core.digests import digest
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Progressed
from napari_phenotrans.features.base import Extractor

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from napari_phenotrans.features.base import ExtractorResources


QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999)
BANDS = 4
GRID = 4  # pixels: transposed convolutions leave patterns that repeat every 2 or 4
FAINT = 1e-6  # variance below which a band counts as empty: a thousandth of half the range, squared
SMALLEST = 16
FURTHEST = 3.0  # standard deviations
UNIT = 2.0  # standard deviations that a feature of 1 stands for
LEAST_FIELDS = 3  # of a condition, to say how they differ
LEAST_SPREAD = 0.01  # of intensities, in [-1, 1]: half a percent of the range is not told apart
PER_CHANNEL = 1 + len(QUANTILES) + 3 * BANDS + 1
PER_PAIR = BANDS + 1


@dataclass(frozen=True, eq=False)
class Profile:
    """Classical measurements per crop, standardized over real training crops.

    Per channel (21): mean; quantiles of the intensities up to the brightest thousandth, where a rare marker lives; in
    four bands of size (differences of Gaussians of sigma 0, 1, 2, 4 and 8 pixels) the logarithm of the energy, the
    skewness and the kurtosis; and how much of the finest band repeats every 4 pixels. Per pair of channels (5): the
    correlation of their intensities, and in each band. So d = 21 C + 5 C (C - 1) / 2; channels first, then pairs.

    Values beyond 3 standard deviations are set to 3, and all are given in units of two: one odd measurement does not
    drown the others, nor the cubic term of KID's kernel let one odd field outweigh all the others.

    Parameters
    ----------
    mean, sd
        (d,), of real crops of all conditions together.
    channels
        Number of channels C.
    """

    mean: np.ndarray
    sd: np.ndarray
    channels: int

    @classmethod
    def fit(cls, crops: np.ndarray, fields: Sequence[tuple[str, str]] | None = None) -> Self:
        """Fit to real training crops (n, C, h, w) in about [-1, 1], of all conditions together.

        Where it is known which condition and field each crop is from, no intensity is told apart more finely than real
        fields of one condition differ by themselves: their standard deviation, of the condition where it is largest, is
        the least spread of a feature. Else half a percent of the range is.
        """
        values = measurements(crops)
        sd = values.std(axis=0)
        intensities = sd[: crops.shape[1] * PER_CHANNEL].reshape(-1, PER_CHANNEL)[:, : 1 + len(QUANTILES)]
        np.maximum(intensities, LEAST_SPREAD, out=intensities)
        if fields is not None:
            between = between_fields(values, fields)[: crops.shape[1] * PER_CHANNEL].reshape(-1, PER_CHANNEL)
            np.maximum(intensities, between[:, : 1 + len(QUANTILES)], out=intensities)
        return cls(values.mean(axis=0), np.where(sd > 0, sd, 1.0), crops.shape[1])

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Return the features (n, d) of crops (n, C, h, w).

        Raises
        ------
        InputError
            If the crops have another number of channels, are too small, or hold values that are not finite.
        """
        if crops.ndim != 4 or crops.shape[1] != self.channels:
            raise InputError(f"This profile measures crops (n, {self.channels}, h, w), got {crops.shape}.")
        return np.clip((measurements(crops) - self.mean) / self.sd, -FURTHEST, FURTHEST) / UNIT

    def of_channel(self, channel: int) -> slice:
        """Return which features are a channel's own."""
        return slice(channel * PER_CHANNEL, (channel + 1) * PER_CHANNEL)


def between_fields(values: np.ndarray, fields: Sequence[tuple[str, str]]) -> np.ndarray:
    """Return by how much fields of one condition differ: the SD of their means, of the condition where it is largest.

    Parameters
    ----------
    values
        (n, d).
    fields
        Condition and field of each row. A condition with fewer than three fields says nothing.

    Returns
    -------
    (d,), 0 where no condition has three fields.
    """
    rows: dict[str, dict[str, list[int]]] = {}
    for row, (condition, name) in enumerate(fields):
        rows.setdefault(condition, {}).setdefault(name, []).append(row)
    spreads = [np.zeros(values.shape[1])]
    for of_condition in rows.values():
        if len(of_condition) >= LEAST_FIELDS:
            spreads.append(np.std([values[each].mean(axis=0) for each in of_condition.values()], axis=0, ddof=1))
    return np.max(spreads, axis=0)


def measurements(crops: np.ndarray) -> np.ndarray:
    """Measure crops (n, C, h, w) in about [-1, 1]; float64 (n, d) as `Profile` describes them, in their own units.

    Raises
    ------
    InputError
        If the crops are smaller than 16 pixels, or hold values that are not finite.
    """
    # loaded when first used: a dock opens without it
    from scipy.ndimage import gaussian_filter

    if crops.ndim != 4 or min(crops.shape[2:]) < SMALLEST or not len(crops):
        raise InputError(f"A profile needs crops (n, C, h, w) of {SMALLEST} × {SMALLEST} or more, got {crops.shape}.")
    if not np.isfinite(crops).all():
        raise InputError("Crops hold values that are not finite. Leave those crops out, or find what made them.")
    crops = crops.astype(np.float32)
    count, channels = crops.shape[:2]

    # ---- bands: each octave at its own sampling, so that wide blurs cost little
    def blur(image: np.ndarray, sigma: float) -> np.ndarray:
        return gaussian_filter(image, (0, 0, sigma, sigma), mode="reflect", truncate=3.0)

    octave = 3**0.5  # widens a Gaussian of sigma 1 to sigma 2
    fine = blur(crops, 1.0)
    bands = [crops - fine]
    for _ in range(1, BANDS):
        coarse = blur(fine, octave)
        bands.append(fine - coarse)
        fine = coarse[:, :, ::2, ::2]

    # ---- each channel by itself
    own = [crops.mean(axis=(2, 3), dtype=np.float64)]
    own += list(np.quantile(crops.reshape(count, channels, -1), QUANTILES, axis=2))
    for band in bands:
        centered = band - band.mean(axis=(2, 3), keepdims=True)
        squares = np.square(centered)
        second, fourth = (np.mean(power, axis=(2, 3), dtype=np.float64) for power in (squares, np.square(squares)))
        third = np.mean(squares * centered, axis=(2, 3), dtype=np.float64)
        own.append(np.log(second + FAINT))
        own.append(np.arcsinh(third / (second + FAINT) ** 1.5))
        own.append(np.log((fourth + 3 * FAINT**2) / (second + FAINT) ** 2))
    height, width = (side // GRID for side in crops.shape[2:])
    folded = bands[0][:, :, : height * GRID, : width * GRID].reshape(count, channels, height, GRID, width, GRID)
    own.append(np.log(folded.mean(axis=(2, 4), dtype=np.float64).var(axis=(2, 3)) + FAINT / (height * width)))

    # ---- channels with each other
    pairs = [np.zeros((count, 0))]
    for image in [crops, *bands]:
        centered = image - image.mean(axis=(2, 3), keepdims=True)
        spread = np.sqrt(np.square(centered).mean(axis=(2, 3), dtype=np.float64) + FAINT)
        for a, b in combinations(range(channels), 2):
            product = (centered[:, a] * centered[:, b]).mean(axis=(1, 2), dtype=np.float64)
            pairs.append((product / (spread[:, a] * spread[:, b]))[:, None])
    per_channel = np.stack(own, axis=2).reshape(count, channels * PER_CHANNEL)
    return np.concatenate([per_channel, *pairs], axis=1)


AT_ONCE = 8  # crops, so that what is computed on stays in the processor's cache
VERSION = "profile 1"  # to be raised with every change of what is measured


def build_profile(
    fit: Mapping[str, np.ndarray], resources: ExtractorResources
) -> Generator[Progressed, None, Extractor]:
    """Fit the profile to real training crops of all conditions together, or take the fit to the same crops before."""
    yield Progressed("fitting the profile", 0, 1)
    resources.tick()
    crops = np.concatenate(list(fit.values()))
    known = resources.fit_fields
    fields = [(name, str(field)) for name in fit for field in known[name]] if known else None
    key = digest(VERSION, "fit", crops, *(" ".join(each) for each in fields or ()))
    cached = resources.cache.get(key)
    profile = Profile(cached["mean"], cached["sd"], crops.shape[1]) if cached else Profile.fit(crops, fields)
    if not cached:
        resources.cache.put(key, {"mean": profile.mean, "sd": profile.sd})

    def measure(crops: np.ndarray) -> np.ndarray:
        return np.concatenate([profile(crops[i : i + AT_ONCE]) for i in range(0, len(crops), AT_ONCE)])

    columns = np.arange(len(profile.mean))
    return Extractor(
        name="profile",
        identity=digest(VERSION, profile.mean, profile.sd),
        measure=measure,
        together=columns,
        channels=tuple(columns[profile.of_channel(channel)] for channel in range(profile.channels)),
        measurements=True,
        parallel=True,
    )
