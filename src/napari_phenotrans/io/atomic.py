"""Writing files so that a process killed at any moment leaves no half-written result under a final name.

What is written goes to temporary names beside the final ones first, and is on the disk before it takes its place. Where
several places are taken together, or that of a folder, which no system does at once, a journal beside them says what
was on its way: whoever writes there next finishes it. Temporary names say whose they are, and those of dead processes
are removed then.
"""

from __future__ import annotations

import errno
import json
import math
import os
import platform
import re
import shutil
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from napari_phenotrans.core.digests import sha256_of
from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_LEFTOVER = re.compile(r"\.(?P<host>[0-9a-f]{6})-(?P<pid>\d{1,10})-[0-9a-f]{8}\.part\.(?P<name>.+)", re.DOTALL)
_JOURNAL, _OLD = "journal", "old."
_UNSYNCED = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}  # file systems that cannot say when something is on the disk
_LOOK_AGAIN_S = 60.0
_looked: dict[Path, float] = {}  # folders in which this process has looked for leftovers, and when


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Refuse to replace a file unless that is allowed; what a killed process left half done there is finished first.

    Raises
    ------
    InputError
        If ``path`` exists and may not be overwritten.
    """
    clear_leftovers(path.parent)
    if path.exists() and not overwrite:
        raise InputError(
            f"{path} exists already. Choose another folder or name, or allow to replace it (on the command line: "
            f"--overwrite)."
        )


def refuse_unwritable(out: Path) -> None:
    """Refuse a folder for results that cannot be made or written to, before anything is computed.

    Raises
    ------
    InputError
        Saying so.
    """
    there = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        what = "is no folder" if not there.is_dir() else "may not be written to"
        raise InputError(f"Results cannot be written to {out}: {there} {what}. Choose another folder.")


@contextmanager
def replacing(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary path beside ``path``, which takes its place when the block ends well.

    Works for files and folders. If the block raises, what was written is removed and ``path`` is as it was.

    Raises
    ------
    InputError
        If ``path`` exists and may not be overwritten, or its folder cannot be written to.
    """
    with replacing_together([path], overwrite=overwrite) as (temporary,):
        yield temporary


@contextmanager
def replacing_together(paths: Sequence[Path], *, overwrite: bool = False) -> Iterator[tuple[Path, ...]]:
    """Give temporary paths beside ``paths``, which lie in one folder; they take their places together or not at all.

    Raises
    ------
    InputError
        If one of them exists and may not be overwritten, or the folder cannot be written to.
    """
    for path in paths:
        refuse_existing(path, overwrite)
    token = f".{_host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.part."
    # the suffixes stay at the end, since writers choose their format by them
    place_of = {path.with_name(f"{token}{path.name}"): path for path in paths}
    try:
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        yield tuple(place_of)
        for temporary in place_of:
            _let_others_read(temporary)
            _sync(temporary)
        _put_in_place(place_of, token)
    except OSError as error:
        touched = str(error.filename or "")
        path = next((path for temporary, path in place_of.items() if touched.startswith(str(temporary))), paths[0])
        raise InputError(
            f"{path} could not be written: {error.strerror or error}. Check that the folder may be written to "
            f"and that the disk has room."
        ) from error
    finally:
        for temporary in place_of:
            _remove(temporary)


def clear_leftovers(folder: Path) -> None:
    """Finish what a killed process was putting in its place in a folder, and remove what dead ones left half written.

    Each process looks once a minute at most. Processes of other machines are not known to be dead: theirs stays.
    """
    folder = folder.absolute()
    now = time.monotonic()
    if now - _looked.get(folder, -math.inf) < _LOOK_AGAIN_S:
        return
    _looked[folder] = now
    try:
        found = {entry.name: match for entry in os.scandir(folder) if (match := _LEFTOVER.fullmatch(entry.name))}
    except OSError:
        return
    dead = [name for name, match in found.items() if match["host"] == _host() and not _runs(int(match["pid"]))]
    for name in dead:
        if found[name]["name"] == _JOURNAL:
            with suppress(OSError):
                _finish(folder / name)
    for name in dead:
        _remove(folder / name)


# ---- taking places


def _put_in_place(place_of: Mapping[Path, Path], token: str) -> None:
    """Move temporary files and folders to their places: all, or none."""
    folder = next(iter(place_of.values())).parent
    if len(place_of) == 1 and not any(path.is_dir() for path in place_of.values()):
        ((temporary, path),) = place_of.items()
        os.replace(temporary, path)
        _sync_folder(folder)
        return
    journal = folder / f"{token}{_JOURNAL}"
    olds = {path: folder / f"{token}{_OLD}{path.name}" for path in place_of.values()}
    try:
        journal.write_text(json.dumps([path.name for path in place_of.values()]), encoding="utf-8")
        _sync(journal)
        _sync_folder(folder)
        try:
            for path, old in olds.items():
                if path.exists():
                    os.replace(path, old)
            for temporary, path in place_of.items():
                os.replace(temporary, path)
        except OSError:
            _take_back(place_of, olds)
            raise
        _sync_folder(folder)
    finally:
        _remove(journal)
    for old in olds.values():
        _remove(old)


def _take_back(place_of: Mapping[Path, Path], olds: Mapping[Path, Path]) -> None:
    """Undo what `_put_in_place` did until one move failed."""
    for temporary, path in place_of.items():
        with suppress(OSError):
            if path.exists() and not temporary.exists():
                os.replace(path, temporary)
            if olds[path].exists():
                os.replace(olds[path], path)


def _finish(journal: Path) -> None:
    """Move to their places what is left to move of a journal; one that was not written to its end began nothing."""
    token, folder = journal.name.removesuffix(_JOURNAL), journal.parent
    try:
        names = json.loads(journal.read_text(encoding="utf-8"))
    except ValueError:
        return
    # a name is one in this folder, whoever wrote the journal
    if not isinstance(names, list) or not all(isinstance(name, str) and Path(name).name == name for name in names):
        return
    for name in names:
        temporary, path = folder / f"{token}{name}", folder / name
        if temporary.exists():
            if path.exists():
                os.replace(path, folder / f"{token}{_OLD}{name}")
            os.replace(temporary, path)
        # else it is in its place already
    for name in names:
        _remove(folder / f"{token}{_OLD}{name}")


# ---- files


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        # where its folder is none, or gone, an earlier error is the one to tell
        with suppress(OSError):
            path.unlink()


def _let_others_read(file: Path) -> None:
    """Give a file the permissions of a new one: some writers make them such that nobody else may read them."""
    if not file.is_file():
        return
    # what is allowed can be seen at a new file, and read nowhere else without changing it for the whole process
    probe = file.with_name(f"{file.name}.mode")
    with suppress(OSError):
        descriptor = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        try:
            file.chmod(os.fstat(descriptor).st_mode & 0o777)
        finally:
            os.close(descriptor)
            probe.unlink()


def _sync(path: Path) -> None:
    """Return once a file, or all files of a folder, are on the disk."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    for file in files:
        with file.open("rb+") as stream:
            try:
                os.fsync(stream.fileno())
            except OSError as error:
                if error.errno not in _UNSYNCED:
                    raise


def _sync_folder(folder: Path) -> None:
    """Return once the names in a folder are on the disk, where the system knows such a thing."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# ---- processes


def _host() -> str:
    return sha256_of([platform.node()])[:6]


def _runs(pid: int) -> bool:
    # by its number alone: a clock that was set makes start times lie, and what is kept too long does no harm
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except (psutil.NoSuchProcess, OverflowError, ValueError):
        return False
    except psutil.AccessDenied:
        return True
