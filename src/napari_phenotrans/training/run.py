"""A run folder: one training, written down so that it can be watched from anywhere and resumed."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from napari_phenotrans.checkpoints.checkpoint import Card, Checkpoint
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.engines.device import describe_device
from napari_phenotrans.runs.lock import Lock
from napari_phenotrans.runs.paths import (
    BEST,
    CHECKPOINT,
    CHECKPOINTS,
    DECIDED,
    EVENTS,
    LAST,
    PREVIEW,
    PREVIEWS,
    STARTING,
    STOP,
    step_name,
    thin,
)
from napari_phenotrans.runs.record import Log, fields_from, fields_to, read_decided, write_decided
from napari_phenotrans.training.events import (
    Divided,
    Failed,
    Finished,
    Losses,
    Pace,
    Preview,
    RolledBack,
    Saved,
    Scored,
    Started,
    Stopped,
    to_json,
)
from napari_phenotrans.training.fabric import FabricUpdate, gather, memory_in_use, start_processes
from napari_phenotrans.training.loop import fix_statistics, is_finite, train
from napari_phenotrans.training.prepare import prepare
from napari_phenotrans.training.previews import write_preview
from napari_phenotrans.training.state import Progress, load_state, save_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_phenotrans.core.settings import TrainingSettings
    from napari_phenotrans.engines.base import Engine
    from napari_phenotrans.training.crops import Crops
    from napari_phenotrans.training.validation import HeldOutScores

Event = Started | Notice | Losses | Pace | Divided | RolledBack | Preview | Scored | Saved | Stopped | Finished | Failed

PREVIEWS_KEPT = 40  # of their pixels, beside the newest; the pictures, which are small, are all kept
ROLLBACKS = 3
PACE_S = 10.0  # between two events about the pace


@dataclass(frozen=True)
class Run:
    """A run folder.

    It holds ``run.json`` (what was decided), ``events.jsonl`` (what happened), ``previews/``, ``last.safetensors``,
    ``best.safetensors`` and some past steps in ``checkpoints/`` where held-out fields are scored, and ``resume.pt``.
    While it trains, ``lock`` keeps other processes out. A file named ``stop`` ends the run within one step.

    Parameters
    ----------
    folder
        Is made.
    dataset
        What to train on.
    engine
        Name in `ENGINES`.
    settings
        Of that engine.
    held_out
        Fields that training must not see; scores come from them.
    about, attribution, synthetic
        Go into the checkpoint's card.
    """

    folder: Path
    dataset: DataSet
    engine: str
    settings: TrainingSettings
    held_out: DataSet | None = None
    about: str = ""
    attribution: str = ""
    synthetic: bool = False

    @classmethod
    def load(cls, folder: str | Path) -> Run:
        """Read what was decided in an earlier run.

        Raises
        ------
        InputError
            If the folder holds no run.
        """
        folder = Path(folder)
        decided = read_decided(folder / DECIDED)
        settings = engine_entry(decided["engine"]).settings.make(**decided["settings"])
        training, held_out = (
            fields_from(decided[part], tuple(decided["conditions"])) for part in ("training", "held-out")
        )
        return cls(
            folder,
            training,
            decided["engine"],
            settings,
            held_out if held_out.fields else None,
            decided["about"],
            decided["attribution"],
            decided["synthetic"],
        )

    def for_steps(self, steps: int | None) -> Run:
        """Return the same run with another number of steps; itself where none is said."""
        if steps is None:
            return self
        return replace(self, settings=self.settings.model_copy(update={"steps": steps}))

    def events(self, *, resume: bool = False) -> Iterator[Event]:
        """Train, writing every event down as it is given out; only the first of several processes gives any.

        Parameters
        ----------
        resume
            Go on from the folder's last state. On the CPU the steps are, bit for bit, those of a run that was never
            interrupted. Events after that state happened, but are overruled by the new `Started`.

        Raises
        ------
        InputError
            If the folder holds a run already (or, resuming, none that can go on), or the data set cannot be used;
            nothing is written then.
        """
        fabric = start_processes(self.settings)
        first_process = fabric.is_global_zero
        lock, refused = None, ""
        if first_process:
            try:
                lock = self._take(resume)
            except InputError as error:
                refused = str(error)
        refused = fabric.broadcast(refused)
        if refused:
            raise InputError(refused)
        try:
            for event in self._events(fabric, lock, resume):
                if first_process:
                    yield event
        finally:
            if lock:
                lock.release()

    def _take(self, resume: bool) -> Lock:
        """Take the folder, unless another process is at work in it, or a run is in it that is not to go on."""
        lock = Lock.take(self.folder)
        if not resume and (self.folder / DECIDED).exists():
            lock.release()
            raise InputError(
                f"{self.folder} holds a run already. Choose another folder for --out, or go on with --resume."
            )
        # before the data set is read: who asks to stop from now on means this training
        (self.folder / STOP).unlink(missing_ok=True)
        return lock

    def _events(self, fabric: Any, lock: Lock | None, resume: bool) -> Iterator[Event]:
        s, device = self.settings, fabric.device
        share = s.batch // fabric.world_size
        places = range(fabric.global_rank * share, (fabric.global_rank + 1) * share)

        # What is trained, and on what.
        ready = prepare(self.dataset, self.held_out, self.engine, s, device, resume=resume)
        engine, crops, held_out = ready.engine, ready.crops, ready.held_out
        progress = Progress(images=ready.images)
        if resume:
            progress = load_state(self.folder, engine, places)
            if progress.images != ready.images:
                raise InputError(
                    f"{self.folder} cannot be resumed: the training images are others than when it started. "
                    f"Bring them back, or start anew with --start-from {self.folder / LAST}."
                )
            if progress.step >= s.steps:
                raise InputError(
                    f"{self.folder} has made all its {s.steps} steps. Say --steps to let it go on for more."
                )
            crops.drawn.update(progress.drawn)
            crops.blank.update(progress.blank)
        size_um = self.dataset.pixel_size_um()
        card = Card(
            engine=self.engine,
            settings=s.model_dump(mode="json"),
            conditions=self.dataset.conditions,
            channels=ready.channels,
            low=ready.intensity.low,
            high=ready.intensity.high,
            pixel_size=s.pixel_size or size_um,
            pixel_unit="um" if size_um else "pixel",
            crop=s.crop,
            synthetic=self.synthetic,
            about=self.about,
            attribution=self.attribution,
        )

        # The folder.
        if lock:
            lock.check()
            self._write_decided(device, ready.channels)
            if not resume:
                save_state(self.folder, engine, progress, {})
        fabric.barrier()
        log = Log(self.folder / EVENTS) if lock else None

        def say(event: Event) -> Event:
            if log:
                log.write(to_json(event))
            return event

        counted = self.held_out.count() if self.held_out else {}
        yield say(Started(progress.step, s.steps, describe_device(device), self.dataset.count(), counted))
        (self.folder / STARTING).unlink(missing_ok=True)
        for note in held_out.notes if held_out else ():
            yield say(Notice(note))

        # Step by step; after a step that went wrong, again from the last good state.
        step = good = paced = progress.step
        latest = resting = time.monotonic()
        scores: HeldOutScores | None = None
        try:
            while True:
                wrong = ""
                for event in train(
                    engine, crops.draw, s, first_step=progress.step, update=FabricUpdate(fabric),
                    process=fabric.global_rank, processes=fabric.world_size,
                ):  # fmt: skip
                    if lock:
                        lock.check()
                    yield say(event)
                    if not isinstance(event, Losses):
                        continue
                    step = event.step
                    if not is_finite(event.losses):
                        wrong = "a loss is not a number"
                        break
                    last = step == s.steps
                    ending = fabric.broadcast("stopped by request" if (self.folder / STOP).exists() else "")
                    saving = last or bool(ending) or step % s.save_every == 0
                    scoring = held_out is not None and (last or step % s.score_every == 0)
                    seconds = time.monotonic() - resting
                    if lock and (saving or scoring or seconds >= PACE_S):
                        yield say(Pace(step, (step - paced) / max(seconds, 1e-9), memory_in_use(device)))
                        paced, resting = step, time.monotonic()
                    if not (saving or scoring):
                        continue
                    if not _all_finite(engine):
                        wrong = "a weight is not a number"
                        break
                    fix_statistics(engine, ready.measured)
                    progress.step = step
                    progress.drawn, progress.blank = dict(crops.drawn), dict(crops.blank)
                    progress.seconds += time.monotonic() - latest
                    latest = time.monotonic()
                    if saving and lock:
                        seen = write_preview(self.folder, engine, ready.fixed, step, ready.channels, ready.intensity)
                        yield say(seen)
                        thin(self.folder / PREVIEWS, PREVIEW, PREVIEWS_KEPT, s.save_every)
                    if held_out is not None and scoring:
                        scores = held_out.score(engine, step)
                        if scores.collapsed:
                            wrong = f"the engine has collapsed: {scores.collapsed}"
                            break
                        on_crops = ready.held_out_loss(s.seed)
                        best = progress.note(scores.summary, on_crops)
                        told = scores.flat | {f"held-out {name}": value for name, value in on_crops.items()}
                        beside = ({}, {}) if progress.history[1:] else (held_out.floors, held_out.copy_source)
                        yield say(Scored(step, told, best, *beside))
                        ending = ending or progress.reason_to_end(s.early_stop, scores.copies)
                        if lock:
                            # scoring may take long, and the folder may not be this process's any more
                            lock.check()
                            past = f"{CHECKPOINTS}/{step_name(step)}{CHECKPOINT}"
                            for name in [BEST] * best + [past] * (s.keep > 0):
                                yield say(self._save(engine, card, crops, progress, scores, name))
                            thin(self.folder / CHECKPOINTS, CHECKPOINT, s.keep, s.score_every)
                    if saving or ending:
                        good, own = step, gather(fabric, engine.own_state())
                        if lock:
                            yield say(self._save(engine, card, crops, progress, scores, LAST))
                            save_state(self.folder, engine, progress, own)
                    paced, resting = step, time.monotonic()
                    if ending and not last:
                        yield say(Stopped(step, ending))
                        return
                if not wrong:
                    yield say(Finished(step))
                    return
                fabric.barrier()
                rollbacks = progress.rollbacks + 1
                if rollbacks > ROLLBACKS:
                    raise InputError(
                        f"At step {step} {wrong}, for the {rollbacks}th time. The last good state, of step "
                        f"{good}, is saved. Try a lower --learning-rate or a larger --batch."
                    )
                lower = engine.rate / 2  # than at this attempt, not than when the state was saved
                progress = load_state(self.folder, engine, places)
                progress.rollbacks, engine.rate = rollbacks, lower
                paced, resting = progress.step, time.monotonic()
                yield say(RolledBack(step, progress.step, engine.rate, wrong))
        except Exception as error:
            # written down for whoever watches the folder; the error itself goes on to the caller
            text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            try:
                say(Failed(step, text))
            except InputError:
                # no room even for that: the lock's is free once it is gone
                if lock:
                    lock.release()
                with suppress(InputError):
                    say(Failed(step, text))
            raise
        finally:
            if log:
                log.close()

    def _write_decided(self, device: torch.device, channels: tuple[str, ...]) -> None:
        write_decided(
            self.folder,
            {
                "engine": self.engine,
                "settings": self.settings.model_dump(mode="json"),
                "conditions": self.dataset.conditions,
                "channels": channels,
                "training": fields_to(self.dataset),
                "held-out": fields_to(self.held_out or DataSet(self.dataset.folder, self.dataset.conditions, ())),
                "about": self.about,
                "attribution": self.attribution,
                "synthetic": self.synthetic,
                "device": describe_device(device),
                "torch": torch.__version__,
            },
        )

    def _save(
        self, engine: Engine, card: Card, crops: Crops, progress: Progress, scores: HeldOutScores | None, name: str
    ) -> Saved:
        provenance = {
            "steps": progress.step,
            "seconds": round(progress.seconds),
            "fields": self.dataset.count(),
            "held-out fields": self.held_out.count() if self.held_out else {},
            "rejected crops": {c: round(share, 4) for c, share in crops.rejected.items()},
            "seed": self.settings.seed,
            "date": datetime.now(UTC).date().isoformat(),
            "torch": torch.__version__,
        }
        # scores of an earlier step are not this checkpoint's
        own = scores.scores if scores and scores.step == progress.step else ()
        card = card.model_copy(update={"training": provenance, "scores": own})
        Checkpoint.of(engine, card).save(self.folder / name, overwrite=True)
        return Saved(progress.step, name)


def _all_finite(engine: Engine) -> bool:
    return all(bool(torch.isfinite(value).all()) for value in engine.translators.parameters())
