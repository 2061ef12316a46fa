"""Watching a run folder: one training, on whatever machine it runs, and whether or not it still does."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shutil import disk_usage
from typing import Any

from napari_phenotrans.core.text import duration
from napari_phenotrans.runs.diagnosis import Finding, diagnose
from napari_phenotrans.runs.history import RunHistory
from napari_phenotrans.runs.lock import SILENT_S, Owner, modified, read_owner
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
    STOP,
    files_of_steps,
    last_words,
)

_FULL = 2**22  # bytes free: less, and nothing can be saved
_HEAD = 256  # bytes that tell one file of events from another


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint in a run folder, which can translate now: after which step, which file, whether it is the best."""

    step: int
    path: Path
    best: bool = False


@dataclass(frozen=True)
class PreviewFile:
    """Preview crops after a step; `previews.read_preview` reads them."""

    step: int
    path: Path


class RunWatch(RunHistory):
    """A run folder as it is now; `poll` looks again.

    Nothing is written into the folder, no torch is needed, and `poll` may run in another thread than whoever shows the
    attributes: each is replaced, none is changed in place.

    Parameters
    ----------
    folder
        A run folder; one that is missing, or not a run yet, may become one.

    Attributes
    ----------
    state, words
        How it is, and that in a sentence: ``starting``; ``running``; ``silent`` (its process cannot be asked, or does
        not answer, and has not been heard of for three minutes); ``died`` (its process is gone and said no last word);
        ``failed``; ``stopped``; ``finished``; ``gone`` (the folder is not there); ``none`` (there is no run in it).
    engine, settings, conditions, channels
        What was decided.
    host
        The machine that it runs, or ran, on.
    checkpoints, previews
        Files that exist, by step; the best and the last checkpoint among them.
    error
        What it failed of; empty where it did not fail.
    findings
        What looks wrong with the engine, see `diagnose`.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.state = "none"
        self.words = ""
        self.engine = ""
        self.settings: dict[str, Any] = {}
        self.conditions: tuple[str, ...] = ()
        self.channels: tuple[str, ...] = ()
        self.host = ""
        self.checkpoints: list[CheckpointFile] = []
        self.previews: list[PreviewFile] = []
        self.error = ""
        self.findings: tuple[Finding, ...] = ()
        self._owner: Owner | None = None
        self._decided: tuple[int, float] | None = None  # size and time of what was read
        self._events: tuple[int, float] | None = None
        self._head = b""
        self._read = 0
        self._beat: float | None = None
        self._heard = 0.0

    def poll(self) -> bool:
        """Look at the folder again.

        Returns
        -------
        Whether anything came that was not known before.
        """
        news = False
        try:
            if self.folder.is_dir():
                news = self._read_decided() | self._read_events()
            if news:
                self.settle(max(self.settings.get(name) or 0 for name in ("save_every", "score_every")))
                self.findings = diagnose(self)
            files, state = self._find_files(), self._judge()
        except OSError:
            # it was there a moment ago; what was read of it stays
            files, state = (self.checkpoints, self.previews), self._gone()
        changed = news or files != (self.checkpoints, self.previews) or state != (self.state, self.words, self.error)
        self.checkpoints, self.previews = files
        self.state, self.words, self.error = state
        return changed

    # ---- reading

    def _read_decided(self) -> bool:
        """Read ``run.json`` where it is another than before."""
        path = self.folder / DECIDED
        now = _size_and_time(path)
        if now is None or now == self._decided:
            return False
        try:
            decided = json.loads(path.read_bytes())
            self.settings, self.engine = dict(decided["settings"]), str(decided["engine"])
            self.conditions = tuple(decided["conditions"])
            self.channels = tuple(decided.get("channels") or self.settings.get("channels") or ())
        except (ValueError, KeyError, TypeError):
            # not what a run writes; its events may still tell
            return False
        self._owner = Owner.read(decided)
        self.host = self._owner.host if self._owner else ""
        self._decided = now
        return True

    def _read_events(self) -> bool:
        """Take up the lines that were added; all of them again where the file is another one."""
        path = self.folder / EVENTS
        now = _size_and_time(path)
        if now is None or now == self._events:
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD)
            # the first line has a time in it
            another = now[0] < self._read or not head.startswith(self._head)
            if another:
                self._forget()
                self._read = 0
            file.seek(self._read)
            added = file.read()
        # what is half written waits
        whole = added[: added.rfind(b"\n") + 1]
        for line in whole.splitlines():
            try:
                self.take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                # no line of a run's: the others count
                continue
        self._events = now
        self._read += len(whole)
        self._head = head[: self._read]
        return bool(whole) or another

    def _find_files(self) -> tuple[list[CheckpointFile], list[PreviewFile]]:
        if not self.folder.is_dir():
            return [], []
        found = [CheckpointFile(s, p) for s, p in files_of_steps(self.folder / CHECKPOINTS, CHECKPOINT).items()]
        for path in self.folder.glob(f"*{CHECKPOINT}"):
            if path.name in self.saved and not path.name.startswith("."):
                found.append(CheckpointFile(self.saved[path.name], path, path.name == BEST))
        previews = [PreviewFile(step, path) for step, path in files_of_steps(self.folder / PREVIEWS, PREVIEW).items()]
        return sorted(found, key=lambda one: (one.step, one.path.name)), previews

    # ---- judging

    def _judge(self) -> tuple[str, str, str]:
        """Return state, words and error."""
        if not self.folder.is_dir():
            return self._gone()
        at = f"step {self.step} of {self.steps}"
        owner, waiting = read_owner(self.folder / LOCK), read_owner(self.folder / STARTING)

        # Whoever started it from elsewhere named the process, and the run itself has not said a word yet.
        if waiting and waiting.started > self.latest:
            said = last_words(self.folder / OUTPUT)
            if waiting.here and not waiting.lives():
                return "failed", "It could not start.", said or "Its process ended without a word."
            words = f"Starting: {said}" if said else "Starting."
            return ("starting", words, "") if waiting.here else self._listen(waiting, "starting", words)

        # A process that has the folder, and has not said that it trains.
        alive = owner is not None and (not owner.here or owner.lives())
        if owner and alive and owner.started > self.latest:
            return self._listen(owner, "starting", "Starting: reading the images.")
        if not self._decided and not self._read:
            return "none", "There is no run in this folder.", ""

        # Last words, or none.
        if self.end == "failed":
            return "failed", f"Failed at {at}.{self._go_on()}", self.reason
        if self.end == "stopped":
            return "stopped", f"Stopped at {at}: {self.reason}.", ""
        if self.end == "finished":
            return "finished", f"Finished after {self.step} steps.", ""
        owner = owner or self._owner
        if owner is None or (owner.here and not owner.lives()):
            why = "its process is gone without a last word, as when it is killed or the memory runs out"
            if disk_usage(self.folder).free < _FULL:
                why = "its process is gone, and the disk is full"
            return "died", f"Died at {at}: {why}.{self._go_on() or ' Nothing was saved.'}", ""

        where = "" if owner.here else f" on {owner.host}"
        if (self.folder / STOP).exists():
            return self._listen(owner, "running", f"Stopping after this step ({at}{where}).")
        left = f", about {duration(self.left_s)} left" if self.left_s is not None else ""
        return self._listen(owner, "running", f"Training{where}: {at}{left}.")

    def _go_on(self) -> str:
        return f" It can go on from step {self.saved[LAST]}." if LAST in self.saved else ""

    def _gone(self) -> tuple[str, str, str]:
        return "gone", f"The folder {self.folder} is not there: it was removed, or its disk is not connected.", ""

    def _listen(self, owner: Owner, state: str, words: str) -> tuple[str, str, str]:
        """Return the state of a process that may be alive, unless nothing was heard of it for long.

        Its sign of life is that its files are touched. Clocks of machines differ, so what counts is when this was
        seen to happen; at the first look, what the files say.
        """
        beat = max((at for name in (LOCK, EVENTS, STARTING) if (at := modified(self.folder / name))), default=0.0)
        if self._beat is None:
            self._beat, self._heard = beat, time.monotonic() - max(0.0, time.time() - beat)
        elif beat != self._beat:
            self._beat, self._heard = beat, time.monotonic()
        if time.monotonic() - self._heard < SILENT_S:
            return state, words, ""
        when = datetime.fromtimestamp(beat).strftime("%Y-%m-%d %H:%M")
        why = "its process is there, but does nothing" if owner.here else f"nothing was heard of {owner.host}"
        return "silent", f"Silent since {when}: {why}.", ""


def _size_and_time(path: Path) -> tuple[int, float] | None:
    """Return what tells whether a file has changed; None where it is missing."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_size, stat.st_mtime
