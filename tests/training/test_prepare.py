"""From a data set to the objects that an engine is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.engines.settings import CycleGANSettings
from napari_phenotrans.io import write
from napari_phenotrans.training.events import Losses
from napari_phenotrans.training.prepare import prepare
from napari_phenotrans.training.run import Run

if TYPE_CHECKING:
    from pathlib import Path

    from napari_phenotrans.dataset.dataset import DataSet

TINY = {"crop": 32, "width": 4, "blocks": 1, "batch": 2, "steps": 2, "score_every": 0}
CHANCE = KeyedRandom(0, 0, 0, 4)


@pytest.fixture
def masks(dataset: DataSet, tmp_path: Path) -> Path:
    """Label images of which the left half is one object."""
    for field in dataset.fields:
        labels = np.zeros((72, 72), np.uint8)
        labels[:, :36] = 3
        path = tmp_path / "masks" / field.condition / f"{field.path.name.removesuffix('.ome.tif')}.tif"
        write(Image(labels, "YX", ("labels",)), path)
    return tmp_path / "masks"


def test_masks_of_the_user_reach_the_engine(dataset: DataSet, masks: Path, tmp_path: Path) -> None:
    settings = CycleGANSettings.make(**TINY, shape=1, masks=str(masks))
    prepared = prepare(dataset, None, "cyclegan", settings, torch.device("cpu"))
    assert prepared.draw_masks is not None
    shares = [float(prepared.draw_masks(c, CHANCE).mean()) for c in dataset.conditions]
    assert all(0 < share < 1 for share in shares)
    events = list(Run(tmp_path / "run", dataset, "cyclegan", settings).events())
    losses = [event.losses for event in events if isinstance(event, Losses)]
    assert len(losses) == 2
    assert {f"{name} {c}" for name in ("shape", "segmentor") for c in dataset.conditions} <= set(losses[0])


def test_nothing_is_looked_for_where_shapes_do_not_count(dataset: DataSet, tmp_path: Path) -> None:
    settings = CycleGANSettings.make(**TINY, masks=str(tmp_path / "nowhere"))
    assert prepare(dataset, None, "cyclegan", settings, torch.device("cpu")).draw_masks is None


def test_images_without_nuclei_are_refused_where_shapes_count(dataset: DataSet) -> None:
    settings = CycleGANSettings.make(**TINY, shape=1)
    with pytest.raises(InputError, match="No nuclei were found in DNA of untreated, treated"):
        prepare(dataset, None, "cyclegan", settings, torch.device("cpu"))
