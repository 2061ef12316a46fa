"""Half-gone and hollow: rare bright objects of a marker, such as mitoses in PH3, that are neither there nor gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_phenotrans.metrics.picture.measure import Measure, Reading, share_limit, silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_phenotrans.metrics.picture.field import Field
    from napari_phenotrans.metrics.picture.measure import Case, Numbers

FROM = 0.25  # of the brightest: where an object begins
SMALLEST, SOLID, LEAST_OBJECTS = 12, 0.8, 5
RARE, OF_NUCLEI = 0.05, 0.3  # of the pixels, and of the number of nuclei: more, and it is no rare marker
GONE, KEPT = 0.15, 0.7
HALF_LIMIT = 0.10
HOLLOW_FROM, HOLLOW_LIMIT = 5, 0.10  # percentile of real objects; share below it
CORE = 0.6  # of the largest distance to the edge
RING = (3, 7)  # pixels around an object, from where to where its own background is taken


def find_objects(plane: np.ndarray, threshold: float) -> np.ndarray:
    """Find objects that are ``threshold`` brighter than the plane's median, (H, W) int32 labels; holes are filled."""
    smooth = ndimage.gaussian_filter(plane.astype(np.float32), 1)
    mask = ndimage.binary_fill_holes(smooth > np.median(smooth) + threshold)
    labels, count = ndimage.label(mask)
    large = np.bincount(labels.ravel(), minlength=count + 1) >= SMALLEST
    large[0] = False
    number = np.zeros(count + 1, np.int32)
    number[large] = np.arange(1, large.sum() + 1)
    return number[labels]


@dataclass(frozen=True, eq=False)
class Seen:
    """Objects of one plane by label: mean above the background around each, and core over rim."""

    brightness: np.ndarray
    core_over_rim: np.ndarray


def look(plane: np.ndarray, labels: np.ndarray) -> Seen:
    """Measure objects (labels (H, W), 1 … n) in a plane.

    The background is the median 3 to 7 pixels around each object, outside of all others. Core is what lies at least
    0.6 of an object's largest depth from its edge; nan where an object is too thin to have one.
    """
    count = int(labels.max())
    brightness, ratio = np.zeros(count), np.full(count, np.nan)
    for index, place in enumerate(ndimage.find_objects(labels)):
        if place is None:
            continue
        wide = tuple(slice(max(0, side.start - RING[1]), side.stop + RING[1]) for side in place)
        own = labels[wide] == index + 1
        away = ndimage.distance_transform_edt(~own)
        around = (away >= RING[0]) & (away <= RING[1]) & (labels[wide] == 0)
        values = plane[wide].astype(np.float64)
        values = values - (np.median(values[around]) if around.any() else np.median(plane))
        brightness[index] = values[own].mean()
        depth = ndimage.distance_transform_edt(np.pad(own, 1))[1:-1, 1:-1]
        core = depth >= CORE * depth.max()
        rim = own & ~core
        if depth.max() >= 2 and rim.any() and brightness[index] > 0:
            ratio[index] = values[core].mean() / max(values[rim].mean(), 1e-9)
    return Seen(brightness, ratio)


def fates(source: np.ndarray, translated: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return translated over real brightness of each object of the source: 0 where gone, 1 where kept."""
    before, after = look(source, labels).brightness, look(translated, labels).brightness
    return after[before > 0] / before[before > 0]


def shares(of_objects: np.ndarray) -> dict[str, float]:
    """Return the shares of fates below 0.15, between, and above 0.7: gone, half, kept."""
    gone, kept = float((of_objects < GONE).mean()), float((of_objects > KEPT).mean())
    return {"gone": gone, "half": 1 - gone - kept, "kept": kept}


# ---- as measures


def learn_marker(fields: Sequence[Field], channel: int) -> Numbers:
    """Learn from all real fields whether a channel shows rare, solid, bright objects, and what they look like."""
    from skimage.measure import regionprops

    smooth = [ndimage.gaussian_filter(each.pixels[channel], 1) for each in fields]
    bright = max(float(np.percentile(plane, 99.9) - np.median(plane)) for plane in smooth)
    threshold = FROM * bright
    if bright <= 0:
        return {}
    labels = [find_objects(each.pixels[channel], threshold) for each in fields]
    # with their holes, so that the outline of a lumen is no solid object
    bare = [np.where(plane > np.median(plane) + threshold, each, 0) for plane, each in zip(smooth, labels, strict=True)]
    solid = [region.solidity for each in bare for region in regionprops(each)]
    nuclei = sum(int(each.nuclei.max()) for each in fields)
    rare = np.mean([float((each > 0).mean()) for each in labels]) <= RARE
    rare &= not nuclei or len(solid) <= OF_NUCLEI * nuclei
    if len(solid) < LEAST_OBJECTS or not rare or np.median(solid) < SOLID:
        return {}
    seen = [look(each.pixels[channel], found) for each, found in zip(fields, labels, strict=True)]
    ratios = np.concatenate([one.core_over_rim for one in seen])
    numbers = {"marker": threshold}
    if np.isfinite(ratios).sum() >= LEAST_OBJECTS:
        numbers["hollow"] = float(np.nanpercentile(ratios, HOLLOW_FROM))
    return numbers


def read_half_gone(case: Case) -> Reading:
    threshold = case.numbers.get("marker")
    if threshold is None:
        return silent("no marker objects in this channel")
    of = []
    for real, made in zip(case.source, case.translated, strict=True):
        plane = real.pixels[case.channel]
        of.append(fates(plane, made.pixels[case.channel], find_objects(plane, threshold)))
    pooled = np.concatenate(of)
    if len(pooled) < LEAST_OBJECTS:
        return silent(f"only {len(pooled)} marker objects in the source")
    found = shares(pooled)
    limit = max(HALF_LIMIT, share_limit(HALF_LIMIT / 2, len(pooled)))
    return Reading(found["half"], limit, 0.0, more=found | {"objects": len(pooled)})


def read_hollow(case: Case) -> Reading:
    threshold, usual = case.numbers.get("marker"), case.numbers.get("hollow")
    if threshold is None or usual is None:
        return silent("no marker objects in this channel")
    ratios = []
    for index, made in enumerate(case.translated):
        plane = made.pixels[case.channel]
        labels = find_objects(plane, threshold)
        if case.source:
            # what the source has there: an object that is hollowed out may fall apart
            before = find_objects(case.source[index].pixels[case.channel], threshold)
            left = (
                look(plane, before).brightness > GONE * look(case.source[index].pixels[case.channel], before).brightness
            )
            before = np.where(np.concatenate([[False], left])[before], before, 0)
            labels = np.where(before > 0, before, np.where(labels > 0, labels + before.max(), 0))
        ratios.append(look(plane, labels).core_over_rim)
    pooled = np.concatenate(ratios)
    pooled = pooled[np.isfinite(pooled)]
    if len(pooled) < LEAST_OBJECTS:
        return silent(f"only {len(pooled)} marker objects that are large enough")
    value = float((pooled < usual).mean())
    return Reading(value, share_limit(HOLLOW_LIMIT, len(pooled)), HOLLOW_FROM / 100)


HALF_GONE = Measure(
    read_half_gone,
    lambda found: (
        f"fades marker objects instead of taking or leaving them ({found.value:.0%} of {found.more['objects']:.0f} are "
        f"half gone)"
    ),
    paired=True,
)
HOLLOW = Measure(
    read_hollow, lambda found: f"hollows marker objects out ({found.value:.0%} of them, real {found.real:.0%})"
)
