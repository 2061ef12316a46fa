"""The lock of a run folder: one process trains into it at a time, and the lock of a dead one does not count."""

from __future__ import annotations

import json
import os
import platform
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.runs.parse import parse_process
from napari_phenotrans.runs.paths import DECIDED, LOCK, STOP

BEAT_S = 20.0  # between two touches of the lock by the process that trains
SILENT_S = 180.0  # without a touch: the process is called silent
GIVEN_UP_S = 900.0  # without a touch: the lock of a process on another machine does not count any more
_SAME_S = 1.0  # by which two readings of one process's start time may differ
_ROOM = 16384  # bytes of the lock, which free a full disk for the last event
_WRITTEN_WITHIN_S = 2.0  # a lock without content is still being written for so long


@dataclass(frozen=True)
class Owner:
    """A process: its machine, its number, and when it started (seconds since 1970).

    ``born`` says the latter by a clock that nobody can set, on systems that have one: by ``started`` a living process
    looks like another one once the clock was set.
    """

    host: str
    pid: int
    started: float
    born: str = ""

    @classmethod
    def of(cls, pid: int) -> Owner:
        """Return a process of this machine by its number; a zombie counts as a process."""
        return cls(platform.node(), pid, psutil.Process(pid).create_time(), _born(pid))

    def as_json(self) -> dict[str, Any]:
        """Return the process as `read_owner` reads it."""
        owner = {"host": self.host, "pid": self.pid, "process started": self.started}
        return owner | ({"born": self.born} if self.born else {})

    @property
    def here(self) -> bool:
        """Whether it is, or was, on this machine."""
        return self.host == platform.node()

    def is_running(self) -> bool:
        """Return whether it runs, for a process of this machine (see `here`)."""
        try:
            process = psutil.Process(self.pid)
            # the number may be another process's by now, and a zombie has ended
            same = _born(self.pid) == self.born if self.born else abs(process.create_time() - self.started) < _SAME_S
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


def _born(pid: int) -> str:
    """Return when a process started: which boot of the system, and ticks since then; empty where that is not said."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # the name of the process, in parentheses, may hold anything
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return f"{boot} {int(fields[19])}"
    except (OSError, ValueError, IndexError):
        return ""


def read_owner(path: Path) -> Owner | None:
    """Return the process that a JSON file names; None where the file is missing, half written or names none."""
    try:
        written = parse_process(path.read_bytes(), path)
    except (OSError, InputError):
        return None
    return Owner(written.host, written.pid, written.started, written.born)


def modified(path: Path) -> float | None:
    """Return when a file was last written or touched, by its disk's clock; None where it is missing."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def refuse_living(folder: Path) -> None:
    """Refuse a run folder that a process trains into.

    A process on another machine counts if it touched its lock in the last 15 minutes.

    Raises
    ------
    InputError
        If there is such a process.
    """
    owner = read_owner(folder / LOCK)
    if owner is None and not (folder / LOCK).exists():
        # a run without a lock: of an earlier version, or its user removed the lock
        owner = read_owner(folder / DECIDED)
        if owner is None or not owner.here or owner.pid == os.getpid() or not owner.is_running():
            return
    elif owner is None:
        quiet = _quiet_s(folder)
        if quiet is None or quiet > _WRITTEN_WITHIN_S:
            return
    elif owner.here:
        if not owner.is_running():
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
    """A run folder's lock, held by this process; made by `take`.

    While it is held, a thread touches the file regularly, so that other machines see that the process runs.
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
            # a dead process's; where two processes come here at once, one of them fails at `check`
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
        """Make sure that the folder still exists and is still locked by this process.

        Raises
        ------
        InputError
            If not; then nothing may be written into it.
        """
        if self._is_mine():
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
        """Remove the lock, and the folder too if it was made for the lock and is empty."""
        self._released.set()
        # a lock that cannot be removed counts no more once this process has ended
        with suppress(OSError):
            if self._is_mine():
                (self.folder / LOCK).unlink()
                if self._made_folder and not any(self.folder.iterdir()):
                    self.folder.rmdir()

    def _write(self) -> None:
        content = json.dumps(Owner.of(os.getpid()).as_json() | {"token": self._token})
        with (self.folder / LOCK).open("x", encoding="utf-8") as file:
            try:
                file.write(content.ljust(_ROOM))
                file.flush()
            except OSError:
                (self.folder / LOCK).unlink(missing_ok=True)
                raise

    def _is_mine(self) -> bool:
        try:
            with (self.folder / LOCK).open(encoding="utf-8") as file:
                return self._token in file.read(1000)
        except FileNotFoundError:
            return False
        except OSError:
            # perhaps a network disk that is away for a moment; writing will fail if it is more
            return True

    def _beat(self) -> None:
        while not self._released.wait(BEAT_S):
            with suppress(OSError):
                if self._is_mine():
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
    # a clock that was set back may put the touch into the future
    return None if touched is None else max(0.0, now - touched)
