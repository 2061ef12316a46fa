"""Scoring folders of images, whoever translated them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_phenotrans.core import kinds
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.intensity import Intensity
from napari_phenotrans.dataset.dataset import DataSet, Field
from napari_phenotrans.evaluation.inputs import Cutter, EvaluationSet, planes_in
from napari_phenotrans.evaluation.sources.compare import Direction, compare

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_phenotrans.core.events import Progressed

TRANSLATED = f"_{kinds.FILE_WORDS[kinds.TRANSLATED]}"
NO_TRANSLATION = tuple(
    f"_{words[kind]}" for words in (kinds.FILE_WORDS, kinds.EARLIER_FILE_WORDS) for kind in words if kind in kinds.MAPS
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
    comparisons = yield from compare(
        [
            Direction(
                "",
                fields["real"],
                fields.get("source"),
                fields["translated"],
                lambda field: planes_in(field, names, pixel_size),
                lambda field: f"reading {field.name}",
            )
        ],
        cutter,
        crops,
    )
    about = {role: Path(path).name for role, path in folders.items()} | cutter.about(names)
    crops_to_fit, fit_fields = cutter.fit(data_set)
    yield EvaluationSet(comparisons, names, crops_to_fit, about, tuple(notes), fit_fields=fit_fields)


def _common_channels(fields: dict[str, list[Field]], channels: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of channels that all images have: those that were said, or those of the first real image."""
    names = tuple(channels or fields["real"][0].image().channels)
    for role, of_role in fields.items():
        for field in of_role:
            of_image = field.image().channels
            missing = [name for name in names if name not in of_image]
            if missing:
                raise InputError(
                    f"{field.path} ({role}) has the channels {', '.join(of_image)}, but {', '.join(missing)} was "
                    f"expected as in the real images. Name channels that all have with --channels."
                )
    return names


def _refuse_unequal_pixel_sizes(fields: dict[str, list[Field]]) -> None:
    opened = {role: of_role[0].image() for role, of_role in fields.items()}
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
