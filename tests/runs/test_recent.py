from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import platformdirs

from napari_phenotrans.runs.recent import REMEMBERED, RememberedRuns, is_run, list_runs

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def make_run(folder: Path, age_s: float = 0.0, name: str = "run.json") -> Path:
    folder.mkdir(parents=True)
    (folder / name).touch()
    os.utime(folder / name, (time.time() - age_s,) * 2)
    return folder


def test_runs_are_found_in_folders_the_latest_first(tmp_path: Path) -> None:
    old, new = make_run(tmp_path / "runs" / "old", 100), make_run(tmp_path / "runs" / "new", 10)
    beginning = make_run(tmp_path / "beginning", 0, "starting.json")
    make_run(tmp_path / "runs" / "no run", 0, "notes.txt")
    (tmp_path / "runs" / "file").touch()
    assert list_runs([tmp_path / "runs", beginning, old, tmp_path / "gone"]) == [beginning, new, old]
    (old / "events.jsonl").touch()
    assert list_runs([tmp_path / "runs"]) == [old, new]
    assert is_run(new)
    assert not is_run(tmp_path)
    # a family was started as a run is, and holds its runs in folders
    (beginning / "family.json").touch()
    assert not is_run(beginning)


def test_runs_are_remembered_the_latest_first_also_where_their_disk_is_gone(tmp_path: Path) -> None:
    runs = RememberedRuns(tmp_path / "data" / "runs.json")
    assert runs.folders() == []
    for name in ("a", "b", "a", "c"):
        runs.add(tmp_path / name)
    assert RememberedRuns(runs.file).folders() == [tmp_path / name for name in ("c", "a", "b")]
    runs.remove(tmp_path / "a")
    runs.remove(tmp_path / "never")
    assert runs.folders() == [tmp_path / "c", tmp_path / "b"]
    for number in range(REMEMBERED):
        runs._write([tmp_path / str(number), *runs.folders()])
    assert len(runs.folders()) == REMEMBERED


def test_a_file_that_is_damaged_or_cannot_be_written_remembers_nothing(tmp_path: Path) -> None:
    for text in ("{", "{}", "[1, null]"):
        (tmp_path / "runs.json").write_text(text)
        assert RememberedRuns(tmp_path / "runs.json").folders() == []
    (tmp_path / "file").touch()
    runs = RememberedRuns(tmp_path / "file" / "runs.json")
    runs.add(tmp_path / "a")
    assert runs.folders() == []


def test_they_are_kept_with_the_users_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name, **_: tmp_path / name)
    assert RememberedRuns().file == tmp_path / "napari-phenotrans" / "runs.json"
