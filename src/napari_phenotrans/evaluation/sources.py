"""Where scored images come from: a run's held-out fields, translated for it, or folders of images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_phenotrans.checkpoints.matching import check_conditions, match_channels
from napari_phenotrans.core.crop_grid import spread
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Progressed
from napari_phenotrans.core.intensity import Intensity
from napari_phenotrans.dataset.dataset import DataSet, Field
from napari_phenotrans.evaluation.inputs import (
    Comparison,
    EvaluationSet,
    Side,
    cut_side,
    fit_crops,
    limits_of,
    plane_sizes,
    reading,
    resampling,
)
from napari_phenotrans.io import read
from napari_phenotrans.translation.events import PlaneDone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np

    from napari_phenotrans.translation.translator import Translator


TRANSLATED = "_translated"
NO_TRANSLATION = ("_difference", "_round_trip", "_believed")


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
    card, size = translator.card, run.settings.pixel_size
    held_out = {
        condition: [one for one in run.held_out.fields if one.condition == condition] for condition in card.conditions
    }
    empty = [condition for condition, some in held_out.items() if not some]
    if empty:
        raise InputError(f"The run holds out no field of {', '.join(empty)}. Train with a larger --held-out-share.")
    notes = []
    if fields:
        for condition, some in held_out.items():
            if len(some) > fields:
                held_out[condition] = [some[i] for i in spread(len(some), fields)]
                notes.append(f"{fields} of {len(some)} held-out fields of {condition} are used.")

    def cut_as(some: Sequence[Field], planes: Sequence[Callable[[], list[np.ndarray]]]) -> Side:
        sizes = [plane_sizes(one, size) for one in some]
        return cut_side(some, planes, sizes, card.intensity, card.crop, crops)

    real = {c: cut_as(some, [reading(one, card.channels, size) for one in some]) for c, some in held_out.items()}
    comparisons = []
    pairs = [pair for pair in directions(card.conditions) if pair[1] in card.targets]
    total = sum(len(held_out[source]) for source, _ in pairs)
    done = 0
    for source, target in pairs:
        made = []
        for one in held_out[source]:
            yield Progressed(f"translating {one.name} to {target}", done, total)
            image = read(one.path)
            planes = [
                event.translated
                for event in translator.translate(image, source=source, target=target, tick=tick)
                if isinstance(event, PlaneDone)
            ]
            made.append(resampling(planes, image.pixel_size_um, size))
            done += 1
        comparisons.append(
            Comparison(f"{source} → {target}", real[target], cut_as(held_out[source], made), real[source])
        )
    yield Progressed("reading training fields", total, total)
    fit = fit_crops(run.dataset, card.channels, size, card.intensity, card.crop)
    yield EvaluationSet(
        tuple(comparisons),
        card.channels,
        fit,
        {
            "run": run.folder.name,
            "checkpoint": path.name,
            "steps": card.training.get("steps"),
            "engine": card.engine,
            **limits_of(card.crop, card.intensity, card.channels),
        },
        tuple(notes),
    )


def _checkpoint_of(folder: Path, said: str) -> Path:
    tried = [said, f"{said}.safetensors", f"checkpoints/{said}.safetensors"] if said else []
    places = [folder / name for name in (tried or ["best.safetensors", "last.safetensors"])]
    for place in places:
        if place.is_file():
            return place
    raise InputError(
        f"{folder} has no checkpoint {said or 'yet'}: looked for {', '.join(place.name for place in places)}. "
        f"Wait until the run saves one, or name one with --checkpoint."
    )


def from_folders(
    real: str | Path,
    translated: str | Path,
    source: str | Path | None = None,
    *,
    fit: str | Path | None = None,
    channels: Sequence[str] | None = None,
    crop: int = 128,
    pixel_size: float | None = None,
    crops: int = 1000,
) -> EvaluationSet:
    """Compare a folder of translated images with one of real images of the target.

    Groups come from a ``fields.csv`` beside a folder, as in a data set; a translated image has the group of the source
    image it is named after. Else each image is its own group.

    Parameters
    ----------
    real, translated, source
        Folders of images: real ones of the target; translations; the real ones that these were made from. A folder
        with results of ``phenotrans translate`` counts its ``…_translated`` images only.
    fit
        A data set folder, one folder per condition, whose images extractors and intensity limits are fitted to; where
        none is said, real and source images.
    channels
        Names to compare; all of the first real image where none are said.
    crop
        Side of a crop, in pixels of ``pixel_size`` where that is said.
    pixel_size
        Working pixel size in micrometers.
    crops
        Most crops per side.

    Raises
    ------
    InputError
        If a folder holds no images, or channels, pixel sizes or image sizes do not fit together.
    """
    folders = {"real": Path(real), "translated": Path(translated)} | ({"source": Path(source)} if source else {})
    fields = {role: _fields_in(path, role) for role, path in folders.items()}
    notes = []

    # ---- one list of channels, one pixel size
    opened = {role: read(some[0].path) for role, some in fields.items()}
    names = tuple(channels or opened["real"].channels)
    for role, some in fields.items():
        for one in some:
            missing = [name for name in names if name not in (there := read(one.path).channels)]
            if missing:
                raise InputError(
                    f"{one.path} ({role}) has the channels {', '.join(there)}, but {', '.join(missing)} was expected "
                    f"as in the real images. Name channels that all have with --channels."
                )
    sizes = {role: image.pixel_size_um for role, image in opened.items() if image.pixel_size_um}
    if pixel_size is None and sizes and max(sizes.values()) > 1.05 * min(sizes.values()):
        said = ", ".join(f"{role} {size:.3g} µm" for role, size in sizes.items())
        raise InputError(f"The folders have different pixel sizes: {said}. Name one for all with --pixel-size.")

    # ---- translated images belong to the group of what they were made from
    if source:
        groups = {one.path.name.split(".")[0]: one.group for one in fields["source"]}
        found = [groups.get(_made_from(one)) for one in fields["translated"]]
        fields["translated"] = [
            replace(one, group=group or one.group) for one, group in zip(fields["translated"], found, strict=True)
        ]
        if None in found:
            notes.append(
                f"{found.count(None)} of {len(found)} translated images are not named after a source image: each "
                f"counts as a group of its own."
            )
        elif len(found) == len(fields["source"]):
            # the same order, so that the same crops are compared with each other
            order = {name: place for place, name in enumerate(groups)}
            fields["translated"].sort(key=lambda one: order[_made_from(one)])

    # ---- limits and what extractors are fitted to: real images alone
    if fit:
        data_set = DataSet.open(fit)
    else:
        data_set = DataSet(Path(real), tuple(role for role in fields if role != "translated"), ())
        real_ones = [
            replace(one, condition=role) for role, some in fields.items() if role != "translated" for one in some
        ]
        data_set = replace(data_set, fields=tuple(real_ones))
        notes.append("Intensity limits and features are fitted to the real images that are scored; --fit names others.")
    intensity = Intensity.fit(plane for one in data_set.fields for plane in reading(one, names, pixel_size)())
    sides = {
        role: cut_side(
            some,
            [reading(one, names, pixel_size) for one in some],
            [plane_sizes(one, pixel_size) for one in some],
            intensity,
            crop,
            crops,
        )
        for role, some in fields.items()
    }
    about = {role: str(path) for role, path in folders.items()} | limits_of(crop, intensity, names)
    return EvaluationSet(
        (Comparison("", sides["real"], sides["translated"], sides.get("source")),),
        names,
        fit_crops(data_set, names, pixel_size, intensity, crop),
        about,
        tuple(notes),
    )


def _fields_in(folder: Path, role: str) -> list[Field]:
    """List a folder's images; of results of translating the translated ones only."""
    if not folder.is_dir():
        raise InputError(f"--{role} {folder} is no folder. Name a folder of images.")
    # a data set of the one condition that the folder is, so that fields.csv is read as everywhere
    parent = folder.resolve().parent
    fields = list(DataSet.open_held_out(parent, DataSet(folder, (folder.resolve().name,), ())).fields)
    if role == "translated":
        ours = [one for one in fields if TRANSLATED in one.path.name]
        fields = ours or [one for one in fields if not any(mark in one.path.name for mark in NO_TRANSLATION)]
    # A01 of the target and A01 of the source are two wells, unless a fields.csv says otherwise
    fields = [one if one.grouped else replace(one, group=f"{role} {one.group}") for one in fields]
    if not fields:
        raise InputError(f"--{role} {folder} holds no image that can be read. Choose the folder the images lie in.")
    return fields


def _made_from(translated: Field) -> str:
    return translated.path.name.split(".")[0].removesuffix(TRANSLATED)


def from_checkpoint(
    dataset: DataSet,
    translator: Translator,
    source: str,
    target: str,
    *,
    scored: Callable[[Field], bool] = lambda field: True,
    channels: Mapping[str, str] | None = None,
    how: Mapping[str, object] | None = None,
    crops: int = 1000,
    tick: Callable[[], None] | None = None,
) -> Iterator[Progressed | EvaluationSet]:
    """Translate a condition's fields, and compare them with those of another.

    Extractors are fitted to the fields that are not scored, where there are such of both conditions.

    Parameters
    ----------
    dataset
        Holds both conditions.
    translator
        Translates; crops are cut with its checkpoint's limits, at its working pixel size.
    source, target
        Conditions, as the data set and the checkpoint name them.
    scored
        Which fields count, such as those that training did not see.
    channels
        The images' name for a channel of the checkpoint where they differ.
    how
        What the engine is told.
    crops
        Most crops per side.
    tick
        As of `Translator.translate`.

    Returns
    -------
    Iterator of `Progressed`, and last the `EvaluationSet`.

    Raises
    ------
    InputError
        If conditions or channels do not fit, or a condition has no field that counts.
    """
    card = translator.card
    check_conditions(card, source, target)
    fields = {
        condition: [one for one in dataset.fields if one.condition == condition and scored(one)]
        for condition in (source, target)
    }
    for condition, some in fields.items():
        if not some:
            raise InputError(f"{dataset.folder} has no field of {condition} to score. Choose other conditions.")
    first = read(fields[source][0].path)
    indices, _ = match_channels(first, card, channels or {})
    names = tuple(first.channels[index] for index in indices)
    # a pixel size that only one of them states compares with nothing
    known = card.pixel_unit == "pixel" or first.pixel_size_um is not None
    size = card.pixel_size if known else None

    def cut(some: Sequence[Field], planes: Sequence[Callable[[], list[np.ndarray]]]) -> Side:
        return cut_side(some, planes, [plane_sizes(one, size) for one in some], card.intensity, card.crop, crops)

    real = {condition: cut(some, [reading(one, names, size) for one in some]) for condition, some in fields.items()}
    made = []
    for done, one in enumerate(fields[source]):
        yield Progressed(f"translating {one.name}", done, len(fields[source]))
        image = read(one.path)
        planes = [
            event.translated
            for event in translator.translate(
                image, source=source, target=target, channels=channels or {}, how=how or {}, tick=tick
            )
            if isinstance(event, PlaneDone)
        ]
        made.append(resampling(planes, image.pixel_size_um, size))
    yield Progressed("reading fields to compare with", 0, 1)
    rest = tuple(one for one in dataset.fields if not scored(one))
    apart = {one.condition for one in rest} == {source, target}
    fit = replace(dataset, conditions=(source, target), fields=rest if apart else dataset.fields)
    notes = () if apart else ("Features are fitted to the real images that are scored.",)
    yield EvaluationSet(
        (Comparison(f"{source} → {target}", real[target], cut(fields[source], made), real[source]),),
        card.channels,
        fit_crops(fit, names, size, card.intensity, card.crop),
        {
            "data set": dataset.folder.name,
            "checkpoint": translator.checkpoint.name,
            "engine": card.engine,
            **limits_of(card.crop, card.intensity, card.channels),
        },
        notes,
    )
