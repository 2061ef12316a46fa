"""Who trains into a run folder: one process at a time, and a dead one does not keep others out."""

from __future__ import annotations

import json
import os
import platform
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.runs.paths import DECIDED, LOCK, STOP

if TYPE_CHECKING:
    from pathlib import Path

BEAT_S = 20.0  # a process at work touches its lock so often
SILENT_S = 180.0  # it is called silent after so long
GIVEN_UP_S = 900.0  # and one on another machine, that nobody here can ask, does not keep the folder any longer
_SAME_S = 1.0  # start times of one process, as told by two others
# The lock takes some room, which is free again for last words where the disk is full.
_ROOM = 16384
_WRITTEN_WITHIN_S = 2.0


@dataclass(frozen=True)
class Owner:
    """A process: on which machine, its number, and when it started (seconds since 1970)."""

    host: str
    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Owner:
        """Return the process of a number on this machine; one that has ended counts until it was waited for."""
        return cls(platform.node(), pid, psutil.Process(pid).create_time())

    @classmethod
    def read(cls, written: dict[str, Any]) -> Owner | None:
        """Take it out of a ``run.json`` or a lock; None where it is not in there."""
        try:
            return cls(str(written["host"]), int(written["pid"]), float(written["process started"]))
        except (KeyError, TypeError, ValueError):
            return None

    def written(self) -> dict[str, Any]:
        """Return what `read` takes it from."""
        return {"host": self.host, "pid": self.pid, "process started": self.started}

    @property
    def here(self) -> bool:
        """Whether it is, or was, on this machine."""
        return self.host == platform.node()

    def lives(self) -> bool:
        """Return whether it runs; only to be asked `here`."""
        try:
            process = psutil.Process(self.pid)
            # a number may be another process's by now, and one that nobody waits for is dead
            same = abs(process.create_time() - self.started) < _SAME_S
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


def read_owner(path: Path) -> Owner | None:
    """Return the process that a JSON file names; None where the file is missing or half written."""
    try:
        written = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return Owner.read(written) if isinstance(written, dict) else None


def modified(path: Path) -> float | None:
    """Return when a file was last written or touched, by its disk's clock; None where it is missing."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def refuse_living(folder: Path) -> None:
    """Refuse to touch a run folder that a process is at work in.

    A process on another machine counts as long as it touched its lock in the last 15 minutes.

    Raises
    ------
    InputError
        If one is.
    """
    owner = read_owner(folder / LOCK)
    if owner is None and not (folder / LOCK).exists():
        # of a run without a lock: an earlier version's, or one that was ended by its user
        owner = read_owner(folder / DECIDED)
        if owner is None or not owner.here or owner.pid == os.getpid() or not owner.lives():
            return
    elif owner is None:
        quiet = _quiet_s(folder)
        if quiet is None or quiet > _WRITTEN_WITHIN_S:
            return
    elif owner.here:
        if not owner.lives():
            return
    else:
        quiet = _quiet_s(folder)
        if quiet is None or quiet > GIVEN_UP_S:
            return
        raise InputError(
            f"{folder} is being trained right now by process {owner.pid} on {owner.host}, which was last heard of "
            f"{quiet:.0f} s ago. Stop it first: make a file named {STOP} in the folder. If it is dead, the folder is "
            f"free {GIVEN_UP_S / 60:.0f} minutes after it was last heard of."
        )
    by = f"process {owner.pid}" if owner else "a process that has just begun"
    raise InputError(
        f"{folder} is being trained right now by {by}. Stop it first: make a file named {STOP} in the folder."
    )


class Lock:
    """A run folder's lock, of the process that trains into it; `take` makes it.

    While it is held a thread touches the file, so that other machines see that the process lives.
    """

    def __init__(self, folder: Path, made_folder: bool) -> None:
        self.folder = folder
        self._made_folder = made_folder
        self._token = uuid.uuid4().hex
        self._released = threading.Event()

    @classmethod
    def take(cls, folder: Path) -> Lock:
        """Make the folder where it is missing, and take its lock.

        Raises
        ------
        InputError
            If a process is at work in the folder, or it cannot be written to.
        """
        try:
            made = not folder.exists()
            folder.mkdir(parents=True, exist_ok=True)
            lock = cls(folder, made)
            refuse_living(folder)
            # of a dead process. Should two processes come here at once, the one that loses sees it at `check`.
            (folder / LOCK).unlink(missing_ok=True)
            lock._write()
        except OSError as error:
            raise InputError(
                f"{folder} cannot be trained into: {error.strerror or error}. Check that the folder may be written to "
                f"and that the disk has room, or choose another one for --out."
            ) from error
        threading.Thread(target=lock._beat, name="lock", daemon=True).start()
        return lock

    def check(self) -> None:
        """Make sure that the folder is still there, and this process's.

        Raises
        ------
        InputError
            If not. Nothing may be written into it then.
        """
        if self._mine():
            return
        if not self.folder.is_dir():
            raise InputError(
                f"{self.folder} was removed, or its disk is gone: nothing can be saved any more, so training ends. "
                f"Start it anew."
            )
        raise InputError(
            f"{self.folder} does not belong to this training any more: its file {LOCK} was removed or is another "
            f"process's. Go on with --resume {self.folder} once no other process trains there."
        )

    def release(self) -> None:
        """Give the folder back; one that was made for the lock and is empty goes again."""
        self._released.set()
        # what cannot be removed is a dead process's soon
        with suppress(OSError):
            if self._mine():
                (self.folder / LOCK).unlink()
                if self._made_folder and not any(self.folder.iterdir()):
                    self.folder.rmdir()

    def _write(self) -> None:
        said = json.dumps(Owner.of(os.getpid()).written() | {"token": self._token})
        with (self.folder / LOCK).open("x", encoding="utf-8") as file:
            try:
                file.write(said.ljust(_ROOM))
                file.flush()
            except OSError:
                (self.folder / LOCK).unlink(missing_ok=True)
                raise

    def _mine(self) -> bool:
        try:
            with (self.folder / LOCK).open(encoding="utf-8") as file:
                return self._token in file.read(1000)
        except FileNotFoundError:
            return False
        except OSError:
            # a network's hiccup is no loss; writing will show whether it is more
            return True

    def _beat(self) -> None:
        while not self._released.wait(BEAT_S):
            with suppress(OSError):
                if self._mine():
                    os.utime(self.folder / LOCK)


def _quiet_s(folder: Path) -> float | None:
    """Return how long ago the lock was touched; both times by the clock of the folder's disk."""
    probe = folder / f".{uuid.uuid4().hex[:8]}.clock"
    try:
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink()
    except OSError:
        now = time.time()
    touched = modified(folder / LOCK)
    return None if touched is None else now - touched
