"""The background of a translation: the source's, unless the target's is asked for.

Engines shift the dark parts of an image: the target's background differs, a constant offset is undone on the way back
for nothing, and it can be the plate's doing rather than the condition's. So the offset of each channel is measured on
training planes and taken out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_phenotrans.core.background import Offset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from napari_phenotrans.engines.base import Engine

QUANTILE = 0.05  # of a plane's pixels that are background, whatever is on it
PLANES = 8  # of each condition, about


@torch.no_grad()
def measure_offsets(engine: Engine, planes: Mapping[str, Sequence[Tensor]]) -> tuple[Offset, ...]:
    """Measure how far an engine shifts backgrounds; its normalization statistics are fixed already.

    Parameters
    ----------
    engine
        Any; each plane is translated to every condition and back.
    planes
        (C, H, W) training planes of each condition, sides multiples of the engine's stride.

    Returns
    -------
    tuple of Offset
        Medians over the planes, for every direction (source -> source included) and every way back.
    """
    how = engine.translation_settings.make(background="engine")
    usual = {c: torch.stack([_background(plane) for plane in planes[c]]).median(0).values for c in engine.conditions}
    offsets = []
    for source in engine.conditions:
        for target in engine.conditions:
            shifts, shifts_back = [], []
            for plane in planes[source][:: max(1, len(planes[source]) // PLANES)]:
                there = engine.translate(plane[None], source, target, how)
                shifts.append(_background(plane) - _background(there[0]))
                back = engine.translate(there, target, source, how, way_back=True)
                # against what it comes from: by then the first offset is taken out
                shifts_back.append(_background(there[0]) - _background(back[0]))
            for way_back, found in ((False, shifts), (True, shifts_back)):
                if way_back and source == target:
                    continue
                begins, ends = (target, source) if way_back else (source, target)
                to_source = torch.stack(found).median(0).values
                offsets.append(
                    Offset(
                        source=begins,
                        target=ends,
                        way_back=way_back,
                        to_source=tuple(to_source.tolist()),
                        to_target=tuple((to_source + usual[ends] - usual[begins]).tolist()),
                    )
                )
    return tuple(offsets)


def _background(plane: Tensor) -> Tensor:
    """Return the background of each channel of (C, H, W)."""
    flat = plane.float().flatten(1)
    return flat.kthvalue(max(1, round(QUANTILE * flat.shape[1])), dim=1).values
