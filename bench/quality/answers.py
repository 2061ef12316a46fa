"""Several answers of a flow: how much may be drawn anew before cells lose their places? ``python -m bench answers``.

And of completions: are they of the very channels that they are drawn from? ``python -m bench pairings``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from bench.common.paired import circumstances
from bench.quality.phenotype import find_nuclei, log_ratios, overlap
from bench.quality.picture import fields_for
from bench.quality.scores import BBBC013_FIELDS, HELD_OUT, count_nuclei, count_positive
from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.core.image import Image
from napari_phenotrans.dataset.synthetic import CONDITIONS, pair
from napari_phenotrans.io import read
from napari_phenotrans.metrics.gap import gap_closed
from napari_phenotrans.metrics.picture.marker import GONE, fates, find_objects
from napari_phenotrans.translation.complete import complete_image
from napari_phenotrans.translation.translate import Translator, translate_image

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
SIDE = 448  # pixels of the middle of a BBBC013 field
SEEDS = (7000, 7001)
WORKING = 192  # working pixels of a field whose completion the gate judges
MARKER, MARKED = 1, 500.0  # PH3, and by how much a mitosis is brighter than the plane's median


@dataclass(frozen=True)
class AnswersRow:
    """What samples of one share of redrawn noise are like, in one direction.

    Attributes
    ----------
    gap
        Closed, of the phenotype, over all samples together: GFP in nucleus over ring, or nuclei per field.
    places
        IoU of nuclei before and after; 1 where the nuclei's channel is kept.
    alike, to_plain
        Mean correlation of the moving channels between two samples, and between a sample and the translation without
        chance.
    agreement, by_chance
        Of marker objects, how often two samples agree that one is gone or not, and how often they would if each drew
        as many at random.
    gone
        Share of marker objects that are gone.
    nuclei, positive
        Per field: real source, translated, real target where it is the same field.
    grain
        Standard deviation of single pixels in the darkest tenth of the source: real, and translated, in percent of the
        range.
    """

    share: float
    direction: str
    gap: float
    places: float
    alike: float
    to_plain: float
    agreement: float | None
    by_chance: float | None
    gone: float | None
    nuclei: tuple[float, float, float]
    positive: tuple[float, float, float] | None
    grain: tuple[float, float]


Planes = dict[str, list[np.ndarray]]


def unseen_fields(translator: Translator, fields: int) -> Planes:
    """Return so many planes of each condition that the checkpoint never saw; those of organoids are pairs."""
    if translator.card.synthetic:
        pairs = [pair(seed) for seed in range(SEEDS[0], SEEDS[0] + fields)]
        both = ([p.healthy.image.plane() for p in pairs], [p.diseased.image.plane() for p in pairs])
        return dict(zip(CONDITIONS, both, strict=True))
    planes: Planes = {}
    for condition, wells in HELD_OUT.items():
        some = [read(BBBC013_FIELDS / condition / f"{well}.tif").plane() for well in wells[:fields]]
        margin = (some[0].shape[1] - SIDE) // 2
        planes[condition] = [plane[:, margin : margin + SIDE, margin : margin + SIDE] for plane in some]
    return planes


def image_of(plane: np.ndarray, translator: Translator) -> Image:
    """Return a plane in the checkpoint's own channels and pixel size as an image."""
    card = translator.card
    size = card.pixel_size if card.pixel_unit == "um" else None
    return Image(plane, "CYX", card.channels, size, description="synthetic" if card.synthetic else "")


def phenotype(planes: Sequence[np.ndarray], synthetic: bool) -> np.ndarray:
    """Return one number per cell, or per field of organoids."""
    if synthetic:
        return np.array([count_nuclei(plane) for plane in planes], float)
    return np.concatenate([log_ratios(plane) for plane in planes])


def measure(
    translator: Translator, planes: Planes, source: str, target: str, share: float, samples: int, seed: int = 0
) -> tuple[AnswersRow, list[list[np.ndarray]]]:
    """Draw samples of every plane of a condition; returns what they are like, and the samples of each plane."""
    made, plain = [], []
    for plane in planes[source]:
        way = {"source": source, "target": target}
        result = translate_image(
            image_of(plane, translator), translator, **way, samples=samples, redraw=share, seed=seed
        )
        made.append([np.asarray(each.pixels) for each in result.samples])
        plain.append(np.asarray(result.translated.pixels))
    synthetic, moving = (
        translator.card.synthetic,
        [place for place in range(len(translator.card.channels)) if place not in translator.engine.kept],
    )
    every = [sample for some in made for sample in some]
    real, goal = planes[source], planes[target]
    correlations = [_alike(a, b, moving) for some in made for a, b in combinations(some, 2)]
    to_plain = [_alike(sample, one, moving) for some, one in zip(made, plain, strict=True) for sample in some]
    both, span = list(zip(real, made, strict=True)), translator.card.intensity.range.ravel()
    agreement, by_chance, gone = _fates(real, made) if synthetic else (None, None, None)
    row = AnswersRow(
        share,
        f"{source} → {target}",
        gap_closed(phenotype(every, synthetic), phenotype(goal, synthetic), phenotype(real, synthetic)),
        float(np.mean([_places(before, after) for before, some in zip(real, made, strict=True) for after in some])),
        float(np.mean(correlations)),
        float(np.mean(to_plain)),
        agreement,
        by_chance,
        gone,
        (_mean(count_nuclei, real), _mean(count_nuclei, every), _mean(count_nuclei, goal)),
        (_mean(count_positive, real), _mean(count_positive, every), _mean(count_positive, goal)) if synthetic else None,
        (
            float(np.mean([_grain(before, before, moving, span) for before in real])),
            float(np.mean([_grain(s, before, moving, span) for before, some in both for s in some])),
        ),
    )
    return row, made


def _mean(count, planes: Sequence[np.ndarray]) -> float:  # type: ignore[no-untyped-def]
    return float(np.mean([count(plane) for plane in planes]))


def _places(before: np.ndarray, after: np.ndarray) -> float:
    return overlap(find_nuclei(before[0]).mask, find_nuclei(after[0]).mask)


def _alike(one: np.ndarray, other: np.ndarray, channels: Sequence[int]) -> float:
    return float(np.mean([np.corrcoef(one[c].ravel(), other[c].ravel())[0, 1] for c in channels]))


def _grain(plane: np.ndarray, source: np.ndarray, channels: Sequence[int], span: np.ndarray) -> float:
    """Return how much neighboring pixels differ where the source is darkest: SDs of one pixel, % of the range."""
    found = []
    for channel in channels:
        dark = source[channel] <= np.quantile(source[channel], 0.1)
        values = plane[channel].astype(float)
        steps = np.diff(values, axis=1)[dark[:, 1:] & dark[:, :-1]]
        found.append(100 * steps.std() / np.sqrt(2) / span[channel])
    return float(np.mean(found))


def _fates(real: Sequence[np.ndarray], made: Sequence[Sequence[np.ndarray]]) -> tuple[float, float, float]:
    """Return how often two samples agree on an object, how often chance would, and the share that is gone."""
    agreed, gone = [], []
    for before, some in zip(real, made, strict=True):
        labels = find_objects(before[MARKER], MARKED)
        if not labels.max():
            continue
        lost = np.stack([fates(before[MARKER], after[MARKER], labels) < GONE for after in some])
        agreed += [float((a == b).mean()) for a, b in combinations(lost, 2)]
        gone.append(lost.mean())
    share = float(np.mean(gone))
    return float(np.mean(agreed)), share**2 + (1 - share) ** 2, share


# ---- in words


def table(rows: Sequence[AnswersRow]) -> list[str]:
    """Return a Markdown table."""
    lines = [
        "| redraw | direction | gap | places (IoU) | samples alike | like the plain one | fates agree (chance) | "
        "gone | nuclei | marker objects | grain, % |",
        "|---" * 11 + "|",
    ]
    for row in rows:
        fate = "–" if row.agreement is None else f"{row.agreement:.2f} ({row.by_chance:.2f})"
        gone = "–" if row.gone is None else f"{row.gone:.2f}"
        positive = "–" if row.positive is None else _three(row.positive)
        lines.append(
            f"| {row.share:g} | {row.direction} | {row.gap:.3f} | {row.places:.2f} | {row.alike:.3f} | "
            f"{row.to_plain:.3f} | {fate} | {gone} | {_three(row.nuclei)} | {positive} | "
            f"{row.grain[0]:.2f} → {row.grain[1]:.2f} |"
        )
    return lines


def _three(counts: tuple[float, float, float]) -> str:
    before, after, goal = counts
    return f"{before:.1f} → {after:.1f} (real {goal:.1f})"


def sheet(path: Path, real: np.ndarray, samples: Sequence[np.ndarray], target: np.ndarray) -> None:
    """Write one field at full size: real, each sample and a real target side by side, a row per channel."""
    from matplotlib.image import imsave

    rows = []
    for channel in range(len(real)):
        low, high = np.percentile(np.stack([real[channel], target[channel]]), (1, 99.8))
        shown = [
            np.clip((each[channel] - low) / max(high - low, 1e-9), 0, 1) ** 0.7 for each in (real, *samples, target)
        ]
        rows.append(np.concatenate([np.pad(each, ((0, 4), (0, 4)), constant_values=1) for each in shown], axis=1))
    path.parent.mkdir(parents=True, exist_ok=True)
    imsave(path, np.concatenate(rows), cmap="gray", vmin=0, vmax=1)


@click.command("answers")
@click.option("--checkpoint", default="bbbc013-flow", show_default=True, help="A flow.")
@click.option("--shares", default=",".join(map(str, SHARES)), show_default=True, help="Shares of the noise to redraw.")
@click.option("--samples", default=3, show_default=True)
@click.option("--fields", default=1, show_default=True, help="Of each condition.")
@click.option("--evaluations", type=int, help="Network evaluations.  [default: the checkpoint's]")
@click.option("--precision", default="auto", show_default=True)
@click.option("--sheets", type=click.Path(path_type=Path), help="Folder for pictures: real, samples, real target.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write everything down here.")
def answers(
    checkpoint: str,
    shares: str,
    samples: int,
    fields: int,
    evaluations: int | None,
    precision: str,
    sheets: Path | None,
    out: Path | None,
) -> None:
    """How samples of a flow differ, and what of the image they keep, over shares of the noise that is drawn anew."""
    how = {} if evaluations is None else {"evaluations": evaluations}
    translator = Translator(checkpoint, precision=precision, how=how)
    planes = unseen_fields(translator, fields)
    one, other = planes
    rows = []
    for source, target in ((one, other), (other, one)):
        for share in map(float, shares.split(",")):
            row, made = measure(translator, planes, source, target, share, samples)
            rows.append(row)
            click.echo(table([row])[-1])
            if sheets:
                file = sheets / f"{Path(checkpoint).stem} {source} to {target} {share:g}.png"
                sheet(file, planes[source][0], made[0], planes[target][0])
    click.echo("\n".join(["", *table(rows)]))
    if out:
        out.write_text(json.dumps({**circumstances(), "rows": [asdict(row) for row in rows]}, indent=1))


@click.command("pairings")
@click.option("--checkpoint", default="bbbc013-flow", show_default=True, help="A flow that keeps channels.")
@click.option("--fields", default=3, show_default=True, help="Of each condition.")
@click.option("--gate", "judged", is_flag=True, help="Also judge completions by the gate's spectrum and lattice.")
@click.option("--sheets", type=click.Path(path_type=Path), help="Folder for pictures: real and completed.")
def pairings(checkpoint: str, fields: int, judged: bool, sheets: Path | None) -> None:
    """Whether a completion is of the field that it is drawn from: its correlation with that and with other fields."""
    if judged:
        click.echo("\n".join(judge_completions(checkpoint, fields)))
        return
    translator = Translator(checkpoint)
    planes = unseen_fields(translator, fields)
    moving = [place for place in range(len(translator.card.channels)) if place not in translator.engine.kept]
    lines = ["| condition | channel | right field | other fields |", "|---|---|---|---|"]
    for condition, some in planes.items():
        made = [
            np.asarray(complete_image(image_of(plane, translator), translator, condition=condition).completed.pixels)
            for plane in some
        ]
        for place in moving:
            grid = np.array([[_alike(a, b, [place]) for b in some] for a in made])
            right = grid.diagonal()
            wrong = grid[~np.eye(len(some), dtype=bool)]
            lines.append(
                f"| {condition} | {translator.card.channels[place]} | {right.mean():.3f} ({right.min():.3f} to "
                f"{right.max():.3f}) | {wrong.mean():.3f} ({wrong.min():.3f} to {wrong.max():.3f}) |"
            )
        if sheets:
            sheet(sheets / f"{Path(checkpoint).stem} completed {condition}.png", some[0], made[:1], some[1])
    click.echo("\n".join(lines))


def judge_completions(checkpoint: str, fields: int) -> list[str]:
    """Return a table of what the picture gate's spectrum and lattice say of completions, in working pixels."""
    loaded = Checkpoint.load(checkpoint)
    known = fields_for(loaded, {})
    card = loaded.card.model_copy(update={"pixel_size": None, "pixel_unit": "pixel"})
    translator = Translator(replace(loaded, card=card))
    kept = {card.channels[place] for place in translator.engine.kept}
    lines = ["| condition | channel | measure | value | limit | passes |", "|---|---|---|---|---|---|"]
    for condition, some in known.unseen.items():
        real = [plane[:, :WORKING, :WORKING] for plane in some[:fields]]
        made = []
        for plane in real:
            image = Image(plane, "CYX", card.channels, description="synthetic" if card.synthetic else "")
            drawn = complete_image(image, translator, condition=condition).completed
            made.append(np.asarray(drawn.pixels, np.float32))
        verdict = known.gate.judge(real, made, known.real[condition], to=condition, direction=condition)
        lines += [
            f"| {condition} | {row.channel} | {row.measure} | {row.value:.2f} | {row.limit or 0:.2f} | {row.passed} |"
            for row in verdict.rows
            if row.measure in ("spectrum", "lattice") and row.value is not None and row.channel not in kept
        ]
    return lines
