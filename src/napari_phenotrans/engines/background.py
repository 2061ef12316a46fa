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
def measure_offsets(
    engine: Engine, planes: Mapping[str, Sequence[Tensor]], *, way_back: bool = False
) -> tuple[Offset, ...]:
    """Measure how far an engine shifts backgrounds; its normalization statistics are fixed already.

    Parameters
    ----------
    engine
        Any; each plane is translated to every condition.
    planes
        (C, H, W) training planes of each condition, sides multiples of the engine's stride.
    way_back
        Measure the ways back instead, from what the engine makes of the planes with the offsets that it has.

    Returns
    -------
    tuple of Offset
        Medians over the planes, for every direction (source -> source included), or every way back.
    """
    untouched = engine.translation_settings.make(background="engine")
    usual = {c: torch.stack([background(plane) for plane in planes[c]]).median(0).values for c in engine.conditions}
    offsets = []
    for source in engine.conditions:
        for target in engine.conditions:
            if way_back and source == target:
                continue
            shifts = []
            for plane in spread_planes(planes[target if way_back else source]):
                x = engine.translate(plane[None], target, source) if way_back else plane[None]
                translated = engine.translate(x, source, target, untouched, way_back=way_back)
                shifts.append(background(x[0]) - background(translated[0]))
            to_source = torch.stack(shifts).median(0).values
            to_target = to_source + usual[target] - usual[source]
            offsets.append(
                Offset(
                    source=source,
                    target=target,
                    way_back=way_back,
                    to_source=tuple(to_source.tolist()),
                    to_target=tuple(to_target.tolist()),
                )
            )
    return tuple(offsets)


def spread_planes(planes: Sequence[Tensor]) -> Sequence[Tensor]:
    """Return about `PLANES` of a condition's planes, evenly spread: translating costs more than looking."""
    return planes[:: max(1, len(planes) // PLANES)]


def background(pixels: Tensor) -> Tensor:
    """Return the background (..., C) of each channel of (..., C, H, W)."""
    flat = pixels.float().flatten(-2)
    return flat.kthvalue(max(1, round(QUANTILE * flat.shape[-1])), dim=-1).values
