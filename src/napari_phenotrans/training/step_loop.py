"""A run from step to step: when it saves, scores and ends, and how it goes back after a step that went wrong."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.runs.paths import STOP
from napari_phenotrans.training.depth_search import settle_depth
from napari_phenotrans.training.events import BY_REQUEST, Finished, Losses, Pace, RolledBack, Scored, Stopped
from napari_phenotrans.training.fabric import FabricUpdate, gather, memory_in_use, own_places
from napari_phenotrans.training.loop import fix_statistics, train
from napari_phenotrans.training.state import Progress, load_state
from napari_phenotrans.training.stopping import AskedToStop, stopped_by

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from lightning_fabric import Fabric

    from napari_phenotrans.engines.base import Engine
    from napari_phenotrans.runs.lock import Lock
    from napari_phenotrans.training.events import Event
    from napari_phenotrans.training.prepare import Prepared
    from napari_phenotrans.training.run import Run
    from napari_phenotrans.training.saver import Saver
    from napari_phenotrans.training.validation import HeldOutScores

ROLLBACKS = 3


class StepLoop:
    """Trains a prepared run to its last step, or until it is to end.

    Parameters
    ----------
    run
        The run.
    prepared
        Its engine, which has the state of ``progress``, and what was drawn from the data set.
    saver
        Writes into the run folder.
    progress
        How far the run has come; its state is saved.
    fabric
        The processes that train.
    lock
        The run folder's, in the process that writes into it; None in others.
    pace_s
        Seconds between two events about the pace, where nothing is saved or scored.

    Attributes
    ----------
    step
        Number of the last update that was made, also where it went wrong.
    """

    def __init__(
        self,
        run: Run,
        prepared: Prepared,
        saver: Saver,
        progress: Progress,
        fabric: Fabric,
        lock: Lock | None,
        pace_s: float,
    ) -> None:
        self.run, self.prepared, self.saver, self.progress = run, prepared, saver, progress
        self.fabric, self.lock, self.pace_s = fabric, lock, pace_s
        self.step = self._saved_step = progress.step
        self._scores: HeldOutScores | None = None
        self._ending = ""  # why the run ends before its last step
        self._counted = time.monotonic()  # when the progress's seconds were last added to
        self._restart_pace(progress.step)

    def events(self) -> Iterator[Event]:
        """Train, saying what happens.

        Raises
        ------
        InputError
            If too many steps went wrong, memory does not suffice, or the folder is gone or another process's.
        """
        if self.progress.owed:
            # as if nobody had broken it off: which checkpoint is the best depends on every scoring
            if fault := (yield from self._save_and_score(saving=True, scoring=True)):
                yield self._roll_back(fault)
            elif self._ends_early():
                yield from self._stop()
                return
        while True:
            fault = yield from self._train()
            if not fault:
                return
            yield self._roll_back(fault)

    def _ends_early(self) -> bool:
        """Whether the run is to end before all is made."""
        return bool(self._ending) and (self.step < self.run.settings.steps or self.progress.owed)

    def _stop(self) -> Iterator[Event]:
        yield from self._settle_depth()
        yield Stopped(self.step, self._ending)

    def _train(self) -> Generator[Event, None, str]:
        """Train from the present state on; returns what went wrong, empty where the run has ended."""
        s, lock = self.run.settings, self.lock
        for event in train(
            self.prepared.engine, self.prepared.crops.draw, s, first_step=self.progress.step,
            update=FabricUpdate(self.fabric), process=self.fabric.global_rank, processes=self.fabric.world_size,
            draw_masks=self.prepared.draw_masks,
        ):  # fmt: skip
            if lock:
                lock.check()
            yield event
            if not isinstance(event, Losses):
                continue
            self.step = event.step
            if fault := self.progress.fault_of(event.losses):
                return fault

            # ---- what is due after this step
            last = self.step == s.steps
            stopped = (self.run.folder / STOP).exists()
            self._ending = self.fabric.broadcast(BY_REQUEST if stopped else "")
            saving = last or bool(self._ending) or self.step % s.save_every == 0
            scoring = self.prepared.held_out is not None and (last or self.step % s.score_every == 0)
            if lock and (saving or scoring or time.monotonic() - self._rested >= self.pace_s):
                yield self._measure_pace()
                self._restart_pace(self.step)
            if not (saving or scoring):
                continue

            # ---- previews, scores and checkpoints
            fault = yield from self._save_and_score(saving=saving, scoring=scoring)
            if fault:
                return fault
            self._restart_pace(self.step)
            if self._ends_early():
                yield from self._stop()
                return ""
        yield from self._settle_depth()
        yield Finished(self.step)
        return ""

    def _save_and_score(self, *, saving: bool, scoring: bool) -> Generator[Event, None, str]:
        """Save and score the engine as it is now; returns what went wrong, empty where nothing did."""
        engine, crops = self.prepared.engine, self.prepared.crops
        if not _is_finite(engine):
            return "a weight is not a number"
        fix_statistics(engine, self.prepared.statistics_pieces)
        now = time.monotonic()
        self.progress.reach(self.step, now - self._counted, crops.drawn, crops.blank)
        self._counted = now
        scorings = len(self.progress.history)
        try:
            # who waits for the end wants no picture and no score of it
            with stopped_by(self.run.folder, *([engine] if self.fabric.world_size == 1 else [])):
                if saving and self.lock and not self._ending:
                    yield from self.saver.write_preview(self.step)
                fault = (yield from self._score()) if scoring and not self._ending else ""
        except AskedToStop:
            fault, self._ending = "", BY_REQUEST
        if fault:
            return fault
        self.progress.owed = scoring and len(self.progress.history) == scorings
        if saving or self._ending:
            self._saved_step, own = self.step, gather(self.fabric, engine.own_state())
            if self.lock:
                yield from self.saver.save_last(self.progress, self._scores, own)
        return ""

    def _score(self) -> Generator[Event, None, str]:
        """Score the engine on held-out fields and keep its checkpoint; returns what is wrong with its translations."""
        held_out, progress = self.prepared.held_out, self.progress
        assert held_out is not None
        scores = self._scores = held_out.score(self.prepared.engine, self.step)
        if scores.collapsed:
            return f"the engine has collapsed: {scores.collapsed}"
        losses = self.prepared.held_out_loss(self.run.settings.seed)
        best = progress.add_scores(scores.rank, losses, passed=scores.passed)
        values = scores.flat | {f"held-out {name}": value for name, value in losses.items()}
        first = len(progress.history) == 1
        yield Scored(self.step, values, best, *((held_out.floors, held_out.copy_source) if first else ({}, {})))
        self._ending = self._ending or progress.reason_to_end(self.run.settings.early_stop, scores.copies)
        if self.lock:
            # scoring may take long, and the folder may not be this process's any more
            self.lock.check()
            yield from self.saver.save_scored(progress, scores, best=best)
        return ""

    def _settle_depth(self) -> Iterator[Event]:
        """Measure and search the depth of translations, once, unless the user is waiting for the end."""
        if self.lock:
            stopped = (self.run.folder / STOP).exists
            yield from settle_depth(self.run.folder, self.prepared, self.run.settings, stopped)

    def _roll_back(self, fault: str) -> RolledBack:
        """Go back to the saved state, with half the learning rates."""
        self.fabric.barrier()
        rollbacks = self.progress.rollbacks + 1
        if rollbacks > ROLLBACKS:
            raise InputError(
                f"At step {self.step} {fault}, for the {rollbacks}th time. The last good state, of step "
                f"{self._saved_step}, is saved. Try a lower --learning-rate or a larger --batch."
            )
        engine, s = self.prepared.engine, self.run.settings
        rate = engine.rate / 2  # than at this attempt, not than when the state was saved
        self.progress, damage = load_state(self.run.folder, engine, own_places(self.fabric, s.batch))
        self.progress.rollbacks, engine.rate = rollbacks, rate
        self._restart_pace(self.progress.step)
        return RolledBack(self.step, self.progress.step, rate, f"{fault}; {damage}" if damage else fault)

    # ---- the pace, without the time that scoring and saving take

    def _restart_pace(self, step: int) -> None:
        self._paced_step, self._rested = step, time.monotonic()

    def _measure_pace(self) -> Pace:
        seconds = max(time.monotonic() - self._rested, 1e-9)
        return Pace(self.step, (self.step - self._paced_step) / seconds, memory_in_use(self.fabric.device))


def _is_finite(engine: Engine) -> bool:
    return all(bool(torch.isfinite(value).all()) for value in engine.translators.parameters())
