from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from skimage.io import imread

from napari_phenotrans.core.image import Image
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.io import write
from napari_phenotrans.training.run import Run

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint


@pytest.fixture
def minutes() -> ModuleType:
    return import_module("bench.quality.minutes")


def cells(condition: str, seed: int) -> np.ndarray:
    """Two nuclei in a plane whose second channel is bright in them, or around them."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:96, :96]
    plane = rng.integers(3, 8, (2, 96, 96))
    for top, left in ((30, 30), (62, 60)):
        distance = np.hypot(y - top, x - left)
        plane[0][distance < 9] = 150
        plane[1][distance < 16] = 40 if condition == "wortmannin" else 120
        plane[1][distance < 9] = 120 if condition == "wortmannin" else 40
    return plane.astype(np.uint8)


def test_it_looks_when_the_minutes_have_passed_and_at_the_end(
    minutes: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planes: dict[str, Any] = {condition: [cells(condition, 9)] for condition in ("untreated", "wortmannin")}
    for condition in planes:
        for number in range(2):
            image = Image(cells(condition, number), "CYX", ("DNA", "GFP"))
            write(image, tmp_path / "images" / condition / f"{number}.ome.tif")
    settings = ENGINES["shift"].settings.make(steps=12, crop=32, batch=2, save_every=2, score_every=0)
    run = Run(tmp_path / "run", DataSet.open(tmp_path / "images", tuple(planes)), "shift", settings)
    clock = iter(range(10_000))
    monkeypatch.setattr(minutes.time, "process_time", lambda: 6.0 * next(clock))
    judged = []

    def judge(checkpoint: Checkpoint, made: dict[str, Any]) -> dict[str, str]:
        judged.append((checkpoint.card.engine, {source: list(others) for source, others in made.items()}))
        return {"untreated → wortmannin": "DNA: leaves a fine grid.", "wortmannin → untreated": ""}

    found = list(minutes.marks(run, planes, [1.0, 1000.0], {}, judge))
    assert [mark.steps for mark in found][-1] == 12
    assert 1.0 <= found[0].minutes < 3.0
    assert found[0].steps < 12
    assert 0 < found[0].by_the_clock < found[1].by_the_clock
    assert f"({found[0].by_the_clock:.1f} by the clock)" in minutes.row(found[0])
    assert all(mark.engine_error == 0 for mark in found)  # the shift leaves source → source alone
    assert all(mark.there < 0.9 for mark in found)  # and moves nothing into nuclei
    assert "gap closed" in minutes.row(found[0])
    assert "untreated → wortmannin: DNA: leaves a fine grid." in minutes.row(found[0])
    assert "wortmannin → untreated" not in minutes.row(found[0])
    assert judged == 2 * [("shift", {condition: list(planes) for condition in planes})]


def test_runs_are_drawn_and_show_where_the_gate_passes(minutes: ModuleType, tmp_path: Path) -> None:
    def run(engine: str, gate: str) -> dict[str, Any]:
        mark = {"there": 0.8, "back": 0.7, "engine_error": 0.1, "gate": {"a → b": gate}}
        return {"engine": engine, "marks": [mark | {"minutes": float(each)} for each in (1, 2, 5)]}

    minutes.draw([run("flow", ""), run("cyclegan", "too soft")], tmp_path / "passed.png")
    minutes.draw([run("flow", ""), run("cyclegan", "")], tmp_path / "both.png")
    first, second = (imread(tmp_path / name) for name in ("passed.png", "both.png"))
    assert first.shape == second.shape
    assert (first != second).any()  # hollow marks where the gate does not pass
