"""A run: one training in a folder of its own, where it can be watched and resumed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.engines.device import describe_device
from napari_phenotrans.runs.lock import Lock
from napari_phenotrans.runs.paths import DECIDED, EVENTS, LAST, STARTING, STOP, refuse_links
from napari_phenotrans.runs.record import fields_from, fields_to, read_decided, write_decided
from napari_phenotrans.training.event_log import EventLog
from napari_phenotrans.training.events import Started
from napari_phenotrans.training.fabric import own_places, start_processes
from napari_phenotrans.training.prepare import prepare
from napari_phenotrans.training.saver import Saver
from napari_phenotrans.training.state import Progress, load_state
from napari_phenotrans.training.step_loop import StepLoop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightning_fabric import Fabric

    from napari_phenotrans.core.settings import TrainingSettings
    from napari_phenotrans.training.events import Event
    from napari_phenotrans.training.prepare import Prepared

PACE_S = 10.0  # between two events about the pace


@dataclass(frozen=True)
class Run:
    """One training and its folder.

    It holds ``run.json`` (what was decided), ``events.jsonl`` (what happened), ``previews/``, ``last.safetensors``,
    ``best.safetensors`` and some past steps in ``checkpoints/`` where held-out fields are scored, and ``resume.pt``.
    While it trains, ``lock`` keeps other processes out. A file named ``stop`` ends the run within one step.

    Parameters
    ----------
    folder
        The run folder; made if it is missing.
    dataset
        What to train on.
    engine
        Name in `ENGINES`.
    settings
        Of that engine.
    held_out
        Fields that training must not see, and that it is scored on.
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
        """Read an earlier run from its folder.

        Raises
        ------
        InputError
            If the folder holds no run, or one of settings that this version does not know.
        """
        folder = Path(folder)
        decided = read_decided(folder / DECIDED)
        try:
            settings = engine_entry(decided["engine"]).settings.make(**decided["settings"])
        except InputError as error:
            raise InputError(f"{folder / DECIDED} cannot be used. {error}") from error
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
        """Return the same run with another number of steps; itself where ``steps`` is None."""
        if steps is None:
            return self
        return replace(self, settings=self.settings.model_copy(update={"steps": steps}))

    def events(self, *, resume: bool = False, pace_s: float = PACE_S) -> Iterator[Event]:
        """Train, writing each event into the folder and yielding it; only the first of several processes yields events.

        Parameters
        ----------
        resume
            Whether to go on from the folder's last state. On the CPU the steps are, bit for bit, those of a run that
            was never interrupted. Events after that state stay in the file, but the new `Started` overrules them.
        pace_s
            Seconds between two events about the pace, where nothing is saved or scored.

        Raises
        ------
        InputError
            If the folder holds a run already (or, resuming, none that can go on), or the data set cannot be used;
            nothing is written then.
        """
        fabric = start_processes(self.settings)
        lock, refused = None, ""
        if fabric.is_global_zero:
            try:
                lock = self._take_lock(resume)
            except InputError as error:
                refused = str(error)
        refused = fabric.broadcast(refused)
        if refused:
            raise InputError(refused)
        try:
            for event in self._train(fabric, lock, resume, pace_s):
                if fabric.is_global_zero:
                    yield event
        finally:
            if lock:
                lock.release()

    def _take_lock(self, resume: bool) -> Lock:
        """Take the folder, unless another process trains in it, or it holds a run that is not to be resumed."""
        refuse_links(self.folder)
        lock = Lock.take(self.folder)
        if not resume and (self.folder / DECIDED).exists():
            lock.release()
            raise InputError(
                f"{self.folder} holds a run already. Choose another folder for --out, or go on with --resume."
            )
        # before the data set is read: a request to stop that comes from now on is for this training
        (self.folder / STOP).unlink(missing_ok=True)
        return lock

    def _train(self, fabric: Fabric, lock: Lock | None, resume: bool, pace_s: float) -> Iterator[Event]:
        # ---- what is trained, and from where on
        s, device = self.settings, fabric.device
        try:
            prepared = prepare(self.dataset, self.held_out, self.engine, s, device, resume=resume)
        except InputError as error:
            if not resume:
                raise
            # nobody typed what is wrong: it stands in the file
            raise InputError(f"{self.folder / DECIDED} cannot be used to resume. {error}") from error
        progress, damage = Progress(images=prepared.images, held_out=prepared.held_out_images), ""
        if resume:
            progress, damage = self._load_progress(prepared, own_places(fabric, s.batch))
        saver = Saver(self, prepared)

        # ---- the folder
        if lock:
            lock.check()
            self._write_decided(device, prepared.channels)
            if not resume:
                saver.save_state(progress, {})
        fabric.barrier()
        log = EventLog(self.folder / EVENTS if lock else None)

        # ---- the events
        counted = self.held_out.count() if self.held_out else {}
        started = Started(progress.step, s.steps, describe_device(device), self.dataset.count(), counted)
        yield log.write(started)
        (self.folder / STARTING).unlink(missing_ok=True)
        for note in ([damage] if damage else []) + list(prepared.held_out.notes if prepared.held_out else ()):
            yield log.write(Notice(note))
        loop = StepLoop(self, prepared, saver, progress, fabric, lock, pace_s)
        try:
            for event in loop.events():
                yield log.write(event)
        except Exception as error:
            # written down for whoever watches the folder; the error itself goes on to the caller
            log.write_failure(loop.step, error, lock)
            raise
        finally:
            log.close()

    def _load_progress(self, prepared: Prepared, places: range) -> tuple[Progress, str]:
        """Give the engine and the crops the state that the folder holds; returns what `load_state` does."""
        progress, damage = load_state(self.folder, prepared.engine, places)
        others = "training" if progress.images != prepared.images else ""
        if progress.held_out and progress.held_out != prepared.held_out_images:
            others = others or "held-out"
        if others:
            raise InputError(
                f"{self.folder} cannot be resumed: the {others} images are others than when it started. "
                f"Bring them back, or start anew with --start-from {self.folder / LAST}."
            )
        # earlier versions did not note them
        progress.held_out = prepared.held_out_images
        if progress.step >= self.settings.steps and not progress.owed:
            raise InputError(
                f"{self.folder} has made all its {self.settings.steps} steps. Say --steps to let it go on for more."
            )
        prepared.crops.drawn.update(progress.drawn)
        prepared.crops.blank.update(progress.blank)
        return progress, damage

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
