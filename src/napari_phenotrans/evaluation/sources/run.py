"""Scoring a run: its held-out fields, translated in every direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_phenotrans.core.crop_grid import spread
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Progressed
from napari_phenotrans.evaluation.inputs import Cutter, EvaluationSet
from napari_phenotrans.evaluation.sources.compare import Direction, compare
from napari_phenotrans.translation.request import TranslationRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from napari_phenotrans.dataset.dataset import DataSet, Field


def from_run(
    folder: str | Path,
    *,
    checkpoint: str = "",
    fields: int = 0,
    crops: int = 1000,
    device: str = "auto",
    tick: Callable[[], None] | None = None,
) -> Iterator[Progressed | EvaluationSet]:
    """Translate a run's held-out fields in every direction, and compare them with its held-out fields.

    Parameters
    ----------
    folder
        The run folder.
    checkpoint
        A checkpoint file in it, or its name without suffix; where none is said the best one, else the last.
    fields
        Most fields per condition, spread evenly; 0 takes all. Translating is what takes long.
    crops
        Most crops per side.
    device, tick
        As of `Translator.translate`.

    Returns
    -------
    Iterator of `Progressed`, and last the `EvaluationSet`.

    Raises
    ------
    InputError
        If the folder holds no run with held-out fields and a checkpoint.
    """
    from napari_phenotrans.engines.base import directions
    from napari_phenotrans.training.run import Run
    from napari_phenotrans.translation.translator import Translator

    run = Run.load(folder)
    if run.held_out is None:
        raise InputError(
            f"{run.folder} was trained without held-out fields, so nothing is left that it can be judged by. Train "
            f"with --held-out-share, or translate images that it never saw and name folders with --real, --translated "
            f"and --source."
        )
    path = _checkpoint_of(run.folder, checkpoint)
    translator = Translator(path, device=device)
    card = translator.card
    cutter = Cutter(card.channels, run.settings.pixel_size, card.intensity, card.crop)
    held_out, notes = _held_out_fields(run.held_out, card.conditions, fields)
    ways = [
        Direction.translated_by(translator, TranslationRequest(source, target), held_out, cutter, tick)
        for source, target in directions(card.conditions)
        if target in card.targets
    ]
    comparisons = yield from compare(ways, cutter, crops)
    yield Progressed("reading training fields", 0, 1)
    crops_to_fit, fit_fields = cutter.fit(run.dataset)
    yield EvaluationSet(
        comparisons,
        card.channels,
        crops_to_fit,
        {
            "run": run.folder.name,
            "checkpoint": path.name,
            "steps": card.training.get("steps"),
            "engine": card.engine,
            **cutter.about(card.channels),
        },
        notes,
        translator.kept,
        fit_fields,
    )


def _held_out_fields(
    data_set: DataSet, conditions: Sequence[str], most: int
) -> tuple[dict[str, list[Field]], tuple[str, ...]]:
    """Return the fields of each condition, ``most`` at most where that is not 0, and what was left out."""
    fields = {
        condition: [field for field in data_set.fields if field.condition == condition] for condition in conditions
    }
    empty = [condition for condition, of_condition in fields.items() if not of_condition]
    if empty:
        raise InputError(f"The run holds out no field of {', '.join(empty)}. Train with a larger --held-out-share.")
    notes = []
    for condition, of_condition in fields.items():
        if most and len(of_condition) > most:
            fields[condition] = [of_condition[i] for i in spread(len(of_condition), most)]
            notes.append(f"{most} of {len(of_condition)} held-out fields of {condition} are used.")
    return fields, tuple(notes)


def _checkpoint_of(folder: Path, name: str) -> Path:
    named = [name, f"{name}.safetensors", f"checkpoints/{name}.safetensors"] if name else []
    paths = [folder / each for each in (named or ["best.safetensors", "last.safetensors"])]
    for path in paths:
        if path.is_file():
            return path
    raise InputError(
        f"{folder} has no checkpoint {name or 'yet'}: looked for {', '.join(path.name for path in paths)}. "
        f"Wait until the run saves one, or name one with --checkpoint."
    )
