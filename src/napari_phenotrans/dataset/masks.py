"""Objects of a data set's fields: label images that the user has, or nuclei that are found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.resample import labels_to_size
from napari_phenotrans.dataset.dataset import images_in, stem
from napari_phenotrans.io import read
from napari_phenotrans.metrics.picture.field import find_nuclei
from napari_phenotrans.metrics.picture.limits import NUCLEI

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_phenotrans.dataset.dataset import DataSet

Masks = dict[str, list[np.ndarray]]


def read_masks(folder: str | Path, dataset: DataSet, planes: Mapping[str, Sequence[np.ndarray]]) -> Masks:
    """Read the label images of a data set's fields.

    Parameters
    ----------
    folder
        With the data set's folders, and in them a label image for each field, named as it is: ``untreated/A01.tif`` for
        ``untreated/A01.ome.tif``, as napari saves Labels layers. 0 is background, and anything else an object.
    dataset
        Whose fields they are.
    planes
        (C, Y, X) of each condition as `DataSet.planes` gives them: the masks are brought to their size.

    Returns
    -------
    Bool (Y, X) of each plane.

    Raises
    ------
    InputError
        If there is no such folder, a field has no label image, or it does not fit the field.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"There is no folder {folder} of label images. Expected one with the folders "
            f"{', '.join(dataset.conditions)}, or none: nuclei are found then."
        )
    masks: Masks = {condition: [] for condition in dataset.conditions}
    for condition in dataset.conditions:
        files = {stem(path): path for path in images_in(folder / condition)} if (folder / condition).is_dir() else {}
        for field in (each for each in dataset.fields if each.condition == condition):
            path = files.get(stem(field.path))
            if path is None:
                raise InputError(
                    f"{field.name} has no label image: expected {folder / condition / stem(field.path)}.tif. Save the "
                    f"Labels layer under the field's name, or leave --masks out: nuclei are found then."
                )
            labels, image = read(path), field.image()
            same = all(labels.sizes.get(axis, 1) == image.sizes.get(axis, 1) for axis in "TZYX")
            if not same or labels.sizes.get("C", 1) != 1:
                raise InputError(
                    f"{path} is no label image of {field.name}: it has {_said(labels.sizes)}, the field has "
                    f"{_said(image.sizes)}. Expected one channel of the same size."
                )
            for t, z in image.positions():
                size = planes[condition][len(masks[condition])].shape[1:]
                masks[condition].append(labels_to_size(labels.plane(t=t, z=z)[0] > 0, *size))
    return masks


def find_masks(
    planes: Mapping[str, Sequence[np.ndarray]], channels: Sequence[str], channel: str | None = None
) -> Masks:
    """Find the nuclei of planes (C, Y, X).

    Parameters
    ----------
    planes
        Of each condition.
    channels
        Names of the C channels.
    channel
        Which shows the nuclei; the first whose name says DNA where none is said.

    Raises
    ------
    InputError
        If it is not known which channel shows them, or a condition shows none.
    """
    named = [name for name in channels if NUCLEI.search(name)]
    name = channel or next(iter(named), None)
    if name is None or name not in channels:
        said = f"{channel} is none of the channels" if channel else "no channel's name says that it shows nuclei"
        raise InputError(
            f"Shapes cannot be compared: {said}. Name one of {', '.join(channels)} with --shape-channel, or a folder "
            f"of label images with --masks."
        )
    place = list(channels).index(name)
    masks = {condition: [find_nuclei(plane[place]) > 0 for plane in some] for condition, some in planes.items()}
    empty = [condition for condition, some in masks.items() if not any(mask.any() for mask in some)]
    if empty:
        raise InputError(
            f"No nuclei were found in {name} of {', '.join(empty)}, so that shapes cannot be compared. Name the "
            f"channel that shows them with --shape-channel, or a folder of label images with --masks."
        )
    return masks


def _said(sizes: Mapping[str, int]) -> str:
    return " × ".join(f"{axis} {size}" for axis, size in sizes.items())
