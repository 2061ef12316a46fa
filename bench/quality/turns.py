"""Are cells upside down the same cells, and what does the mean over turns do to them? ``python -m bench turns``.

Fields that a checkpoint never saw are translated in all eight flips and quarter turns. Of the first so many of these
the mean is taken, and judged as a translation is: by the picture gate, by the gap that it closes, by its finest detail.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from bench.common.paired import circumstances
from bench.quality.minutes import gaps
from bench.quality.picture import Fields, fields_for, judge_checkpoint
from bench.quality.scores import count_nuclei, count_positive
from napari_phenotrans.checkpoints.checkpoint import Checkpoint, bundled
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.turns import TURNS, turned, turned_back
from napari_phenotrans.metrics.turned import TurnRow, TurnSums
from napari_phenotrans.translation.pictures import middle
from napari_phenotrans.translation.translate import Translator, translate_image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_phenotrans.metrics.picture import Verdict

    Made = dict[str, dict[str, list[np.ndarray]]]

AVERAGED = (1, 2, 4, 8)


@dataclass(frozen=True)
class Averaged:
    """What the mean over so many turns is like, in one direction.

    Attributes
    ----------
    turns, direction
        Which.
    gap
        Closed: of GFP in nucleus over ring where that is measured, else the mean over the channels that differ.
    faults
        What does not pass the gate, as ``channel measure value``.
    fine
        Per channel, how much detail from pixel to pixel there is beside the real target's: 1 is as much.
    half_gone
        Share of marker objects that are neither there nor gone; None where no channel has such.
    counted
        Nuclei and marker objects per field: translated, and where they are known, true; None where not counted.
    """

    turns: int
    direction: str
    gap: float | None
    faults: tuple[str, ...]
    fine: tuple[float, ...]
    half_gone: float | None
    counted: tuple[float, float, float, float] | None


def translate_turned(checkpoint: Checkpoint, unseen: Mapping[str, Sequence[np.ndarray]]) -> list[Made]:
    """Translate fields in all turns, both ways; returns them turned back, by turn, ``[source][target]``."""
    # fields are in working pixels already
    card = checkpoint.card.model_copy(update={"pixel_size": None, "pixel_unit": "pixel"})
    translator = Translator(replace(checkpoint, card=card))

    def made(plane: np.ndarray, number: int, source: str, target: str) -> np.ndarray:
        image = Image(turned(plane, number), "CYX", card.channels, description="synthetic" if card.synthetic else "")
        result = translate_image(image, translator, source=source, target=target)
        translator.forget()
        return turned_back(np.asarray(result.translated.pixels, np.float32), number)

    return [
        {
            source: {
                target: [made(plane, n, source, target) for plane in some] for target in unseen if target != source
            }
            for source, some in unseen.items()
        }
        for n in range(TURNS)
    ]


def mean_over(made: Sequence[Made], turns: int) -> Made:
    """Return the mean over the first so many turns."""
    return {
        source: {
            target: [np.mean([each[source][target][i] for each in made[:turns]], axis=0) for i in range(len(planes))]
            for target, planes in others.items()
        }
        for source, others in made[0].items()
    }


def disagreement(checkpoint: Checkpoint, fields: Fields, made: Sequence[Made]) -> list[TurnRow]:
    """Return how far fields upside down are from those that lie as they are, per direction and channel."""
    rows = []
    for source, others in made[0].items():
        for target, planes in others.items():
            sums = TurnSums(checkpoint.card.intensity.range.ravel().tolist())
            for index, plane in enumerate(planes):
                other = made[1][source][target][index]
                sums.add(fields.unseen[source][index], plane, np.abs(other - plane))
            rows += sums.rows(checkpoint.card.channels, f"{source} → {target}")
    return rows


def judged(checkpoint: Checkpoint, fields: Fields, made: Made, turns: int) -> list[Averaged]:
    """Judge the mean over so many turns."""
    in_middle = {s: {t: list(map(middle, some)) for t, some in others.items()} for s, others in made.items()}
    # source → source is not asked for here
    for source, planes in fields.unseen.items():
        in_middle[source][source] = list(map(middle, planes))
    unseen = {condition: list(map(middle, some)) for condition, some in fields.unseen.items()}
    verdicts = judge_checkpoint(checkpoint, replace(fields, unseen=unseen), in_middle)
    ratios: dict[str, float] = {}
    if not checkpoint.card.synthetic:
        there, back = gaps(fields.unseen, made)
        one, other = fields.unseen
        ratios = {f"{one} → {other}": there, f"{other} → {one}": back}
    return [
        Averaged(
            turns,
            verdict.direction,
            ratios.get(verdict.direction, _mean_gap(verdict)),
            tuple(f"{row.channel} {row.measure} {row.value:.2f}" for row in verdict.failed),
            _fine(fields, made, *verdict.direction.split(" → ")),
            next((row.value for row in verdict.rows if row.measure == "half-gone" and row.value is not None), None),
            _counted(fields, made, *verdict.direction.split(" → ")) if checkpoint.card.synthetic else None,
        )
        for verdict in verdicts
        if len(set(verdict.direction.split(" → "))) > 1
    ]


def _mean_gap(verdict: Verdict) -> float | None:
    found = [row.value for row in verdict.rows if row.measure == "change" and row.value is not None]
    return float(np.mean(found)) if found else None


def _fine(fields: Fields, made: Made, source: str, target: str) -> tuple[float, ...]:
    """Return the RMS of differences between neighboring pixels, over that of real fields of the target."""

    def steps(planes: Sequence[np.ndarray]) -> np.ndarray:
        return np.sqrt(np.mean([(np.diff(plane.astype(float), axis=2) ** 2).mean(axis=(1, 2)) for plane in planes], 0))

    return tuple((steps(made[source][target]) / steps(fields.unseen[target])).tolist())


def _counted(fields: Fields, made: Made, source: str, target: str) -> tuple[float, float, float, float]:
    sides = made[source][target], fields.unseen[target]
    nuclei, positive = ([float(np.mean([count(p) for p in some])) for some in sides] for count in COUNTS)
    return nuclei[0], nuclei[1], positive[0], positive[1]


COUNTS = (count_nuclei, count_positive)


# ---- in words


def lines(name: str, turned_rows: Sequence[TurnRow], rows: Sequence[Averaged]) -> list[str]:
    """Return the lines of a checkpoint in the two Markdown tables."""
    said = [
        f"| {name} | {row.direction} | {row.channel} | {100 * row.of_range:.2f} | "
        f"{'–' if row.of_change is None else f'{row.of_change:.2f}'} |"
        for row in turned_rows
    ]
    for row in sorted(rows, key=lambda each: each.direction):
        nuclei = "–"
        if row.counted:
            made, true, positive, true_positive = row.counted
            nuclei = f"{made:.1f} ({true:.1f}), {positive:.1f} ({true_positive:.1f})"
        said.append(
            f"| {name} | {row.direction} | {row.turns} | {'–' if row.gap is None else f'{row.gap:.3f}'} | "
            f"{', '.join(f'{each:.2f}' for each in row.fine)} | "
            f"{'–' if row.half_gone is None else f'{row.half_gone:.2f}'} | {nuclei} | "
            f"{'; '.join(row.faults) or 'passes'} |"
        )
    return said


TEST_HEAD = (
    "| checkpoint | direction | channel | turned disagreement, % of the range | of the change |\n|---|---|---|---|---|"
)
MEAN_HEAD = (
    "| checkpoint | direction | mean over turns | gap closed | fine detail over real, by channel | half-gone | "
    "nuclei (true), marker objects (true) | picture gate |\n|---|---|---|---|---|---|---|---|"
)


@click.command("turns")
@click.argument("names", nargs=-1)
@click.option("--fields", "most", default=2, show_default=True, help="Unseen fields of each condition.")
@click.option("--side", default=256, show_default=True, help="Working pixels of a field's middle that are translated.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write everything down here; done ones are kept.")
def turns(names: tuple[str, ...], most: int, side: int, out: Path | None) -> None:
    """The turn test of checkpoints (all bundled ones where none is named), and what means over turns are worth."""
    known: dict[str, Fields] = {}
    found = json.loads(out.read_text()) if out and out.exists() else {}
    for name in names or bundled():
        if name in found:
            continue
        checkpoint = Checkpoint.load(name)
        fields = fields_for(checkpoint, known)
        unseen = {c: [middle(plane, side) for plane in some[:most]] for c, some in fields.unseen.items()}
        fields = replace(fields, unseen=unseen)
        made = translate_turned(checkpoint, unseen)
        test = disagreement(checkpoint, fields, made)
        rows = [row for n in AVERAGED for row in judged(checkpoint, fields, mean_over(made, n), n)]
        found[name] = {"circumstances": circumstances(), "said": lines(name, test, rows)}
        found[name] |= {"test": [asdict(row) for row in test], "means": [asdict(row) for row in rows]}
        if out:
            out.write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
    every = [(line, line.count("|") == 6) for one in found.values() for line in one["said"]]
    click.echo("\n".join([TEST_HEAD, *(line for line, test in every if test), "", MEAN_HEAD]))
    click.echo("\n".join(line for line, test in every if not test))
