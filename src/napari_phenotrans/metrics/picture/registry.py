"""Measures of pictures by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_phenotrans.metrics.picture.lattice import LATTICE
from napari_phenotrans.metrics.picture.level import LEVEL
from napari_phenotrans.metrics.picture.marker import HALF_GONE, HOLLOW
from napari_phenotrans.metrics.picture.ring import HALO, RING
from napari_phenotrans.metrics.picture.scar import SCAR
from napari_phenotrans.metrics.picture.shift import SHIFT
from napari_phenotrans.metrics.picture.spectrum import SPECTRUM

if TYPE_CHECKING:
    from napari_phenotrans.metrics.picture.measure import Measure

MEASURES: dict[str, Measure] = {
    "lattice": LATTICE,
    "ring": RING,
    "halo": HALO,
    "half-gone": HALF_GONE,
    "hollow": HOLLOW,
    "scar": SCAR,
    "spectrum": SPECTRUM,
    "level": LEVEL,
    "shift": SHIFT,
}
