"""Files take their places together or not at all, also when a process is killed in between."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.io import atomic
from napari_phenotrans.io.atomic import clear_leftovers, refuse_existing, replacing, replacing_together

if TYPE_CHECKING:
    from pathlib import Path

# Writes two files together, and is killed at the move of the given number.
KILLED = """
import os, signal, sys
from pathlib import Path
from napari_phenotrans.io import atomic
folder, at = Path(sys.argv[1]), int(sys.argv[2])
whole, moves = os.replace, []
def replace(*args):
    if len(moves) == at:
        os.kill(os.getpid(), signal.SIGKILL)
    moves.append(args)
    whole(*args)
os.replace = replace
with atomic.replacing_together([folder / "a.txt", folder / "b.txt"], overwrite=True) as (a, b):
    a.write_text("new"), b.write_text("new")
    if at < 0:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has looked into no folder yet."""
    monkeypatch.setattr(atomic, "_looked", {})


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def fill(folder: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text("old")


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize(("at", "after"), [(-1, "old"), (0, "new"), (1, "new"), (2, "new"), (3, "new")])
def test_what_a_killed_process_left_is_finished_or_removed(at: int, after: str, tmp_path: Path) -> None:
    fill(tmp_path)
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(at)], check=False)
    assert any(".part." in path.name for path in tmp_path.iterdir())
    with pytest.raises(InputError, match="exists already"):
        refuse_existing(tmp_path / "a.txt", overwrite=False)
    assert contents(tmp_path) == {"a.txt": after, "b.txt": after}


def test_what_a_living_process_writes_stays(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        atomic._looked.clear()
        clear_leftovers(tmp_path)
        assert temporary.exists()
    atomic._looked.clear()
    other = tmp_path / f".000000-{2**22 + 1}-00000000.part.b.txt"
    other.write_text("of a machine that nothing is known about")
    clear_leftovers(tmp_path)
    assert other.exists()


def test_a_journal_reaches_into_its_own_folder_only(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "foreign.txt").write_text("foreign")
    token = f".{atomic._host()}-{2**22 + 1}-00000000.part."
    (folder / f"{token}journal").write_text('["../foreign.txt"]')
    clear_leftovers(folder)
    assert contents(tmp_path / "folder") == {}
    assert (tmp_path / "foreign.txt").read_text() == "foreign"


@pytest.mark.parametrize("at", range(4))
def test_a_move_that_fails_takes_all_back(at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path)
    whole, moves = os.replace, []

    def replace(*args: Path) -> None:
        moves.append(args)
        if len(moves) == at + 1:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        whole(*args)

    monkeypatch.setattr(os, "replace", replace)
    with (
        pytest.raises(InputError, match="could not be written"),
        replacing_together([tmp_path / "a.txt", tmp_path / "b.txt"], overwrite=True) as both,
    ):
        for temporary in both:
            temporary.write_text("new")
    assert contents(tmp_path) == {"a.txt": "old", "b.txt": "old"}


def test_what_was_written_is_on_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    whole = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        whole(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with replacing(tmp_path / "folder") as temporary:
        temporary.mkdir()
        (temporary / "inside").write_text("new")
        assert not synced
    assert (tmp_path / "folder" / "inside").stat().st_ino in synced


def test_the_umask_of_the_process_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("other threads write files at this moment"))
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.touch(mode=0o600)
    (tmp_path / "b.txt").touch()
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode
