"""Estimating what a run will cost, by a trial of a few steps in a process of its own."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import duration, gigabytes
from napari_phenotrans.runs.launch import estimate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_phenotrans.runs.launch import Estimate

POLL_EVERY_MS = 300


class _Trial:
    """The trial that runs, if there is one; no part of Qt, which may destroy a dock without notice."""

    def __init__(self) -> None:
        self.now: Estimate | None = None

    def forget(self) -> None:
        """Let go of the trial and what it wrote."""
        if self.now:
            shutil.rmtree(self.now.folder, ignore_errors=True)
            self.now = None

    def cancel(self) -> None:
        """End the trial."""
        if self.now:
            self.now.cancel()
            self.forget()


class EstimateController(QObject):
    """Starts a trial, and polls it until it has ended.

    Signals
    -------
    moved
        What the trial does, as a text.
    measured
        What the run will cost, as a sentence.
    failed
        Why that cannot be estimated.
    """

    moved = Signal(str)
    measured = Signal(str)
    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._trial = _Trial()
        self._trainings = 1
        self.destroyed.connect(self._trial.cancel)
        self._clock = QTimer(self)
        self._clock.setInterval(POLL_EVERY_MS)
        self._clock.timeout.connect(self._poll)

    @property
    def busy(self) -> bool:
        """Whether a trial is on its way."""
        return self._trial.now is not None

    def start(self, arguments: Sequence[str], trainings: int = 1) -> None:
        """Try a few steps of what these arguments train so many times, in place of what is being tried.

        Raises
        ------
        InputError
            If no process can be started.
        """
        self.cancel()
        folder = Path(tempfile.mkdtemp(prefix="phenotrans-"))
        try:
            self._trial.now = estimate(arguments, folder)
        except InputError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._trainings = trainings
        self._clock.start()

    def cancel(self) -> None:
        """End the trial, if there is one."""
        self._clock.stop()
        self._trial.cancel()

    def _poll(self) -> None:
        trial = self._trial.now
        assert trial
        try:
            report = trial.report()
        except InputError as error:
            self._forget()
            self.failed.emit(str(error))
            return
        if report is None:
            self.moved.emit(f"estimating: {trial.last_message() or 'starting'}…")
            return
        self._forget()
        if report["trial"]:
            self.measured.emit(cost_text(report["trial"], self._trainings))
        else:
            problem = next(p for p in report["check"]["problems"] if p["severity"] == "error")
            self.failed.emit(f"This cannot be trained on: {problem['what']} {problem['do']}")

    def _forget(self) -> None:
        self._clock.stop()
        self._trial.forget()


def cost_text(trial: Mapping[str, Any], trainings: int = 1) -> str:
    """Say what so many trainings will cost, from what `napari_phenotrans.training.dry_run` measured of one."""
    seconds, steps = trial["seconds_per_step"], trial["steps"]
    what, each = f"{steps} steps", "each"
    if trainings > 1:
        what, each = f"{trainings} trainings of {steps} steps, {duration(seconds * steps)} each", "a step"
    return (
        f"About {duration(seconds * steps * trainings)} for {what} ({seconds:.2g} s {each}, without scoring) and "
        f"{gigabytes(trial['memory'])} of memory, on {trial['device']}."
    )
