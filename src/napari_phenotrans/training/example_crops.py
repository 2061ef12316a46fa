"""Example crops to look at before training, drawn, normalized and augmented as in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.intensity import Intensity
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.networks.augment import AUGMENTATIONS
from napari_phenotrans.training.crops import Crops

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_phenotrans.core.settings import TrainingSettings
    from napari_phenotrans.dataset.dataset import Field

MOST_FIELDS = 6  # of each condition that are read, so that a large data set does not fill the memory
COUNT = 12  # crops of each condition


@dataclass(frozen=True)
class FieldRead:
    """A field was read; it is ``done`` of ``total``."""

    name: str
    done: int
    total: int


@dataclass(frozen=True, eq=False)
class Examples:
    """Crops of each condition.

    Parameters
    ----------
    crops
        Per condition float32 (n, C, h, w) in about [-1, 1], turned and mirrored.
    augmented
        The same crops as discriminators see them; empty where nothing is augmented.
    channels
        Names, and their colors ("#rrggbb", None where the file says none).
    intensity
        What -1 and 1 stand for. Fitted to the fields that were read.
    rejected
        Per condition, the share of drawn crops that held nothing but background and were drawn again.
    fields
        Number of fields that were read.
    all_fields
        Whether these are all there are.
    """

    crops: dict[str, np.ndarray]
    augmented: dict[str, np.ndarray]
    channels: tuple[str, ...]
    colors: tuple[str | None, ...]
    intensity: Intensity
    rejected: dict[str, float]
    fields: int
    all_fields: bool


def draw_examples(training: DataSet, settings: TrainingSettings, draw: int = 0) -> Iterator[FieldRead | Examples]:
    """Read some fields of each condition, and draw crops of them.

    Parameters
    ----------
    training
        What would be trained on.
    settings
        Channels, pixel size, crop, seed, and the augmentation where the engine has one.
    draw
        Another number gives other crops.

    Yields
    ------
    `FieldRead` after each field, and last the `Examples`.

    Raises
    ------
    InputError
        If a field cannot be read, lacks a channel or is smaller than a crop.
    """
    fields = tuple(field for condition in training.conditions for field in _some_fields(training, condition))
    channels = settings.channels or training.channels()
    planes: dict[str, list[np.ndarray]] = {condition: [] for condition in training.conditions}
    for number, field in enumerate(fields):
        of_field = DataSet(training.folder, training.conditions, (field,))
        planes[field.condition] += of_field.planes(channels, settings.pixel_size)[field.condition]
        yield FieldRead(field.name, number + 1, len(fields))
    intensity = Intensity.fit(plane for of_condition in planes.values() for plane in of_condition)
    crops = Crops(planes, intensity, settings.crop)
    chance = KeyedRandom(settings.seed, draw, 0, COUNT)
    drawn = {condition: crops.draw(condition, chance) for condition in training.conditions}
    augment = getattr(settings, "augment", "none")
    augmented = {}
    if augment != "none":
        augmented = {c: AUGMENTATIONS[augment](x, chance, f"look at {c}").numpy() for c, x in drawn.items()}
    first = fields[0].image()
    colors = dict(zip(first.channels, first.colors, strict=True))
    yield Examples(
        crops={c: x.numpy() for c, x in drawn.items()},
        augmented=augmented,
        channels=channels,
        colors=tuple(colors.get(name) for name in channels),
        intensity=intensity,
        rejected=crops.rejected,
        fields=len(fields),
        all_fields=len(fields) == len(training.fields),
    )


def _some_fields(training: DataSet, condition: str) -> list[Field]:
    """Return fields of a condition, evenly spread."""
    fields = [field for field in training.fields if field.condition == condition]
    picked = np.linspace(0, len(fields) - 1, min(len(fields), MOST_FIELDS)).astype(int)
    return [fields[i] for i in picked]
