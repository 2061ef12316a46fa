"""Would it come out again? Several trainings of one engine on unseen fields: ``python -m bench again``.

How far their changes agree, above each one's own error, and whether the mean over trainings is a better picture than
each alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from bench.common.paired import circumstances
from bench.quality.picture import fields_for
from bench.quality.turns import MEAN_HEAD, judged, lines
from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.core.image import Image
from napari_phenotrans.metrics.agreement import Agreement, AgreementRow, AgreementSums, agreement_rows
from napari_phenotrans.runs.family import with_families
from napari_phenotrans.translation.pictures import middle
from napari_phenotrans.translation.translate import Translator, translate_image
from napari_phenotrans.translation.trust import WINDOW, local_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.quality.turns import Made

HEAD = "| what | direction | channel | agreement | share of the change that agrees |\n|---|---|---|---|---|"


def translated(translators: Sequence[Translator], unseen: Mapping[str, Sequence[np.ndarray]]) -> list[Made]:
    """Translate fields with each of them to every condition, ``[source][target]``; float32, in working pixels."""

    def made(translator: Translator, plane: np.ndarray, source: str, target: str) -> np.ndarray:
        card = translator.card
        image = Image(plane, "CYX", card.channels, description="synthetic" if card.synthetic else "")
        difference = translate_image(image, translator, source=source, target=target).difference
        return plane + np.asarray(difference.pixels)

    return [
        {
            source: {target: [made(each, plane, source, target) for plane in some] for target in unseen}
            for source, some in unseen.items()
        }
        for each in translators
    ]


def agreement(
    card_of: Sequence[Translator],
    made: Sequence[Made],
    unseen: Mapping[str, Sequence[np.ndarray]],
    way: tuple[str, str],
) -> list[AgreementRow]:
    """Return how far trainings agree in one direction."""
    source, target = way
    total: AgreementSums | None = None
    for index, plane in enumerate(unseen[source]):
        found = Agreement()
        for translator, each in zip(card_of, made, strict=True):
            same = each[source][source][index] - plane
            found.add(each[source][target][index] - plane, local_error(same, translator.card, WINDOW))
        total = found.sums if total is None else total + found.sums
    assert total is not None
    return agreement_rows(card_of[0].card.channels, total)


def mean_of(made: Sequence[Made]) -> Made:
    """Return the mean over trainings."""
    return {
        source: {
            target: [np.mean([each[source][target][i] for each in made], axis=0) for i in range(len(planes))]
            for target, planes in others.items()
        }
        for source, others in made[0].items()
    }


def in_words(what: str, direction: str, rows: Sequence[AgreementRow]) -> list[str]:
    """Return lines of the Markdown table."""
    return [
        f"| {what} | {direction} | {row.channel} | {'–' if row.again is None else f'{row.again:.2f}'} | "
        f"{'–' if row.agreed is None else f'{100 * row.agreed:.0f} %'} |"
        for row in rows
    ]


@click.command("again")
@click.argument("names", nargs=-1, required=True)
@click.option("--fields", "most", default=2, show_default=True, help="Unseen fields of each condition.")
@click.option("--side", default=192, show_default=True, help="Working pixels of a field's middle that are translated.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write everything down here.")
def again(names: tuple[str, ...], most: int, side: int, out: Path | None) -> None:
    """Hold several trainings (checkpoints, or the folder of a family) of one engine against each other."""
    checkpoints = [Checkpoint.load(name) for name in with_families(names)]
    fields = fields_for(checkpoints[0], {})
    unseen = {c: [middle(plane, side) for plane in some[:most]] for c, some in fields.unseen.items()}
    fields = replace(fields, unseen=unseen)
    # fields are in working pixels already
    plain = {"pixel_size": None, "pixel_unit": "pixel"}
    translators = [Translator(replace(each, card=each.card.model_copy(update=plain))) for each in checkpoints]
    made = translated(translators, unseen)
    said, found = [], []
    count = len(checkpoints)
    for way in pairwise([*unseen, next(iter(unseen))]):
        rows = agreement(translators, made, unseen, way)
        said += in_words(f"{count} trainings", " → ".join(way), rows)
        found += [{"direction": " → ".join(way), **asdict(row)} for row in rows]
    each = [judged(checkpoints[0], fields, one, 1) for one in made]
    mean = judged(checkpoints[0], fields, mean_of(made), count)
    click.echo("\n".join([HEAD, *said, "", MEAN_HEAD.replace("mean over turns", "trainings")]))
    for number, rows in enumerate(each, start=1):
        click.echo("\n".join(lines(f"training {number}", (), rows)))
    click.echo("\n".join(lines("mean", (), mean)))
    if out:
        content = {**circumstances(), "checkpoints": list(names), "agreement": found}
        content |= {"means": [asdict(row) for row in (*(r for rows in each for r in rows), *mean)]}
        out.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
