"""One process per run folder: the living are respected, the dead are not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.runs.lock import GIVEN_UP_S, Lock, Owner, refuse_living

if TYPE_CHECKING:
    from pathlib import Path


def lock_of(folder: Path, owner: Owner, silent_s: float = 0.0) -> Path:
    """Write the lock of another process, last touched a while ago."""
    folder.mkdir(exist_ok=True)
    path = folder / "lock"
    path.write_text(json.dumps(owner.as_json() | {"token": "another"}))
    os.utime(path, (time.time() - silent_s,) * 2)
    return path


@pytest.fixture
def dead() -> Owner:
    process = subprocess.Popen([sys.executable, "-c", ""])
    owner = Owner.of(process.pid)
    process.wait()
    return owner


def test_a_living_process_keeps_others_out_until_it_lets_go(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    lock = Lock.take(folder)
    for again in (Lock.take, refuse_living):
        with pytest.raises(InputError, match=rf"trained right now by process {os.getpid()}\. .*named stop"):
            again(folder)
    lock.check()
    lock.release()
    assert not folder.exists()
    lock.release()


def test_a_folder_that_was_there_or_is_in_use_stays(tmp_path: Path) -> None:
    for name in ("empty", "full"):
        (tmp_path / name).mkdir()
    Lock.take(tmp_path / "empty").release()
    made = Lock.take(tmp_path / "made")
    (tmp_path / "made" / "run.json").touch()
    made.release()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "full", "made"]
    assert [p.name for p in (tmp_path / "made").iterdir()] == ["run.json"]


def test_a_dead_process_holds_nothing(dead: Owner, tmp_path: Path) -> None:
    lock_of(tmp_path / "run", dead)
    Lock.take(tmp_path / "run").release()
    # its number is another process's by now
    lock_of(tmp_path / "run", Owner(dead.host, os.getpid(), psutil.Process().create_time() - 100))
    Lock.take(tmp_path / "run").release()


def test_a_dead_child_that_nobody_waits_for_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = Owner.of(child.pid)
    assert owner.is_running()
    child.kill()
    psutil.wait_procs([], timeout=0)
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert not owner.is_running()
    child.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems say only the time of day")
def test_a_clock_that_is_set_makes_no_living_process_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Lock.take(tmp_path)
    whole = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: whole(self) - 5)
    with pytest.raises(InputError, match="trained right now"):
        Lock.take(tmp_path)
    lock.release()


def test_a_touch_in_the_future_was_just_now(tmp_path: Path) -> None:
    lock_of(tmp_path, Owner("elsewhere", 17, 1.0), silent_s=-10_800)
    with pytest.raises(InputError, match=r"last heard of 0 s ago"):
        Lock.take(tmp_path)


def test_another_machine_is_believed_for_a_quarter_of_an_hour(tmp_path: Path) -> None:
    owner = Owner("elsewhere", 17, 1.0)
    path = lock_of(tmp_path / "run", owner, silent_s=GIVEN_UP_S - 60)
    with pytest.raises(InputError, match=r"process 17 on elsewhere, .*free 15 minutes"):
        Lock.take(tmp_path / "run")
    assert json.loads(path.read_text())["host"] == "elsewhere"
    lock_of(tmp_path / "run", owner, silent_s=GIVEN_UP_S + 60)
    Lock.take(tmp_path / "run").release()
    assert list((tmp_path / "run").iterdir()) == []


def test_a_lock_that_is_just_being_written_counts(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    with pytest.raises(InputError, match="just begun"):
        Lock.take(tmp_path)
    os.utime(path, (time.time() - 60,) * 2)
    Lock.take(tmp_path).release()


def test_a_folder_that_was_removed_or_taken_over_is_noticed(tmp_path: Path) -> None:
    lock = Lock.take(tmp_path / "run")
    lock_of(tmp_path / "run", Owner("elsewhere", 17, 1.0))
    with pytest.raises(InputError, match=r"not belong to this training any more.*--resume"):
        lock.check()
    lock.release()
    assert json.loads((tmp_path / "run" / "lock").read_text())["token"] == "another"
    other = Lock.take(tmp_path / "other")
    shutil.rmtree(tmp_path / "other")
    with pytest.raises(InputError, match="was removed, or its disk is gone"):
        other.check()
    other.release()
    assert not (tmp_path / "other").exists()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be trained into: .*--out"):
        Lock.take(tmp_path / "file" / "run")
