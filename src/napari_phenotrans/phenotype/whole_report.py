"""The phenotype report in one call."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.phenotype.report import report as reporting
from napari_phenotrans.phenotype.request import ReportRequest
from napari_phenotrans.phenotype.result import PhenotypeReport, ReportDone
from napari_phenotrans.phenotype.settings import ReportSettings
from napari_phenotrans.runs.family import with_families

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint
    from napari_phenotrans.core.events import Notice, Progressed
    from napari_phenotrans.phenotype.result import FirstLook


def report(
    dataset: DataSet | str | Path,
    checkpoint: Checkpoint | str | Path,
    *,
    source: str,
    target: str,
    out: str | Path | None = None,
    on_event: Callable[[Progressed | Notice | FirstLook], None] = lambda event: None,
    **more: Any,
) -> PhenotypeReport:
    """Measure what differs between two conditions, object by object, and what of it translated images show.

    Needs the extra ``napari-phenotrans[report]``.

    Parameters
    ----------
    dataset
        Folder with one folder of images per condition, or an opened `DataSet`.
    checkpoint
        A checkpoint, the name of a bundled one, a file, or the folder of a training with repeats: then it is also said
        what would come out again.
    source, target
        Conditions, as the data set and the checkpoint name them.
    out
        Folder for ``report.html`` and the tables effects, objects, planes and pairs; nothing is written where none is
        said.
    on_event
        Is given progress, notices, and a first look where there are many fields.
    **more
        The other fields of `ReportRequest` (``channels``, ``held_out_groups``, ``labels``, ``positive``, ``control``,
        ``truth``, ``device``, ``precision``, ``tables``, ``overwrite``), the settings of `ReportSettings` (``objects``,
        ``object_channel``, ``diameter`` in pixels, ``translate``, ``seed`` and so on), ``cache`` and ``tick`` as of
        `napari_phenotrans.phenotype.report.report`. Whatever else is said the engine is told: ``strength=0.7``.

    Returns
    -------
    The report: its ``effects.rows`` hold, for each measurement, the difference between real source and target, what the
    engine makes of it (both in the measurement's units), its own error, and a verdict; ``tables`` one row per object.
    Printed it is a summary.

    Raises
    ------
    InputError
        If conditions, channels or groups do not fit, nothing can be found or measured, or something cannot be written.

    Notes
    -----
    Measurements are CellProfiler's (Stirling et al., 2021), effects are tested over groups, not objects. How to read it
    with care: ``docs/phenotype-report.md``.

    Examples
    --------
    >>> import napari_phenotrans as pt
    >>> from napari_phenotrans.dataset.synthetic import write_dataset
    >>> images = write_dataset("images", 3, size=128)
    >>> found = pt.report(
    ...     images, "synthetic-organoids-cyclegan", source="healthy", target="diseased", objects="none", crop=64
    ... )
    >>> found.objects, found.channels, len(found.effects.rows) > 10
    ('crops', ('DAPI', 'PH3', 'ZO1'), True)
    """
    opened = dataset if isinstance(dataset, DataSet) else DataSet.open(dataset, (source, target))
    repeats = more.pop("repeats", ())
    if isinstance(checkpoint, str | Path):
        checkpoint, *found = with_families((str(checkpoint),))
        repeats = (*found, *repeats)
    running = {name: more.pop(name) for name in ("cache", "tick") if name in more}
    of_request = {field.name for field in fields(ReportRequest)}
    asked = {name: more.pop(name) for name in list(more) if name in of_request}
    settings = {name: more.pop(name) for name in list(more) if name in ReportSettings.model_fields}
    if settings:
        asked["settings"] = ReportSettings.make(**settings)
    asked |= {name: Path(asked[name]) for name in ("control", "truth") if asked.get(name) is not None}
    asked["how"] = dict(asked.get("how", {})) | more
    request = ReportRequest(
        opened, checkpoint, source, target, None if out is None else Path(out), repeats=repeats, **asked
    )
    for event in reporting(request, **running):
        if isinstance(event, ReportDone):
            return event.report
        on_event(event)
    raise AssertionError("a report ends with itself")
