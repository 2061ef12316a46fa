"""Scores of translations with their floors: features, metrics and rows, as events."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from os import cpu_count
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.crop_grid import spread
from napari_phenotrans.core.digests import digest
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice, Progressed
from napari_phenotrans.evaluation.critic import CriticProtocol, critic_row
from napari_phenotrans.evaluation.flicker import flicker_rows
from napari_phenotrans.evaluation.inputs import background_of
from napari_phenotrans.evaluation.pictures import judge_pictures
from napari_phenotrans.evaluation.turned import turn_rows
from napari_phenotrans.features import Entry, Extractor, ExtractorResources, extractor_entry
from napari_phenotrans.metrics import METRICS, Features
from napari_phenotrans.metrics.score_row import ScoreRow, score_row

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from napari_phenotrans.evaluation.inputs import Comparison, Cut, EvaluationSet, Side
    from napari_phenotrans.metrics.picture import Verdict

EMPTY = 0.01  # standard deviation within a crop, in [-1, 1], below which nothing is on it: half a percent of the range
MANY = 0.5  # share of empty crops, or of pixels beyond the limits in a thousand, from which it is said
CLIPPED = 0.001
ANCHORED = "background subtracted"
ANCHORED_METRICS = ("kid", "gap closed")
LOOKED_AT = 8  # fields of a side whose backgrounds are looked at


@dataclass(frozen=True)
class Evaluation:
    """What was scored.

    Parameters
    ----------
    rows
        The scores.
    notes
        What has to be known before believing them.
    about
        Where they come from.
    pictures
        What the picture gate says, per direction.
    """

    rows: tuple[ScoreRow, ...]
    notes: tuple[str, ...]
    about: dict[str, Any] = field(default_factory=dict)
    pictures: tuple[Verdict, ...] = ()

    def __str__(self) -> str:
        """Return the scores as a table, as the command line prints them."""
        from napari_phenotrans.evaluation.score_table import table_lines

        return "\n".join(table_lines(self))


@dataclass(frozen=True)
class EvaluationRequest:
    """What to score, and by what.

    Parameters
    ----------
    evaluation_set
        What to score; see `napari_phenotrans.evaluation.sources`.
    features
        Names in `EXTRACTORS`; every metric is computed on each.
    metrics
        Names in `METRICS`.
    critic
        How critics of the classifier test on pixels are trained; None leaves it out. See `critic.critic_row`.
    resamples
        Of the intervals; 0 leaves them out.
    seed
        Of splits, permutations and intervals.
    """

    evaluation_set: EvaluationSet
    features: Sequence[str] = ("profile",)
    metrics: Sequence[str] = tuple(METRICS)
    critic: CriticProtocol | None = None
    resamples: int = 200
    seed: int = 0


def evaluate(
    request: EvaluationRequest, resources: ExtractorResources | None = None
) -> Iterator[Progressed | Notice | Evaluation]:
    """Score translations against real images, beside what two halves of real images and copying the source score.

    What cannot be computed (missing weights, too few crops for a metric) is said, and the rest is computed.

    Parameters
    ----------
    request
        What to score.
    resources
        Weights, device, cache and ``tick`` of extractors.

    Returns
    -------
    Iterator of `Progressed` and `Notice`, and last the `Evaluation`.

    Raises
    ------
    InputError
        If a name is unknown, none of the features can be had, or real images hold nothing.
    """
    notes: list[str] = []
    for event in _steps(request, resources or ExtractorResources()):
        if isinstance(event, Notice):
            notes.append(event.text)
        yield replace(event, notes=tuple(notes)) if isinstance(event, Evaluation) else event


def _steps(request: EvaluationRequest, resources: ExtractorResources) -> Iterator[Progressed | Notice | Evaluation]:
    unknown = [name for name in request.metrics if name not in METRICS]
    if unknown:
        raise InputError(f"There is no metric {', '.join(unknown)}. Choose among {', '.join(METRICS)}.")
    entries = {name: extractor_entry(name) for name in dict.fromkeys(request.features)}
    evaluation_set = request.evaluation_set
    yield from map(Notice, evaluation_set.notes)

    resources = replace(resources, fit_fields=evaluation_set.fit_fields)
    extractors = yield from _build_extractors(entries, evaluation_set.fit, resources)
    measured = yield from _measure_sides(evaluation_set.comparisons, extractors, resources)
    of_networks = any(extractor.name.startswith(("inception", "vgg")) for extractor in extractors)
    for comparison in evaluation_set.comparisons:
        yield from _warnings(comparison, measured.facts, of_networks=of_networks)

    rows = yield from _metric_rows(request, extractors, measured, resources.tick)
    rows += yield from _anchored_rows(request, extractors, resources)
    if request.critic:
        for comparison in evaluation_set.comparisons:
            rows.append((yield from critic_row(comparison, request.critic, resources, seed=request.seed)))
    rows += yield from flicker_rows(evaluation_set, resources.tick)
    rows += yield from turn_rows(evaluation_set, resources.tick)
    pictures = yield from judge_pictures(evaluation_set, resources.tick)
    if resources.cache.problem:
        yield Notice(resources.cache.problem)
    resources.cache.prune()
    about = evaluation_set.about | {
        "features": {extractor.name: extractor.identity for extractor in extractors},
        "resamples": request.resamples,
        "seed": request.seed,
    }
    yield Evaluation(tuple(rows), (), about, pictures)


# ---- features


def _build_extractors(
    entries: Mapping[str, Entry], fit: Mapping[str, np.ndarray], resources: ExtractorResources
) -> Generator[Progressed | Notice, None, list[Extractor]]:
    """Build all extractors that can be had; the only one that is asked for has to be."""
    extractors = []
    missing = []
    for name, entry in entries.items():
        try:
            extractors.append((yield from entry.build(fit, resources)))
        except InputError as error:
            if len(entries) == 1:
                raise
            missing.append(f"The features {name} are left out. {error}")
            yield Notice(missing[-1])
    if not extractors:
        raise InputError(f"None of the features {', '.join(entries)} can be had: " + " ".join(missing))
    return extractors


@dataclass(frozen=True)
class _Facts:
    """Share of crops that are empty, and of pixels outside the limits."""

    empty: float
    clipped: float


@dataclass(frozen=True, eq=False)
class _Measured:
    """Features by side (its id) and extractor's name, and facts by side."""

    features: dict[tuple[int, str], Features]
    facts: dict[int, _Facts]


def _measure_sides(
    comparisons: Sequence[Comparison], extractors: Sequence[Extractor], resources: ExtractorResources
) -> Generator[Progressed, None, _Measured]:
    """Measure all sides, each once: the target of one direction is the source of the other."""
    sides = {id(side): side for each in comparisons for side in (each.real, each.translated, each.source) if side}
    measured = _Measured({}, {})
    for extractor in extractors:
        for key, side in sides.items():
            features, facts = yield from _measure(side, extractor, resources)
            measured.features[key, extractor.name] = features
            measured.facts[key] = facts
    return measured


def _measure(
    side: Side, extractor: Extractor, resources: ExtractorResources
) -> Generator[Progressed, None, tuple[Features, _Facts]]:
    """Measure all crops of a side, field by field; what was measured before is not measured again."""

    def measure_cut(cut: Cut) -> tuple[np.ndarray, np.ndarray]:
        crops = cut.crops()
        key = digest(extractor.identity, crops)
        cached = resources.cache.get(key)
        if cached is None:
            empty = (crops.std(axis=(2, 3)) < EMPTY).all(axis=1)
            clipped = (np.abs(crops) > 1).mean(axis=(1, 2, 3))
            facts = np.stack([empty, clipped], axis=1).astype(np.float64)
            cached = {"values": extractor.measure(crops), "facts": facts}
            resources.cache.put(key, cached)
        return cached["values"], cached["facts"]

    what = f"measuring crops: {extractor.name}"
    results = []
    # NumPy and SciPy let other threads compute meanwhile
    with ThreadPoolExecutor((cpu_count() or 1) if extractor.parallel else 1) as threads:
        waiting = [threads.submit(measure_cut, cut) for cut in side]
        try:
            for done, future in enumerate(waiting):
                yield Progressed(what, done, len(side))
                resources.tick()
                results.append(future.result())
        finally:
            for future in waiting:
                future.cancel()
    values, facts = (np.concatenate(parts) for parts in zip(*results, strict=True))
    groups = np.array([cut.group for cut in side for _ in cut.indices])
    return Features(values, groups), _Facts(*facts.mean(axis=0).tolist())


def _warnings(comparison: Comparison, facts: Mapping[int, _Facts], *, of_networks: bool) -> Iterator[Notice]:
    """Say what the crops of a direction lack, for scores of any features or of networks.

    Raises
    ------
    InputError
        If real images hold nothing.
    """
    where = f" ({comparison.direction})" if comparison.direction else ""
    if facts[id(comparison.real)].empty == 1:
        raise InputError(
            f"All real crops of the target{where} are empty: there is nothing to compare with. Choose other images."
        )
    for what, side in (("real", comparison.real), ("translated", comparison.translated)):
        share, clipped = facts[id(side)].empty, facts[id(side)].clipped
        if share >= MANY:
            yield Notice(
                f"{share:.0%} of the {what} crops{where} are empty{', all of them' if share == 1 else ''}: scores "
                f"compare background more than cells. Cut fields to where cells are, or choose a larger --crop."
            )
        if clipped > CLIPPED and of_networks:
            yield Notice(
                f"{clipped:.1%} of the {what} pixels{where} lie outside the data set's limits and were set to the "
                f"nearest of them in the 8-bit pictures that networks see."
            )


# ---- rows


def _metric_rows(
    request: EvaluationRequest, extractors: Sequence[Extractor], measured: _Measured, tick: Callable[[], None]
) -> Generator[Progressed, None, list[ScoreRow]]:
    """Compute every metric of every direction, on every extractor's features of each channel and of all together."""
    channels = request.evaluation_set.channels
    plan = [
        (comparison, extractor, channel, name)
        for comparison in request.evaluation_set.comparisons
        for extractor in extractors
        for channel in _channels(extractor, channels)
        for name in request.metrics
        if extractor.measurements or not METRICS[name].of_measurements
    ]
    rows: list[ScoreRow] = []
    for done, (comparison, extractor, channel, name) in enumerate(plan):
        tick()
        yield Progressed(f"scoring {name}", done, len(plan))
        columns = extractor.together if channel is None else extractor.channels[channel]
        real, translated, source = (
            None if side is None else measured.features[id(side), extractor.name].columns(columns)
            for side in (comparison.real, comparison.translated, comparison.source)
        )
        assert real is not None and translated is not None
        row = score_row(name, real, translated, source, seed=request.seed, resamples=request.resamples)
        channel_name = "" if channel is None else channels[channel]
        rows.append(replace(row, direction=comparison.direction, features=extractor.name, channel=channel_name))
    return rows


def _anchored_rows(
    request: EvaluationRequest, extractors: Sequence[Extractor], resources: ExtractorResources
) -> Generator[Progressed, None, list[ScoreRow]]:
    """Score once more with each plane's background brought to one level: what is no plate's doing remains.

    Only measurements, by the metrics that are read first: an offset moves features of networks in no way that is known.
    """
    named = [replace(each, name=f"{each.name}, {ANCHORED}") for each in extractors if each.measurements]
    metrics = [name for name in ANCHORED_METRICS if name in request.metrics]
    if not named or not metrics:
        return []
    evaluation_set = request.evaluation_set
    anchored: dict[int, Side] = {}
    for comparison in evaluation_set.comparisons:
        sides = [side for side in (comparison.real, comparison.source, comparison.translated) if side]
        if not all(id(side) in anchored for side in sides):
            anchored |= _with_one_background(sides, sides[:-1], anchored)
    comparisons = tuple(
        replace(
            each,
            real=anchored[id(each.real)],
            translated=anchored[id(each.translated)],
            source=anchored[id(each.source)] if each.source else None,
        )
        for each in evaluation_set.comparisons
    )
    measured = yield from _measure_sides(comparisons, named, resources)
    again = replace(request, evaluation_set=replace(evaluation_set, comparisons=comparisons), metrics=metrics)
    return (yield from _metric_rows(again, named, measured, resources.tick))


def _with_one_background(sides: Sequence[Side], real: Sequence[Side], known: Mapping[int, Side]) -> dict[int, Side]:
    """Return sides by id whose planes all have the background that real ones have on average."""
    wanted = next((side[0].background for side in map(known.get, map(id, sides)) if side), None)
    if wanted is None:
        cuts = [side[place] for side in real for place in spread(len(side), LOOKED_AT)]
        of_planes = [background_of(cut.intensity.normalize(plane)) for cut in cuts for plane in cut.planes()]
        wanted = tuple(np.mean(of_planes, axis=0).tolist())
    return {id(side): tuple(replace(cut, background=wanted) for cut in side) for side in sides}


def _channels(extractor: Extractor, names: Sequence[str]) -> list[int | None]:
    """Return which channels to score by themselves; None for all together, where that is something else."""
    own: list[int | None] = list(range(len(extractor.channels)))
    return own if len(names) == 1 and own else [None, *own]
