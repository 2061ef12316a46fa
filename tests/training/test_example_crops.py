from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_phenotrans.core.image import Image
from napari_phenotrans.core.settings import TrainingSettings
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.engines import engine_entry
from napari_phenotrans.io import write
from napari_phenotrans.training.example_crops import COUNT, MOST_FIELDS, Examples, FieldRead, draw_examples

if TYPE_CHECKING:
    from pathlib import Path

HIGH = {"healthy": 100, "sick": 200}


def make(folder: Path, count: int) -> DataSet:
    rng = np.random.default_rng(0)
    for condition, high in HIGH.items():
        for number in range(count):
            pixels = rng.integers(0, high, (2, 48, 56)).astype(np.uint8)
            colored = Image(pixels, "CYX", ("DNA", "GFP"), colors=("#0000ff", None))
            write(colored, folder / condition / f"{condition}{number}.ome.tif")
    return DataSet.open(folder)


def draw(dataset: DataSet, settings: TrainingSettings, number: int = 0) -> Examples:
    *read, examples = draw_examples(dataset, settings, number)
    assert isinstance(examples, Examples)
    assert all(isinstance(event, FieldRead) for event in read)
    assert len(read) == read[-1].total == examples.fields
    return examples


def test_crops_are_what_training_draws(tmp_path: Path) -> None:
    dataset = make(tmp_path, 2)
    settings = engine_entry("cyclegan").settings.make(crop=32, channels=("GFP", "DNA"))
    examples = draw(dataset, settings)
    assert examples.all_fields
    assert examples.channels == ("GFP", "DNA")
    assert examples.colors == (None, "#0000ff")
    assert not examples.augmented
    assert {c: crops.shape for c, crops in examples.crops.items()} == dict.fromkeys(HIGH, (COUNT, 2, 32, 32))
    # one pair of limits for both conditions: the dimmer one stays so
    assert examples.crops["healthy"].max() < 0.2
    assert examples.crops["sick"].max() > 0.8
    again, others = draw(dataset, settings), draw(dataset, settings, 1)
    assert np.array_equal(again.crops["sick"], examples.crops["sick"])
    assert not np.array_equal(others.crops["sick"], examples.crops["sick"])


def test_what_discriminators_see_is_shown_beside(tmp_path: Path) -> None:
    settings = engine_entry("cyclegan").settings.make(crop=32, augment="fluorescence")
    examples = draw(make(tmp_path, 2), settings)
    for condition, crops in examples.crops.items():
        assert examples.augmented[condition].shape == crops.shape
        assert not np.array_equal(examples.augmented[condition], crops)


def test_of_many_fields_some_are_read(tmp_path: Path) -> None:
    examples = draw(make(tmp_path, MOST_FIELDS + 2), TrainingSettings.make(crop=32))
    assert examples.fields == 2 * MOST_FIELDS
    assert not examples.all_fields
