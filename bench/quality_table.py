"""The table of engines: every score with its interval over groups, beside *copy source* and *floor*."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.paired import circumstances
from bench.quality_scores import Extractor, phenotype, planes_of, score_run
from napari_phenotrans.metrics import METRICS, Features, Measured, floor
from napari_phenotrans.metrics.kid import kid_difference
from napari_phenotrans.run_folder import read_decided

if TYPE_CHECKING:
    from pathlib import Path

    from bench.quality import Entry
    from napari_phenotrans.dataset import DataSet

NAMES = {"bbbc013": "BBBC013", "control": "Control: two halves of untreated", "organoids": "Synthetic organoids"}


# The same training, told to translate otherwise: how deep it inverts trades the places of cells for the phenotype.
TOLD = {"PhenDiff": {f", strength {depth}": {"strength": depth} for depth in (0.36,)}}


class Scores:
    """What was measured of one data set: real fields once, translated ones per training."""

    def __init__(self, data: str, dataset: DataSet, pixel_size: float | None) -> None:
        self.data, self.dataset = data, dataset
        planes = [plane for condition in dataset.conditions for plane in planes_of(dataset, condition)[0]]
        self.extractor = Extractor.fit(planes, pixel_size)

    def real(self, held_out: list[DataSet], condition: str) -> tuple[Features, dict[str, Features]]:
        """Return the features and phenotypes of the real held-out fields of several folds."""
        found: dict[str, np.ndarray] = {}
        for one in held_out:
            found |= dict(zip(*reversed(planes_of(one, condition)), strict=True))
        groups = sorted(found)
        measured = {group: phenotype(found[group], self.data) for group in groups}
        names = list(measured[groups[0]])
        return self.extractor([found[group] for group in groups], groups), {
            name: Features(
                np.concatenate([measured[g][name] for g in groups])[:, None],
                np.repeat(groups, [len(measured[g][name]) for g in groups]),
            )
            for name in names
        }


def write_table(work: Path, entries: list[Entry], out: Path) -> None:
    """Score every training that is there, and write the table as Markdown."""
    from bench.quality import PIXEL_SIZE, prepare, split

    prepared = prepare(work)
    groups: dict[tuple[str, float], dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        if (work / "runs" / entry.folder / "bench.json").exists():
            groups[entry.data, entry.share][entry.name].append(entry)
    made = circumstances()
    lines = [
        "# Results",
        "",
        "Made by `python -m bench quality`; every number in the tables comes from that command.",
        "",
        f"Scored at commit {made['commit']} on {str(made['date'])[:10]}, {made['cpu']}, {made['cores']} cores, "
        f"torch {made['torch']}. Read `docs/results-notes.md` for what the numbers mean and where they fall short.",
        "",
    ]
    for (data, share), by_name in groups.items():
        scores = Scores(data, prepared[data], PIXEL_SIZE[data])
        lines += _table(scores, data, share, by_name, work, prepared[data], split)
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _table(
    scores: Scores, data: str, share: float, by_name: dict[str, list[Entry]], work: Path, dataset: DataSet, split: Any
) -> list[str]:
    seeds = sorted({entry.seed for some in by_name.values() for entry in some})
    folds = {seed: split(dataset, data, share, seed) for seed in seeds}
    held_out = [folds[seed][1] for seed in seeds]
    first = read_decided(work / "runs" / next(iter(by_name.values()))[0].folder / "run.json")
    trained = Counter(condition for _, condition, _ in first["training"]["fields"])
    counts = ", ".join(f"{trained[c]} {c}" for c in dataset.conditions)
    lines = [f"## {NAMES[data]}, {share:.0%} of the training groups ({counts} fields)", ""]
    facts = []
    arrays: dict[str, list[dict[str, np.ndarray]]] = {}
    for name, some in by_name.items():
        for variant, how in TOLD.get(name, {"": {}}).items():
            arrays[name + variant] = [_scored(entry, work, folds[entry.seed][1], data, scores, how) for entry in some]
        told = [json.loads((work / "runs" / e.folder / "bench.json").read_text()) for e in some]
        steps, minutes = (
            ", ".join(f"{value:.0f}" for value in column)
            for column in zip(*((t["steps"], t["seconds"] / 60) for t in told), strict=True)
        )
        facts.append(
            f"- {name}: {steps} steps in {minutes} min (seeds {', '.join(str(e.seed) for e in some)}; trained at "
            f"{', '.join(dict.fromkeys(t['commit'] for t in told))}, {told[0]['cpu']}, {told[0]['threads']} thread)."
        )
    lines += [*facts, ""]
    one, other = dataset.conditions
    for source, target in ((one, other), (other, one)):
        way = f"{source} → {target}"
        (from_, from_values), (to, to_values) = scores.real(held_out, source), scores.real(held_out, target)
        measures = list(to_values)
        lines += [
            f"### {way}",
            "",
            f"| | KID | {' | '.join(f'gap closed: {m}' for m in measures)} | overlap of nuclei | round trip |",
            f"|---|---|{'---|' * len(measures)}---|---|",
        ]
        floors = [floor(METRICS["kid"], to, from_)] + [
            floor(METRICS["gap closed"], to_values[m], from_values[m]) for m in measures
        ]
        copies = [METRICS["kid"](to, from_, from_)] + [
            METRICS["gap closed"](to_values[m], from_values[m], from_values[m]) for m in measures
        ]
        lines.append(f"| *floor* | {' | '.join(_cell(value) for value in floors)} | 1 | 0 |")
        lines.append(f"| *copy source* | {' | '.join(_cell(value) for value in copies)} | 1 | 0 |")
        features: dict[str, Features] = {}
        for name, some in arrays.items():
            features[name] = _joined(some, f"{way} features", f"{way} groups")
            values = [METRICS["kid"](to, features[name], from_)]
            for measure in measures:
                translated = _joined(some, f"{way} {measure} values", f"{way} {measure} groups")
                values.append(METRICS["gap closed"](to_values[measure], translated, from_values[measure]))
            same = np.concatenate([each[f"{way} overlap"] for each in some]).mean()
            back, change = (
                np.concatenate([each[f"{way} {w}"] for each in some]).mean() for w in ("round trip", "change")
            )
            lines.append(
                f"| {name} | {' | '.join(_cell(value) for value in values)} | {same:.2f} | {back / change:.2f} |"
            )
        lines.append("")
        for name in features:
            if (
                name != "CycleGAN"
                and "CycleGAN" in features
                and np.array_equal(features[name].names, features["CycleGAN"].names)
            ):
                difference = kid_difference(to, features[name], features["CycleGAN"])
                lines.append(f"KID of {name} minus KID of CycleGAN on the same fields: {_cell(difference)}.")
        lines.append("")
    return lines


def _scored(
    entry: Entry, work: Path, held_out: DataSet, data: str, scores: Scores, how: dict[str, Any]
) -> dict[str, np.ndarray]:
    """Score a training, or take what an earlier scoring of the same checkpoint kept."""
    checkpoint = work / "runs" / entry.folder / "last.safetensors"
    kept = checkpoint.with_name("-".join(["scored", *map(str, how.values())]) + ".npz")
    if not kept.exists() or kept.stat().st_mtime < checkpoint.stat().st_mtime:
        np.savez(kept, **score_run(checkpoint, held_out, data, scores.extractor, how))
    with np.load(kept) as stored:
        return dict(stored)


def _joined(some: list[dict[str, np.ndarray]], values: str, groups: str) -> Features:
    """Put the folds together; one field translated by two seeds counts as one group."""
    stacked = np.concatenate([each[values] for each in some])
    return Features(stacked if stacked.ndim == 2 else stacked[:, None], np.concatenate([each[groups] for each in some]))


def _cell(measured: Measured | None) -> str:
    if measured is None:
        return "–"
    interval = f" [{measured.low:.3f}, {measured.high:.3f}]" if measured.low is not None else ""
    return f"{measured.value:.3f}{interval}"
