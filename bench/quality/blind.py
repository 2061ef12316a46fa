"""Translated or real? Crops of both, shuffled, for the eye; the key lies in another file."""

from __future__ import annotations

import csv
from pathlib import Path

import click
import numpy as np

from bench.quality.picture import fields_for, translate_fields
from napari_phenotrans.checkpoints.checkpoint import Checkpoint

SIDE, COLUMNS, GAP = 96, 8, 4


@click.command("blind")
@click.argument("name", metavar="CHECKPOINT")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for sheet.png and key.csv.")
@click.option("--count", default=40, show_default=True, help="Crops, half of them translated.")
@click.option("--enlarge", default=2, show_default=True, help="Pixels of the sheet per working pixel.")
@click.option("--seed", default=0, show_default=True)
@click.option("--translated", type=click.Path(path_type=Path), help="Folder in which translations are kept and reused.")
def blind(name: str, out: Path, count: int, enlarge: int, seed: int, translated: Path | None) -> None:
    """Write shuffled crops, translated and real, on one sheet, and which is which into another file."""
    from matplotlib.image import imsave

    checkpoint = Checkpoint.load(name)
    fields = fields_for(checkpoint, {})
    made = translate_fields(checkpoint, fields.unseen, translated)
    rng = np.random.default_rng(seed)
    targets = list(fields.unseen)
    limits = {
        channel: np.percentile(
            np.concatenate([each[channel].ravel() for some in fields.real.values() for each in some]), (1, 99.8)
        )
        for channel in range(len(checkpoint.card.channels))
    }

    # ---- draw crops, as many of each kind and target
    crops, key = [], []
    for number in range(count):
        kind, target = ("real", "translated")[number % 2], targets[number // 2 % len(targets)]
        source = next(each for each in targets if each != target)
        some = fields.real[target] if kind == "real" else made[source][target]
        plane = some[rng.integers(len(some))]
        y, x = (int(rng.integers(0, side - SIDE + 1)) for side in plane.shape[1:])
        tiles = []
        for channel, (low, high) in limits.items():
            crop = np.clip((plane[channel, y : y + SIDE, x : x + SIDE] - low) / (high - low), 0, 1) ** 0.7
            tiles.append(np.kron(crop, np.ones((enlarge, enlarge))))
        crops.append(np.concatenate(tiles, axis=0))
        key.append({"kind": kind, "condition": target, "y": y, "x": x})

    # ---- shuffle, lay out, write
    order = rng.permutation(count)
    padded = [np.pad(crops[index], ((0, GAP), (0, GAP)), constant_values=1) for index in order]
    padded += [np.ones_like(padded[0])] * (-count % COLUMNS)
    rows = [np.concatenate(padded[start : start + COLUMNS], axis=1) for start in range(0, len(padded), COLUMNS)]
    out.mkdir(parents=True, exist_ok=True)
    imsave(out / "sheet.png", np.concatenate(rows), cmap="gray", vmin=0, vmax=1)
    with (out / "key.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["row", "column", *key[0]])
        writer.writeheader()
        for place, index in enumerate(order):
            writer.writerow({"row": place // COLUMNS + 1, "column": place % COLUMNS + 1, **key[index]})
    click.echo(f"{out / 'sheet.png'}: {count} crops, {COLUMNS} in a row; which is which: {out / 'key.csv'}")
