"""The phenotype report: what differs between two conditions, and what of it an engine's translations show."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.checkpoints.describe import card_warnings, picture_words
from napari_phenotrans.checkpoints.matching import check_conditions
from napari_phenotrans.checkpoints.told_apart import known_of_pictures
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice, Progressed
from napari_phenotrans.dataset.check import telling_columns
from napari_phenotrans.dataset.check_conditions import many_times_brighter
from napari_phenotrans.features.cache import Cache
from napari_phenotrans.phenotype.ground_truth import Truth, measure_truth, true_effects
from napari_phenotrans.phenotype.objects.measure import Scale
from napari_phenotrans.phenotype.objects.measure_cached import Measuring
from napari_phenotrans.phenotype.objects.measure_pool import cores
from napari_phenotrans.phenotype.objects.measure_process import Way
from napari_phenotrans.phenotype.objects.segmenters import choose_finder, open_finder
from napari_phenotrans.phenotype.objects.tables import densities, positive_threshold
from napari_phenotrans.phenotype.page.gallery import gallery
from napari_phenotrans.phenotype.pictures import judge_pictures
from napari_phenotrans.phenotype.pipeline import Optics, gather
from napari_phenotrans.phenotype.result import Control, FirstLook, PhenotypeReport, Repeat, ReportDone
from napari_phenotrans.phenotype.selection import check_fields, choose, control_run, find_object_channel, look_at
from napari_phenotrans.phenotype.statistics.verdicts import LEAST_OBJECTS, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from contextlib import AbstractContextManager

    from napari_phenotrans.checkpoints.checkpoint import Card
    from napari_phenotrans.phenotype.objects.segmentation import Finder, ObjectAppearance
    from napari_phenotrans.phenotype.objects.segmenters import ChosenSegmenter
    from napari_phenotrans.phenotype.objects.tables import Table
    from napari_phenotrans.phenotype.pipeline import Gathered
    from napari_phenotrans.phenotype.request import ReportRequest
    from napari_phenotrans.phenotype.result import GalleryRow
    from napari_phenotrans.phenotype.selection import Subject
    from napari_phenotrans.phenotype.statistics.effects import Effects, Role
    from napari_phenotrans.translation.translator import Translator


def report(
    request: ReportRequest, *, cache: Cache | None = None, tick: Callable[[], None] | None = None
) -> Iterator[Progressed | Notice | FirstLook | ReportDone]:
    """Measure real source, real target and translated source, and say what differs, and what may be believed.

    Parameters
    ----------
    request
        What to compare, how, and where the report is kept.
    cache
        Keeps what was measured for the next report; nothing is kept where none is given.
    tick
        Called before every plane and network evaluation, and between assignments; raise in it to stop.

    Returns
    -------
    Iterator of `Progressed`, `Notice`, a `FirstLook` where there are many fields, and last `ReportDone`.

    Raises
    ------
    InputError
        If conditions, channels or groups do not fit, nothing can be found or measured, or something cannot be written;
        if StarDist or Cellpose are wanted and are not there, or their weights are not.
    """
    from napari_phenotrans.phenotype.page.files import write_report

    cache, tick = cache or Cache(), tick or (lambda: None)
    plan = _plan(request)
    yield from map(Notice, plan.notices)
    finding = yield from _how_objects_are_found(plan)
    with (
        tempfile.TemporaryDirectory() as pictures,
        finding.finder as finder,
        _measuring(plan, finding, finder, cache, tick) as measuring,
    ):
        stages = _Stages(plan, finding, measuring, Path(pictures))
        gathered = yield from stages.measure()
        thresholds = stages.thresholds(gathered)
        tables = stages.with_counts(gathered.tables, thresholds)

        yield Progressed("comparing groups", 0, 1)
        effects = stages.judge(tables)
        truth = yield from stages.against_truth(gathered, thresholds, tables, effects)
        control = yield from stages.control(thresholds, effects)
        repeats = yield from stages.repeats(thresholds, effects)
        verdict = yield from judge_pictures(plan.subject, (request.source, request.target), gathered, plan.optics, tick)
        pictured = stages.gallery(gathered, effects)
    cache.prune()

    finished = stages.put_together(
        gathered,
        thresholds,
        tables if truth is None else {**tables, "truth": truth[1]},
        effects,
        control=control,
        truth=None if truth is None else truth[0],
        repeats=repeats,
        gallery=pictured,
        verdict=verdict,
        notices=tuple(dict.fromkeys([*plan.notices, *([cache.problem] if cache.problem else [])])),
    )
    files = {}
    if request.out is not None:
        files = write_report(finished, request.out, tables=request.tables, overwrite=request.overwrite)
    yield ReportDone(finished, files)


# ---- before anything is measured


@dataclass(frozen=True, eq=False)
class _Plan:
    """What was decided before anything is measured.

    Parameters
    ----------
    request, translator, subject
        What is reported, by what, on which fields.
    optics
        How planes are read.
    segmenter
        What finds objects.
    object_channel
        Index of the channel that shows them.
    crop
        Side of the crops that are measured whole, where no objects are found.
    notices
        What the user should know.
    """

    request: ReportRequest
    translator: Translator
    subject: Subject
    optics: Optics
    segmenter: ChosenSegmenter
    object_channel: int
    crop: int
    notices: list[str]

    @property
    def card(self) -> Card:
        """The checkpoint's."""
        return self.translator.card

    @property
    def crops(self) -> bool:
        """Whether whole crops are measured, not objects."""
        return self.request.settings.objects == "none"

    @property
    def objects(self) -> str:
        """What is measured, in a word."""
        return "crops" if self.crops else "nuclei"


def _plan(request: ReportRequest) -> _Plan:
    """Check that everything fits, and choose fields and channels."""
    settings = request.settings
    segmenter = choose_finder(settings.objects, settings.weights)
    request.check()
    translator = _translator(request, request.checkpoint)
    card = translator.card
    check_conditions(card, request.source, request.target)
    subject = choose(
        request.dataset,
        request.source,
        request.target,
        translator.checkpoint,
        settings.translate,
        request.held_out_groups,
    )
    pixel_size, about_fields = check_fields(subject, card, request.channels)
    object_channel, about_channel = find_object_channel(card.channels, settings.object_channel)
    return _Plan(
        request,
        translator,
        subject,
        Optics(translator, request.channels, pixel_size, request.how, request.labels),
        segmenter,
        object_channel,
        settings.crop or _training_crop(card, pixel_size),
        [subject.why, *about_fields, *(text for text in (about_channel, segmenter.notice) if text)],
    )


def _translator(request: ReportRequest, checkpoint: Any) -> Translator:
    from napari_phenotrans.translation.translator import Translator

    return Translator(checkpoint, device=request.device, precision=request.precision, how=request.how)


def _training_crop(card: Card, pixel_size_um: float | None) -> int:
    """Return the side of a training crop in pixels of the planes."""
    size = card.pixel_size or 1.0
    return round(card.crop * (size / (pixel_size_um or size) if card.pixel_unit == "um" else size))


@dataclass(frozen=True, eq=False)
class _Finding:
    """How objects are found, the same way everywhere.

    Parameters
    ----------
    finder
        A context that gives what finds them in this process; None where ``look`` says all, and for whole crops.
    look
        What objects look like that scikit-image finds; None where another library finds them, or nothing is found.
    diameter
        Of a typical object in pixels.
    identity, description
        What distinguishes it from other ways for the cache, and in words for a reader.
    """

    finder: AbstractContextManager[Finder | None]
    look: ObjectAppearance | None
    diameter: float
    identity: str
    description: str


def _how_objects_are_found(plan: _Plan) -> Generator[Progressed, None, _Finding]:
    settings, segmenter = plan.request.settings, plan.segmenter
    if plan.crops:
        return _Finding(nullcontext(), None, float(plan.crop), "none", f"crops of {plan.crop} pixels")
    yield Progressed("measuring what objects look like", 0, 1)
    look = look_at(plan.subject, plan.optics, plan.object_channel, settings.diameter)
    identity, description = f"{settings.objects} {look}", f"{settings.objects}; {look.words}"
    if segmenter.identity:
        identity += f" {segmenter.identity} {look.low} {look.high}"
        description += f"; {segmenter.identity}"
        yield Progressed(f"loading {segmenter.name}", 0, 1)
    finder = open_finder(segmenter, look, plan.request.device)
    return _Finding(finder, None if segmenter.weights else look, look.diameter, identity, description)


def _measuring(
    plan: _Plan, finding: _Finding, finder: Finder | None, cache: Cache, tick: Callable[[], None]
) -> Measuring:
    """Return what measures all planes of a report in one way, each in one of several processes."""
    card = plan.card
    scale = Scale(card.low, card.high, finding.diameter, plan.optics.pixel_size_um)
    way = Way(card.channels, scale, plan.object_channel, finding.look, plan.crop)
    return Measuring(way, finder, finding.identity, cache, tick, processes=cores())


# ---- measuring and judging


class _Stages:
    """The stages of a report, in the order in which they are called; all measure in one way.

    Parameters
    ----------
    plan, finding
        What was decided.
    measuring
        Finds and measures objects.
    pictures
        Folder for planes that are needed later, as files.
    """

    def __init__(self, plan: _Plan, finding: _Finding, measuring: Measuring, pictures: Path) -> None:
        self._plan, self._finding, self._request, self._pictures = plan, finding, plan.request, pictures
        self.measuring, self._tick = measuring, measuring.tick
        self._conditions = plan.request.source, plan.request.target

    def measure(self) -> Generator[Progressed | Notice | FirstLook, None, Gathered]:
        """Measure all real fields, and translate and measure those that are to be; say early what the first tell."""
        plan = self._plan
        return gather(
            plan.subject, self._conditions, plan.optics, self.measuring, self._pictures, look=self._first_look
        )

    def _first_look(self, gathered: Gathered, fields: int, total: int) -> FirstLook | None:
        """Report the first few fields, without what takes long; None where they are too few for anything."""
        from napari_phenotrans.phenotype.page.files import write_page

        out, thresholds = self._request.out, self.thresholds(gathered)
        tables = self.with_counts(gathered.tables, thresholds)
        try:
            effects = self.judge(tables)
        except InputError:
            return None
        found = self.put_together(
            gathered,
            thresholds,
            tables,
            effects,
            gallery=self.gallery(gathered, effects),
            notices=tuple(self._plan.notices),
            first_look=(fields, total),
        )
        return FirstLook(found, write_page(found, out, overwrite=self._request.overwrite) if out else {})

    def put_together(
        self,
        gathered: Gathered,
        thresholds: dict[str, float],
        tables: Mapping[Role, Table],
        effects: Effects,
        **found: Any,
    ) -> PhenotypeReport:
        """Return a report of what was measured and judged; ``found`` are further fields of it."""
        plan, request = self._plan, self._request
        return PhenotypeReport(
            source=request.source,
            target=request.target,
            channels=plan.card.channels,
            objects=plan.objects,
            given=request.labels is not None,
            subject=plan.subject,
            scale=self.measuring.scale,
            tables=dict(tables),
            pairs=gathered.pairs,
            thresholds=thresholds,
            effects=effects,
            confounders=(*_confounders(plan), *_unlike(tables, plan)),
            doubts=tuple(card_warnings(plan.card)),
            known_pictures=_known_of_pictures(plan),
            made=_made(plan, self._finding),
            **({"control": None, "truth": None} | found),
        )

    def thresholds(self, gathered: Gathered) -> dict[str, float]:
        """Return from which signal, as a share of the range, an object is positive in a channel other than its own."""
        card, positive = self._plan.card, self._request.positive
        if self._plan.crops:
            return {}
        unknown = [name for name in positive if name not in card.channels]
        if unknown:
            raise InputError(f"--positive names {', '.join(unknown)}, but the channels are {', '.join(card.channels)}.")
        span = dict(zip(card.channels, np.ravel(card.intensity.range).tolist(), strict=True))
        real = [gathered.tables["source"], gathered.tables["target"]]
        thresholds = {
            channel: positive[channel] / span[channel] if channel in positive else positive_threshold(real, channel)
            for index, channel in enumerate(card.channels)
            if index != self._plan.object_channel or channel in positive
        }
        return {channel: threshold for channel, threshold in thresholds.items() if threshold is not None}

    def with_counts(self, tables: Mapping[Role, Table], thresholds: Mapping[str, float]) -> dict[Role, Table]:
        """Add how many objects there are, and how many are positive; whole crops are not counted."""
        plan = self._plan
        if plan.crops:
            return dict(tables)
        return {
            role: table.with_planes(densities(table, thresholds, plan.optics.pixel_size_um, plan.objects))
            for role, table in tables.items()
        }

    def judge(self, tables: Mapping[Role, Table]) -> Effects:
        """Compare all measurements over groups."""
        least = 1 if self._plan.crops else LEAST_OBJECTS
        return judge(tables, least=least, seed=self._request.settings.seed, tick=self._tick)

    def against_truth(
        self, gathered: Gathered, thresholds: Mapping[str, float], tables: Mapping[Role, Table], effects: Effects
    ) -> Generator[Progressed, None, tuple[Truth, Table] | None]:
        """Measure the truth, where it is known; returns it with its table."""
        plan, folder = self._plan, self._request.truth
        if folder is None:
            return None
        fields = [field for field in plan.subject.fields["source"] if plan.subject.is_translated(field)]
        table, changes = yield from measure_truth(
            fields, folder, self._conditions, gathered, plan.optics, self.measuring
        )
        table = self.with_counts({"truth": table}, thresholds)["truth"]
        return Truth(true_effects(effects.rows, tables["source"], table), changes), table

    def control(
        self, thresholds: Mapping[str, float], effects: Effects
    ) -> Generator[Progressed | Notice | FirstLook, None, Control | None]:
        """Hold the engine against one that was trained between two halves of one condition, where there is one."""
        if self._request.control is None:
            return None
        card = self._plan.card
        run = control_run(self._request.control)
        translator = _translator(self._request, run.checkpoint)
        if translator.card.channels != card.channels:
            raise InputError(
                f"The control engine {run.checkpoint} has the channels {', '.join(translator.card.channels)}, the "
                f"checkpoint {', '.join(card.channels)}. Train the control on the same channels."
            )
        optics = replace(self._plan.optics, translator=translator)
        halves = yield from gather(
            run.subject, run.conditions, optics, self.measuring, self._pictures, prefix="control: "
        )
        yield Progressed("comparing halves", 0, 1)
        return Control.of(run, self.judge(self.with_counts(halves.tables, thresholds)), effects)

    def repeats(
        self, thresholds: Mapping[str, float], effects: Effects
    ) -> Generator[Progressed | Notice | FirstLook, None, tuple[Repeat, ...]]:
        """Translate and measure the same fields with other trainings of the engine."""
        plan, found = self._plan, []
        for number, checkpoint in enumerate(self._request.repeats, start=2):
            translator = _translator(self._request, checkpoint)
            if translator.card.channels != plan.card.channels:
                raise InputError(
                    f"{checkpoint} has the channels {', '.join(translator.card.channels)}, the report's checkpoint "
                    f"{', '.join(plan.card.channels)}. Name trainings on the same channels."
                )
            check_conditions(translator.card, *self._conditions)
            optics = replace(plan.optics, translator=translator)
            prefix = f"training {number}: "
            gathered = yield from gather(
                plan.subject, self._conditions, optics, self.measuring, self._pictures, prefix=prefix
            )
            judged = self.judge(self.with_counts(gathered.tables, thresholds))
            found.append(Repeat.of(translator.name, judged, effects))
        return tuple(found)

    def gallery(self, gathered: Gathered, effects: Effects) -> tuple[GalleryRow, ...]:
        """Cut out objects before and after; there are none of whole crops."""
        plan = self._plan
        if plan.crops:
            return ()
        shown = next((row for row in effects.rows if not row.measurement.per_field), None)
        channel = plan.card.channels[plan.object_channel]
        return gallery(gathered, shown, self.measuring.scale.diameter, plan.objects, channel)


# ---- what a reader has to know


def _confounders(plan: _Plan) -> tuple[str, ...]:
    """Return which columns of the data set coincide with the condition, in sentences."""
    request = plan.request
    fields = tuple(field for of_role in plan.subject.fields.values() for field in of_role)
    both = replace(request.dataset, conditions=(request.source, request.target), fields=fields)
    return tuple(f"{problem.what} {problem.do}" for problem in telling_columns(both))


def _unlike(tables: Mapping[Role, Table], plan: _Plan) -> list[str]:
    """Return whether one condition was recorded brighter than the other, in sentences."""
    ratios = {}
    for channel in plan.card.channels:
        contrasts = []
        for table in (tables["source"], tables["target"]):
            columns = {column.key: index for index, column in enumerate(table.plane_columns)}
            bright, dark = (
                table.plane_values[:, columns[f"Field_{part}_{channel}"]] for part in ("Bright", "Background")
            )
            contrasts.append(float(np.median(bright - dark)))
        if min(contrasts) > 0:
            ratios[channel] = contrasts[1] / contrasts[0]
    problems = many_times_brighter((plan.request.source, plan.request.target), ratios, plan.card.channels)
    return [f"{problem.what} {problem.do}" for problem in problems]


def _known_of_pictures(plan: _Plan) -> tuple[str, ...]:
    checkpoint, request = plan.translator.checkpoint, plan.request
    of = (plan.card, request.source, request.target)
    return tuple(known_of_pictures(checkpoint.path, *of) if checkpoint.path else picture_words(*of))


def _made(plan: _Plan, finding: _Finding) -> dict[str, Any]:
    """Return how the report was made."""
    request, card = plan.request, plan.card
    settings = request.settings.model_dump()
    if settings.get("weights"):
        # what is in them stands under "objects"; where they lie is nobody's business
        settings["weights"] = Path(settings["weights"]).name
    return {
        "data set": request.dataset.folder.name,
        "checkpoint": plan.translator.checkpoint.name,
        "engine": card.engine,
        **plan.translator.how.model_dump(),
        "objects": "given" if request.labels is not None else finding.description,
        "settings": settings,
        "by": f"napari-phenotrans {version('napari-phenotrans')}",
        **({"date": datetime.now(UTC).isoformat(timespec="seconds")} if request.dated else {}),
        "attribution": card.attribution,
        "synthetic": card.synthetic,
    }
