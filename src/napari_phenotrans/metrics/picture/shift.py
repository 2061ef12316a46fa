"""Shift: nuclei that are not where they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_phenotrans.metrics.picture.field import LEAST_NUCLEI, cut_alike
from napari_phenotrans.metrics.picture.measure import Measure, Reading, silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_phenotrans.metrics.picture.field import Field
    from napari_phenotrans.metrics.picture.measure import Case, Numbers

TOGETHER = 1.0  # pixels that all nuclei may move by in one direction
OF_CHANCE = 0.6  # of the distance between nuclei of unrelated fields


def displacements(source: np.ndarray, translated: np.ndarray) -> np.ndarray:
    """Return by how many pixels along Y and X each nucleus moved that has a counterpart, (n, 2).

    Counterparts are nearest to each other, source's and translated's.

    Parameters
    ----------
    source, translated
        Labels (H, W).
    """
    before, after = (_centers(labels) for labels in (source, translated))
    if not len(before) or not len(after):
        return np.empty((0, 2))
    _, partner = cKDTree(after).query(before)
    mutual = cKDTree(before).query(after)[1][partner] == np.arange(len(before))
    return after[partner[mutual]] - before[mutual]


def _centers(labels: np.ndarray) -> np.ndarray:
    return np.array(ndimage.center_of_mass(labels > 0, labels, np.arange(1, labels.max() + 1))).reshape(-1, 2)


# ---- as a measure


def learn_shift(fields: Sequence[Field], channel: int, shared: Mapping[str, float]) -> Numbers:
    """Learn how far apart the nearest nuclei of unrelated fields lie; nothing where all lie in the same places."""
    pairs = [cut_alike(one.nuclei, fields[i - 1].nuclei) for i, one in enumerate(fields)]
    moved = np.concatenate([displacements(*pair) for pair in pairs]) if len(fields) > 1 else np.empty((0, 2))
    typical = float(np.median(np.hypot(*moved.T))) if len(moved) >= LEAST_NUCLEI else 0.0
    return {"shift": typical} if typical > 0 else {}


def read_shift(case: Case) -> Reading:
    if case.channel != case.source[0].nuclei_channel:
        return silent("nuclei show in another channel")
    pairs = zip(case.source, case.translated, strict=True)
    moved = np.concatenate([displacements(real.nuclei, made.nuclei) for real, made in pairs])
    if len(moved) < LEAST_NUCLEI:
        return silent("too few nuclei found")
    together, apart = float(np.hypot(*np.median(moved, axis=0))), float(np.median(np.hypot(*moved.T)))
    most = OF_CHANCE * case.numbers.get("shift", np.inf)
    if together / TOGETHER >= apart / most:
        return Reading(together, TOGETHER, 0.0, more={"together": 1.0})
    return Reading(apart, most, 0.0, more={"together": 0.0})


def _words(found: Reading) -> str:
    way = "all to one side, by" if found.more["together"] else "typically by"
    return f"moves nuclei ({way} {found.value:.1f} pixels)"


SHIFT = Measure(read_shift, _words, learn_shift, paired=True)
