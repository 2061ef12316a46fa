from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.checkpoint import Checkpoint
from napari_phenotrans.dataset import DataSet
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.errors import InputError
from napari_phenotrans.events import Failed, Finished, Losses, Preview, Saved, Started
from napari_phenotrans.image import Image
from napari_phenotrans.io import read, write
from napari_phenotrans.train import Run
from napari_phenotrans.translation import translate_image

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


@pytest.fixture
def dataset(tmp_path: Path) -> DataSet:
    rng = np.random.default_rng(0)
    for condition, level in (("untreated", 50), ("treated", 150)):
        for well in range(3):
            pixels = rng.poisson(level, (2, 40, 40)).astype(np.uint8)
            path = tmp_path / "images" / condition / f"{condition}{well}.ome.tif"
            write(Image(pixels, "CYX", ("DNA", "GFP"), pixel_size_um=0.5, unit="µm"), path)
    return DataSet.open(tmp_path / "images", ("untreated", "treated"))


def run(dataset: DataSet, folder: Path, engine: str = "cyclegan", **said: Any) -> Run:
    tiny = {"width": 8, "blocks": 1} if engine == "cyclegan" else {}
    settings = ENGINES[engine].settings.make(**({"steps": 4, "crop": 32, "batch": 1, "save_every": 2} | tiny | said))
    training, held_out = dataset.split(["untreated0", "treated0"])
    return Run(folder, training, engine, settings, held_out)


@pytest.mark.parametrize("engine", ENGINES)
def test_run_folder_tells_the_whole_story(engine: str, dataset: DataSet, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    events = list(run(dataset, folder, engine).events())
    kinds = [type(event) for event in events]
    assert kinds == [Started, Losses, Losses, Preview, Saved, Losses, Losses, Preview, Saved, Finished]
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == [kind.__name__ for kind in kinds]
    assert lines[1]["step"] == 1
    assert lines[1]["losses"]
    decided = json.loads((folder / "run.json").read_text())
    assert decided["engine"] == engine
    assert decided["settings"]["steps"] == 4
    assert decided["held-out fields"] == ["untreated/untreated0.ome.tif", "treated/treated0.ome.tif"]
    for event in events:
        if isinstance(event, Preview | Saved):
            assert (folder / event.path).is_file()
    card = Checkpoint.read_card(folder / "last.safetensors")
    assert card.channels == ("DNA", "GFP")
    assert card.pixel_size == pytest.approx(0.5)
    assert card.training["fields"] == {"untreated": 2, "treated": 2}
    assert card.statistics == "fixed"
    translation = translate_image(
        read(dataset.fields[0].path), folder / "last.safetensors", source="untreated", target="treated"
    )
    assert all("nearest value" in notice for notice in translation.notices)


def test_same_seed_same_weights(dataset: DataSet, tmp_path: Path) -> None:
    tensors = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        list(run(dataset, tmp_path / name, seed=seed).events())
        tensors.append(Checkpoint.load(tmp_path / name / "last.safetensors").tensors["1.leave.weight"])
    np.testing.assert_array_equal(tensors[0], tensors[1])
    assert not np.array_equal(tensors[0], tensors[2])


def test_training_starts_from_an_earlier_checkpoint(dataset: DataSet, tmp_path: Path) -> None:
    list(run(dataset, tmp_path / "first").events())
    first = tmp_path / "first" / "last.safetensors"
    list(run(dataset, tmp_path / "second", start_from=str(first), learning_rate=1e-12, steps=1).events())
    before, after = Checkpoint.load(first), Checkpoint.load(tmp_path / "second" / "last.safetensors")
    np.testing.assert_allclose(after.tensors["0.leave.weight"], before.tensors["0.leave.weight"], atol=1e-6)
    with pytest.raises(InputError, match="another shape"):
        list(run(dataset, tmp_path / "third", start_from=str(first), width=4).events())
    with pytest.raises(InputError, match="it is cyclegan for DNA, GFP"):
        list(run(dataset, tmp_path / "fourth", "shift", start_from=str(first)).events())
    assert not (tmp_path / "third").exists()


def test_a_folder_with_a_run_is_refused_and_kept(dataset: DataSet, tmp_path: Path) -> None:
    list(run(dataset, tmp_path / "run", "shift").events())
    before = (tmp_path / "run" / "events.jsonl").read_text()
    with pytest.raises(InputError, match="holds a run already"):
        list(run(dataset, tmp_path / "run", "shift").events())
    assert (tmp_path / "run" / "events.jsonl").read_text() == before


def test_a_failure_is_written_down_and_goes_on(
    dataset: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> dict[str, float]:
        raise RuntimeError("the network melted")

    monkeypatch.setattr("napari_phenotrans.engines.shift.Shift.training_step", broken)
    with pytest.raises(RuntimeError, match="melted"):
        list(run(dataset, tmp_path / "run", "shift").events())
    last = json.loads((tmp_path / "run" / "events.jsonl").read_text().splitlines()[-1])
    assert last["event"] == Failed.__name__
    assert last["error"] == "RuntimeError: the network melted"
