"""Ring and halo: light or darkness around nuclei that real ones do not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import wasserstein_distance

from napari_phenotrans.metrics.picture.field import INSIDE, LEAST_NUCLEI
from napari_phenotrans.metrics.picture.measure import Measure, Reading, share_limit, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_phenotrans.metrics.picture.field import Field
    from napari_phenotrans.metrics.picture.measure import Case, Numbers

NEAR, FAR = slice(INSIDE + 1, INSIDE + 7), slice(INSIDE + 10, INSIDE + 13)  # distances 1 … 6 and 10 … 12
# Of a nucleus's own intensity: what rises less is no ring to the eye.
SEEN = 0.02
# Where more of the real nuclei have one, rings are how these cells look.
NATURAL = 0.5
MARGIN = 0.05
WELL_TO_WELL = 2.0


def rings(profiles: np.ndarray, least: float) -> np.ndarray:
    """Return per nucleus how far its profile rises again on the way out, over the intensity inside it.

    ``max(p - its running minimum) / p(-4)``; 0 where light only falls off.

    Parameters
    ----------
    profiles
        (n, 17): median intensity above background at distances -4 … 12 from the edge, nan where there is none.
    least
        Intensity that is divided by at least: nuclei that do not glow in a channel have no ring of infinite size.
    """
    risen = profiles - np.fmin.accumulate(profiles, axis=1)
    return np.max(np.where(np.isfinite(risen), risen, 0), axis=1, initial=0) / _inside(profiles, least)


def halos(profiles: np.ndarray, least: float) -> np.ndarray:
    """Return per nucleus how far the darkest of p(1 … 6) lies below the median of p(10 … 12), over p(-4).

    0 where nothing near is darker than what lies far. Nuclei whose surroundings are filled by others are left out.
    Arguments as of `rings`.
    """
    there = np.isfinite(profiles[:, FAR]).any(axis=1) & np.isfinite(profiles[:, NEAR]).any(axis=1)
    profiles = profiles[there]
    if not len(profiles):
        return np.empty(0)
    deep = np.nanmedian(profiles[:, FAR], axis=1) - np.nanmin(profiles[:, NEAR], axis=1)
    return np.maximum(deep, 0) / _inside(profiles, least)


def _inside(profiles: np.ndarray, least: float) -> np.ndarray:
    """Return the innermost intensity of each nucleus, at least ``least``."""
    first = np.isfinite(profiles).argmax(axis=1)
    return np.fmax(profiles[np.arange(len(profiles)), first], least)


# ---- as measures


def _measure(name: str, of_profiles: Callable[[np.ndarray, float], np.ndarray], words: str) -> Measure:
    """Make the measure of rings or of halos."""

    def of(fields: Sequence[Field], channel: int, least: float) -> np.ndarray:
        return np.concatenate([of_profiles(each.profiles(channel), least) for each in fields])

    def learn(fields: Sequence[Field], channel: int, shared: Mapping[str, float]) -> Numbers:
        each = [of([one], channel, shared["least"]) for one in fields]
        shares = [float((values > SEEN).mean()) for values in each if len(values) >= LEAST_NUCLEI]
        if not shares:
            return {}
        between = [
            float(wasserstein_distance(values, np.concatenate(each[:index] + each[index + 1 :])))
            for index, values in enumerate(each)
            if len(values) >= LEAST_NUCLEI and sum(map(len, each)) - len(values) >= LEAST_NUCLEI
        ]
        return {name: max(shares), f"{name} between": max(between, default=0.0)}

    def read(case: Case) -> Reading:
        least = case.numbers["least"]
        made, real = (of(side, case.channel, least) for side in (case.translated, case.target))
        if name not in case.numbers or min(len(made), len(real)) < LEAST_NUCLEI:
            return silent("too few nuclei found")
        share, usual = (float((values > SEEN).mean()) for values in (made, real))
        if usual > NATURAL:
            # what still looks like the source is no fault of the picture; that nothing changed is said elsewhere
            before = of(case.source, case.channel, least) if case.source else real
            apart = min(float(wasserstein_distance(made, side)) for side in (real, before) if len(side))
            limit = max(SEEN, WELL_TO_WELL * case.numbers[f"{name} between"])
            return Reading(apart, limit, case.numbers[f"{name} between"], more={"natural": 1.0})
        most = share_limit(min(case.numbers[name] + MARGIN, 1.0), len(made))
        return Reading(share, most, usual)

    def say(found: Reading) -> str:
        if found.more.get("natural"):
            return (
                f"{name}s around nuclei are not those of real cells (off by {found.value:.2f} of a nucleus's "
                f"brightness, real fields among each other by up to {found.real:.2f})"
            )
        return f"{words} ({found.value:.0%} of the nuclei, real {found.real:.0%})"

    return Measure(read, say, learn)


RING = _measure("ring", rings, "leaves rings around nuclei")
HALO = _measure("halo", halos, "leaves dark halos around nuclei")
