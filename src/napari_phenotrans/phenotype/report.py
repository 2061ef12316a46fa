"""The phenotype report: what differs between two conditions, and what of it an engine's translations show."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.checkpoints.matching import check_conditions
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice, Progressed
from napari_phenotrans.dataset.check import telling_columns
from napari_phenotrans.features.cache import Cache
from napari_phenotrans.phenotype.ground_truth import Truth, measure_truth, true_effects
from napari_phenotrans.phenotype.objects.measure import Scale
from napari_phenotrans.phenotype.objects.measure_cached import Measuring
from napari_phenotrans.phenotype.objects.segmenters import choose_finder, open_finder
from napari_phenotrans.phenotype.objects.tables import densities, positive_threshold
from napari_phenotrans.phenotype.page.gallery import gallery
from napari_phenotrans.phenotype.pipeline import Optics, gather
from napari_phenotrans.phenotype.result import Control, PhenotypeReport, ReportDone
from napari_phenotrans.phenotype.selection import check_fields, choose, control_run, find_object_channel, look_at
from napari_phenotrans.phenotype.settings import ReportSettings
from napari_phenotrans.phenotype.statistics.verdicts import LEAST_OBJECTS, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
    from napari_phenotrans.dataset.dataset import DataSet, Field
    from napari_phenotrans.phenotype.objects.segmentation import Finder
    from napari_phenotrans.phenotype.objects.tables import Table
    from napari_phenotrans.phenotype.pipeline import Gathered, Known
    from napari_phenotrans.phenotype.selection import Subject
    from napari_phenotrans.phenotype.statistics.effects import Role


def report(
    dataset: DataSet,
    checkpoint: Checkpoint | str | Path,
    *,
    source: str,
    target: str,
    out: Path | None = None,
    settings: ReportSettings | None = None,
    channels: Mapping[str, str] | None = None,
    held_out_groups: Sequence[str] | None = None,
    labels: Known | None = None,
    positive: Mapping[str, float] | None = None,
    control: Path | None = None,
    truth: Path | None = None,
    how: Mapping[str, Any] | None = None,
    device: str = "auto",
    precision: str = "auto",
    cache: Cache | None = None,
    tables: str = "csv",
    overwrite: bool = False,
    tick: Callable[[], None] | None = None,
) -> Iterator[Progressed | Notice | ReportDone]:
    """Measure real source, real target and translated source, and say what differs, and what may be believed.

    Parameters
    ----------
    dataset
        Holds both conditions.
    checkpoint
        Translates; a checkpoint, a bundled name or a file.
    source, target
        Conditions, as the data set and the checkpoint name them.
    out
        Folder for the page and the tables; nothing is written where none is said.
    settings
        See `ReportSettings`.
    channels
        The images' name for a channel of the checkpoint where they differ.
    held_out_groups
        Groups that training did not see, where the checkpoint does not lie in its run folder.
    labels
        Known objects (Y, X) of a field at (t, z), in the file's own pixels, such as a Labels layer, or None; its
        translation has the same.
    positive
        Per channel the intensity above background, in the images' units, from which an object counts as positive.
    control
        Run folder, or a checkpoint in one, of an engine that was trained between two halves of one condition.
    truth
        Folder with every translated field as it would be in the target condition, by the same file name.
    how
        What the engine is told.
    device, precision
        See `Translator`.
    cache
        Keeps what was measured for the next report; nothing is kept where none is said.
    tables
        "csv" or "parquet".
    overwrite
        Whether files in ``out`` may be replaced.
    tick
        Called before every plane and network evaluation, and between assignments; raise in it to stop.

    Returns
    -------
    Iterator of `Progressed`, `Notice`, and last `ReportDone`.

    Raises
    ------
    InputError
        If conditions, channels or groups do not fit, nothing can be found or measured, or something cannot be written;
        if StarDist or Cellpose are wanted and are not there, or their weights are not.
    """
    from napari_phenotrans.phenotype.page.files import refuse_existing_report, write_report
    from napari_phenotrans.translation.translate import Translator

    settings, tick = settings or ReportSettings.make(), tick or (lambda: None)
    chosen = choose_finder(settings.objects, settings.weights)
    if out is not None:
        refuse_existing_report(out, tables, overwrite)
    if labels is not None and settings.objects == "none":
        raise InputError("Known objects (--labels) and whole crops (--objects none) do not go together. Leave one out.")
    if source == target:
        raise InputError(f"Source and target are both {source!r}; a report compares two conditions. Name another.")
    translator = Translator(checkpoint, device=device, precision=precision, how=how)
    card = translator.card
    check_conditions(card, source, target)
    subject = choose(dataset, source, target, translator.checkpoint, settings.translate, held_out_groups)
    notices = [subject.why]
    pixel_size, about_fields = check_fields(subject, card, channels or {})
    optics = Optics(translator, channels or {}, pixel_size)

    # ---- how objects are found and measured, the same way everywhere
    index, about_channel = find_object_channel(card.channels, settings.object_channel)
    notices += [*about_fields, *(text for text in (about_channel, chosen.notice) if text)]
    yield from map(Notice, notices)
    crops, side = settings.objects == "none", settings.crop or _crop(card, pixel_size)
    if crops:
        finding: AbstractContextManager[Finder | None] = nullcontext()
        diameter, identity, described = float(side), "none", f"crops of {side} pixels"
    else:
        yield Progressed("measuring what objects look like", 0, 1)
        look = look_at(subject, optics, index, settings.diameter)
        finding, diameter = open_finder(chosen, look, device), look.diameter
        identity, described = f"{settings.objects} {look}", f"{settings.objects}; {look.words}"
        if chosen.identity:
            identity += f" {chosen.identity} {look.low} {look.high}"
            described += f"; {chosen.identity}"
    scale = Scale(card.low, card.high, diameter, pixel_size)
    store = cache or Cache()
    known = labels or (lambda one, t, z: None)
    objects, least = ("crops", 1) if crops else ("nuclei", LEAST_OBJECTS)

    if chosen.identity:
        yield Progressed(f"loading {chosen.name}", 0, 1)
    with tempfile.TemporaryDirectory() as pictures, finding as finder:
        measuring = Measuring(card.channels, scale, finder, identity, index, side, store, tick)
        # ---- measure
        ways: dict[str, Any] = {"labels": known, "pictures": Path(pictures), "how": how or {}}
        gathered = yield from gather(
            subject.fields, (source, target), subject.is_translated, subject.was_seen, optics, measuring, **ways
        )
        thresholds = {} if crops else _thresholds(gathered, card, index, positive or {})

        def counted(some: Mapping[Role, Table]) -> dict[Role, Table]:
            return {role: t.with_planes(densities(t, thresholds, pixel_size, objects)) for role, t in some.items()}

        measured = dict(gathered.tables) if crops else counted(gathered.tables)

        # ---- judge
        yield Progressed("comparing groups", 0, 1)
        effects = judge(measured, least=least, seed=settings.seed, tick=tick)
        against = None
        if truth is not None:
            table, changes = yield from measure_truth(
                [one for one in subject.fields["source"] if subject.is_translated(one)], truth, (source, target),
                gathered, optics, measuring, known, how or {},
            )  # fmt: skip
            measured["truth"] = table if crops else counted({"truth": table})["truth"]
            against = Truth(true_effects(effects.rows, measured["source"], measured["truth"]), changes)
        null = None
        if control is not None:
            trained = control_run(control)
            engine = Translator(trained.checkpoint, device=device, precision=precision, how=how)
            if engine.card.channels != card.channels:
                raise InputError(
                    f"The control engine {trained.checkpoint} has the channels {', '.join(engine.card.channels)}, the "
                    f"checkpoint {', '.join(card.channels)}. Train the control on the same channels."
                )
            halves = yield from gather(
                trained.fields, trained.conditions, lambda one: True, trained.was_seen,
                replace(optics, translator=engine), measuring, what="control: ", **ways,
            )  # fmt: skip
            yield Progressed("comparing halves", 0, 1)
            of_halves = dict(halves.tables) if crops else counted(halves.tables)
            judged = judge(of_halves, least=least, seed=settings.seed, tick=tick)
            null = Control.of(trained, judged, effects)
        shown = next((row for row in effects.rows if not row.measurement.per_field), None)
        pictured = () if crops else gallery(gathered, shown, diameter, objects, card.channels[index])
    store.prune()
    if store.problem:
        notices.append(store.problem)

    confounders = [
        f"{problem.what} {problem.do}"
        for problem in telling_columns(replace(dataset, conditions=(source, target), fields=_both(subject)))
    ]
    done = PhenotypeReport(
        source=source,
        target=target,
        channels=card.channels,
        objects=objects,
        given=labels is not None,
        subject=subject,
        scale=scale,
        tables=measured,
        pairs=gathered.pairs,
        thresholds=thresholds,
        effects=effects,
        control=null,
        truth=against,
        confounders=tuple(confounders),
        notices=tuple(dict.fromkeys(notices)),
        gallery=pictured,
        made={
            "data set": dataset.folder.name,
            "checkpoint": translator.checkpoint.name,
            "engine": card.engine,
            **translator.how.model_dump(),
            "objects": "given" if labels is not None else described,
            "settings": settings.model_dump(),
            "by": f"napari-phenotrans {version('napari-phenotrans')}",
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "attribution": card.attribution,
            "synthetic": card.synthetic,
        },
    )
    files = {} if out is None else write_report(done, out, tables=tables, overwrite=overwrite)
    yield ReportDone(done, files)


def _thresholds(gathered: Gathered, card: Card, objects_in: int, said: Mapping[str, float]) -> dict[str, float]:
    """Return from which signal, as a share of the range, an object is positive in a channel other than its own."""
    unknown = [name for name in said if name not in card.channels]
    if unknown:
        raise InputError(f"--positive names {', '.join(unknown)}, but the channels are {', '.join(card.channels)}.")
    span = dict(zip(card.channels, np.ravel(card.intensity.range).tolist(), strict=True))
    real = [gathered.tables["source"], gathered.tables["target"]]
    found = {
        channel: said[channel] / span[channel] if channel in said else positive_threshold(real, channel)
        for index, channel in enumerate(card.channels)
        if index != objects_in or channel in said
    }
    return {channel: threshold for channel, threshold in found.items() if threshold is not None}


def _crop(card: Card, pixel_size_um: float | None) -> int:
    """Return the side of a training crop in pixels of the planes."""
    size = card.pixel_size or 1.0
    return round(card.crop * (size / (pixel_size_um or size) if card.pixel_unit == "um" else size))


def _both(subject: Subject) -> tuple[Field, ...]:
    return tuple(one for some in subject.fields.values() for one in some)
