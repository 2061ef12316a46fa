"""What a bundled checkpoint reaches on fields that training never saw."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from scipy.stats import wasserstein_distance

from bench.quality.phenotype import find_nuclei, gap_closed, log_ratios, overlap
from napari_phenotrans.checkpoints.checkpoint import Checkpoint, Score
from napari_phenotrans.core.image import Image
from napari_phenotrans.dataset.synthetic import organoid, pair
from napari_phenotrans.io import read
from napari_phenotrans.translation.translate import Translator, translate_image

if TYPE_CHECKING:
    from collections.abc import Mapping

BBBC013_FIELDS = Path("../shared/data/bbbc013_dev_fields")
HELD_OUT = {"untreated": ("D01", "D02"), "wortmannin": ("D09", "D10", "D11", "D12")}
HELD_OUT_SEEDS = range(5000, 5012)
PH3_POSITIVE = 500.0  # counts above the plane's median: three times the haze, a third of a mitosis


def score_bbbc013(checkpoint: Checkpoint) -> tuple[Score, ...]:
    """Score both directions on row D: GFP nucleus over ring, places of nuclei, round trip."""
    translator = Translator(checkpoint)
    planes = {
        condition: [read(BBBC013_FIELDS / condition / f"{well}.tif").plane() for well in wells]
        for condition, wells in HELD_OUT.items()
    }
    real = {condition: [log_ratios(plane) for plane in some] for condition, some in planes.items()}
    scores: list[Score] = []
    for source, target in (("untreated", "wortmannin"), ("wortmannin", "untreated")):
        translated = [translate_plane(plane, translator, source, target) for plane in planes[source]]
        back = [translate_plane(plane, translator, target, source, way_back=True) for plane in translated]
        ratios = np.concatenate([log_ratios(plane) for plane in translated])
        from_, to = np.concatenate(real[source]), np.concatenate(real[target])
        halves = real[target][::2], real[target][1::2]
        floor = wasserstein_distance(*map(np.concatenate, halves)) / wasserstein_distance(from_, to)
        same = [
            overlap(find_nuclei(before[0]).mask, find_nuclei(after[0]).mask)
            for before, after in zip(planes[source], translated, strict=True)
        ]
        error = [np.abs(there.astype(float) - here).mean() for there, here in zip(back, planes[source], strict=True)]
        scale = [
            np.abs(there.astype(float) - here).mean() for there, here in zip(translated, planes[source], strict=True)
        ]
        about = {"direction": f"{source} → {target}", "groups": len(planes[source])}
        scores += [
            Score(
                metric="gap closed",
                value=round(gap_closed(ratios, to, from_), 3),
                floor=round(1 - floor, 3),
                copy_source=0.0,
                what="log GFP nucleus over ring",
                **about,
            ),
            Score(
                metric="median GFP nucleus over ring",
                value=round(float(np.exp(np.median(ratios))), 2),
                copy_source=round(float(np.exp(np.median(from_))), 2),
                what=f"translated cells (real target {np.exp(np.median(to)):.2f})",
                **about,
            ),
            Score(
                metric="IoU",
                value=round(float(np.mean(same)), 3),
                what="nuclei before and after",
                copy_source=1.0,
                **about,
            ),
            Score(
                metric="round trip",
                value=round(float(np.mean(error) / np.mean(scale)), 3),
                what="its mean error over the mean change of translating",
                **about,
            ),
        ]
    return tuple(scores)


def score_organoids(checkpoint: Checkpoint) -> tuple[Score, ...]:
    """Score both directions on seeds that training never saw: densities, and the error against the known truth."""
    translator = Translator(checkpoint)
    seeds = list(HELD_OUT_SEEDS)
    pairs = [pair(seed) for seed in seeds]
    others = [organoid(seed + 100, condition).image.plane() for condition in ("diseased",) for seed in seeds]
    planes = {
        "healthy": [p.healthy.image.plane() for p in pairs],
        "diseased": [p.diseased.image.plane() for p in pairs],
    }
    unpaired = {"diseased": others, "healthy": [organoid(seed + 200).image.plane() for seed in seeds]}
    scores: list[Score] = []
    for source, target in (("healthy", "diseased"), ("diseased", "healthy")):
        translated = [translate_plane(plane, translator, source, target) for plane in planes[source]]
        about = {"direction": f"{source} → {target}", "groups": len(seeds)}
        for metric, count in (("nuclei per field", count_nuclei), ("PH3-positive per field", count_positive)):
            from_, to, made = (
                np.array([count(plane) for plane in some]) for some in (planes[source], unpaired[target], translated)
            )
            floor = wasserstein_distance(to[::2], to[1::2]) / wasserstein_distance(from_, to)
            scores.append(
                Score(
                    metric="gap closed",
                    value=round(gap_closed(made, to, from_), 3),
                    floor=round(1 - floor, 3),
                    copy_source=0.0,
                    what=f"{metric} (real {from_.mean():.1f} → {to.mean():.1f}, translated {made.mean():.1f})",
                    **about,
                )
            )
        truth = planes[target]
        error = np.mean(
            [np.square(a.astype(float) - b).mean(axis=(1, 2)) for a, b in zip(translated, truth, strict=True)], axis=0
        )
        copied = np.mean(
            [np.square(a.astype(float) - b).mean(axis=(1, 2)) for a, b in zip(planes[source], truth, strict=True)],
            axis=0,
        )
        identity = [translate_plane(plane, translator, source, source) for plane in planes[source]]
        bright = (
            [_brightness(plane) for plane in planes[source]],
            [_brightness(plane, like) for plane, like in zip(identity, planes[source], strict=True)],
        )
        scores += [
            Score(
                metric="RMS error against the counterfactual",
                value=round(float(np.sqrt(error[channel] / copied[channel])), 3),
                copy_source=1.0,
                what=f"{name}, over that of copying",
                **about,
            )
            for channel, name in ((0, "DAPI"), (1, "PH3"))
        ]
        scores.append(
            Score(
                metric="brightness kept",
                value=round(float(np.nanmean(bright[1]) / np.nanmean(bright[0])), 3),
                copy_source=1.0,
                what=f"PH3-positive nuclei, {source} → {source}",
                **about,
            )
        )
    return tuple(scores)


def translate_plane(
    plane: np.ndarray,
    translator: Translator,
    source: str,
    target: str,
    how: Mapping[str, Any] | None = None,
    *,
    way_back: bool = False,
) -> np.ndarray:
    """Translate a plane (C, Y, X) that has the checkpoint's channels and pixel size, the engine told ``how``.

    ``way_back`` says that the plane is a translation itself.
    """
    image = Image(plane, "CYX", translator.card.channels, translator.card.pixel_size, description="synthetic or known")
    way = {"source": source, "target": target, "way_back": way_back}
    return translate_image(image, translator, how=how, **way).translated.pixels


def count_nuclei(plane: np.ndarray) -> int:
    return find_nuclei(plane[0], sigma=1, smallest=20, split=3).count


def _positive_mask(plane: np.ndarray) -> np.ndarray:
    signal = ndimage.gaussian_filter(plane[1].astype(np.float32), 1)
    return signal > np.median(signal) + PH3_POSITIVE


def count_positive(plane: np.ndarray) -> int:
    labels, count = ndimage.label(_positive_mask(plane))
    return int((ndimage.sum_labels(labels > 0, labels, range(1, count + 1)) >= 12).sum())


def _brightness(plane: np.ndarray, like: np.ndarray | None = None) -> float:
    mask = _positive_mask(plane if like is None else like)
    if not mask.any():
        return float("nan")
    return float(plane[1][mask].astype(float).mean() - np.median(plane[1]))
