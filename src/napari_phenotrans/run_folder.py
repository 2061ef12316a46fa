"""The files of a run folder: what was decided, what happened, and who is at work in it."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from napari_phenotrans.dataset import DataSet, Field
from napari_phenotrans.errors import InputError
from napari_phenotrans.io.replacing import replacing

STOP = "stop"


def write_decided(folder: Path, decided: dict[str, Any]) -> None:
    """Write ``run.json``: what was decided, and which process is at work."""
    process = psutil.Process()
    whole = decided | {
        "host": platform.node(),
        "pid": process.pid,
        "process started": process.create_time(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "napari-phenotrans": version("napari-phenotrans"),
    }
    with replacing(folder / "run.json", overwrite=True) as temporary:
        temporary.write_text(json.dumps(whole, indent=2), encoding="utf-8")


class Log:
    """``events.jsonl``, a line per event; a line that a killed process left half written is cut off first."""

    def __init__(self, path: Path) -> None:
        if path.exists():
            written = path.read_bytes()
            whole = written[: written.rfind(b"\n") + 1]
            if whole != written:
                os.truncate(path, len(whole))
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def write(self, line: str) -> None:
        self._file.write(line + "\n")

    def close(self) -> None:
        self._file.close()


def read_decided(path: Path) -> dict[str, Any]:
    """Read a ``run.json``.

    Raises
    ------
    InputError
        If it is missing, or not what a run wrote.
    """
    try:
        decided = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as a run's settings: {error}. Expected the run.json of a folder that "
            f"'phenotrans train' made."
        ) from error
    missing = {"engine", "settings", "conditions", "training", "held-out"} - set(decided)
    if missing:
        raise InputError(
            f"{path} lacks {', '.join(sorted(missing))}. Expected the run.json of a folder that 'phenotrans train' "
            f"made."
        )
    return decided


def refuse_living(folder: Path) -> None:
    """Refuse to touch a run whose process is still at work on this machine.

    Raises
    ------
    InputError
        If it is.
    """
    decided = read_decided(folder / "run.json")
    if decided["host"] != platform.node() or decided["pid"] == os.getpid() or not psutil.pid_exists(decided["pid"]):
        return
    # a number may be another process's by now
    if abs(psutil.Process(decided["pid"]).create_time() - decided["process started"]) < 1:
        raise InputError(
            f"{folder} is being trained right now by process {decided['pid']}. Stop it first: "
            f"make a file named {STOP} in the folder."
        )


def fields_to(dataset: DataSet) -> dict[str, Any]:
    return {
        "folder": str(dataset.folder.resolve()),
        "fields": [[str(f.path.relative_to(dataset.folder)), f.condition, f.group] for f in dataset.fields],
    }


def fields_from(written: dict[str, Any], conditions: tuple[str, ...]) -> DataSet:
    folder = Path(written["folder"])
    fields = (Field(folder / name, condition, group) for name, condition, group in written["fields"])
    return DataSet(folder, conditions, tuple(fields))
