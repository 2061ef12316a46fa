"""Reading and writing ``run.json`` and ``events.jsonl``."""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.dataset.dataset import DataSet, Field
from napari_phenotrans.io.atomic import replacing
from napari_phenotrans.runs.lock import Owner
from napari_phenotrans.runs.parse import parse_decided
from napari_phenotrans.runs.paths import DECIDED


def write_decided(folder: Path, decided: dict[str, Any]) -> None:
    """Write ``run.json``: what was decided, this process, and the versions."""
    content = decided | {
        **Owner.of(os.getpid()).as_json(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "napari-phenotrans": version("napari-phenotrans"),
    }
    with replacing(folder / DECIDED, overwrite=True) as temporary:
        temporary.write_text(json.dumps(content, indent=2), encoding="utf-8")


class Log:
    """``events.jsonl``, to which lines are added; a half-written line of a killed process is removed first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists():
            written = path.read_bytes()
            os.truncate(path, written.rfind(b"\n") + 1)
        # unbuffered, so that a full disk is noticed at the line that does not fit
        self._file = path.open("ab", buffering=0)

    def write(self, line: str) -> None:
        """Add a line.

        Raises
        ------
        InputError
            If the disk is full or gone; the file is as it was.
        """
        # `tell` would not notice that the file was truncated
        before = os.fstat(self._file.fileno()).st_size
        text = f"{line}\n".encode()
        try:
            if self._file.write(text) != len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(before)
            raise InputError(
                f"{self.path} could not be written: {error.strerror or error}. Check that the disk has room, and go "
                f"on with --resume {self.path.parent}."
            ) from error

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()


def read_decided(path: Path) -> dict[str, Any]:
    """Read a ``run.json``.

    Raises
    ------
    InputError
        If it is missing, or not what a run wrote.
    """
    try:
        written = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}. Expected the run.json of a folder that 'phenotrans "
            f"train' made."
        ) from error
    return parse_decided(written, path).model_dump(by_alias=True)


def fields_to(dataset: DataSet) -> dict[str, Any]:
    """Return a data set's fields as ``run.json`` holds them."""
    return {
        "folder": str(dataset.folder.resolve()),
        "fields": [[str(f.path.relative_to(dataset.folder)), f.condition, f.group] for f in dataset.fields],
    }


def fields_from(written: dict[str, Any], conditions: tuple[str, ...]) -> DataSet:
    """Return the data set that `fields_to` wrote."""
    folder = Path(written["folder"])
    fields = (Field(folder / name, condition, group) for name, condition, group in written["fields"])
    return DataSet(folder, conditions, tuple(fields))
