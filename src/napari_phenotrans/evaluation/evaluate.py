"""Scores of translations with their floors: features, metrics and rows, as events."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from os import cpu_count
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice, Progressed
from napari_phenotrans.evaluation.critic import critic_row
from napari_phenotrans.features import Extractor, ExtractorResources, extractor_entry
from napari_phenotrans.features.base import digest
from napari_phenotrans.metrics import METRICS, Features
from napari_phenotrans.metrics.score_row import ScoreRow, score_row

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_phenotrans.evaluation.inputs import Cut, EvaluationSet, Side

EMPTY = 0.01  # standard deviation within a crop, in [-1, 1], below which nothing is on it: half a percent of the range
MANY = 0.5  # share of empty crops, or of pixels beyond the limits in a thousand, from which it is said
CLIPPED = 0.001


@dataclass(frozen=True)
class Evaluation:
    """What was scored: the rows, what has to be known before believing them, and where they come from."""

    rows: tuple[ScoreRow, ...]
    notes: tuple[str, ...]
    about: dict[str, Any] = field(default_factory=dict)


def evaluate(
    material: EvaluationSet,
    *,
    features: Sequence[str] = ("profile",),
    metrics: Sequence[str] = tuple(METRICS),
    means: ExtractorResources | None = None,
    critic_steps: int = 0,
    resamples: int = 200,
    seed: int = 0,
) -> Iterator[Progressed | Notice | Evaluation]:
    """Score translations against real images, beside what two halves of real images and copying the source score.

    What cannot be computed (missing weights, too few crops for a metric) is said, and the rest is computed.

    Parameters
    ----------
    material
        What to score; see `napari_phenotrans.evaluation.sources`.
    features
        Names in `EXTRACTORS`; every metric is computed on each.
    metrics
        Names in `METRICS`.
    means
        Weights, device, cache and ``tick`` of extractors.
    critic_steps
        Updates of each critic of the classifier test on pixels; 0 leaves it out. See `critic.critic_row`.
    resamples
        Of the intervals; 0 leaves them out.
    seed
        Of splits, permutations and intervals.

    Returns
    -------
    Iterator of `Progressed` and `Notice`, and last the `Evaluation`.

    Raises
    ------
    InputError
        If a name is unknown, none of the features can be had, or real images hold nothing.
    """
    means = means or ExtractorResources()
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise InputError(f"There is no metric {', '.join(unknown)}. Choose among {', '.join(METRICS)}.")
    entries = {name: extractor_entry(name) for name in dict.fromkeys(features)}
    notes: list[str] = []

    def note(text: str) -> Notice:
        notes.append(text)
        return Notice(text)

    for text in material.notes:
        yield note(text)

    # ---- extractors
    extractors: list[Extractor] = []
    for name, entry in entries.items():
        try:
            extractors.append((yield from entry.build(material.fit, means)))
        except InputError as error:
            if len(entries) == 1:
                raise
            yield note(f"The features {name} are left out. {error}")
    if not extractors:
        raise InputError(f"None of the features {', '.join(entries)} can be had: " + " ".join(notes))

    # ---- features of all sides; the target of one direction is the source of the other
    sides = {
        id(side): side for each in material.comparisons for side in (each.real, each.translated, each.source) if side
    }
    measured: dict[tuple[int, str], Features] = {}
    facts: dict[int, _Facts] = {}
    for extractor in extractors:
        for key, side in sides.items():
            measured[key, extractor.name], facts[key] = yield from _measure(side, extractor, means)
    for each in material.comparisons:
        where = f" ({each.direction})" if each.direction else ""
        if facts[id(each.real)].empty == 1:
            raise InputError(
                f"All real crops of the target{where} are empty: there is nothing to compare with. Choose other images."
            )
        for what, side in (("real", each.real), ("translated", each.translated)):
            share, clipped = facts[id(side)].empty, facts[id(side)].clipped
            if share >= MANY:
                yield note(
                    f"{share:.0%} of the {what} crops{where} are empty{', all of them' if share == 1 else ''}: scores "
                    f"compare background more than cells. Cut fields to where cells are, or choose a larger --crop."
                )
            if clipped > CLIPPED and any(extractor.name.startswith(("inception", "vgg")) for extractor in extractors):
                yield note(
                    f"{clipped:.1%} of the {what} pixels{where} lie outside the data set's limits and were set to the "
                    f"nearest of them in the 8-bit pictures that networks see."
                )

    # ---- rows
    rows: list[ScoreRow] = []
    plan = [
        (each, extractor, channel, name)
        for each in material.comparisons
        for extractor in extractors
        for channel in _channels(extractor, material.channels)
        for name in metrics
        if extractor.measurements or not METRICS[name].of_measurements
    ]
    for done, (each, extractor, channel, name) in enumerate(plan):
        means.tick()
        yield Progressed(f"scoring {name}", done, len(plan))
        columns = extractor.together if channel < 0 else extractor.channels[channel]
        real, translated, source = (
            None if side is None else measured[id(side), extractor.name].columns(columns)
            for side in (each.real, each.translated, each.source)
        )
        assert real is not None and translated is not None
        rows.append(
            score_row(
                name,
                real,
                translated,
                source,
                direction=each.direction,
                features=extractor.name,
                channel="" if channel < 0 else material.channels[channel],
                seed=seed,
                resamples=resamples,
            )
        )
    if critic_steps:
        for each in material.comparisons:
            rows.append((yield from critic_row(each, critic_steps, means, seed=seed)))
    if means.cache.problem:
        yield note(means.cache.problem)
    means.cache.prune()
    about = material.about | {
        "features": {extractor.name: extractor.identity for extractor in extractors},
        "resamples": resamples,
        "seed": seed,
    }
    yield Evaluation(tuple(rows), tuple(notes), about)


@dataclass(frozen=True)
class _Facts:
    """Share of crops that are empty, and of pixels outside the limits."""

    empty: float
    clipped: float


def _channels(extractor: Extractor, names: Sequence[str]) -> list[int]:
    """Return which channels to score by themselves; -1 for all together, where that is something else."""
    own = list(range(len(extractor.channels)))
    return own if len(names) == 1 and own else [-1, *own]


def _measure(
    side: Side, extractor: Extractor, means: ExtractorResources
) -> Generator[Progressed | Notice, None, tuple[Features, _Facts]]:
    """Measure all crops of a side, field by field; what was measured before is not measured again."""

    def one(cut: Cut) -> tuple[np.ndarray, np.ndarray]:
        crops = cut.crops()
        key = digest(extractor.identity, crops)
        kept = means.cache.get(key)
        if kept is None:
            empty = (crops.std(axis=(2, 3)) < EMPTY).all(axis=1)
            clipped = (np.abs(crops) > 1).mean(axis=(1, 2, 3))
            kept = {"values": extractor.measure(crops), "facts": np.stack([empty, clipped], axis=1).astype(np.float64)}
            means.cache.put(key, kept)
        return kept["values"], kept["facts"]

    what = f"measuring crops: {extractor.name}"
    results = []
    # NumPy and SciPy let other threads compute meanwhile
    with ThreadPoolExecutor((cpu_count() or 1) if extractor.parallel else 1) as threads:
        waiting = [threads.submit(one, cut) for cut in side]
        try:
            for done, future in enumerate(waiting):
                yield Progressed(what, done, len(side))
                means.tick()
                results.append(future.result())
        finally:
            for future in waiting:
                future.cancel()
    values, facts = (np.concatenate(parts) for parts in zip(*results, strict=True))
    groups = np.array([cut.group for cut in side for _ in cut.kept])
    return Features(values, groups), _Facts(*facts.mean(axis=0).tolist())
