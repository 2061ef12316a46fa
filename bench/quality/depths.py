"""What depths and kept channels do on unseen wells of BBBC013, without training: ``python -m bench depths``."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from bench.common.paired import circumstances
from bench.quality.phenotype import find_nuclei, gap_closed, log_ratios, overlap
from bench.quality.scores import BBBC013_FIELDS, HELD_OUT, translate_plane
from napari_phenotrans.engines.denoiser import DenoiserEngine
from napari_phenotrans.io import read
from napari_phenotrans.translation.translator import Translator


@click.command()
@click.argument("name")
@click.option("--at", "amounts", type=float, multiple=True, help="Strengths or depths; the card's own where none.")
@click.option("--kept", multiple=True, help="Also with these channels kept.")
@click.option("--side", default=384, show_default=True, help="Pixels of the middle of each well that are translated.")
def depths(name: str, amounts: tuple[float, ...], kept: tuple[str, ...], side: int) -> None:
    """Gap closed and places of nuclei at several depths, with and without kept channels, on the wells of row D."""
    translator = Translator(name)
    engine = translator.engine
    assert isinstance(engine, DenoiserEngine), "only engines that invert have a depth"
    planes = {
        condition: [_middle(read(BBBC013_FIELDS / condition / f"{well}.tif").plane(), side) for well in wells]
        for condition, wells in HELD_OUT.items()
    }
    made = circumstances()
    wells = " and ".join(f"{len(some)} {condition}" for condition, some in planes.items())
    click.echo(
        f"`{name}` at commit {made['commit']}, {made['cpu']}: the middle {side} × {side} pixels of {wells} wells.\n\n"
        f"| {engine.amount} | in levels of noise | kept | gap closed there / back | overlap of nuclei |\n"
        f"|---|---|---|---|---|"
    )
    own = getattr(translator.how, engine.amount)
    for amount in amounts or (own,):
        for channels in ((), kept) if kept else ((),):
            how = {engine.amount: amount} | ({"kept": channels} if channels else {})
            gaps, places = _measure(planes, translator, how)
            level = engine.way(engine.translation_settings.make(**how))
            click.echo(
                f"| {amount:g} | {level:.2f} | {', '.join(channels) or '–'} | {gaps[0]:.2f} / {gaps[1]:.2f} | "
                f"{places[0]:.2f} / {places[1]:.2f} |"
            )


def _measure(
    planes: dict[str, list[np.ndarray]], translator: Translator, how: dict[str, Any]
) -> tuple[list[float], list[float]]:
    """Return gap closed (log GFP nucleus over ring) and overlap of nuclei, there and back."""
    real = {condition: np.concatenate([log_ratios(plane) for plane in some]) for condition, some in planes.items()}
    gaps, places = [], []
    for source, target in (tuple(planes), tuple(planes)[::-1]):
        made = [translate_plane(plane, translator, source, target, how) for plane in planes[source]]
        ratios = np.concatenate([log_ratios(plane) for plane in made])
        gaps.append(gap_closed(ratios, real[target], real[source]))
        masks = [[find_nuclei(plane[0]).mask for plane in some] for some in (planes[source], made)]
        places.append(float(np.mean([overlap(before, after) for before, after in zip(*masks, strict=True)])))
    return gaps, places


def _middle(plane: np.ndarray, side: int) -> np.ndarray:
    top, left = (max(0, n - side) // 2 for n in plane.shape[1:])
    return plane[:, top : top + side, left : left + side]
