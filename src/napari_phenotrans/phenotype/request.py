"""The request for a phenotype report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.dataset.dataset import Field
from napari_phenotrans.phenotype.settings import ReportSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint
    from napari_phenotrans.dataset.dataset import DataSet

Known = Callable[[Field, int, int], np.ndarray | None]
"""Known objects (Y, X) of a real field at (t, z), in the file's own pixels; None where they are to be found."""


@dataclass(frozen=True, eq=False)
class ReportRequest:
    """What a report compares, how, and where it is kept.

    Parameters
    ----------
    dataset
        Holds both conditions.
    checkpoint
        Translates; a checkpoint, a bundled name or a file.
    source, target
        Conditions, as the data set and the checkpoint name them.
    out
        Folder for the page and the tables; nothing is written where none is said.
    settings
        See `ReportSettings`.
    channels
        The images' name for a channel of the checkpoint where they differ.
    held_out_groups
        Groups that training did not see, where the checkpoint does not lie in its run folder.
    labels
        Known objects, such as a Labels layer; a field's translation has the same.
    positive
        Per channel the intensity above background, in the images' units, from which an object counts as positive.
    control
        Run folder, or a checkpoint in one, of an engine that was trained between two halves of one condition.
    repeats
        Checkpoints of other trainings of the same engine on the same images: what they change, too, would come out
        again.
    truth
        Folder with every translated field as it would be in the target condition, by the same file name.
    how
        What the engine is told.
    device, precision
        See `Translator`.
    tables
        "csv" or "parquet".
    overwrite
        Whether files in ``out`` may be replaced.
    dated
        Whether it says when it was made.
    """

    dataset: DataSet
    checkpoint: Checkpoint | str | Path
    source: str
    target: str
    out: Path | None = None
    settings: ReportSettings = field(default_factory=ReportSettings.make)
    channels: Mapping[str, str] = field(default_factory=dict)
    held_out_groups: Sequence[str] | None = None
    labels: Known | None = None
    positive: Mapping[str, float] = field(default_factory=dict)
    control: Path | None = None
    repeats: Sequence[str | Path] = ()
    truth: Path | None = None
    how: Mapping[str, Any] = field(default_factory=dict)
    device: str = "auto"
    precision: str = "auto"
    tables: str = "csv"
    overwrite: bool = False
    dated: bool = False

    def check(self) -> None:
        """Refuse what cannot be reported before anything is read.

        Raises
        ------
        InputError
            If parts of the request do not go together, or a report is there that may not be replaced.
        """
        from napari_phenotrans.phenotype.page.files import refuse_existing_report

        if self.out is not None:
            refuse_existing_report(self.out, self.tables, self.overwrite)
        if self.labels is not None and self.settings.objects == "none":
            raise InputError(
                "Known objects (--labels) and whole crops (--objects none) do not go together. Leave one out."
            )
        if self.source == self.target:
            raise InputError(
                f"Source and target are both {self.source!r}; a report compares two conditions. Name another."
            )
