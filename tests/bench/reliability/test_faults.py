"""The bench of faults: what is done to a fork happens, and what is left or another is seen."""

from __future__ import annotations

import os
import signal
from random import Random
from typing import TYPE_CHECKING

import pytest

from bench.reliability.faults import (
    GOOD,
    LEFT,
    OTHER,
    SAME,
    WORKS,
    Disturbed,
    Trial,
    Work,
    die_at,
    digest,
    fail_at,
    leftovers,
    limit_files,
    prepare,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def in_fork(act: Callable[[], None]) -> int:
    """Return how a fork that does this ends: 3 where it raises OSError."""
    child = os.fork()
    if child == 0:
        try:
            act()
        except OSError:
            os._exit(3)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def replaces(folder: Path, before: Callable[[], None]) -> Callable[[], None]:
    """Return what puts a file in the place of another twice, after a fault was prepared."""

    def act() -> None:
        before()
        for name in ("a", "b"):
            (folder / f"{name}.part").write_bytes(b"x" * 200)
            os.replace(folder / f"{name}.part", folder / name)

    return act


def test_faults_happen_where_they_are_told_to(tmp_path: Path) -> None:
    assert in_fork(replaces(tmp_path, lambda: die_at("replace", 1))) == -signal.SIGKILL
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b.part"]
    fired = tmp_path / "fired"
    assert in_fork(replaces(tmp_path, lambda: fail_at(0, fired))) == 3
    assert fired.exists()
    assert in_fork(replaces(tmp_path, lambda: fail_at(7, tmp_path / "never"))) == 0
    assert not (tmp_path / "never").exists()
    assert in_fork(replaces(tmp_path, lambda: limit_files(100))) == 3
    assert in_fork(replaces(tmp_path, lambda: limit_files(1000))) == 0


def test_results_and_what_is_left_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"1")
    first = digest(tmp_path)
    (tmp_path / "events.jsonl").write_text("when, and how long")
    assert digest(tmp_path) == first
    (tmp_path / "a.safetensors").write_bytes(b"2")
    assert digest(tmp_path) != first
    assert leftovers(tmp_path) == []
    (tmp_path / ".abc-1.part.b.ome.tif").touch()
    (tmp_path / "lock").touch()
    assert sorted(leftovers(tmp_path)) == [".abc-1.part.b.ome.tif", "lock"]
    found = [Trial("training", "killed", "1", SAME), Trial("training", "killed", "2", LEFT)]
    assert table([*found, Trial("training", "killed", "3", OTHER)])[-1] == (
        "| training | killed | 3 | 1 | 0 | 1 something unfinished is left, 1 another result |"
    )


@pytest.mark.slow
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_one_fault_of_each_kind_ends_well(work: Work, tmp_path: Path) -> None:
    prepare(tmp_path / "sound")
    bench = Disturbed(tmp_path, work)
    kinds = (
        bench.killed_at_moments(1, Random(0)),
        bench.killed_at_points(["replace"]),
        bench.stopped(),
        bench.without_room(),
        bench.read_only(),
        bench.without_input(),
        bench.two_processes(),
    )
    found = [next(kind) for kind in kinds]
    assert len({trial.fault for trial in found}) == len(kinds)
    assert [trial for trial in found if trial.outcome not in GOOD] == []
