"""Finding run folders, and remembering those that were opened before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io.atomic import replacing
from napari_phenotrans.runs.family import is_family
from napari_phenotrans.runs.lock import modified
from napari_phenotrans.runs.parse import parse_folders
from napari_phenotrans.runs.paths import DECIDED, EVENTS, STARTING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FILE = "runs.json"
REMEMBERED = 200  # folders at most, the latest


def is_run(folder: Path) -> bool:
    """Return whether a folder holds a run, or one that is being started; a family holds its runs in folders."""
    try:
        return not is_family(folder) and any((folder / name).is_file() for name in (DECIDED, STARTING))
    except OSError:
        return False


def list_runs(parents: Sequence[Path]) -> list[Path]:
    """Return the run folders among these folders and directly in them, the one with the latest event first."""
    latest_event: dict[Path, float] = {}
    for parent in parents:
        for folder in [parent, *_folders_in(parent)]:
            if is_run(folder):
                times = (modified(folder / name) for name in (EVENTS, DECIDED, STARTING))
                latest_event[folder] = max((at for at in times if at), default=0.0)
    return sorted(latest_event, key=lambda folder: (-latest_event[folder], str(folder)))


def _folders_in(parent: Path) -> Iterable[Path]:
    try:
        return [path for path in parent.iterdir() if path.is_dir()]
    except OSError:
        # missing, or not readable
        return []


class RememberedRuns:
    """Run folders that were started or opened before, listed in a file of the user's data folder.

    Parameters
    ----------
    file
        The list; by default ``runs.json`` in the user's data folder.
    """

    def __init__(self, file: Path | None = None) -> None:
        if file is None:
            from platformdirs import user_data_path

            file = user_data_path("napari-phenotrans", appauthor=False) / FILE
        self.file = file

    def folders(self) -> list[Path]:
        """Return the folders, the latest first, also missing ones: their disk may be away."""
        try:
            return [Path(name) for name in parse_folders(self.file.read_bytes(), self.file)]
        except (OSError, InputError):
            # what cannot be read is written anew with the next folder
            return []

    def add(self, folder: str | Path) -> None:
        """Remember a folder, as the latest.

        The file is read anew each time, so that a second napari loses nothing.
        """
        folder = Path(folder).absolute()
        self._write([folder, *(other for other in self.folders() if other != folder)])

    def remove(self, folder: str | Path) -> None:
        """Forget a folder; its files stay."""
        folder = Path(folder).absolute()
        self._write([other for other in self.folders() if other != folder])

    def _write(self, folders: list[Path]) -> None:
        try:
            with replacing(self.file, overwrite=True) as temporary:
                temporary.write_text(json.dumps([str(f) for f in folders[:REMEMBERED]], indent=1), encoding="utf-8")
        except InputError:
            # a home that cannot be written to; the runs themselves are not affected
            return
