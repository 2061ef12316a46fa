"""Looking into a folder: is it a data set, and what is in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from superqt.utils import thread_worker

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.io import readable

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Found:
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
        Why it is no data set, in words.
    """

    folder: Path
    fields: dict[str, int] = field(default_factory=dict)
    channels: dict[str, bool] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    images: int = 0
    problem: str = ""


def look(folder: Path) -> Found:
    """Look into a folder: the names in it, and one field of each condition."""
    from napari_phenotrans.io import read

    try:
        dataset = DataSet.open(folder)
        firsts = [next(f for f in dataset.fields if f.condition == c) for c in dataset.conditions]
        named = [read(one.path).channels for one in firsts]
    except InputError as error:
        images = sum(map(readable, folder.iterdir())) if folder.is_dir() else 0
        return Found(folder, images=images, problem=str(error))
    channels = {name: all(name in names for names in named) for names in named for name in names}
    groups = tuple(sorted({f.group for f in dataset.fields}))
    return Found(folder, dataset.count(), channels, groups)


@thread_worker
def looking(folder: Path) -> Found:
    """Look into a folder beside the GUI: it may lie on a disk that is slow to answer."""
    try:
        return look(folder)
    except OSError as error:
        return Found(folder, problem=f"{folder} cannot be listed: {error.strerror or error}. Choose another folder.")
