"""Watching a run folder: what its training has done so far, and whether it still runs, here or elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shutil import disk_usage
from typing import Any

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.text import duration, first_of
from napari_phenotrans.runs.diagnosis import Finding, diagnose
from napari_phenotrans.runs.family import family_of
from napari_phenotrans.runs.history import RunHistory
from napari_phenotrans.runs.lock import SILENT_S, Owner, modified, read_owner
from napari_phenotrans.runs.parse import parse_decided, parse_event
from napari_phenotrans.runs.paths import (
    BEST,
    CHECKPOINT,
    CHECKPOINTS,
    DECIDED,
    EVENTS,
    LAST,
    LOCK,
    OUTPUT,
    PREVIEW,
    PREVIEWS,
    STARTING,
    STATE,
    STOP,
    files_of_steps,
    last_words,
)

_HEAD = 256  # bytes that tell one file of events from another


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint in a run folder: after which step, which file, and whether it is the best."""

    step: int
    path: Path
    best: bool = False


@dataclass(frozen=True)
class PreviewFile:
    """Preview crops after a step; `previews.read_preview` reads them."""

    step: int
    path: Path


class RunWatch(RunHistory):
    """A run folder as `poll` found it last.

    Nothing is written into the folder, and torch is not needed. `poll` may run in one thread while another shows the
    attributes: each is replaced, none is changed in place.

    Parameters
    ----------
    folder
        A run folder; one that is missing, or not a run yet, may become one.
    least_free
        Bytes: with less room on its disk, nothing can be saved, and a run that died is taken to have died of that.

    Attributes
    ----------
    state, sentence
        One word, and the same in a sentence for the user: ``starting``; ``running``; ``silent`` (its process has not
        touched its files for three minutes); ``died`` (its process is gone and wrote no last event);
        ``failed``; ``stopped``; ``finished``; ``waiting`` (others of its family come before it); ``gone`` (the folder
        is not there); ``none`` (there is no run in it).
    engine, settings, conditions, channels
        As in ``run.json``.
    host
        The machine that it runs, or ran, on.
    checkpoints, previews
        Files that exist, by step; the best and the last checkpoint among them.
    error
        Why it failed; empty where it did not.
    findings
        What looks wrong with the engine, see `diagnose`.
    damage
        What in its files no training writes, in sentences; they stand among the notes too.
    """

    def __init__(self, folder: str | Path, *, least_free: int = 2**22) -> None:
        super().__init__()
        self.folder, self.least_free = Path(folder), least_free
        self.state = "none"
        self.sentence = ""
        self.engine = ""
        self.settings: dict[str, Any] = {}
        self.conditions: tuple[str, ...] = ()
        self.channels: tuple[str, ...] = ()
        self.host = ""
        self.checkpoints: list[CheckpointFile] = []
        self.previews: list[PreviewFile] = []
        self.error = ""
        self.findings: tuple[Finding, ...] = ()
        self.damage: tuple[str, ...] = ()
        self._owner: Owner | None = None
        self._decided: tuple[int, float] | None = None  # size and time of what was read
        self._events: tuple[int, float] | None = None
        self._head = b""
        self._read = self._lines = 0
        self._beat: float | None = None
        self._beat_seen = 0.0

    def poll(self) -> bool:
        """Look at the folder again.

        Returns
        -------
        Whether anything has changed.
        """
        news = False
        try:
            if self.folder.is_dir():
                news = self._read_decided() | self._read_events()
            if news:
                self.update_curves(max(self.settings.get(name) or 0 for name in ("save_every", "score_every")))
                self.findings = diagnose(self)
            files, state = self._find_files(), self._find_state()
        except OSError:
            # it was there a moment ago; what was read of it stays
            files, state = (self.checkpoints, self.previews), self._folder_is_gone()
        changed = news or files != (self.checkpoints, self.previews) or state != (self.state, self.sentence, self.error)
        self.checkpoints, self.previews = files
        self.state, self.sentence, self.error = state
        return changed

    # ---- reading

    def _read_decided(self) -> bool:
        """Read ``run.json`` if it has changed; returns whether it has."""
        path = self.folder / DECIDED
        now = _size_and_time(path)
        if now is None or now == self._decided:
            return False
        self._decided = now
        try:
            decided = parse_decided(path.read_bytes(), path)
        except InputError as error:
            # not what a run writes; its events may still tell
            self._note_damage(str(error))
            return True
        self.settings, self.engine = decided.settings, decided.engine
        self.conditions = tuple(decided.conditions)
        self.channels = tuple(decided.channels or decided.settings.get("channels") or ())
        self._owner = read_owner(path)
        self.host = self._owner.host if self._owner else ""
        return True

    def _read_events(self) -> bool:
        """Read the lines that were added, or all where the file was replaced; returns whether anything changed."""
        path = self.folder / EVENTS
        now = _size_and_time(path)
        if now is None or now == self._events:
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD)
            # the first line has a time in it
            replaced = now[0] < self._read or not head.startswith(self._head)
            if replaced:
                self._forget()
                self.damage = ()
                self._read = self._lines = 0
            file.seek(self._read)
            added = file.read()
        # a line that is half written is read the next time
        complete = added[: added.rfind(b"\n") + 1]
        odd = []
        for number, line in enumerate(complete.splitlines(), start=self._lines + 1):
            try:
                event = parse_event(line)
            except ValueError as error:
                odd.append(f"line {number} of {EVENTS} ({error})")
            else:
                if event is not None:
                    self.add_event(event)
        if odd:
            self._note_damage(f"Left out, for no training writes it: {first_of(odd, 1)}.")
        self._lines += complete.count(b"\n")
        self._events = now
        self._read += len(complete)
        self._head = head[: self._read]
        return bool(complete) or replaced

    def _note_damage(self, sentence: str) -> None:
        self.notes.append(sentence)
        self.damage = (*self.damage, sentence)

    def _find_files(self) -> tuple[list[CheckpointFile], list[PreviewFile]]:
        if not self.folder.is_dir():
            return [], []
        checkpoints = [CheckpointFile(s, p) for s, p in files_of_steps(self.folder / CHECKPOINTS, CHECKPOINT).items()]
        for path in self.folder.glob(f"*{CHECKPOINT}"):
            if path.name in self.saved and not path.name.startswith("."):
                checkpoints.append(CheckpointFile(self.saved[path.name], path, path.name == BEST))
        previews = [PreviewFile(step, path) for step, path in files_of_steps(self.folder / PREVIEWS, PREVIEW).items()]
        return sorted(checkpoints, key=lambda file: (file.step, file.path.name)), previews

    # ---- the state

    def _find_state(self) -> tuple[str, str, str]:
        """Return state, sentence and error."""
        if not self.folder.is_dir():
            return self._not_begun() or self._folder_is_gone()
        at = f"step {self.step} of {self.steps}"
        owner, starting = read_owner(self.folder / LOCK), read_owner(self.folder / STARTING)

        # ---- a process was started, and has not written an event yet
        if starting and starting.started > self.latest:
            output = last_words(self.folder / OUTPUT)
            if starting.here and not starting.is_running():
                return "failed", "It could not start.", output or "Its process ended without a word."
            sentence = f"Starting: {output}" if output else "Starting."
            return (
                ("starting", sentence, "") if starting.here else self._alive_or_silent(starting, "starting", sentence)
            )

        # ---- a process holds the lock, and has not written an event yet
        alive = owner is not None and (not owner.here or owner.is_running())
        if owner and alive and owner.started > self.latest:
            return self._alive_or_silent(owner, "starting", "Starting: reading the images.")
        if not self._decided and not self._read:
            return "none", "There is no run in this folder.", ""

        # Last sentence, or none.
        if self.end == "failed":
            return "failed", f"Failed at {at}.{self._resume_hint()}", self.reason
        if self.end == "stopped":
            return "stopped", f"Stopped at {at}: {self.reason}.", ""
        if self.end == "finished":
            return "finished", f"Finished after {self.step} steps.", ""
        owner = owner or self._owner
        if owner is None or (owner.here and not owner.is_running()):
            why = "its process is gone without a last word, as when it is killed or the memory runs out"
            if disk_usage(self.folder).free < self.least_free:
                why = "its process is gone, and the disk is full"
            return "died", f"Died at {at}: {why}.{self._resume_hint() or ' Nothing was saved.'}", ""

        # ---- it trains
        where = "" if owner.here else f" on {owner.host}"
        if (self.folder / STOP).exists():
            return self._alive_or_silent(owner, "running", f"Stopping after this step ({at}{where}).")
        left = f", about {duration(self.left_s)} left" if self.left_s is not None else ""
        return self._alive_or_silent(owner, "running", f"Training{where}: {at}{left}.")

    def _resume_hint(self) -> str:
        if LAST not in self.saved:
            return ""
        if not (self.folder / STATE).is_file():
            return f" It cannot go on, for its {STATE} was removed; its checkpoints still translate."
        return f" It can go on from step {self.saved[LAST]}."

    def _not_begun(self) -> tuple[str, str, str] | None:
        """Return the state of a family's training whose turn has not come; None where this is none."""
        family = family_of(self.folder)
        if family is None:
            return None
        process = read_owner(family.folder / STARTING)
        if process and process.here and process.is_running():
            which = f"training {family.place(self.folder)} of {len(family.seeds)}"
            return "waiting", f"Waiting: {which} begins when the one before it has ended.", ""
        return "none", f"Not begun. Go on with all of them: phenotrans train --resume {family.folder}", ""

    def _folder_is_gone(self) -> tuple[str, str, str]:
        return "gone", f"The folder {self.folder} is not there: it was removed, or its disk is not connected.", ""

    def _alive_or_silent(self, owner: Owner, state: str, sentence: str) -> tuple[str, str, str]:
        """Return the state of a process that may be alive, or "silent" where its files were not touched for long.

        Clocks of machines differ, so the time of a touch is when this process first saw it; at the first look, what
        the files say.
        """
        beat = max((at for name in (LOCK, EVENTS, STARTING) if (at := modified(self.folder / name))), default=0.0)
        if self._beat is None:
            self._beat, self._beat_seen = beat, time.monotonic() - max(0.0, time.time() - beat)
        elif beat != self._beat:
            self._beat, self._beat_seen = beat, time.monotonic()
        if time.monotonic() - self._beat_seen < SILENT_S:
            return state, sentence, ""
        when = datetime.fromtimestamp(beat).strftime("%Y-%m-%d %H:%M")
        why = "its process is there, but does nothing" if owner.here else f"nothing was heard of {owner.host}"
        return "silent", f"Silent since {when}: {why}.", ""


def _size_and_time(path: Path) -> tuple[int, float] | None:
    """Return a file's size and modification time, by which a change is noticed; None where it is missing."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_size, stat.st_mtime
