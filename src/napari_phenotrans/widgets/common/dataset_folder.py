"""Looking into a folder beside the GUI: whether it is a data set, and what is in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from qtpy.QtCore import QObject, Signal
from superqt.utils import thread_worker

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.io import readable


@dataclass(frozen=True)
class FolderContents:
    """What a folder holds.

    Parameters
    ----------
    folder
        The folder.
    fields
        Of a data set, the number of fields of each condition.
    channels
        All that the first fields of the conditions have, and whether each of them has it.
    groups
        The groups that ``fields.csv`` says, or the fields where it says none.
    images
        Of a folder that is no data set, the number of images that lie in it.
    problem
        Why it is no data set, as a sentence.
    """

    folder: Path
    fields: dict[str, int] = field(default_factory=dict)
    channels: dict[str, bool] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    images: int = 0
    problem: str = ""


class FolderInspector(QObject):
    """Looks into folders, which may lie on disks that are slow to answer, beside the GUI.

    Signals
    -------
    inspected
        The `FolderContents` of the folder that was asked for last; those of earlier ones are dropped.
    """

    inspected = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folder: Path | None = None

    def inspect(self, folder: Path) -> None:
        """Look into a folder."""
        self._folder = Path(folder)
        worker = _inspecting(self._folder)
        worker.returned.connect(self._on_returned)
        worker.start()

    def _on_returned(self, contents: FolderContents) -> None:
        if contents.folder == self._folder:
            self.inspected.emit(contents)


def contents_of(folder: Path) -> FolderContents:
    """Return what a folder holds, by the names in it and one field of each condition."""

    try:
        dataset = DataSet.open(folder)
        firsts = [next(f for f in dataset.fields if f.condition == c) for c in dataset.conditions]
        channels_of_firsts = [first.image().channels for first in firsts]
    except InputError as error:
        images = sum(map(readable, folder.iterdir())) if folder.is_dir() else 0
        return FolderContents(folder, images=images, problem=str(error))
    every = dict.fromkeys(name for names in channels_of_firsts for name in names)
    channels = {name: all(name in names for names in channels_of_firsts) for name in every}
    groups = tuple(sorted({f.group for f in dataset.fields}))
    return FolderContents(folder, dataset.count(), channels, groups)


@thread_worker
def _inspecting(folder: Path) -> FolderContents:
    try:
        return contents_of(folder)
    except OSError as error:
        problem = f"{folder} cannot be listed: {error.strerror or error}. Choose another folder."
        return FolderContents(folder, problem=problem)
