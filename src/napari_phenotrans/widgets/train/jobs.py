"""Checking and writing data sets on the background thread: the jobs of the training dock, and what they are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.widgets.common.worker import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from napari_phenotrans.core.settings import TrainingSettings
    from napari_phenotrans.dataset.check import FieldSeen
    from napari_phenotrans.dataset.check_report import Report
    from napari_phenotrans.dataset.collect import FieldWritten, Piece
    from napari_phenotrans.dataset.held_out_choice import HeldOutChoice
    from napari_phenotrans.training.example_crops import Examples, FieldRead
    from napari_phenotrans.widgets.common.worker import Engines


@dataclass(frozen=True)
class TrainingRequest:
    """What is to be trained on, and how."""

    folder: Path
    settings: TrainingSettings
    held_out: HeldOutChoice

    def datasets(self) -> tuple[DataSet, DataSet]:
        """List the fields to train on and those held out; raises as `DataSet` does."""
        return self.held_out.split(DataSet.open(self.folder, self.settings.conditions), self.settings.seed)


class CheckDataSet(Job):
    """Check a data set, then draw example crops where it can be trained on.

    Parameters
    ----------
    request
        What to check.
    draw
        Which example crops; with ``examples_only`` nothing is checked.
    """

    def __init__(self, request: TrainingRequest, draw: int = 0, *, examples_only: bool = False) -> None:
        super().__init__()
        self.request, self.draw, self.examples_only = request, draw, examples_only

    def events(self, engines: Engines, tick: Callable[[], None]) -> Iterator[FieldSeen | Report | FieldRead | Examples]:
        from napari_phenotrans.dataset.check import check_each
        from napari_phenotrans.dataset.check_report import Report

        training, held_out = self.request.datasets()
        event: Any
        if not self.examples_only:
            settings = self.request.settings
            if hasattr(settings, "kept"):
                # beside the ticks it is said what keeping these channels means, as they are set
                settings = settings.model_copy(update={"kept": None})
            for event in check_each(training, held_out, settings):
                yield event
                tick()
            if isinstance(event, Report) and event.errors:
                return
        # torch comes with it
        from napari_phenotrans.training.example_crops import draw_examples

        for event in draw_examples(training, self.request.settings, self.draw):
            yield event
            tick()


class WriteDataSet(Job):
    """Write pieces into a data set folder."""

    def __init__(self, pieces: Sequence[Piece], folder: Path) -> None:
        super().__init__()
        self.pieces, self.folder = tuple(pieces), folder

    def events(self, engines: Engines, tick: Callable[[], None]) -> Iterator[FieldWritten]:
        from napari_phenotrans.dataset.collect import collect

        for event in collect(self.pieces, self.folder):
            yield event
            tick()
