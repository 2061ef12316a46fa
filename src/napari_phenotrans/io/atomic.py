"""Writing files so that a killed run leaves no half-written file under a final name."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Refuse to replace a file unless that is allowed.

    Raises
    ------
    InputError
        If ``path`` exists and may not be overwritten.
    """
    if path.exists() and not overwrite:
        raise InputError(
            f"{path} exists already. Choose another folder or name, or allow to replace it (on the command line: "
            f"--overwrite)."
        )


@contextmanager
def replacing(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary path beside ``path``, which takes its place when the block ends well.

    Works for files and folders. If the block raises, what was written is removed and ``path`` is as it was.

    Raises
    ------
    InputError
        If ``path`` exists and may not be overwritten, or its folder cannot be written to.
    """
    refuse_existing(path, overwrite)
    # the suffixes stay at the end, since writers choose their format by them
    temporary = path.with_name(f".{uuid.uuid4().hex[:8]}.part.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if temporary.is_dir() and path.is_dir():
            shutil.rmtree(path)
        elif temporary.is_file():
            # some writers make files that nobody else may read, which is of no use in a shared folder
            temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(
            f"{path} could not be written: {error.strerror or error}. Check that the folder may be written to "
            f"and that the disk has room."
        ) from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            # where its folder is none, or gone, the error above is the one to tell
            with suppress(OSError):
                temporary.unlink()


def _umask() -> int:
    # can only be read by setting it
    mask = os.umask(0)
    os.umask(mask)
    return mask
