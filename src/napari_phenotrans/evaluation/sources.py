"""Where scored images come from: a run's held-out fields, translated for it, or folders of images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_phenotrans.checkpoints.matching import check_conditions, match_channels
from napari_phenotrans.core.crop_grid import spread
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Progressed
from napari_phenotrans.core.intensity import Intensity
from napari_phenotrans.dataset.dataset import DataSet, Field
from napari_phenotrans.evaluation.inputs import Comparison, Cutter, EvaluationSet, planes_in
from napari_phenotrans.io import read
from napari_phenotrans.translation.events import PlaneDone
from napari_phenotrans.translation.request import TranslationRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from napari_phenotrans.evaluation.inputs import Planes
    from napari_phenotrans.translation.translator import Translator


TRANSLATED = "_translated"
NO_TRANSLATION = ("_difference", "_round_trip", "_believed")


@dataclass(frozen=True, eq=False)
class _Direction:
    """Fields that one comparison is made of.

    Parameters
    ----------
    name
        ``source → target``, empty where they are not known.
    real, source
        Fields of the real target and of the real source, which may be missing.
    translated
        The fields that a translation each is compared of: those of the source, or translated images.
    planes
        Returns what gives a translation's planes.
    doing
        What is done for each, in a few words.
    """

    name: str
    real: Sequence[Field]
    source: Sequence[Field] | None
    translated: Sequence[Field]
    planes: Callable[[Field], Planes]
    doing: Callable[[Field], str]


def _compare(
    directions: Sequence[_Direction], cutter: Cutter, crops: int
) -> Generator[Progressed, None, tuple[Comparison, ...]]:
    """Have the translations of all directions, and cut all sides into crops."""
    # what is the target of one direction is the source of another: it is cut, and later measured, once
    real_fields = {id(fields): fields for each in directions for fields in (each.real, each.source) if fields}
    real_sides = {key: cutter.side(fields, crops) for key, fields in real_fields.items()}
    total = sum(len(direction.translated) for direction in directions)
    done = 0
    comparisons = []
    for direction in directions:
        planes = []
        for field in direction.translated:
            yield Progressed(direction.doing(field), done, total)
            planes.append(direction.planes(field))
            done += 1
        real, source = (real_sides.get(id(fields)) for fields in (direction.real, direction.source))
        assert real is not None
        translated = cutter.side(direction.translated, crops, planes)
        comparisons.append(Comparison(direction.name, real, translated, source))
    return tuple(comparisons)


def _naming(before: str, after: str = "") -> Callable[[Field], str]:
    """Return what puts words around a field's name."""
    return lambda field: f"{before}{field.name}{after}"


def _translating(
    translator: Translator, request: TranslationRequest, cutter: Cutter, tick: Callable[[], None] | None
) -> Callable[[Field], Planes]:
    """Return what translates a field."""

    def planes(field: Field) -> Planes:
        image = read(field.path)
        events = translator.translate(image, request, tick=tick)
        translated = [event.translated for event in events if isinstance(event, PlaneDone)]
        return cutter.resampled(translated, image.pixel_size_um)

    return planes


# ---- a run


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
    held_out = {
        condition: [field for field in run.held_out.fields if field.condition == condition]
        for condition in card.conditions
    }
    empty = [condition for condition, of_condition in held_out.items() if not of_condition]
    if empty:
        raise InputError(f"The run holds out no field of {', '.join(empty)}. Train with a larger --held-out-share.")
    notes = []
    if fields:
        for condition, of_condition in held_out.items():
            if len(of_condition) > fields:
                held_out[condition] = [of_condition[i] for i in spread(len(of_condition), fields)]
                notes.append(f"{fields} of {len(of_condition)} held-out fields of {condition} are used.")

    comparisons = yield from _compare(
        [
            _Direction(
                f"{source} → {target}",
                held_out[target],
                held_out[source],
                held_out[source],
                _translating(translator, TranslationRequest(source, target), cutter, tick),
                _naming("translating ", f" to {target}"),
            )
            for source, target in directions(card.conditions)
            if target in card.targets
        ],
        cutter,
        crops,
    )
    yield Progressed("reading training fields", 0, 1)
    yield EvaluationSet(
        comparisons,
        card.channels,
        cutter.fit(run.dataset),
        {
            "run": run.folder.name,
            "checkpoint": path.name,
            "steps": card.training.get("steps"),
            "engine": card.engine,
            **cutter.about(card.channels),
        },
        tuple(notes),
    )


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


# ---- folders


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
) -> Iterator[Progressed | EvaluationSet]:
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

    Returns
    -------
    Iterator of `Progressed`, and last the `EvaluationSet`.

    Raises
    ------
    InputError
        If a folder holds no images, or channels, pixel sizes or image sizes do not fit together.
    """
    folders = {"real": Path(real), "translated": Path(translated)} | ({"source": Path(source)} if source else {})
    fields = {role: _fields_in(path, role) for role, path in folders.items()}
    names = _common_channels(fields, channels)
    if pixel_size is None:
        _refuse_unequal_pixel_sizes(fields)
    notes = []
    if source:
        fields["translated"], about_groups = _grouped_by_source(fields["translated"], fields["source"])
        notes += about_groups

    # ---- limits and what extractors are fitted to: real images alone
    if fit:
        data_set = DataSet.open(fit)
    else:
        roles = tuple(role for role in fields if role != "translated")
        real_fields = tuple(replace(field, condition=role) for role in roles for field in fields[role])
        data_set = replace(DataSet(Path(real), roles, ()), fields=real_fields)
        notes.append("Intensity limits and features are fitted to the real images that are scored; --fit names others.")
    intensity = Intensity.fit(plane for field in data_set.fields for plane in planes_in(field, names, pixel_size)())

    cutter = Cutter(names, pixel_size, intensity, crop)
    comparisons = yield from _compare(
        [
            _Direction(
                "",
                fields["real"],
                fields.get("source"),
                fields["translated"],
                lambda field: planes_in(field, names, pixel_size),
                _naming("reading "),
            )
        ],
        cutter,
        crops,
    )
    about = {role: str(path) for role, path in folders.items()} | cutter.about(names)
    yield EvaluationSet(comparisons, names, cutter.fit(data_set), about, tuple(notes))


def _common_channels(fields: dict[str, list[Field]], channels: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of channels that all images have: those that were said, or those of the first real image."""
    names = tuple(channels or read(fields["real"][0].path).channels)
    for role, of_role in fields.items():
        for field in of_role:
            of_image = read(field.path).channels
            missing = [name for name in names if name not in of_image]
            if missing:
                raise InputError(
                    f"{field.path} ({role}) has the channels {', '.join(of_image)}, but {', '.join(missing)} was "
                    f"expected as in the real images. Name channels that all have with --channels."
                )
    return names


def _refuse_unequal_pixel_sizes(fields: dict[str, list[Field]]) -> None:
    opened = {role: read(of_role[0].path) for role, of_role in fields.items()}
    sizes = {role: image.pixel_size_um for role, image in opened.items() if image.pixel_size_um}
    if sizes and max(sizes.values()) > 1.05 * min(sizes.values()):
        stated = ", ".join(f"{role} {size:.3g} µm" for role, size in sizes.items())
        raise InputError(f"The folders have different pixel sizes: {stated}. Name one for all with --pixel-size.")


def _grouped_by_source(translated: list[Field], source: list[Field]) -> tuple[list[Field], list[str]]:
    """Give translated images the group of what they were made from, and its order where each has one; and notes."""
    groups = {field.path.name.split(".")[0]: field.group for field in source}
    found = [groups.get(_made_from(field)) for field in translated]
    grouped = [replace(field, group=group or field.group) for field, group in zip(translated, found, strict=True)]
    if None in found:
        note = (
            f"{found.count(None)} of {len(found)} translated images are not named after a source image: each counts "
            f"as a group of its own."
        )
        return grouped, [note]
    if len(found) == len(source):
        # the same order, so that the same crops are compared with each other
        order = {name: number for number, name in enumerate(groups)}
        grouped.sort(key=lambda field: order[_made_from(field)])
    return grouped, []


def _fields_in(folder: Path, role: str) -> list[Field]:
    """List a folder's images; of results of translating the translated ones only."""
    if not folder.is_dir():
        raise InputError(f"--{role} {folder} is no folder. Name a folder of images.")
    # a data set of the one condition that the folder is, so that fields.csv is read as everywhere
    parent = folder.resolve().parent
    fields = list(DataSet.open_held_out(parent, DataSet(folder, (folder.resolve().name,), ())).fields)
    if role == "translated":
        ours = [field for field in fields if TRANSLATED in field.path.name]
        fields = ours or [field for field in fields if not any(mark in field.path.name for mark in NO_TRANSLATION)]
    # A01 of the target and A01 of the source are two wells, unless a fields.csv says otherwise
    fields = [field if field.grouped else replace(field, group=f"{role} {field.group}") for field in fields]
    if not fields:
        raise InputError(f"--{role} {folder} holds no image that can be read. Choose the folder the images lie in.")
    return fields


def _made_from(translated: Field) -> str:
    return translated.path.name.split(".")[0].removesuffix(TRANSLATED)


# ---- a checkpoint


def from_checkpoint(
    dataset: DataSet,
    translator: Translator,
    request: TranslationRequest,
    *,
    scored: Callable[[Field], bool] = lambda field: True,
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
    request
        From which condition to which, as the data set and the checkpoint name them, and how.
    scored
        Which fields count, such as those that training did not see.
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
    card, source, target = translator.card, request.source, request.target
    check_conditions(card, source, target)
    fields = {
        condition: [field for field in dataset.fields if field.condition == condition and scored(field)]
        for condition in (source, target)
    }
    for condition, of_condition in fields.items():
        if not of_condition:
            raise InputError(f"{dataset.folder} has no field of {condition} to score. Choose other conditions.")
    first = read(fields[source][0].path)
    indices, _ = match_channels(first, card, request.channels)
    # a pixel size that only one of them states compares with nothing
    known = card.pixel_unit == "pixel" or first.pixel_size_um is not None
    cutter = Cutter(
        tuple(first.channels[index] for index in indices),
        card.pixel_size if known else None,
        card.intensity,
        card.crop,
    )
    direction = _Direction(
        f"{source} → {target}",
        fields[target],
        fields[source],
        fields[source],
        _translating(translator, request, cutter, tick),
        _naming("translating "),
    )
    comparisons = yield from _compare([direction], cutter, crops)
    yield Progressed("reading fields to compare with", 0, 1)
    rest = tuple(field for field in dataset.fields if not scored(field))
    apart = {field.condition for field in rest} == {source, target}
    fit = replace(dataset, conditions=(source, target), fields=rest if apart else dataset.fields)
    notes = () if apart else ("Features are fitted to the real images that are scored.",)
    yield EvaluationSet(
        comparisons,
        card.channels,
        cutter.fit(fit),
        {
            "data set": dataset.folder.name,
            "checkpoint": translator.checkpoint.name,
            "engine": card.engine,
            **cutter.about(card.channels),
        },
        notes,
    )
