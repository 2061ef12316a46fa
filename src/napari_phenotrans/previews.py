"""Pictures of fixed crops, translated as training goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from skimage.io import imsave

from napari_phenotrans.events import Preview
from napari_phenotrans.io.replacing import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from napari_phenotrans.engines.base import Engine


def write_preview(folder: Path, engine: Engine, fixed: dict[str, torch.Tensor], step: int) -> Preview:
    """Write ``previews/step_….png``: a row per crop and direction, and per channel real, translated and back.

    Parameters
    ----------
    folder
        The run folder.
    fixed
        Crops (N, C, H, W) of each condition.
    step
        Names the picture.
    """
    rows = []
    for source, target in engine.directions():
        translated = engine.translate(fixed[source], source, target)
        back = engine.translate(translated, target, source)
        rows.append(torch.cat([fixed[source], translated, back], dim=3).float().cpu().numpy())
    path = folder / "previews" / f"step_{step:07d}.png"
    path.parent.mkdir(exist_ok=True)
    with replacing(path, overwrite=True) as temporary:
        imsave(temporary, _sheet(np.concatenate(rows)), check_contrast=False)
    return Preview(step, str(path.relative_to(folder)))


def _sheet(crops: np.ndarray) -> np.ndarray:
    """Lay (N, C, H, W) out as a gray picture: crops below each other, channels beside each other."""
    picture = np.concatenate([np.concatenate(list(crop), axis=1) for crop in crops])
    return (255 * np.clip((picture + 1) / 2, 0, 1) ** 0.6).astype(np.uint8)
