"""A run in words, and which checkpoint is meant, without Qt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from napari_phenotrans.runs.monitor import CheckpointFile, RunWatch
from napari_phenotrans.widgets.runs.run_state import (
    STATES,
    RunSnapshot,
    checkpoint_text,
    different_settings,
    in_offered_order,
    nearest_checkpoint,
    pace,
    snapshot_of,
)

BEST = CheckpointFile(400, Path("run/best.safetensors"), best=True)
LAST = CheckpointFile(1000, Path("run/last.safetensors"))
KEPT = [CheckpointFile(step, Path(f"run/checkpoints/step-{step:05d}.safetensors")) for step in (200, 400, 1000)]


@pytest.fixture
def run() -> RunSnapshot:
    return snapshot_of(RunWatch("run"), with_curves=True)


def test_checkpoints_are_offered_best_first_and_called_by_what_they_are() -> None:
    words = [checkpoint_text(file) for file in in_offered_order([KEPT[0], BEST, KEPT[1], LAST, KEPT[2]])]
    assert words == ["best, step 400", "last, step 1000", "step 1000", "step 400", "step 200"]


@pytest.mark.parametrize(
    ("step", "file"), [(0, KEPT[0]), (299, KEPT[0]), (301, KEPT[1]), (400, KEPT[1]), (9e9, KEPT[2])]
)
def test_a_step_picks_the_nearest_checkpoint_that_will_stay(step: int, file: CheckpointFile) -> None:
    files = in_offered_order([BEST, LAST, *KEPT])
    found = nearest_checkpoint(files, step)
    assert found is not None
    assert files[found] == file
    assert nearest_checkpoint([], step) is None
    assert nearest_checkpoint([LAST, BEST], 390) == 1


def test_the_pace_is_said_as_far_as_it_is_known(run: RunSnapshot) -> None:
    assert pace(run) == ""
    assert pace(replace(run, rate_s=2.5)) == "2.5 steps per second"
    assert pace(replace(run, rate_s=0.25, memory=3 * 2**29)) == "4.0 seconds per step, 1.5 GB of memory"


def test_only_settings_that_differ_are_listed_in_the_words_of_the_command_line(run: RunSnapshot) -> None:
    one = replace(run, engine="cyclegan", settings={"save_every": 100, "width": 16, "channels": None, "cycle": 10.0})
    other = replace(run, engine="phendiff", settings={"save_every": 200, "width": 16, "channels": ["DNA", "GFP"]})
    assert different_settings([one, other]) == [
        ("engine", ["cyclegan", "phendiff"]),
        ("save-every", ["100", "200"]),
        ("channels", ["not set", "DNA, GFP"]),
        ("cycle", ["10.0", "–"]),
    ]
    assert different_settings([one, replace(one, folder=Path("another"))]) == []


def test_every_state_looks_different() -> None:
    looks = list(STATES.values())
    assert len({one.sign for one in looks}) == len({one.word for one in looks}) == len(looks)
