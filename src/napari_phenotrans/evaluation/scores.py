"""Scoring in one call: a run's held-out fields, or folders of images."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.evaluation.evaluate import Evaluation, EvaluationRequest
from napari_phenotrans.evaluation.evaluate import evaluate as evaluating
from napari_phenotrans.evaluation.inputs import EvaluationSet
from napari_phenotrans.evaluation.sources import from_folders, from_run
from napari_phenotrans.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_phenotrans.core.events import Notice, Progressed


def evaluate(
    run: str | Path | None = None,
    *,
    real: str | Path | None = None,
    translated: str | Path | None = None,
    source: str | Path | None = None,
    features: Sequence[str] = ("profile",),
    metrics: Sequence[str] = tuple(METRICS),
    on_event: Callable[[Progressed | Notice], None] = lambda event: None,
    **more: Any,
) -> Evaluation:
    """Score translations against real images, beside what two halves of real images and copying the source score.

    Parameters
    ----------
    run
        A run folder: its held-out fields are translated in every direction and scored. Or folders of images:
    real, translated, source
        Real images of the target; translations; and, so that it is known what doing nothing would score, the real
        images that they were made from.
    features
        Names in `EXTRACTORS`, on which every metric is computed.
    metrics
        Names in `METRICS`: ``kid``, ``fid``, ``gap closed`` and so on.
    on_event
        Is given progress, and notices of what has to be known before believing the scores.
    **more
        Of a run: ``checkpoint`` (a file of it; the best one where none is said), ``fields`` (at most so many per
        condition), ``device``. Of folders: ``fit``, ``channels``, ``crop`` (pixels), ``pixel_size`` (micrometers per
        pixel). Of both: ``crops`` (at most so many on each side), ``critic``, ``resamples`` (of the 95 % intervals),
        ``seed``, ``resources`` (an `ExtractorResources`).

    Returns
    -------
    The scores, as ``rows``: each with metric, direction, channel, value, interval, floor (two halves of real images),
    what copying the source scores, and a verdict; what the gate of pictures says, per direction; notes. Printed it is
    a table.

    Raises
    ------
    InputError
        If neither a run nor both folders are there, or both; if a name is unknown; if images do not fit together.

    Notes
    -----
    Each metric's function says paper, equation, range, and which picture would fool it; ``docs/evaluating.md`` says how
    to read them. KID is Bińkowski et al., ICLR 2018 (arXiv 1801.01401).

    Examples
    --------
    The healthy organoids offered as diseased ones, as if nothing had been translated:

    >>> import napari_phenotrans as pt
    >>> from napari_phenotrans.dataset.synthetic import write_dataset
    >>> images = write_dataset("images", 4, size=64)
    >>> healthy = images / "healthy"
    >>> scores = pt.evaluate(
    ...     real=images / "diseased", translated=healthy, source=healthy, crop=32, metrics=["gap closed"], resamples=0
    ... )
    >>> [(row.channel, row.value) for row in scores.rows if row.features == "profile"]
    [('', 0.0), ('DAPI', 0.0), ('PH3', 0.0), ('ZO1', 0.0)]
    """
    folders = {"real": real, "translated": translated}
    named = [name for name, folder in (folders | {"source": source}).items() if folder is not None]
    if run is not None and named:
        raise InputError(f"A run and {', '.join(named)} were named. Score either the run or the folders.")
    if run is None and (real is None or translated is None):
        raise InputError("What is to be scored? Name a run folder, or folders of real and of translated images.")
    resources = more.pop("resources", None)
    of_request = {field.name for field in fields(EvaluationRequest)} - {"evaluation_set", "features", "metrics"}
    asked = {name: more.pop(name) for name in of_request if name in more}

    if run is not None:
        reading = from_run(run, **more)
    else:
        assert real is not None and translated is not None
        reading = from_folders(real, translated, source, **more)
    for event in reading:
        if isinstance(event, EvaluationSet):
            break
        on_event(event)
    else:
        raise AssertionError("reading ends with what is to be scored")
    for scored in evaluating(EvaluationRequest(event, features, metrics, **asked), resources):
        if isinstance(scored, Evaluation):
            return scored
        on_event(scored)
    raise AssertionError("scoring ends with its result")
