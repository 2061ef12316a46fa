"""Previews: fixed crops translated as training goes, written as a picture and as pixels, with facts about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.intensity import RANGE
from napari_phenotrans.io.atomic import replacing
from napari_phenotrans.runs.paths import PREVIEWS, step_name
from napari_phenotrans.training.events import Preview

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import torch

    from napari_phenotrans.core.intensity import Intensity
    from napari_phenotrans.engines.base import Engine

KINDS = ("real", "translated", "round trip")


@dataclass(frozen=True, eq=False)
class PreviewArrays:
    """Preview crops of one step.

    Parameters
    ----------
    channels
        Their names.
    directions
        (source, target) pairs.
    crops
        Float32 (direction, kind, n, C, h, w) in the images' units; the kinds are `KINDS`.
    """

    channels: tuple[str, ...]
    directions: tuple[tuple[str, str], ...]
    crops: np.ndarray


def write_preview(
    folder: Path,
    engine: Engine,
    crops: Mapping[str, torch.Tensor],
    step: int,
    channels: Sequence[str],
    intensity: Intensity,
) -> Preview:
    """Translate crops there and back, and write ``previews/step-….png`` and ``previews/step-….tif``.

    The picture has a row per crop and direction, and per channel real, translated and back. The TIFF file is for
    `read_preview`; it also opens elsewhere.

    Parameters
    ----------
    folder
        The run folder.
    engine
        Its translating networks as a checkpoint would hold them.
    crops
        Crops (N, C, H, W) of each condition in about [-1, 1].
    step
        Number of updates made.
    channels
        Names of the channels.
    intensity
        The data set's intensity limits.

    Returns
    -------
    The event. Its facts are, per direction and channel, ``change`` (mean of |translated - real|, a share of the
    range) and ``correlation`` (of real and translated pixels, in [-1, 1]; left out where a side is blank), and per
    direction ``variety`` (variance between translated crops over that between real ones of the target).
    """
    translated = []
    facts: dict[str, float] = {}
    for source, target in engine.directions():
        there = engine.translate(crops[source], source, target)
        back = engine.translate(there, target, source, way_back=True)
        kinds = [kind.float().cpu().numpy() for kind in (crops[source], there, back)]
        translated.append(kinds)
        facts |= _facts(f"{source} → {target}", channels, kinds[0], kinds[1], crops[target].float().cpu().numpy())
    pixels = np.stack([np.stack(kinds) for kinds in translated])
    (folder / PREVIEWS).mkdir(exist_ok=True)
    picture, tiff = (folder / PREVIEWS / f"{step_name(step)}{suffix}" for suffix in (".png", ".tif"))

    # imported where they are used: whoever reads previews writes none
    from skimage.io import imsave
    from tifffile import imwrite

    with replacing(picture, overwrite=True) as temporary:
        imsave(temporary, _sheet(pixels), check_contrast=False)
    metadata = {"channels": list(channels), "directions": [list(pair) for pair in engine.directions()]}
    with replacing(tiff, overwrite=True) as temporary:
        in_units = intensity.denormalize(pixels).astype(np.float32)
        imwrite(temporary, in_units, photometric="minisblack", compression="zlib", metadata=metadata)
    return Preview(step, str(picture.relative_to(folder)), facts)


def read_preview(path: Path) -> PreviewArrays:
    """Read the pixels of a preview.

    Raises
    ------
    InputError
        If the file is missing or not what `write_preview` wrote.
    """
    from tifffile import TiffFile, TiffFileError

    try:
        with TiffFile(path) as file:
            metadata = file.shaped_metadata[0] if file.shaped_metadata else {}
            crops = file.asarray().reshape(metadata["shape"])
            directions = tuple((source, target) for source, target in metadata["directions"])
            return PreviewArrays(tuple(metadata["channels"]), directions, crops)
    except (OSError, TiffFileError, KeyError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as a preview: {error}. Expected a TIFF file from the folder {PREVIEWS} of a run."
        ) from error


def _facts(
    direction: str, channels: Sequence[str], real: np.ndarray, translated: np.ndarray, target: np.ndarray
) -> dict[str, float]:
    facts = {}
    for index, channel in enumerate(channels):
        before, after = (side[:, index].ravel().astype(np.float64) for side in (real, translated))
        facts[f"change {direction}: {channel}"] = float(np.abs(after - before).mean() / RANGE)
        if before.std() and after.std():
            facts[f"correlation {direction}: {channel}"] = float(np.corrcoef(before, after)[0, 1])
    between = [float(side.var(axis=0).mean()) for side in (translated, target)]
    if between[1]:
        facts[f"variety {direction}"] = between[0] / between[1]
    return facts


def _sheet(crops: np.ndarray) -> np.ndarray:
    """Lay (direction, kind, N, C, H, W) out as a gray picture: crops below each other, channels beside each other."""
    rows = np.concatenate([np.concatenate(list(kinds), axis=-1) for kinds in crops])
    picture = np.concatenate([np.concatenate(list(crop), axis=1) for crop in rows])
    return (255 * np.clip((picture + 1) / 2, 0, 1) ** 0.6).astype(np.uint8)
