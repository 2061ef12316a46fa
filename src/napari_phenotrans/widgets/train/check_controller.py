"""Checking a data set from the GUI: it starts the check, and shows its report and example crops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_phenotrans.dataset.check import FieldSeen
from napari_phenotrans.dataset.check_report import Report
from napari_phenotrans.widgets.common.time_left import TimeLeft
from napari_phenotrans.widgets.common.worker import Runner
from napari_phenotrans.widgets.train.jobs import CheckDataSet

if TYPE_CHECKING:
    from napari_phenotrans.widgets.common.worker import Problem
    from napari_phenotrans.widgets.train.check_table import CheckTable
    from napari_phenotrans.widgets.train.example_crops import ExampleCrops
    from napari_phenotrans.widgets.train.jobs import TrainingRequest

# The settings on which check and examples depend; others may be changed without checking anew.
CHECK_SETTINGS = {"channels", "conditions", "pixel_size", "crop", "seed", "augment"}


class CheckController(QObject):
    """Checks data sets and shows the reports.

    Parameters
    ----------
    table, examples
        Show it.

    Signals
    -------
    moved
        How far it is (0 to 1), and the same as a text.
    ended
        The outcome as a text.
    failed
        Why it could not go on.
    """

    moved = Signal(float, str)
    ended = Signal(str)
    failed = Signal(str)

    def __init__(self, table: CheckTable, examples: ExampleCrops, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._table, self._examples = table, examples
        self._runner = Runner(self)
        self._job: CheckDataSet | None = None
        self._checked: TrainingRequest | None = None
        self._draw = 0
        self._time_left = TimeLeft()
        #: What the last check found; None where there was none, or it goes on.
        self.report: Report | None = None
        self._runner.came.connect(self._on_came)
        self._runner.ended.connect(self._on_ended)

    @property
    def busy(self) -> bool:
        """Whether a data set is being checked, or crops are drawn."""
        return self._runner.busy

    def start(self, request: TrainingRequest) -> None:
        """Check this, in place of what is being checked."""
        self._checked, self.report, self._draw = request, None, 0
        self._table.clear()
        self._examples.clear()
        self._run(CheckDataSet(request))

    def draw_others(self, request: TrainingRequest) -> None:
        """Draw other example crops."""
        self._draw += 1
        self._run(CheckDataSet(request, self._draw, examples_only=True))

    def cancel(self) -> None:
        self._runner.cancel()

    def holds(self, request: TrainingRequest | None) -> bool:
        """Whether the last check is valid for a request: whether all is equal that the check depends on."""
        if request is None or self._checked is None:
            return False
        return _checked_part(request) == _checked_part(self._checked)

    def _run(self, job: CheckDataSet) -> None:
        self._job = job
        self._time_left = TimeLeft()
        self._runner.start(job)

    def _on_came(self, job: CheckDataSet, event: Any) -> None:
        if isinstance(event, FieldSeen):
            share = event.done / event.total
            left = self._time_left.after("checking", share)
            self.moved.emit(share, f"checking field {event.done} of {event.total}{left}")
        elif isinstance(event, Report):
            self.report = event
            self._table.show_report(event)
            self.moved.emit(0.0, "loading torch…")
        elif hasattr(event, "crops"):
            self._examples.show_examples(event, self._crop_size(job.request.settings.crop))
        else:
            self.moved.emit(event.done / event.total, "drawing example crops")

    def _on_ended(self, job: CheckDataSet, problem: Problem | None) -> None:
        if job is not self._job:
            # another one has taken its place
            return
        self._job = None
        if problem:
            self.failed.emit(problem.text)
        elif self.report is None:
            self.ended.emit("the check was cancelled")
        else:
            self.ended.emit("checked: not fit to train on yet" if self.report.errors else "checked: ready to train")

    def _crop_size(self, crop: int) -> str:
        r = self.report
        wide = f" ({crop * r.pixel_size:.3g} µm)" if r and r.pixel_size and r.unit == "um" else ""
        return f"{crop} × {crop} working pixels{wide}"


def _checked_part(request: TrainingRequest) -> tuple[Any, ...]:
    return request.folder, request.held_out, request.settings.model_dump(include=CHECK_SETTINGS)
