"""How much each noise changes, measured for bundled checkpoints without training: ``python -m bench effect``."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.quality.bundle import RECIPES
from bench.quality.remeasure import pieces_of, training_fields
from napari_phenotrans.checkpoints.checkpoint import BUNDLED, Checkpoint
from napari_phenotrans.engines.denoiser import DenoiserEngine
from napari_phenotrans.engines.effect import measure_effect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

# Numbers on the scale of earlier versions, whose places on the new one are told.
EARLIER = (0.1, 0.2, 0.3, 0.36, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), default=BUNDLED, help="Where to write. [default: the package]")
def effect(names: tuple[str, ...], out: Path) -> None:
    """Measure on their training images how much each noise changes, and keep it in the cards of checkpoints.

    Weights and pictures stay: a card's own strength or depth is told on the new scale.
    """
    for name in names:
        recipe, before = RECIPES[name], Checkpoint.load(name)
        with tempfile.TemporaryDirectory() as folder:
            pieces = pieces_of(before, training_fields(recipe, recipe.prepare(Path(folder))))
        after = with_effect(before, pieces)
        after.save(out / f"{name}.safetensors", overwrite=True)
        click.echo("\n".join(table(after)))


def with_effect(before: Checkpoint, pieces: Mapping[str, Sequence[torch.Tensor]]) -> Checkpoint:
    """Return a checkpoint whose card says how much each noise changes, and its own depth in these terms."""
    engine, card = before.build_engine(), before.card
    assert isinstance(engine, DenoiserEngine), "only engines that invert have a depth"
    usual = engine.translation_settings.make(**card.translation)
    noise = engine.noise(usual)
    measured = measure_effect(engine, pieces, usual)
    own = {name: value for name, value in card.translation.items() if name != "scale"}
    update = {"effect": measured, "translation": own | {engine.amount: measured.share(noise)}}
    return replace(before, card=card.model_copy(update=update))


def table(checkpoint: Checkpoint) -> list[str]:
    """Return a Markdown table: numbers of the earlier scale, the noise they stand for, and what they are now."""
    engine, card = checkpoint.build_engine(), checkpoint.card
    assert isinstance(engine, DenoiserEngine)
    assert card.effect is not None
    sds = ", ".join(f"{channel} {sd:.3g}" for channel, sd in zip(card.channels, card.effect.sds, strict=True))
    lines = [
        f"#### {checkpoint.name}: {engine.amount} {card.translation[engine.amount]} where nothing is said; SDs: {sds}",
        "",
        f"| {engine.amount} in earlier versions | noise, SDs of {' / '.join(card.channels)} | {engine.amount} now |",
        "|---|---|---|",
    ]
    for number in EARLIER:
        noise = engine.noise(engine.translation_settings.make(**{engine.amount: number, "scale": "noise"}))
        each = " / ".join(f"{noise / sd:.3g}" for sd in card.effect.sds)
        lines.append(f"| {number} | {each} | {card.effect.share(noise):.2f} |")
    return [*lines, ""]
