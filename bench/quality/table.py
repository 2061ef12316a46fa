"""The table of engines: every score with its interval over groups, beside *copy source* and *floor*."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import torch

from bench.common.paired import circumstances
from bench.quality.plan import OBJECTIVES
from bench.quality.run_scores import Extractor, phenotype, planes_of, score_run
from napari_phenotrans.io.atomic import replacing
from napari_phenotrans.metrics import METRICS, Features, Measured, floor
from napari_phenotrans.metrics.kid import kid_difference
from napari_phenotrans.runs.record import read_decided

if TYPE_CHECKING:
    from bench.quality.plan import Entry
    from napari_phenotrans.dataset.dataset import DataSet

NAMES = {"bbbc013": "BBBC013", "control": "Control: two halves of untreated", "organoids": "Synthetic organoids"}


# The same training, told to translate otherwise: how deep it inverts trades the places of cells for the phenotype. Said
# in levels of noise, for these trainings measure no effect.
DEPTHS = {"PhenDiff": (0.36, 0.5)} | {f"PhenDiff ({goal})": (0.5,) for goal in OBJECTIVES}


def told(name: str) -> dict[str, dict[str, Any]]:
    """Return how a training is told to translate, by what the table adds to its name."""
    depths = {f", strength {depth}": {"strength": depth, "scale": "noise"} for depth in DEPTHS.get(name, ())}
    return depths or {"": {}}


class Scores:
    """What was measured of one data set: real fields once, translated ones per training."""

    def __init__(self, data: str, dataset: DataSet, pixel_size: float | None) -> None:
        self.data, self.dataset = data, dataset
        planes = [plane for condition in dataset.conditions for plane in planes_of(dataset, condition)[0]]
        self.extractor = Extractor.fit(planes, pixel_size)

    def real(self, held_out: list[DataSet], condition: str) -> tuple[Features, Features, dict[str, Features]]:
        """Return features, the same with the background subtracted, and phenotypes of real held-out fields."""
        found: dict[str, np.ndarray] = {}
        for one in held_out:
            found |= dict(zip(*reversed(planes_of(one, condition)), strict=True))
        groups = sorted(found)
        planes = [found[group] for group in groups]
        measured = {group: phenotype(found[group], self.data) for group in groups}
        names = list(measured[groups[0]])
        values = {
            name: Features(
                np.concatenate([measured[g][name] for g in groups])[:, None],
                np.repeat(groups, [len(measured[g][name]) for g in groups]),
            )
            for name in names
        }
        return self.extractor(planes, groups), self.extractor(planes, groups, anchored=True), values


def write_table(work: Path, entries: list[Entry], out: Path, jobs: int = 1, threads: int | None = None) -> None:
    """Score every finished training, ``jobs`` at a time, and write the table as Markdown.

    ``threads`` is how many of them each scoring computes with; all where none is said.
    """
    from bench.quality.plan import PIXEL_SIZE, prepare, split

    prepared = prepare(work)
    groups: dict[tuple[str, float], dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        # the one is written after the other, and only where training came to its end
        if all((work / "runs" / entry.folder / name).exists() for name in ("last.safetensors", "bench.json")):
            groups[entry.data, entry.share][entry.name].append(entry)
    made = circumstances()
    lines = [
        "# Results",
        "",
        "Made by `python -m bench quality`; every number in the tables comes from that command.",
        "",
        f"Scored at commit {made['commit']} on {str(made['date'])[:10]}, {made['cpu']}, {made['cores']} cores, "
        f"torch {made['torch']}. Read `docs/developers/results-notes.md` for what the numbers mean and where they fall "
        "short.",
        "",
    ]
    for (data, share), by_name in groups.items():
        scores = Scores(data, prepared[data], PIXEL_SIZE[data])
        folds = {e.seed: split(prepared[data], data, share, e.seed) for some in by_name.values() for e in some}
        scorings = [
            (
                work / "runs" / entry.folder,
                folds[entry.seed][1],
                data,
                scores.extractor,
                list(told(entry.name).values()),
            )
            for some in by_name.values()
            for entry in some
        ]
        _score_all(scorings, jobs, threads)
        held_out = [folds[seed][1] for seed in sorted(folds)]
        lines += _table(scores, data, share, by_name, work, prepared[data], held_out)
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _table(
    scores: Scores,
    data: str,
    share: float,
    by_name: dict[str, list[Entry]],
    work: Path,
    dataset: DataSet,
    held_out: list[DataSet],
) -> list[str]:
    first = read_decided(work / "runs" / next(iter(by_name.values()))[0].folder / "run.json")
    trained = Counter(condition for _, condition, _ in first["training"]["fields"])
    counts = ", ".join(f"{trained[c]} {c}" for c in dataset.conditions)
    lines = [f"## {NAMES[data]}, {share:.0%} of the training groups ({counts} fields)", ""]
    facts = []
    arrays: dict[str, list[dict[str, np.ndarray]]] = {}
    for name, some in by_name.items():
        for variant, how in told(name).items():
            arrays[name + variant] = [_read(work / "runs" / entry.folder, how) for entry in some]
        made = [json.loads((work / "runs" / e.folder / "bench.json").read_text()) for e in some]
        steps, minutes = (
            ", ".join(f"{value:.0f}" for value in column)
            for column in zip(*((one["steps"], one["seconds"] / 60) for one in made), strict=True)
        )
        seeds, commits = ", ".join(str(e.seed) for e in some), ", ".join(dict.fromkeys(one["commit"] for one in made))
        facts.append(
            f"- {name}: {steps} steps in {minutes} min (seeds {seeds}; trained at {commits}, {made[0]['cpu']}, "
            f"{made[0]['threads']} thread)."
        )
    lines += [*facts, ""]
    one, other = dataset.conditions
    for source, target in ((one, other), (other, one)):
        way = f"{source} → {target}"
        from_, from_anchored, from_values = scores.real(held_out, source)
        to, to_anchored, to_values = scores.real(held_out, target)
        measures = list(to_values)
        lines += [
            f"### {way}",
            "",
            f"| | KID | KID, background subtracted | {' | '.join(f'gap closed: {m}' for m in measures)} | overlap of "
            f"nuclei | round trip |",
            f"|---|---|---|{'---|' * len(measures)}---|---|",
        ]
        floors = [floor(METRICS["kid"], *sides) for sides in ((to, from_), (to_anchored, from_anchored))] + [
            floor(METRICS["gap closed"], to_values[m], from_values[m]) for m in measures
        ]
        copies = [METRICS["kid"](real, copy, copy) for real, copy in ((to, from_), (to_anchored, from_anchored))] + [
            METRICS["gap closed"](to_values[m], from_values[m], from_values[m]) for m in measures
        ]
        lines.append(f"| *floor* | {' | '.join(cell(value) for value in floors)} | 1 | 0 |")
        lines.append(f"| *copy source* | {' | '.join(cell(value) for value in copies)} | 1 | 0 |")
        features: dict[str, Features] = {}
        for name, some in arrays.items():
            features[name] = joined(some, f"{way} features", f"{way} groups")
            anchored = joined(some, f"{way} anchored", f"{way} groups")
            values = [METRICS["kid"](to, features[name], from_), METRICS["kid"](to_anchored, anchored, from_anchored)]
            for measure in measures:
                translated = joined(some, f"{way} {measure} values", f"{way} {measure} groups")
                values.append(METRICS["gap closed"](to_values[measure], translated, from_values[measure]))
            same = np.concatenate([each[f"{way} overlap"] for each in some]).mean()
            back, change = (
                np.concatenate([each[f"{way} {w}"] for each in some]).mean() for w in ("round trip", "change")
            )
            lines.append(
                f"| {name} | {' | '.join(cell(value) for value in values)} | {same:.2f} | {back / change:.2f} |"
            )
        compared = []
        for name in features:
            if (
                name != "CycleGAN"
                and "CycleGAN" in features
                and np.array_equal(features[name].names, features["CycleGAN"].names)
            ):
                difference = kid_difference(to, features[name], features["CycleGAN"])
                compared.append(f"KID of {name} minus KID of CycleGAN on the same fields: {cell(difference)}.")
        lines += ["", *compared, ""] if compared else [""]
    return lines


Scoring = tuple[Path, "DataSet", str, Extractor, list[dict[str, Any]]]


def _score_all(scorings: list[Scoring], jobs: int, threads: int | None) -> None:
    """Score trainings, where that is not done yet; what was measured is kept beside their checkpoints."""
    scorings = [
        (*one, left) for *one, told in scorings if (left := [how for how in told if not _is_scored(one[0], how)])
    ]
    if jobs == 1 or len(scorings) < 2:
        for one in scorings:
            click.echo(_score(*one))
        return
    # one with few threads beside another does more per core than one with many
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(threads or 1,)
    ) as pool:
        for waiting in [pool.submit(_score, *one) for one in scorings]:
            click.echo(waiting.result())


def _score(folder: Path, held_out: DataSet, data: str, extractor: Extractor, told: list[dict[str, Any]]) -> str:
    scored = score_run(folder / "last.safetensors", held_out, data, extractor, told)
    for how, measured in zip(told, scored, strict=True):
        with replacing(_kept(folder, how), overwrite=True) as part:
            np.savez(part, **measured)
    return f"{folder.name}: {', '.join(_kept(folder, how).stem for how in told)}"


def _kept(folder: Path, how: dict[str, Any]) -> Path:
    return folder / ("-".join(["scored", *map(str, how.values())]) + ".npz")


def _is_scored(folder: Path, how: dict[str, Any]) -> bool:
    """Whether an earlier scoring of the same checkpoint was kept."""
    kept = _kept(folder, how)
    if not kept.exists() or kept.stat().st_mtime < (folder / "last.safetensors").stat().st_mtime:
        return False
    with np.load(kept) as stored:
        # earlier ones had no scores with the background subtracted
        return any(name.endswith(" anchored") for name in stored.files)


def _read(folder: Path, how: dict[str, Any]) -> dict[str, np.ndarray]:
    with np.load(_kept(folder, how)) as stored:
        return dict(stored)


def joined(some: list[dict[str, np.ndarray]], values: str, groups: str) -> Features:
    """Put the folds together; one field translated by two seeds counts as one group."""
    stacked = np.concatenate([each[values] for each in some])
    return Features(stacked if stacked.ndim == 2 else stacked[:, None], np.concatenate([each[groups] for each in some]))


def cell(measured: Measured | None) -> str:
    """Write a value with its interval."""
    if measured is None:
        return "–"
    interval = f" [{measured.low:.3f}, {measured.high:.3f}]" if measured.low is not None else ""
    return f"{measured.value:.3f}{interval}"
