"""Training in one call: check the images, train, and return the checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice
from napari_phenotrans.dataset.check import check, too_many_conditions
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.engines import FIRST_CHOICE, engine_entry
from napari_phenotrans.runs.paths import checkpoints_in
from napari_phenotrans.training.kept_choice import settle_kept
from napari_phenotrans.training.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_phenotrans.training.events import Event


def train(
    dataset: DataSet | str | Path,
    out: str | Path,
    *,
    engine: str = FIRST_CHOICE,
    preset: str | None = None,
    held_out: float | Sequence[str] = 0.2,
    on_event: Callable[[Event], None] = lambda event: None,
    **settings: Any,
) -> Checkpoint:
    """Train an engine on folders of images, one for each condition, and return its best checkpoint.

    The same as ``phenotrans train``: the data set is checked first, every event is written into the run folder ``out``,
    which a dock, or ``phenotrans runs``, can watch meanwhile, and the training ends early, with everything saved, when
    a file ``stop`` is made there.

    Parameters
    ----------
    dataset
        Folder with one folder of images per condition, and ``fields.csv`` where fields of view belong together; or an
        opened `DataSet`. Images of any size, (C, Y, X) with any further T and Z, in any dtype.
    out
        The run folder to make.
    engine
        Name in `ENGINES`: ``flow``, ``cyclegan``, ``scgan``, ``phendiff`` or ``shift``.
    preset
        Settings that belong together: ``look`` (ten minutes of one core), ``overnight``, ``gpu``, or one of the
        engine's own.
    held_out
        Share of each condition's groups, 0 to 0.9, that training does not see and that scores are of; or the names of
        these groups.
    on_event
        Is given every event, to draw progress with; notices among them are warnings about the images.
    **settings
        The engine's, by their names: ``steps``, ``crop`` (pixels), ``width``, ``batch``, ``pixel_size`` (micrometers
        per pixel), ``channels``, ``conditions``, ``seed``, ``device`` and so on; they go before the preset's.

    Returns
    -------
    The best checkpoint, by the gate of pictures and the gap closed on held-out fields; the last one where nothing was
    held out. Its ``card.scores`` say what it reached.

    Raises
    ------
    InputError
        If settings are unknown or outside their limits, the images cannot be trained on, the folder holds a run
        already, or training fails for good.

    Notes
    -----
    CycleGAN is Zhu et al., ICCV 2017 (arXiv 1703.10593); PhenDiff is Bourou et al., MICCAI 2024 (arXiv 2312.08290);
    the flow is flow matching, Lipman et al., ICLR 2023 (arXiv 2210.02747). See docs/training.md.

    Examples
    --------
    Two steps on invented organoids; real data sets want thousands.

    >>> import napari_phenotrans as pt
    >>> from napari_phenotrans.dataset.synthetic import write_dataset
    >>> images = write_dataset("images", 3, size=64)
    >>> checkpoint = pt.train(images, "run", engine="shift", steps=2, crop=32, channels=("DAPI", "PH3"))
    >>> checkpoint.card.conditions, checkpoint.card.channels
    (('diseased', 'healthy'), ('DAPI', 'PH3'))
    >>> checkpoint.path.as_posix()
    'run/best.safetensors'
    """
    settings_class = engine_entry(engine).settings
    if preset is not None and preset not in settings_class.presets:
        raise InputError(f"preset {preset!r}: the engine {engine} has the presets {', '.join(settings_class.presets)}.")
    made = settings_class.make(**((settings_class.presets[preset] if preset else {}) | settings))
    whole = dataset if isinstance(dataset, DataSet) else DataSet.open(dataset, made.conditions)
    for problem in too_many_conditions(whole.conditions, made):
        raise InputError(f"{problem.what} {problem.do}")
    training, apart = whole.split(held_out, made.seed)
    run = Run(Path(out), training, engine, made, apart if apart.fields else None)

    # ---- what is questionable about the images
    report = check(run.dataset, run.held_out, made)
    if report.errors:
        listed = "\n".join(f"  {problem}" for problem in report.errors)
        raise InputError(f"The data set cannot be trained on:\n{listed}")
    run, why = settle_kept(run, report.differences)
    for text in (*map(str, report.warnings), *([why] if why else [])):
        on_event(Notice(text))

    for event in run.events():
        on_event(event)
    return Checkpoint.load(checkpoints_in(run.folder)[0])
