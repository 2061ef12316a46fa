"""Trials of telling crops apart: kept beside the checkpoint, or in the user's folder, and said in a sentence."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from napari_phenotrans.checkpoints import told_apart as module
from napari_phenotrans.checkpoints.checkpoint import BUNDLED, Checkpoint, bundled
from napari_phenotrans.checkpoints.told_apart import (
    describe_told,
    keep_told,
    known_of_pictures,
    told_apart,
    wilson,
)
from napari_phenotrans.cli.main import phenotrans
from napari_phenotrans.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WAY = "untreated → treated"


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("platformdirs.user_data_path", lambda _: tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def file(make_checkpoint: Callable[..., Checkpoint], tmp_path: Path) -> Path:
    return make_checkpoint("shift").save(tmp_path / "run" / "best.safetensors")


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    # Brown, Cai & DasGupta 2001 recommend it; values by statsmodels' proportion_confint(…, method="wilson")
    [(24, 40, 0.446, 0.737), (20, 40, 0.352, 0.648), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0)],
)
def test_the_interval_is_wilsons(right: int, count: int, low: float, high: float) -> None:
    assert wilson(right, count) == pytest.approx((low, high), abs=1e-3)


def test_it_is_kept_beside_the_checkpoint_and_said(file: Path, data_folder: Path) -> None:
    assert told_apart(file) == []
    kept, where = keep_told(file, WAY, 24, 40, {"depth": 0.9})
    assert where == file.with_name("best.told.json")
    assert told_apart(file) == [kept]
    assert not data_folder.exists()
    assert describe_told(kept) == (
        "untreated → treated, depth 0.9: a person told 24 of 40 crops apart, translated from real (0.60 [0.45, 0.74]; "
        "0.5 is chance)."
    )
    assert describe_told(kept) in known_of_pictures(file, Checkpoint.read_card(file), "untreated", "treated")
    assert describe_told(kept) not in known_of_pictures(file, Checkpoint.read_card(file), "treated", "untreated")


def test_the_command_line_says_it_below_the_card(file: Path) -> None:
    kept, _ = keep_told(file, WAY, 24, 40)
    said = CliRunner().invoke(phenotrans, ["info", str(file)], standalone_mode=False)
    assert said.output.splitlines()[-1] == describe_told(kept)


def test_the_last_trial_of_each_direction_counts(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_told(file, WAY, 20, 40)
    keep_told(file, "treated → untreated", 31, 40)
    keep_told(file, WAY, 38, 40)
    assert {trial.direction: trial.right for trial in told_apart(file)} == {WAY: 38, "treated → untreated": 31}


def test_another_checkpoint_of_the_same_name_was_not_judged(
    file: Path, make_checkpoint: Callable[..., Checkpoint]
) -> None:
    keep_told(file, WAY, 24, 40)
    card = Checkpoint.read_card(file).model_copy(update={"about": "trained on"})
    Checkpoint(card, Checkpoint.load(file).tensors).save(file, overwrite=True)
    assert told_apart(file) == []


def test_of_a_bundled_checkpoint_it_is_kept_in_the_users_folder(data_folder: Path) -> None:
    name = bundled()[0]
    before = sorted(BUNDLED.iterdir())
    kept, where = keep_told(name, "a → b", 30, 40)
    assert where.parent == data_folder / "told-apart"
    assert sorted(BUNDLED.iterdir()) == before
    assert told_apart(name) == [kept]


def test_where_nothing_can_be_written_the_users_folder_will_do(
    file: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module.replacing

    def refusing(path: Path, **more: bool):
        if path.parent == file.parent:
            raise InputError("read-only")
        return real(path, **more)

    monkeypatch.setattr(module, "replacing", refusing)
    kept, where = keep_told(file, WAY, 24, 40)
    assert where.parent == data_folder / "told-apart"
    assert told_apart(file) == [kept]


def test_a_damaged_file_counts_as_none(file: Path) -> None:
    _, where = keep_told(file, WAY, 24, 40)
    where.write_text("[{", encoding="utf-8")
    assert told_apart(file) == []
    shutil.rmtree(file.parent)
    assert told_apart(file) == []
