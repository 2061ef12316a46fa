"""What biology cares about in the bundled data sets, measured per field with scikit-image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import label, regionprops
from skimage.morphology import dilation, disk, remove_small_objects
from skimage.segmentation import watershed

from napari_phenotrans.metrics.gap import gap_closed

__all__ = ["Nuclei", "find_nuclei", "gap_closed", "log_ratios", "nucleus_over_ring", "overlap"]

RING = (2, 7)  # pixels from the nucleus where the ring begins and ends


@dataclass(frozen=True)
class Nuclei:
    """Labeled nuclei (Y, X) of one plane."""

    labels: np.ndarray

    @property
    def count(self) -> int:
        return int(self.labels.max())

    @property
    def mask(self) -> np.ndarray:
        return self.labels > 0


def find_nuclei(dna: np.ndarray, *, sigma: float = 1.0, smallest: int = 40, split: int = 4) -> Nuclei:
    """Find nuclei in a (Y, X) DNA plane: Otsu's threshold on the blurred plane, touching ones cut by a watershed.

    Parameters
    ----------
    dna
        Intensities in any unit.
    sigma
        Blur in pixels.
    smallest
        Least area in pixels.
    split
        Least distance between the centers of two nuclei, in pixels.
    """
    smooth = gaussian(dna.astype(np.float32), sigma)
    mask = remove_small_objects(smooth > threshold_otsu(smooth), max_size=smallest - 1)
    distance = gaussian(ndimage.distance_transform_edt(mask), 1)
    peaks = peak_local_max(distance, min_distance=split, labels=label(mask))
    markers = np.zeros(mask.shape, int)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return Nuclei(watershed(-distance, markers, mask=mask))


def nucleus_over_ring(signal: np.ndarray, nuclei: Nuclei, background: float) -> np.ndarray:
    """Return per nucleus the mean signal inside over the mean in a ring around it, both above the background.

    Cells that express little (nucleus and ring together less than 10 above the background) are left out, as are
    rings that nuclei fill.
    """
    inner = dilation(nuclei.labels, disk(RING[0]))
    outer = dilation(nuclei.labels, disk(RING[1]))
    ring = np.where(inner > 0, 0, outer)
    signal = signal.astype(np.float32) - background
    ratios = []
    for region in regionprops(nuclei.labels):
        near = tuple(slice(max(side.start - RING[1], 0), side.stop + RING[1]) for side in region.slice)
        here = signal[near][ring[near] == region.label]
        if here.size < 20:
            continue
        inside = float(signal[region.slice][region.image].mean())
        outside = float(here.mean())
        if inside + outside > 10:
            ratios.append(max(inside, 0.5) / max(outside, 0.5))
    return np.array(ratios)


def log_ratios(plane: np.ndarray) -> np.ndarray:
    """Return per nucleus of a BBBC013 plane (DNA, GFP) the logarithm of GFP in the nucleus over GFP in its ring."""
    return np.log(nucleus_over_ring(plane[1], find_nuclei(plane[0]), float(np.percentile(plane[1], 5))))


def overlap(before: np.ndarray, after: np.ndarray) -> float:
    """Return the intersection over union of two masks."""
    return float((before & after).sum() / max(1, (before | after).sum()))
