"""The bench of engines: nothing of a held-out row is trained on, and the table says what was measured."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bench.quality import engines, table
from bench.quality import plan as planned
from bench.quality.plan import Entry, plan, split
from bench.quality.run_scores import Extractor, planes_of, score_run
from bench.quality.table import told
from napari_phenotrans.dataset.dataset import DataSet, Field
from napari_phenotrans.dataset.synthetic import write_dataset
from napari_phenotrans.engines import ENGINES, engine_entry
from napari_phenotrans.training.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def wells(folder: Path) -> DataSet:
    fields = [
        Field(folder / condition / f"{row}{column:02}.tif", condition, f"{row}{column:02}")
        for condition, columns in (("untreated", (1, 2)), ("wortmannin", (9, 10, 11, 12)))
        for row in "ABCD"
        for column in columns
    ]
    return DataSet(folder, ("untreated", "wortmannin"), tuple(fields))


@pytest.mark.parametrize(("share", "kept"), [(1.0, (6, 12)), (0.4, (2, 5)), (0.2, (1, 2))])
@pytest.mark.parametrize(("seed", "row"), [(0, "D"), (1, "C"), (2, "B")])
def test_a_plate_row_is_held_out_whole(
    share: float, kept: tuple[int, int], seed: int, row: str, tmp_path: Path
) -> None:
    training, held_out = split(wells(tmp_path), "bbbc013", share, seed)
    assert {field.group[0] for field in held_out.fields} == {row}
    assert len(held_out.fields) == 6
    assert row not in {field.group[0] for field in training.fields}
    assert tuple(training.count().values()) == kept


def test_every_planned_training_has_settings_of_its_engine() -> None:
    entries = plan(1.0)
    assert len({entry.folder for entry in entries}) == len(entries)
    for entry in entries:
        assert ENGINES[entry.engine].settings.make(**entry.settings)
    # first what matters most: the two engines for few images, three seeds each
    assert [(e.engine, e.seed) for e in entries[:6]] == [(n, s) for s in range(3) for n in ("scgan", "cyclegan")]
    # what stays is said to flows for each data set, and to nothing else
    kept = {(e.engine, e.data): e.settings.get("kept") for e in entries if e.engine == "flow" or "kept" in e.settings}
    assert kept == {("flow", "bbbc013"): ("DNA",), ("flow", "organoids"): ("ZO1",)}
    # last, the objectives of PhenDiff in equal minutes
    goals = ("edm", "v", "flow")
    assert [(e.name, e.settings["objective"]) for e in entries[-3:]] == [(f"PhenDiff ({goal})", goal) for goal in goals]
    assert {(e.data, e.share, e.seed, e.minutes) for e in entries[-3:]} == {("bbbc013", 1.0, 0, 1.0)}


def test_phendiff_is_told_two_depths_and_its_objectives_one() -> None:
    assert told("PhenDiff") == {f", strength {depth}": {"strength": depth, "scale": "noise"} for depth in (0.36, 0.5)}
    assert told("PhenDiff (edm)") == {", strength 0.5": {"strength": 0.5, "scale": "noise"}}
    assert told("SCGAN") == {"": {}}


@pytest.mark.slow
def test_depths_scored_together_are_what_each_is_alone(make_checkpoint: Callable[..., Any], tmp_path: Path) -> None:
    write_dataset(tmp_path / "images", 2, size=64)
    dataset = DataSet.open(tmp_path / "images", ("healthy", "diseased"))
    planes = [plane for condition in dataset.conditions for plane in planes_of(dataset, condition)[0]]
    made = make_checkpoint("phendiff", 3, conditions=dataset.conditions, high=4000.0)
    file = made.save(tmp_path / "denoiser.safetensors")
    depths = [{"strength": strength, "evaluations": 6} for strength in (0.34, 0.5)]
    extractor = Extractor.fit(planes, None)
    together = score_run(file, dataset, "organoids", extractor, depths)
    for how, measured in zip(depths, together, strict=True):
        (alone,) = score_run(file, dataset, "organoids", extractor, [how])
        assert alone.keys() == measured.keys()
        for name, values in alone.items():
            np.testing.assert_array_equal(measured[name], values, err_msg=name)
    assert not np.array_equal(*(each["healthy → diseased change"] for each in together))


@pytest.mark.slow
def test_the_table_has_a_row_per_engine_beside_floor_and_copy_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "images" / "organoids"
    write_dataset(folder, 10, size=256)
    dataset = DataSet.open(folder, ("healthy", "diseased"))
    for module in (engines, planned):
        monkeypatch.setattr(module, "prepare", lambda work: {"organoids": dataset})
    entry = Entry("Shift", "organoids", "shift", 1.0, 0, 1.0)
    training, held_out = split(dataset, "organoids", 1.0, 0)
    settings = engine_entry("shift").settings.make(steps=5, crop=64, score_every=0)
    run = Run(tmp_path / "runs" / entry.folder, training, "shift", settings, held_out)
    list(run.events())
    facts = {"steps": 5, "seconds": 120.0, "commit": "abc", "cpu": "a CPU", "threads": 1}
    (run.folder / "bench.json").write_text(json.dumps(facts))
    # one in progress, one not begun
    unfinished = Entry("Unfinished", "organoids", "shift", 1.0, 0, 1.0)
    shutil.copytree(run.folder, tmp_path / "runs" / unfinished.folder, ignore=shutil.ignore_patterns("bench.json"))

    entries = [Entry("Absent", "organoids", "shift", 0.5, 0, 1.0), unfinished, entry]
    table.write_table(tmp_path, entries, tmp_path / "results.md")
    text = (tmp_path / "results.md").read_text()
    assert "Unfinished" not in text
    assert "Absent" not in text
    assert "Synthetic organoids, 100% of the training groups (9 healthy, 9 diseased fields)" in text
    assert "Shift: 5 steps in 2 min (seeds 0; trained at abc, a CPU, 1 thread)" in text
    rows = {line.split("|")[1].strip(): line.split("|")[2:] for line in text.splitlines() if line.startswith("| ")}
    assert set(rows) >= {"*floor*", "*copy source*", "Shift"}
    assert "| | KID | KID, background subtracted | gap closed: nuclei per field |" in text
    assert float(rows["*copy source*"][2]) == 0  # copying closes no gap
    assert float(rows["Shift"][4]) > 0.5  # a shift of brightness moves no nucleus
    # a shift of brightness is a shift of the background, too
    plain, anchored = (float(cell.split()[0]) for cell in rows["Shift"][:2])
    assert plain != anchored
