"""Whether translated planes of a stack agree with their neighbors: ``python -m bench flicker``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import numpy as np

from bench.common.paired import circumstances
from napari_phenotrans.dataset.synthetic import CHANNELS, CONDITIONS, pair
from napari_phenotrans.dataset.synthetic_stack import Stack
from napari_phenotrans.metrics.flicker import MOST_FLICKER, FlickerRow
from napari_phenotrans.translation.request import Answers, TranslationRequest
from napari_phenotrans.translation.stack_flicker import stack_flicker
from napari_phenotrans.translation.translate import Translation, translating
from napari_phenotrans.translation.translator import Translator

if TYPE_CHECKING:
    from napari_phenotrans.checkpoints.checkpoint import Card
    from napari_phenotrans.core.image import Image

NAMES = tuple(f"synthetic-organoids-{engine}" for engine in ("flow", "phendiff", "cyclegan", "scgan"))
FIRST_SEED = 7000


@click.command()
@click.argument("names", nargs=-1)
@click.option("--seeds", default=2, show_default=True, help="Organoids, none of which training saw.")
@click.option("--size", default=192, show_default=True)
@click.option("--planes", default=6, show_default=True)
@click.option("--step", default=1.5, show_default=True, help="Micrometers between planes.")
@click.option("--samples", default=2, show_default=True, help="Of engines that draw several answers.")
def flicker(names: tuple[str, ...], seeds: int, size: int, planes: int, step: float, samples: int) -> None:
    """Flicker along Z of translated stacks of organoids, beside that of what the disease really does."""
    stack = Stack(planes, step)
    made = circumstances()
    click.echo(
        f"Commit {made['commit']}, {made['cpu']}: {seeds} organoids of {size} × {size} pixels and {planes} planes, "
        f"{step:g} µm apart. Above {MOST_FLICKER:g} is too much.\n\n"
        f"| what | direction | {' | '.join(CHANNELS)} |\n|---|---|{'---|' * len(CHANNELS)}"
    )
    pairs = [pair(FIRST_SEED + seed, size=size, stack=stack) for seed in range(seeds)]
    stacks = [{condition: getattr(both, condition).image for condition in CONDITIONS} for both in pairs]
    card = Translator(NAMES[0]).card
    for source, target in (CONDITIONS, CONDITIONS[::-1]):
        truth = [_rows(each[source], card, _difference(each[source], each[target])) for each in stacks]
        _say("the disease itself", f"{source} → {target}", truth)
    for name in names or NAMES:
        translator = Translator(name)
        for source, target in (CONDITIONS, CONDITIONS[::-1]):
            several = samples if translator.engine.redraw is not None else 1
            translated = [_translated(each[source], translator, source, target, several) for each in stacks]
            rows = [_rows(each.real, translator.card, each.difference) for each in translated]
            _say(name, f"{source} → {target}", rows)
            for number in range(several if several > 1 else 0):
                differences = [_difference(each.real, each.samples[number]) for each in translated]
                drawn = [_rows(e.real, translator.card, d) for e, d in zip(translated, differences, strict=True)]
                _say(f"{name}, sample {number + 1}", f"{source} → {target}", drawn)
            if several > 1:
                anew = [_drawn_anew(each[source], translator, source, target) for each in stacks]
                rows = [_rows(each[source], translator.card, d) for each, d in zip(stacks, anew, strict=True)]
                _say(f"{name}, sample with other noise in every plane", f"{source} → {target}", rows)


def _translated(image: Image, translator: Translator, source: str, target: str, samples: int) -> Translation:
    request = TranslationRequest(source, target, answers=Answers(samples))
    for event in translating(image, translator, request):
        if isinstance(event, Translation):
            return event
    raise AssertionError("a translation ends with its result")


def _drawn_anew(image: Image, translator: Translator, source: str, target: str) -> Image:
    """Return the difference of a sample whose noise is drawn for each plane by itself: what the plugin does not do."""
    planes = []
    for t, z in image.positions():
        request = TranslationRequest(source, target, positions=[(t, z)], answers=Answers(2, seed=1 + z))
        made = next(event for event in translating(image, translator, request) if isinstance(event, Translation))
        planes.append(np.asarray(_difference(made.real, made.samples[0]).pixels)[0])
    return image.replace(pixels=np.stack(planes))


def _difference(real: Image, other: Image) -> Image:
    return real.replace(pixels=np.asarray(other.pixels, np.float32) - np.asarray(real.pixels, np.float32))


def _rows(image: Image, card: Card, difference: Image) -> list[FlickerRow]:
    return stack_flicker(image, card, difference.plane, list(image.positions()))


def _say(what: str, direction: str, of_stacks: list[list[FlickerRow]]) -> None:
    """Print the mean over stacks of each channel's flicker."""
    means = np.mean([[row.flicker.ratio for row in rows] for rows in of_stacks], axis=0)
    cells = [f"**{value:.2f}**" if value > MOST_FLICKER else f"{value:.2f}" for value in means]
    click.echo(f"| {what} | {direction} | {' | '.join(cells)} |")
