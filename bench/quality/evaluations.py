"""How few network evaluations, and which precision, do for a flow? ``python -m bench evaluations``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from bench.quality.answers import image_of, phenotype, unseen_fields
from napari_phenotrans.metrics.gap import gap_closed
from napari_phenotrans.translation.translate import Translator, translate_image

if TYPE_CHECKING:
    from bench.quality.answers import Planes

Made = dict[tuple[str, str], list[np.ndarray]]


@click.command("evaluations")
@click.option("--checkpoint", default="bbbc013-flow", show_default=True, help="A flow.")
@click.option("--at", default="12,10,8,6,5,4", show_default=True, help="Evaluations in each direction at full depth.")
@click.option("--precisions", default="fp32,bf16", show_default=True)
@click.option("--fields", default=2, show_default=True, help="Of each condition.")
def evaluations(checkpoint: str, at: str, precisions: str, fields: int) -> None:
    """Gap closed, source → source and processor seconds over evaluations and precisions, on fields never seen.

    Seconds are the process's own computing time per plane on one thread, so that other work does not count; beside
    them the evaluations of single tiles. What bf16 costs is told against fp32 with as many evaluations.
    """
    click.echo("| evaluations | precision | gap | source → source, % | CPU s | tile evaluations | bf16 RMS, % |")
    click.echo("|---|---|---|---|---|---|---|")
    planes: Planes = {}
    for count in map(int, at.split(",")):
        exact: Made = {}
        for precision in precisions.split(","):
            translator = Translator(checkpoint, device="cpu", precision=precision, how={"evaluations": count})
            planes = planes or unseen_fields(translator, fields)
            made, seconds, tiles = translate_all(translator, planes)
            exact = exact or made
            click.echo(row(translator, planes, made, exact, count, seconds, tiles))


def translate_all(translator: Translator, planes: Planes) -> tuple[Made, float, float]:
    """Translate every plane to every condition; also CPU seconds and tile evaluations of one there."""
    driver, asked = translator._driver, [0]
    apply = driver.apply

    def counting(evaluation: Any, regions: Any, task: Any) -> Any:
        asked[0] += len(regions)
        return apply(evaluation, regions, task)

    driver.apply = counting  # type: ignore[method-assign]
    made: Made = {}
    seconds, tiles, count = 0.0, 0, 0
    for source, some in planes.items():
        for plane in some:
            for target in sorted(planes, key=lambda each: each == source):
                asked[0], began = 0, time.process_time()
                result = translate_image(image_of(plane, translator), translator, source=source, target=target)
                if source != target:
                    # the way to the source itself shares its inversion
                    seconds, tiles, count = seconds + time.process_time() - began, tiles + asked[0], count + 1
                made.setdefault((source, target), []).append(np.asarray(result.translated.pixels, np.float32))
    return made, seconds / count, tiles / count


def row(
    translator: Translator, planes: Planes, made: Made, exact: Made, count: int, seconds: float, tiles: float
) -> str:
    """Return a line of the table."""
    card, kept = translator.card, translator.engine.kept
    span = card.intensity.range.ravel()
    moving = [place for place in range(len(card.channels)) if place not in kept]
    gaps, errors, costs = [], [], []
    for (source, target), some in made.items():
        if source != target:
            sides = (some, planes[target], planes[source])
            gaps.append(gap_closed(*(phenotype(side, card.synthetic) for side in sides)))
        else:
            errors += [
                np.abs(one[place] - before[place]).mean() / span[place]
                for one, before in zip(some, planes[source], strict=True)
                for place in moving
            ]
        costs += [
            np.sqrt(np.square(one[place] - other[place]).mean()) / span[place]
            for one, other in zip(some, exact[source, target], strict=True)
            for place in moving
        ]
    closed = ", ".join(f"{gap:.3f}" for gap in gaps)
    return (
        f"| {count} | {translator.precision} | {closed} | {100 * np.mean(errors):.2f} | {seconds:.2f} | {tiles:.0f} | "
        f"{100 * max(costs):.3f} |"
    )
