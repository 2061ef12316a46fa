"""Training in one call: what is refused, what is told meanwhile, and which checkpoint comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.dataset.synthetic import write_dataset
from napari_phenotrans.training.events import Finished, Started
from napari_phenotrans.training.train import train

if TYPE_CHECKING:
    from pathlib import Path

TINY = {"engine": "shift", "steps": 2, "crop": 32, "batch": 1}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "images", 2, size=64)


def test_the_checkpoint_comes_back_and_events_meanwhile(images: Path, tmp_path: Path) -> None:
    events: list[object] = []
    whole = DataSet.open(images, ("healthy", "diseased"))
    checkpoint = train(whole, tmp_path / "run", held_out=(), on_event=events.append, **TINY)
    assert checkpoint.path == tmp_path / "run" / "last.safetensors"
    assert (checkpoint.card.engine, checkpoint.card.conditions) == ("shift", ("healthy", "diseased"))
    assert checkpoint.card.training["steps"] == 2
    # two organoids are few, which is said before training begins
    assert isinstance(events[0], Notice)
    assert isinstance(events[-1], Finished)
    assert any(isinstance(event, Started) for event in events)


def test_what_cannot_be_trained_is_refused_before_a_folder_is_made(images: Path, tmp_path: Path) -> None:
    for wrong, said in (
        ({"engine": "diffusion"}, "no engine 'diffusion'"),
        ({"preset": "quick"}, "has the presets"),
        ({"step": 3}, "--step: extra inputs"),
        ({"channels": ("DAPI", "actin")}, "actin"),
        ({"crop": 128}, "128"),
    ):
        with pytest.raises(InputError, match=said):
            train(images, tmp_path / "run", **(TINY | wrong))
    assert not (tmp_path / "run").exists()
