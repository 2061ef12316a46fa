"""Translate held-out fields with a trained run, and keep what the table of engines is computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.quality.phenotype import find_nuclei, log_ratios, overlap
from bench.quality.scores import count_nuclei, count_positive, translate_plane
from napari_phenotrans.core.crop_grid import center, grid
from napari_phenotrans.core.intensity import Intensity
from napari_phenotrans.core.resample import rescaled_size, to_size
from napari_phenotrans.evaluation.inputs import background_of
from napari_phenotrans.features.profile import Profile
from napari_phenotrans.io import read
from napari_phenotrans.metrics import Features
from napari_phenotrans.translation.translate import Translator

if TYPE_CHECKING:
    from pathlib import Path

    from napari_phenotrans.dataset.dataset import DataSet

CROP = 64


@dataclass(frozen=True, eq=False)
class Extractor:
    """The one extractor of a data set, for all engines: fitted to all of its real fields, never to a run's."""

    intensity: Intensity
    profile: Profile
    scale: float
    background: np.ndarray

    @classmethod
    def fit(cls, planes: list[np.ndarray], pixel_size: float | None) -> Extractor:
        """Fit to real planes (C, Y, X); features are measured at the working pixel size."""
        scale = 1 / pixel_size if pixel_size else 1.0
        intensity = Intensity.fit(planes)
        background = np.mean([background_of(intensity.normalize(plane)) for plane in planes], axis=0)
        extractor = cls(intensity, Profile(np.zeros(0), np.zeros(0), 0), scale, background)
        profile = Profile.fit(np.concatenate([extractor.cut(plane) for plane in planes]))
        return cls(intensity, profile, scale, background)

    def cut(self, plane: np.ndarray, *, anchored: bool = False) -> np.ndarray:
        """Return the crops (n, C, 64, 64) of a plane, side by side, in about [-1, 1].

        ``anchored`` brings the plane's background to what real planes have on average.
        """
        small = to_size(plane.astype(np.float32), *rescaled_size(plane.shape[1], plane.shape[2], self.scale))
        normalized = self.intensity.normalize(small)
        if anchored:
            normalized = normalized + (self.background - background_of(normalized))[:, None, None].astype(np.float32)
        return grid(center(normalized, CROP, 1000)[None], CROP)

    def __call__(self, planes: list[np.ndarray], groups: list[str], *, anchored: bool = False) -> Features:
        """Return the features of planes, a group each."""
        measured = [self.profile(self.cut(plane, anchored=anchored)) for plane in planes]
        names = [group for group, some in zip(groups, measured, strict=True) for _ in some]
        return Features(np.concatenate(measured), np.array(names))


def phenotype(plane: np.ndarray, data: str) -> dict[str, np.ndarray]:
    """Return what biology cares about in a plane: one value per cell (BBBC013) or per field (organoids)."""
    if data == "organoids":
        return {
            "nuclei per field": np.array([count_nuclei(plane)], float),
            "PH3-positive nuclei per field": np.array([count_positive(plane)], float),
        }
    return {"GFP nucleus over ring": log_ratios(plane)}


def planes_of(dataset: DataSet, condition: str) -> tuple[list[np.ndarray], list[str]]:
    """Return a condition's planes and their groups."""
    fields = [one for one in dataset.fields if one.condition == condition]
    return [read(one.path).plane() for one in fields], [one.group for one in fields]


def score_run(
    checkpoint: Path, held_out: DataSet, data: str, extractor: Extractor, told: list[dict[str, Any]]
) -> list[dict[str, np.ndarray]]:
    """Translate the held-out fields both ways and there and back, once for each of what the engine is ``told``.

    Returns arrays by name for each; names begin with the direction: ``features``, ``groups``, ``anchored`` (the same
    features with each plane's background subtracted) and, per phenotype,
    ``values`` and ``value groups`` of translated source; ``overlap`` of nuclear pixels before and after,
    ``round trip`` error and ``change`` (mean absolute, in gray levels), one per field.
    """
    translator = Translator(checkpoint)
    kept: list[dict[str, np.ndarray]] = [{} for _ in told]
    one, other = held_out.conditions
    for source, target in ((one, other), (other, one)):
        way = f"{source} → {target}"
        real, groups = planes_of(held_out, source)
        before = [find_nuclei(plane[0]).mask for plane in real]
        translated: list[list[np.ndarray]] = [[] for _ in told]
        # plane by plane: several depths of inversion have their first network evaluations in common, and the
        # translator keeps those of the last planes
        for plane in real:
            for made, how in zip(translated, told, strict=True):
                made.append(translate_plane(plane, translator, source, target, how))
        for arrays, made, how in zip(kept, translated, told, strict=True):
            back = [translate_plane(plane, translator, target, source, how, way_back=True) for plane in made]
            features = extractor(made, groups)
            arrays |= {f"{way} features": features.values, f"{way} groups": features.groups}
            arrays[f"{way} anchored"] = extractor(made, groups, anchored=True).values
            measured = [phenotype(plane, data) for plane in made]
            for name in measured[0]:
                arrays[f"{way} {name} values"] = np.concatenate([each[name] for each in measured])
                arrays[f"{way} {name} groups"] = np.repeat(groups, [len(each[name]) for each in measured])
            arrays[f"{way} overlap"] = np.array(
                [overlap(mask, find_nuclei(plane[0]).mask) for mask, plane in zip(before, made, strict=True)]
            )
            for name, others in (("round trip", back), ("change", made)):
                arrays[f"{way} {name}"] = np.array(
                    [np.abs(a.astype(float) - b).mean() for a, b in zip(real, others, strict=True)]
                )
    return kept
