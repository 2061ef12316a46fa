"""Normalization statistics of bundled checkpoints measured anew, without training: ``python -m bench remeasure``."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import torch

from bench.quality.bundle import RECIPES, finish
from bench.quality.scores import HELD_OUT_SEEDS
from napari_phenotrans.checkpoints.checkpoint import BUNDLED, Checkpoint
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.dataset.synthetic import organoid
from napari_phenotrans.training.crops import Crops
from napari_phenotrans.training.loop import fix_statistics
from napari_phenotrans.training.prepare import STATISTICS_PLANES

if TYPE_CHECKING:
    from bench.quality.bundle import Recipe
    from napari_phenotrans.engines.base import Engine

UNSEEN_ORGANOIDS = 4


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), default=BUNDLED, help="Where to write. [default: the package]")
def remeasure(names: tuple[str, ...], out: Path) -> None:
    """Measure statistics and backgrounds of bundled GANs anew on their training images, score and write them."""
    click.echo("| checkpoint | direction | identity, % of the range | round trip / change |\n|---|---|---|---|")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            recipe = RECIPES[name]
            before = Checkpoint.load(name)
            dataset = recipe.prepare(Path(folder))
            trained = training_fields(recipe, dataset)
            engine = before.build_engine()
            unseen = _unseen(before, dataset, trained)
            old = _errors(engine, unseen)
            fix_statistics(engine, pieces_of(before, trained))
            new = _errors(engine, unseen)
        for direction, (identity, round_trip) in new.items():
            earlier = old[direction]
            told = f"{_percent(earlier[0])} before, {_percent(identity)} | {earlier[1]:.2f} before, {round_trip:.2f}"
            click.echo(f"| {name} | {direction} | {told} |")
        card = before.card.model_copy(update={"background": engine.offsets})
        finish(Checkpoint.of(engine, card), recipe, name).save(out / f"{name}.safetensors", overwrite=True)


def training_fields(recipe: Recipe, dataset: DataSet) -> DataSet:
    """Return the fields of a recipe's images that it trains on."""
    return DataSet(dataset.folder, dataset.conditions, tuple(f for f in dataset.fields if not recipe.held_out(f.group)))


def pieces_of(checkpoint: Checkpoint, dataset: DataSet) -> dict[str, list[torch.Tensor]]:
    """Return what training averages statistics over: pieces of each condition, (C, H, W)."""
    card = checkpoint.card
    planes = dataset.planes(card.channels, card.pixel_size)
    crops = Crops(planes, card.intensity, card.crop, torch.device("cpu"))
    return {condition: crops.large(condition, STATISTICS_PLANES) for condition in card.conditions}


def _unseen(checkpoint: Checkpoint, dataset: DataSet, trained: DataSet) -> dict[str, list[torch.Tensor]]:
    """Return planes of each condition that training did not see, (1, C, H, W) with sides that networks take."""
    card = checkpoint.card
    held_out = tuple(field for field in dataset.fields if field not in trained.fields)
    if held_out:
        planes = DataSet(dataset.folder, dataset.conditions, held_out).planes(card.channels, card.pixel_size)
    else:
        seeds = HELD_OUT_SEEDS[:UNSEEN_ORGANOIDS]
        planes = {c: [organoid(seed, c).image.plane() for seed in seeds] for c in card.conditions}
    cut = {c: [plane[:, : plane.shape[1] // 4 * 4, : plane.shape[2] // 4 * 4] for plane in planes[c]] for c in planes}
    return {c: [torch.from_numpy(card.intensity.normalize(plane))[None] for plane in cut[c]] for c in cut}


def _errors(engine: Engine, planes: dict[str, list[torch.Tensor]]) -> dict[str, tuple[np.ndarray, float]]:
    """Return per direction the identity control's mean error per channel, and the round trip's over the change."""
    found = {}
    for source, target in engine.directions():
        identity, change, error = [], [], []
        for plane in planes[source]:
            there = engine.translate(plane, source, target)
            back = engine.translate(there, target, source, way_back=True)
            same = engine.translate(plane, source, source)
            identity.append((same - plane).abs().mean(dim=(0, 2, 3)).numpy() / 2)
            change.append(float((there - plane).abs().mean()))
            error.append(float((back - plane).abs().mean()))
        found[f"{source} → {target}"] = np.mean(identity, axis=0), float(np.mean(error) / np.mean(change))
    return found


def _percent(shares: np.ndarray) -> str:
    return ", ".join(f"{100 * share:.2f}" for share in shares)
