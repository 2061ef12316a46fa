"""Translated or real? Crops of both, shuffled, for the eye; the key lies in another file."""

from __future__ import annotations

import csv
from itertools import permutations
from pathlib import Path

import click
import numpy as np

from bench.quality.picture import fields_for, translate_fields
from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.checkpoints.told_apart import wilson
from napari_phenotrans.evaluation.blind import draw_crops, shown_range

COLUMNS, GAP = 8, 4


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
    shown = shown_range([plane for some in fields.real.values() for plane in some])

    # ---- draw crops, as many of each kind and target
    drawn = []
    for number, (source, target) in enumerate(permutations(fields.unseen)):
        # where both conditions are of the same cells, an organoid that is seen twice would tell
        planes = made[source][target][number::2] if fields.truth else made[source][target]
        crops = draw_crops(fields.real[target], planes, shown=shown, count=count // 2, seed=seed)
        drawn += [(crop, target) for crop in crops]
    order = np.random.default_rng([seed, *checkpoint.name.encode()]).permutation(len(drawn))

    # ---- lay out and write: channels below each other
    big = np.ones((enlarge, enlarge))
    tiles = [np.concatenate([np.kron(channel, big) for channel in drawn[index][0].pixels]) for index in order]
    padded = [np.pad(tile, ((0, GAP), (0, GAP)), constant_values=1) for tile in tiles]
    padded += [np.ones_like(padded[0])] * (-len(padded) % COLUMNS)
    rows = [np.concatenate(padded[start : start + COLUMNS], axis=1) for start in range(0, len(padded), COLUMNS)]
    out.mkdir(parents=True, exist_ok=True)
    imsave(out / "sheet.png", np.concatenate(rows), cmap="gray", vmin=0, vmax=1)
    with (out / "key.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "column", "kind", "condition", "field", "y", "x"])
        for place, index in enumerate(order):
            crop, target = drawn[index]
            kind = "translated" if crop.translated else "real"
            writer.writerow([place // COLUMNS + 1, place % COLUMNS + 1, kind, target, crop.field, crop.y, crop.x])
    click.echo(f"{out / 'sheet.png'}: {len(drawn)} crops, {COLUMNS} in a row; which is which: {out / 'key.csv'}")


@click.command("told")
@click.argument("key", type=click.Path(path_type=Path, exists=True))
@click.argument("guesses", type=click.Path(path_type=Path, exists=True))
def told(key: Path, guesses: Path) -> None:
    """Count guesses that were right: GUESSES has a line per row of the sheet, a letter per crop, r or t."""
    with key.open(encoding="utf-8") as file:
        kinds = [row["kind"][0] for row in csv.DictReader(file)]
    said = "".join(guesses.read_text(encoding="utf-8").split())
    if len(said) != len(kinds) or set(said) - {"r", "t"}:
        raise click.UsageError(f"{guesses} has {len(said)} letters, one per crop is expected: {len(kinds)}, r or t.")
    right = sum(one == other for one, other in zip(said, kinds, strict=True))
    low, high = wilson(right, len(kinds))
    taken = sum(one == "r" for one, other in zip(said, kinds, strict=True) if other == "t")
    click.echo(
        f"{right} of {len(kinds)} right: {right / len(kinds):.2f} [{low:.2f}, {high:.2f}], 0.5 is chance; "
        f"{taken} of {kinds.count('t')} translated ones taken for real"
    )
