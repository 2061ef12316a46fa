"""The profile of classical measurements as an extractor: always there, the same for every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.events import Progressed
from napari_phenotrans.extractors.base import Extractor, digest
from napari_phenotrans.metrics.features import Profile

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from napari_phenotrans.extractors.base import Means

AT_ONCE = 8  # crops, so that what is computed on stays in the processor's cache
VERSION = "profile 1"  # to be raised with every change of what is measured


def build_profile(fit: Mapping[str, np.ndarray], means: Means) -> Generator[Progressed, None, Extractor]:
    """Fit the profile to real training crops of all conditions together, or take the fit to the same crops before."""
    yield Progressed("fitting the profile", 0, 1)
    means.tick()
    crops = np.concatenate(list(fit.values()))
    key = digest(VERSION, "fit", crops)
    kept = means.cache.get(key)
    profile = Profile(kept["mean"], kept["sd"], crops.shape[1]) if kept else Profile.fit(crops)
    if not kept:
        means.cache.put(key, {"mean": profile.mean, "sd": profile.sd})

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
