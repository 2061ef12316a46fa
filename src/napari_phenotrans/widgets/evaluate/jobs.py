"""Making reports and scores on the background thread: the jobs of the evaluate dock, and what they are given."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.widgets.common.worker import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_phenotrans.evaluation.blind import BlindCrop
    from napari_phenotrans.phenotype.result import PhenotypeReport
    from napari_phenotrans.phenotype.settings import ReportSettings
    from napari_phenotrans.widgets.common.worker import Engines
    from napari_phenotrans.widgets.evaluate.labels_as_objects import LabelsAsObjects
    from napari_phenotrans.widgets.translate.jobs import Recipe


@dataclass(frozen=True, eq=False)
class EvaluationRequest:
    """What is to be evaluated, and how.

    Parameters
    ----------
    folder
        The data set.
    recipe
        Checkpoint, conditions, device, and the engine's translation settings.
    settings
        Of the report.
    channels
        The images' name for a channel of the checkpoint where they differ.
    held_out
        Groups that training did not see, where the user named them.
    labels
        The objects of every field; None where they are to be found.
    control
        Run of an engine that was trained between two halves of one condition.
    repeats
        Whether all other trainings of the checkpoint's family translate, too.
    out, overwrite
        Where the report is kept, and whether it may take the place of one that is there; nowhere where None.
    """

    folder: Path
    recipe: Recipe
    settings: ReportSettings
    channels: dict[str, str] = field(default_factory=dict)
    held_out: tuple[str, ...] | None = None
    labels: LabelsAsObjects | None = None
    control: Path | None = None
    repeats: bool = False
    out: Path | None = None
    overwrite: bool = False

    def dataset(self) -> DataSet:
        """List the fields of both conditions; raises as `DataSet.open` does."""
        return DataSet.open(self.folder, (self.recipe.source, self.recipe.target))


class MakeReport(Job):
    """Make a phenotype report; yields what `report` does."""

    def __init__(self, request: EvaluationRequest) -> None:
        super().__init__()
        self.request = request

    def events(self, engines: Engines, tick: Callable[[], None]) -> Iterator[Any]:
        from napari_phenotrans.features.cache import Cache, default_folder
        from napari_phenotrans.phenotype.report import report
        from napari_phenotrans.phenotype.request import ReportRequest
        from napari_phenotrans.runs.family import siblings
        from napari_phenotrans.widgets.common.plot import load_pyqtgraph

        # what shows a report, which takes most of a second, for the main thread to find it
        load_pyqtgraph()

        request, recipe = self.request, self.request.recipe
        dataset = request.dataset()
        if request.labels:
            request.labels.check(dataset.fields)
        to_report = ReportRequest(
            dataset,
            recipe.checkpoint,
            source=recipe.source,
            target=recipe.target,
            out=request.out,
            settings=request.settings,
            channels=request.channels,
            held_out_groups=request.held_out,
            labels=request.labels,
            control=request.control,
            repeats=siblings(recipe.checkpoint) if request.repeats else (),
            how=recipe.how,
            device=recipe.device,
            precision=recipe.precision,
            overwrite=request.overwrite,
        )
        yield from report(to_report, cache=Cache(default_folder()), tick=tick)


@dataclass(frozen=True, eq=False)
class CropsDrawn:
    """Crops to be told apart, in the order in which they are shown, with what has to be known to ask and to keep."""

    crops: tuple[BlindCrop, ...]
    channels: tuple[str, ...]
    checkpoint: str
    direction: str
    how: dict[str, Any]  # where it is not as usual


class DrawCrops(Job):
    """Translate a few of the fields that a report would translate, and draw crops of them and of real ones."""

    def __init__(self, request: EvaluationRequest) -> None:
        super().__init__()
        self.request = request

    def events(self, engines: Engines, tick: Callable[[], None]) -> Iterator[Any]:
        from napari_phenotrans.evaluation.blind import draw_from_checkpoint
        from napari_phenotrans.phenotype.selection import choose
        from napari_phenotrans.translation.request import TranslationRequest

        request, recipe = self.request, self.request.recipe
        translator = engines.get(recipe.checkpoint, recipe.device, recipe.precision, recipe.tile)
        dataset = request.dataset()
        subject = choose(
            dataset, recipe.source, recipe.target, translator.checkpoint, request.settings.translate, request.held_out
        )
        translation = TranslationRequest(recipe.source, recipe.target, request.channels, how=recipe.how)
        # another draw each time: whoever has seen the answers is not asked the same again
        drawing = draw_from_checkpoint(
            dataset, translator, translation, scored=subject.is_translated, seed=secrets.randbits(32), tick=tick
        )
        for event in drawing:
            if isinstance(event, tuple):
                direction = f"{recipe.source} → {recipe.target}"
                unusual = {name: value for name, value in recipe.how.items() if getattr(translator.how, name) != value}
                yield CropsDrawn(event, translator.card.channels, recipe.checkpoint, direction, unusual)
            else:
                yield event


@dataclass(frozen=True)
class PageWritten:
    """The report's page is a file now."""

    path: Path


class WritePage(Job):
    """Write the page and the tables of a report that was kept nowhere."""

    def __init__(self, report: PhenotypeReport, out: Path) -> None:
        super().__init__()
        self.report, self.out = report, out

    def events(self, engines: Engines, tick: Callable[[], None]) -> Iterator[PageWritten]:
        from napari_phenotrans.phenotype.page.files import write_report

        yield PageWritten(write_report(self.report, self.out, overwrite=True)["page"])


class MakeScores(Job):
    """Translate the fields that a report would translate, and score them; yields what `evaluate` does.

    Parameters
    ----------
    request
        What is to be evaluated.
    features
        Names in `EXTRACTORS`.
    download
        Whether weights that are not there may be downloaded.
    """

    def __init__(self, request: EvaluationRequest, features: tuple[str, ...], download: bool) -> None:
        super().__init__()
        self.request, self.features, self.download = request, features, download

    def events(self, engines: Engines, tick: Callable[[], None]) -> Iterator[Any]:
        from napari_phenotrans.core.events import Notice
        from napari_phenotrans.engines.device import choose_device
        from napari_phenotrans.evaluation.evaluate import EvaluationRequest, evaluate
        from napari_phenotrans.evaluation.inputs import EvaluationSet
        from napari_phenotrans.evaluation.sources import from_checkpoint
        from napari_phenotrans.features import ExtractorResources
        from napari_phenotrans.features.cache import Cache, default_folder
        from napari_phenotrans.phenotype.selection import choose
        from napari_phenotrans.translation.request import TranslationRequest

        request, recipe = self.request, self.request.recipe
        translator = engines.get(recipe.checkpoint, recipe.device, recipe.precision, recipe.tile)
        dataset = request.dataset()
        subject = choose(
            dataset, recipe.source, recipe.target, translator.checkpoint, request.settings.translate, request.held_out
        )
        yield Notice(subject.why)
        evaluation_set: EvaluationSet | None = None
        translation = TranslationRequest(recipe.source, recipe.target, request.channels, how=recipe.how)
        for event in from_checkpoint(dataset, translator, translation, scored=subject.is_translated, tick=tick):
            if isinstance(event, EvaluationSet):
                evaluation_set = event
            else:
                yield event
        assert evaluation_set is not None
        resources = ExtractorResources(
            weights={},
            download=self.download,
            device=str(choose_device(recipe.device)),
            cache=Cache(default_folder()),
            tick=tick,
        )
        yield from evaluate(EvaluationRequest(evaluation_set, self.features), resources)
