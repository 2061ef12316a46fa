"""What an extractor is, and what it may be built from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.features.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LEVELS = 255
IN_DOMAIN_STEPS = 300


@dataclass(frozen=True, eq=False)
class Extractor:
    """Turns crops into features.

    Parameters
    ----------
    name
        As it stands beside scores.
    identity
        Digest of all that its features depend on, besides the crops.
    measure
        Crops, float32 (n, C, s, s) in about [-1, 1], to features (n, d).
    together
        Columns that compare all channels together.
    channels
        Columns of each channel by itself; empty where it cannot tell them apart.
    measurements
        Whether each feature is a measurement with a meaning of its own.
    parallel
        Whether several crops may be measured at once in threads; networks use all cores by themselves.
    """

    name: str
    identity: str
    measure: Callable[[np.ndarray], np.ndarray]
    together: np.ndarray
    channels: tuple[np.ndarray, ...] = ()
    measurements: bool = False
    parallel: bool = False


@dataclass(frozen=True, eq=False)
class ExtractorResources:
    """What extractors may use.

    Parameters
    ----------
    weights
        Files of published weights, by the extractor's name.
    download
        Whether weights that are not there may be downloaded.
    device
        Where networks compute.
    cache
        Where networks that were trained here are kept.
    tick
        Called now and then; raise in it to stop.
    in_domain_steps
        Updates of a network that is trained here.
    fit_fields
        Per condition, from which field each crop is that extractors are fitted to; nothing where that is not known.
    """

    weights: dict[str, Path] = field(default_factory=dict)
    download: bool = False
    device: str = "cpu"
    cache: Cache = field(default_factory=Cache)
    tick: Callable[[], None] = lambda: None
    in_domain_steps: int = IN_DOMAIN_STEPS
    fit_fields: dict[str, np.ndarray] = field(default_factory=dict)


def eight_bit(crops: np.ndarray) -> np.ndarray:
    """Turn crops in about [-1, 1] into uint8: the data set's limits are 0 and 255, the same for real and translated.

    Nothing is stretched crop by crop: how bright a crop is may be the phenotype. What lies outside the limits is set
    to the nearest of them.
    """
    return np.clip(np.rint((crops + 1) * (LEVELS / 2)), 0, LEVELS).astype(np.uint8)
