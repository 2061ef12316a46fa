"""Are the pictures good? The gate over checkpoints and unseen fields, beside real fields and deliberate defects."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from bench.common.paired import circumstances
from bench.quality.defects import DEFECTS, faded, hollowed
from bench.quality.scores import BBBC013_FIELDS, HELD_OUT
from napari_phenotrans.checkpoints.checkpoint import Checkpoint, PictureVerdict, bundled
from napari_phenotrans.cli.options import pairs
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.resample import to_size
from napari_phenotrans.dataset.synthetic import CHANNELS, CONDITIONS, organoid, pair
from napari_phenotrans.io import read
from napari_phenotrans.metrics.picture import MEASURES, Gate, Limits, Verdict
from napari_phenotrans.metrics.picture.marker import find_objects
from napari_phenotrans.metrics.picture.words import table_rows
from napari_phenotrans.translation.pictures import Pictures, gaps_closed, middle
from napari_phenotrans.translation.translate import Translator, translate_image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Planes = dict[str, list[np.ndarray]]

# No bundled engine was trained on organoids of these seeds.
UNSEEN_SEEDS, REAL_SEEDS, REAL_PER_CONDITION = range(7000, 7006), 8000, 8
ORGANOID_UM = 0.65


@dataclass(frozen=True, eq=False)
class Fields:
    """Fields of one data set in the working pixels of a checkpoint.

    Parameters
    ----------
    name
        ``bbbc013 at 2 pixels``.
    real
        Per condition those that limits are learned from.
    unseen
        Per condition those that are translated.
    truth
        Whether the unseen fields of both conditions are the same cells, field by field.
    gate
        With the limits that were learned.
    """

    name: str
    real: Planes
    unseen: Planes
    truth: bool
    gate: Gate


def _working(plane: np.ndarray, scale: float) -> np.ndarray:
    plane = plane.astype(np.float32)
    return plane if abs(scale - 1) < 0.05 else to_size(plane, *(round(side / scale) for side in plane.shape[1:]))


def _middles(some: Planes) -> Planes:
    return {condition: [middle(plane) for plane in planes] for condition, planes in some.items()}


def fields_for(checkpoint: Checkpoint, known: dict[str, Fields]) -> Fields:
    """Return the fields for a checkpoint, and learn their limits, once for all that work in the same pixels."""
    card = checkpoint.card
    if card.synthetic:
        scale = (card.pixel_size or ORGANOID_UM) / ORGANOID_UM
        name = f"synthetic organoids at {scale * ORGANOID_UM:.3g} µm"
    else:
        scale = card.pixel_size or 1.0
        name = f"BBBC013 at {scale:.3g} of its pixels"
    if name in known:
        return known[name]
    if card.synthetic:
        pairs = [pair(seed) for seed in UNSEEN_SEEDS]
        unseen = dict(zip(CONDITIONS, ([p.healthy for p in pairs], [p.diseased for p in pairs]), strict=True))
        first = dict(zip(CONDITIONS, (REAL_SEEDS, REAL_SEEDS + REAL_PER_CONDITION), strict=True))
        made = {c: [organoid(first[c] + index, c) for index in range(REAL_PER_CONDITION)] for c in CONDITIONS}
        sides = [
            {c: [_working(each.image.plane(), scale) for each in some] for c, some in side.items()}
            for side in (made, unseen)
        ]
        channels: Sequence[str] = CHANNELS
    else:
        paths = {condition: sorted((BBBC013_FIELDS / condition).glob("*.tif")) for condition in HELD_OUT}
        planes = {c: {path.stem: _working(read(path).plane(), scale) for path in some} for c, some in paths.items()}
        sides = [
            {c: list(some.values()) for c, some in planes.items()},
            {c: [planes[c][well] for well in wells] for c, wells in HELD_OUT.items()},
        ]
        channels = card.channels
    real = _middles(sides[0])
    known[name] = Fields(name, real, sides[1], card.synthetic, Gate(Limits.fit(real, channels)))
    return known[name]


def translate_fields(
    checkpoint: Checkpoint, unseen: Planes, kept_in: Path | None, how: Mapping[str, str] | None = None
) -> dict[str, Planes]:
    """Translate all unseen fields to all conditions, ``[source][target]``; kept in a folder where one is said.

    ``how`` are settings of the translation that go before the checkpoint's own.
    """
    said = "".join(f" {name} {value}" for name, value in sorted((how or {}).items()))
    file = kept_in / f"{checkpoint.name}{said}.npz" if kept_in else None
    keys = [(source, target, index) for source in unseen for target in unseen for index in range(len(unseen[source]))]
    if file and file.exists():
        with np.load(file) as stored:
            made = {key: stored["|".join(map(str, key))] for key in keys}
    else:
        # fields are in working pixels already
        card = checkpoint.card.model_copy(update={"pixel_size": None, "pixel_unit": "pixel"})
        translator = Translator(replace(checkpoint, card=card), how=_as_settings(how or {}))
        made = {}
        for source, target, index in keys:
            image = Image(unseen[source][index], "CYX", card.channels)
            made[source, target, index] = np.asarray(
                translate_image(image, translator, source=source, target=target).translated.pixels, np.float32
            )
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, **{"|".join(map(str, key)): plane for key, plane in made.items()})
    return {s: {t: [made[s, t, i] for i in range(len(unseen[s]))] for t in unseen} for s in unseen}


def _as_settings(how: Mapping[str, str]) -> dict[str, Any]:
    return {name: value.split(",") if name == "kept" else value for name, value in how.items()}


def judge_checkpoint(
    checkpoint: Checkpoint, fields: Fields, made: Mapping[str, Planes], kept: Sequence[str] = ()
) -> list[Verdict]:
    """Judge both directions, then each condition translated to itself; ``kept`` are channels that had to stay."""
    verdicts = []
    for source in fields.unseen:
        for target in sorted(fields.unseen, key=lambda each: each == source):
            real = fields.unseen[source]
            differ = [name for name in fields.gate.limits.channels if name not in fields.gate.limits.unchanged]
            gaps = None
            if source != target:
                sides = (Pictures(some) for some in (made[source][target], real, fields.real[target]))
                places = [checkpoint.card.channels.index(name) for name in differ]
                gaps = gaps_closed(*sides, places, differ, checkpoint.card.intensity)
            verdicts.append(
                fields.gate.judge(
                    real, made[source][target], fields.real[target], to=target, gaps=gaps,
                    direction=f"{source} → {target}", same=source == target, kept=kept,
                )
            )  # fmt: skip
    return sorted(verdicts, key=lambda each: len(set(each.direction.split(" → "))), reverse=True)


def judge_real(fields: Fields) -> list[Verdict]:
    """Judge what has to pass: each real field against the others, no change at all, and the truth where it is known."""
    verdicts = []
    for condition, some in fields.real.items():
        each = [
            fields.gate.judge(None, [one], [*some[:index], *some[index + 1 :]], to=condition)
            for index, one in enumerate(some)
        ]
        bad = [verdict for verdict in each if not verdict.passed]
        verdicts.append(
            replace((bad or each)[0], direction=f"real {condition}, {len(each) - len(bad)} of {len(each)} pass")
        )
        unseen = fields.unseen[condition]
        verdicts.append(
            fields.gate.judge(unseen, unseen, some, to=condition, direction=f"{condition} as it is", same=True)
        )
    if fields.truth:
        for source, target in (CONDITIONS, CONDITIONS[::-1]):
            verdicts.append(
                fields.gate.judge(
                    fields.unseen[source], fields.unseen[target], fields.real[target], to=target,
                    direction=f"{source} → {target}, the truth",
                )
            )  # fmt: skip
    return verdicts


def judge_defects(fields: Fields) -> list[tuple[str, tuple[str, ...], Verdict]]:
    """Judge deliberate defects of real fields, each with the measures that are made for it."""
    limits, rows = fields.gate.limits, []
    for condition, some in fields.real.items():
        source, others = some[:2], some[2:]
        for name, (change, made_for) in DEFECTS.items():
            changed = [change(each, limits.nuclei_channel or 0) for each in source]
            # what is pasted is no change of the condition's only where nothing should change
            verdict = fields.gate.judge(
                source, changed, others, to=condition, direction=f"{name}, {condition}", same="pasted" in name
            )
            rows.append((name, made_for, verdict))
        for name, change, measure in (
            ("hollow marker objects", hollowed, "hollow"),
            ("faded marker objects", faded, "half-gone"),
        ):
            for place, channel in enumerate(limits.channels):
                threshold = limits.shared[channel].get("marker")
                if threshold is None:
                    continue
                bright = [each for each in some if find_objects(each[place], threshold).max() > 1]
                changed = [each.copy() for each in bright]
                for each in changed:
                    each[place] = change(each[place], threshold)
                verdict = fields.gate.judge(bright, changed, some, to=condition, direction=f"{name}, {condition}")
                rows.append((name, (measure,), verdict))
    return rows


# ---- in words


def table(rows: Sequence[tuple[str, Verdict]]) -> list[str]:
    """Return a Markdown table: a line per verdict and channel, what did not pass in bold."""
    lines = ["| | channel | " + " | ".join(MEASURES) + " |", "|---" * (2 + len(MEASURES)) + "|"]
    for name, verdict in rows:
        for channel, *values in table_rows(verdict, mark=lambda value: f"**{value}**"):
            lines.append(f"| {name} {verdict.direction} | {channel} | {' | '.join(values[: len(MEASURES)])} |")
    return lines


def fates_table(rows: Sequence[tuple[str, Verdict]]) -> list[str]:
    """Return a Markdown table of what became of marker objects."""
    found = [
        (f"{name} {verdict.direction}", row.channel, row.more)
        for name, verdict in rows
        for row in verdict.rows
        if row.measure == "half-gone" and "gone" in row.more
    ]
    lines = ["| | channel | objects | gone | half | kept |", "|---|---|---|---|---|---|"]
    for name, channel, more in found:
        shares = " | ".join(f"{more[each]:.2f}" for each in ("gone", "half", "kept"))
        lines.append(f"| {name} | {channel} | {more['objects']:.0f} | {shares} |")
    return lines if found else []


def with_pictures(checkpoint: Checkpoint, verdicts: Sequence[Verdict]) -> Checkpoint:
    """Return a checkpoint whose card says what the gate said of its pictures."""
    card = checkpoint.card.model_copy(update={"pictures": tuple(map(PictureVerdict.of, verdicts))})
    return replace(checkpoint, card=card)


def sheet(path: Path, real: np.ndarray, made: np.ndarray, target: np.ndarray) -> None:
    """Write one field at full size: real, translated and a real target side by side, a row per channel."""
    from matplotlib.image import imsave

    rows = []
    for channel in range(len(real)):
        both = np.concatenate([real[channel].ravel(), target[channel].ravel()])
        low, high = np.percentile(both, (1, 99.8))
        height = max(each.shape[1] for each in (real, target))
        shown = [np.clip((each[channel] - low) / max(high - low, 1e-9), 0, 1) ** 0.7 for each in (real, made, target)]
        padded = [np.pad(each, ((0, height - each.shape[0]), (0, 4)), constant_values=1) for each in shown]
        rows.append(np.concatenate(padded, axis=1))
    path.parent.mkdir(parents=True, exist_ok=True)
    imsave(path, np.concatenate(rows), cmap="gray", vmin=0, vmax=1)


@click.command("picture")
@click.option("--checkpoints", multiple=True, help="Bundled names or files; all bundled ones where none is said.")
@click.option("--how", "typed", multiple=True, metavar="NAME=VALUE", help="Translate so, as in kept=DNA.")
@click.option("--fields", "most", type=int, help="Translate so many unseen fields of each condition; all where none.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Where to write all rows.")
@click.option("--sheets", type=click.Path(path_type=Path), help="Folder for pictures: real, translated, real target.")
@click.option("--translated", type=click.Path(path_type=Path), help="Folder in which translations are kept and reused.")
@click.option("--into", type=click.Path(path_type=Path), help="Folder for copies with what was said in their cards.")
def picture(
    checkpoints: tuple[str, ...],
    typed: tuple[str, ...],
    most: int | None,
    json_file: Path | None,
    sheets: Path | None,
    translated: Path | None,
    into: Path | None,
) -> None:
    """Judge checkpoints by their pictures of fields that they never saw, beside real fields and deliberate defects."""
    how = pairs("--how", typed, "NAME=VALUE", "kept=DNA")
    known: dict[str, Fields] = {}
    judged: dict[str, list[tuple[str, Verdict]]] = {}
    said: list[str] = []
    for name in checkpoints or bundled():
        checkpoint = Checkpoint.load(name)
        fields = fields_for(checkpoint, known)
        fields = replace(fields, unseen={condition: some[:most] for condition, some in fields.unseen.items()})
        whole = translate_fields(checkpoint, fields.unseen, translated, how)
        made = {source: _middles(to) for source, to in whole.items()}
        fields = replace(fields, unseen=_middles(fields.unseen))
        verdicts = judge_checkpoint(checkpoint, fields, made, _as_settings(how).get("kept", ()))
        judged.setdefault(fields.name, []).extend((checkpoint.name, verdict) for verdict in verdicts)
        between = [verdict for verdict in verdicts if len(set(verdict.direction.split(" → "))) > 1]
        words = "; ".join(f"{v.direction}: {' '.join(v.sentences)}" for v in between)
        said.append(f"- `{checkpoint.name}` {'passes' if all(v.passed for v in between) else 'fails'}. {words}")
        if into:
            with_pictures(checkpoint, between).save(into / f"{checkpoint.name}.safetensors", overwrite=True)
        for source, others in made.items() if sheets else ():
            for target, planes in others.items():
                if source != target and sheets:
                    file = sheets / f"{checkpoint.name} {source} to {target}.png"
                    sheet(file, fields.unseen[source][0], planes[0], fields.unseen[target][0])

    about = circumstances()
    told = f" Translated with {', '.join(typed)}." if typed else ""
    told += f" The first {most} unseen of each condition." if most else ""
    lines = [f"Commit {about['commit']}, {about['date']}, {about['cpu']}, {about['cores']} cores.{told}", "", *said]
    missed, out = [], []
    for name, each in known.items():
        fields = replace(each, unseen=_middles(each.unseen))
        real, bad = judge_real(fields), judge_defects(fields)
        for defect, made_for, verdict in bad:
            caught = any(row.measure in made_for for row in verdict.failed)
            if not caught:
                missed.append(f"- {name}, {verdict.direction}: not caught by {' or '.join(made_for)}.")
            out.append({"fields": name, "defect": defect, "caught": caught, **verdict.to_dict()})
        rows = [("", verdict) for verdict in real] + judged[name]
        unchanged = ", ".join(fields.gate.limits.unchanged) or "none"
        lines += ["", f"### {name} (the condition does not act on: {unchanged})", "", *table(rows)]
        lines += ["", *table([("", verdict) for _, _, verdict in bad]), "", *fates_table(rows)]
        out += [{"fields": name, "checkpoint": who, **verdict.to_dict()} for who, verdict in rows]
    lines += ["", *(missed or ["Every deliberate defect is caught by a measure that is made for it."])]
    click.echo("\n".join(lines))
    if json_file:
        limits = {name: fields.gate.limits.to_dict() for name, fields in known.items()}
        json_file.write_text(json.dumps({**about, "rows": out, "limits": limits}, indent=1), encoding="utf-8")
