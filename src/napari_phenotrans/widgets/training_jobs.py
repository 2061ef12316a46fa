"""What the training dock has done beside the GUI: looking into a folder, checking a data set, writing one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from superqt.utils import thread_worker

from napari_phenotrans.dataset import DataSet
from napari_phenotrans.errors import InputError
from napari_phenotrans.io import readable
from napari_phenotrans.widgets.worker import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from napari_phenotrans.check import FieldSeen
    from napari_phenotrans.check_report import Report
    from napari_phenotrans.collect import FieldWritten, Piece
    from napari_phenotrans.examples import Examples, FieldRead
    from napari_phenotrans.settings import TrainingSettings
    from napari_phenotrans.widgets.worker import Engines


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


@dataclass(frozen=True)
class HeldOut:
    """What training must not see: a folder, or groups by name, or else a share of each condition's groups."""

    share: float = 0.2
    groups: tuple[str, ...] = ()
    folder: Path | None = None


@dataclass(frozen=True)
class Wanted:
    """What is to be trained on, and how."""

    folder: Path
    settings: TrainingSettings
    held_out: HeldOut

    def parts(self) -> tuple[DataSet, DataSet | None]:
        """List the fields to train on and those held out; raises as `DataSet` does."""
        opened = DataSet.open(self.folder, self.settings.conditions)
        if self.held_out.folder:
            return opened, DataSet.open_held_out(self.held_out.folder, opened)
        return opened.split(self.held_out.groups or self.held_out.share, self.settings.seed)


class CheckDataSet(Job):
    """Check a data set, then draw example crops where it can be trained on.

    Parameters
    ----------
    wanted
        What to check.
    draw
        Which example crops; with ``examples_only`` nothing is checked.
    """

    def __init__(self, wanted: Wanted, draw: int = 0, *, examples_only: bool = False) -> None:
        super().__init__()
        self.wanted, self.draw, self.examples_only = wanted, draw, examples_only

    def events(self, engines: Engines, tick: Callable[[], None]) -> Iterator[FieldSeen | Report | FieldRead | Examples]:
        from napari_phenotrans.check import check_each
        from napari_phenotrans.check_report import Report

        training, held_out = self.wanted.parts()
        event: Any
        if not self.examples_only:
            for event in check_each(training, held_out, self.wanted.settings):
                yield event
                tick()
            if isinstance(event, Report) and event.errors:
                return
        # torch comes with it
        from napari_phenotrans.examples import draw_examples

        for event in draw_examples(training, self.wanted.settings, self.draw):
            yield event
            tick()


class WriteDataSet(Job):
    """Write pieces into a data set folder."""

    def __init__(self, pieces: Sequence[Piece], folder: Path) -> None:
        super().__init__()
        self.pieces, self.folder = tuple(pieces), folder

    def events(self, engines: Engines, tick: Callable[[], None]) -> Iterator[FieldWritten]:
        from napari_phenotrans.collect import collect

        for event in collect(self.pieces, self.folder):
            yield event
            tick()
