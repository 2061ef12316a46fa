"""The image that a package is tested with and shows: real where there is one that fits, else an invented pattern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_phenotrans.checkpoints.matching import match_channels, working_scale
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.kinds import MADE
from napari_phenotrans.core.resample import pad, rescaled_size, to_size
from napari_phenotrans.core.tiling import padded_size
from napari_phenotrans.io.samples import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Card
    from napari_phenotrans.core.image import Image

LARGEST = 192  # side in working pixels: enough to see cells, quick to test
GRAIN = 4.0  # SD in working pixels of an invented pattern's spots


@dataclass(frozen=True, eq=False)
class Example:
    """Working pixels (C, H, W) in the image's units, float32; what they show, in a sentence, and of what kind it is."""

    pixels: np.ndarray
    shows: str
    kind: Literal["real", "synthetic", "invented pattern"]


def find_example(card: Card, source: str, path: Path | None, *, stride: int, smallest: int) -> Example:
    """Return an example of the source condition, with sides that a network takes.

    Raises
    ------
    InputError
        If a path is given, and is no image with the checkpoint's channels, or one that an engine made.
    """
    from napari_phenotrans.io import read

    side = padded_size(max(LARGEST, smallest), stride)
    if path is not None:
        image, shows = read(path), f"Part of {path.name}."
    else:
        for sample in SAMPLES.values():
            image, shows = read(sample.path), f"{sample.title}. {sample.attribution}"
            if sample.condition == source and image.channels == card.channels:
                break
        else:
            shows = "An invented pattern of spots, which shows no cells."
            return Example(_pattern(card, side), shows, "invented pattern")
    if image.kind in MADE:
        raise InputError(f"{path} was not measured: it is {image.kind}. Choose a real image of {source}.")
    pixels = _cut(image, card, side, stride, smallest)
    return Example(pixels, shows, "synthetic" if image.synthetic else "real")


def _cut(image: Image, card: Card, side: int, stride: int, smallest: int) -> np.ndarray:
    """Return the middle of an image's middle plane."""
    places, _ = match_channels(image, card, {})
    scale, _ = working_scale(image, card)
    positions = list(image.positions())
    plane = image.plane(*positions[len(positions) // 2])[places]
    height, width = rescaled_size(plane.shape[1], plane.shape[2], scale)
    working = to_size(plane, height, width)
    for axis in (1, 2):
        spare = max(0, working.shape[axis] - side) // 2
        working = working.take(range(spare, min(spare + side, working.shape[axis])), axis=axis)
    return np.ascontiguousarray(pad(working, stride, smallest))


def _pattern(card: Card, side: int) -> np.ndarray:
    from scipy import ndimage

    rng = np.random.default_rng(0)
    low, span = np.asarray(card.low)[:, None, None], card.intensity.range
    spots = np.stack([ndimage.gaussian_filter(rng.standard_normal((side, side)), GRAIN) for _ in card.channels])
    bright = np.clip(spots / spots.std(), 0, 3) / 3
    return (low + span * (0.05 + 0.7 * bright)).astype(np.float32)
