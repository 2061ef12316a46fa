"""Measuring how much an engine that inverts changes at each noise, so that its strength can count in effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_phenotrans.core.crop_grid import evenly
from napari_phenotrans.core.effect import Effect
from napari_phenotrans.engines.objectives import mean_and_sd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from napari_phenotrans.core.settings import TranslationSettings
    from napari_phenotrans.engines.base import Engine
    from napari_phenotrans.engines.denoiser import DenoiserEngine
    from napari_phenotrans.engines.settings import InversionTranslation

CROPS = 8  # of each condition
LEVELS = 12
LOWEST = 0.25  # noise that is measured, in SDs of the images
EVALUATIONS = 24  # at most, in each direction at the greatest noise: much the same changes as with more
DIGITS = 2  # of a share: nobody sees a smaller difference


def measure_effect(
    engine: DenoiserEngine, pieces: Mapping[str, Sequence[Tensor]], usual: InversionTranslation | None = None
) -> Effect:
    """Measure how much translations change beyond source → source, from little noise to the most.

    What is measured is the mean absolute difference between translated and source → source, in SDs of each channel that
    moves, over crops of every condition and all directions. It is made to rise: noise beyond the one of the greatest
    effect is left out. The noise of the usual depth is among the entries, whatever its effect.

    Parameters
    ----------
    engine
        Its translating networks as a checkpoint holds them.
    pieces
        (C, h, w) training pieces of each condition, none smaller than the engine's crops.
    usual
        How deep it went so far; the engine's own depth where None.
    """
    in_images = mean_and_sd(pieces)[1].float().cpu()
    sds = in_images / engine.noise_unit
    crops = {c: evenly([p.cpu().numpy() for p in pieces[c]], engine.settings.crop, CROPS) for c in engine.conditions}
    lowest, highest = LOWEST * float(sds.log().mean().exp()), engine.objective.sigma_max
    own = engine.noise(usual or engine.translation_settings.make(scale="noise"))
    sigmas = sorted({own, *np.geomspace(max(lowest, 2 * engine.objective.sigma_min), highest, LEVELS).tolist()})
    effects = _effects(engine, crops, sigmas, in_images)
    return _table([engine.objective.sigma_min, *sigmas], [0.0, *effects], own, sds.tolist())


def _effects(
    engine: DenoiserEngine, crops: Mapping[str, np.ndarray], sigmas: Sequence[float], sds: Tensor
) -> list[float]:
    """Return the mean effect at each noise over the channels that move, each in its SD in the images' units."""
    moving = [place for place in range(engine.channels) if place not in engine.kept]
    found = np.zeros(len(sigmas))
    for source in engine.conditions:
        x = torch.from_numpy(np.ascontiguousarray(crops[source], np.float32)).to(engine.device)
        inverted: dict[Any, Tensor] = {}
        targets = [target for origin, target in engine.directions() if origin == source]
        for place, sigma in enumerate(sigmas):
            how = engine.at_noise(sigma, EVALUATIONS)
            same = run_kept(engine, x, (source, source), how, inverted)
            for target in targets:
                change = (run_kept(engine, x, (source, target), how, inverted) - same).abs().mean(dim=(0, 2, 3))
                found[place] += float((change.cpu() / sds)[moving].mean())
    return (found / len(engine.directions())).tolist()


@torch.no_grad()
def run_kept(
    engine: Engine, x: Tensor, way: tuple[str, str], how: TranslationSettings, kept: dict[Any, Tensor]
) -> Tensor:
    """Translate (N, C, H, W) whole, from ``way[0]`` to ``way[1]``; ``kept`` holds what translations of x share."""
    steps = engine.calls(x, *way, how)
    try:
        call = next(steps)
        while True:
            made = kept.get(call.key) if call.key is not None else None
            if made is None:
                made = call.network(call.x)
                if call.key is not None:
                    kept[call.key] = made
            call = steps.send(made)
    except StopIteration as finished:
        return finished.value


def _table(sigmas: Sequence[float], effects: Sequence[float], own: float, sds: Sequence[float]) -> Effect:
    """Return the table of noise and effect, made to rise; the engine's own noise keeps its place in it."""
    highest = np.maximum.accumulate(effects)
    if highest[-1] <= 0:
        # as a network that was hardly trained: strength then goes evenly through the noise
        highest = np.arange(len(sigmas), dtype=float)
    shares = np.round(highest / highest[-1], DIGITS)
    # 0 is the image itself
    shares[1:] = np.maximum(shares[1:], 10.0**-DIGITS)
    rows: dict[float, float] = {}
    for sigma, share in zip(sigmas, shares.tolist(), strict=True):
        if share not in rows or sigma == own:
            rows[share] = sigma
    return Effect(sigmas=tuple(rows.values()), shares=tuple(rows), sds=tuple(sds))
