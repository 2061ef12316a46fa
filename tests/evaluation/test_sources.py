"""What is scored of a data set and a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Progressed
from napari_phenotrans.core.image import Image
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.evaluation.inputs import EvaluationSet
from napari_phenotrans.evaluation.sources import from_checkpoint
from napari_phenotrans.io import write
from napari_phenotrans.translation.request import TranslationRequest
from napari_phenotrans.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint

CONDITIONS = ("untreated", "treated")
REQUEST = TranslationRequest(*CONDITIONS)


@pytest.fixture
def dataset(tmp_path: Path) -> DataSet:
    rng = np.random.default_rng(0)
    for condition in CONDITIONS:
        for number in range(3):
            pixels = rng.integers(0, 200, (2, 64, 96)).astype(np.uint8)
            write(
                Image(pixels, "CYX", ("marker 0", "marker 1"), pixel_size_um=0.5),
                tmp_path / condition / f"{condition[0]}{number}.ome.tif",
            )
    return DataSet.open(tmp_path, CONDITIONS)


def test_every_crop_of_the_source_is_beside_its_translation(
    dataset: DataSet, make_checkpoint: Callable[..., Checkpoint]
) -> None:
    translator = Translator(make_checkpoint("shift"), device="cpu")
    *before, material = from_checkpoint(dataset, translator, REQUEST, crops=100)
    assert isinstance(material, EvaluationSet)
    assert [event.done for event in before if isinstance(event, Progressed)][:3] == [0, 1, 2]
    (each,) = material.comparisons
    assert each.direction == "untreated → treated"
    assert each.source is not None
    assert [cut.group for cut in each.translated] == [cut.group for cut in each.source] == ["u0", "u1", "u2"]
    assert [cut.group for cut in each.real] == ["t0", "t1", "t2"]
    assert each.source[0].crops().shape == each.translated[0].crops().shape == (6, 2, 32, 32)
    # all fields are scored, and there are no others to fit to
    assert material.fit["untreated"].shape == (18, 2, 32, 32)
    assert material.notes == ("Features are fitted to the real images that are scored.",)


def test_features_are_fitted_to_fields_that_are_not_scored(
    dataset: DataSet, make_checkpoint: Callable[..., Checkpoint]
) -> None:
    translator = Translator(make_checkpoint("shift"), device="cpu")
    ways = {"scored": lambda one: one.group.endswith("0"), "crops": 100}
    *_, material = from_checkpoint(dataset, translator, REQUEST, **ways)
    assert isinstance(material, EvaluationSet)
    (each,) = material.comparisons
    assert [cut.group for cut in (*each.real, *each.translated)] == ["t0", "u0"]
    assert {name: len(crops) for name, crops in material.fit.items()} == {"untreated": 12, "treated": 12}
    assert not material.notes


def test_a_condition_without_fields_to_score_is_refused(
    dataset: DataSet, make_checkpoint: Callable[..., Checkpoint]
) -> None:
    translator = Translator(make_checkpoint("shift"), device="cpu")
    with pytest.raises(InputError, match="no field of treated to score"):
        list(from_checkpoint(dataset, translator, REQUEST, scored=lambda one: one.group[0] == "u"))
