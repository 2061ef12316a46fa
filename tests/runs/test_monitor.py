"""Watching a run folder: what it shows in every state that a run can be in."""

from __future__ import annotations

import json
import os
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from napari_phenotrans.runs import monitor as watching
from napari_phenotrans.runs.family import Family
from napari_phenotrans.runs.lock import SILENT_S, Owner
from napari_phenotrans.runs.monitor import RunWatch
from napari_phenotrans.training.events import (
    Failed,
    Finished,
    Losses,
    Preview,
    Saved,
    Scored,
    Started,
    Stopped,
    to_json,
)

if TYPE_CHECKING:
    from pathlib import Path

HERE = Owner.of(os.getpid())
DEAD = Owner(HERE.host, HERE.pid, HERE.started - 1000)
ELSEWHERE = Owner("gpu-server", 17, HERE.started)
BEGUN = Started(0, 10, "cpu", {"a": 3, "b": 3}, {})


class Folder:
    """A run folder that a test writes itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def decide(self, owner: Owner, **more: Any) -> Folder:
        decided = {
            "engine": "shift", "settings": {"steps": 10, "save_every": 2, "score_every": 2},
            "conditions": ["a", "b"], "channels": ["DNA", "GFP"],
            "training": {"folder": "data", "fields": []}, "held-out": {"folder": "data", "fields": []},
        }  # fmt: skip
        (self.path / "run.json").write_text(json.dumps(decided | owner.as_json() | more))
        return self

    def hold(self, owner: Owner, silent_s: float = 0.0, name: str = "lock") -> Folder:
        (self.path / name).write_text(json.dumps(owner.as_json()))
        return self.quiet(silent_s)

    def quiet(self, seconds: float) -> Folder:
        for path in self.path.glob("*"):
            os.utime(path, (time.time() - seconds,) * 2)
        return self

    def say(self, *events: Any) -> Folder:
        with (self.path / "events.jsonl").open("a") as file:
            file.writelines(to_json(event) + "\n" for event in events)
        return self

    def keep(self, *names: str) -> Folder:
        for name in names:
            (self.path / name).parent.mkdir(exist_ok=True)
            (self.path / name).touch()
        return self


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "run")


def losses(first: int, last: int, value: float = 1.0) -> list[Losses]:
    return [Losses(step, {"cycle": value}) for step in range(first, last + 1)]


def test_a_run_is_followed_line_by_line(folder: Folder) -> None:
    watch = RunWatch(folder.path)
    assert watch.poll()
    assert (watch.state, watch.poll()) == ("none", False)
    folder.decide(HERE).hold(HERE).say(BEGUN, *losses(1, 3))
    assert watch.poll()
    assert (watch.state, watch.step, watch.steps) == ("running", 3, 10)
    assert (watch.engine, watch.conditions, watch.channels) == ("shift", ("a", "b"), ("DNA", "GFP"))
    assert watch.settings["save_every"] == 2
    assert watch.sentence.startswith("Training: step 3 of 10, about ")
    assert not watch.poll()
    with (folder.path / "events.jsonl").open("a") as file:
        line = to_json(Losses(4, {"cycle": 2.0})) + "\n"
        file.write(line[:20])
        file.flush()
        watch.poll()
        assert watch.step == 3, "what is half written waits"
        file.write(line[20:])
    assert watch.poll()
    assert watch.losses["cycle"].values.tolist() == [1, 1, 1, 2]
    folder.keep("stop")
    assert watch.poll()
    assert watch.sentence == "Stopping after this step (step 4 of 10)."


def test_files_that_are_there_are_listed(folder: Folder) -> None:
    folder.decide(HERE).say(BEGUN, Saved(2, "best.safetensors"), Saved(4, "last.safetensors"))
    folder.keep(
        "best.safetensors", "last.safetensors", ".1234.part.last.safetensors", "checkpoints/step-00002.safetensors",
        "checkpoints/.1234.part.step-00004.safetensors", "previews/step-00002.tif", "previews/step-00002.png",
    )  # fmt: skip
    watch = RunWatch(folder.path)
    watch.poll()
    assert [(one.step, one.path.name, one.best) for one in watch.checkpoints] == [
        (2, "best.safetensors", True),
        (2, "step-00002.safetensors", False),
        (4, "last.safetensors", False),
    ]
    assert [(one.step, one.path.name) for one in watch.previews] == [(2, "step-00002.tif")]
    (folder.path / "last.safetensors").unlink()
    assert watch.poll()
    assert [one.path.name for one in watch.checkpoints] == ["best.safetensors", "step-00002.safetensors"]


@pytest.mark.parametrize(
    ("event", "state", "words", "error"),
    [
        (Finished(4), "finished", "Finished after 4 steps.", ""),
        (Stopped(4, "stopped by request"), "stopped", "Stopped at step 4 of 10: stopped by request.", ""),
        (Failed(4, "There is no room."), "failed", "Failed at step 4 of 10.", "There is no room."),
    ],
)
def test_last_words_are_told(event: Any, state: str, words: str, error: str, folder: Folder) -> None:
    folder.decide(DEAD).hold(DEAD).say(BEGUN, *losses(1, 4), event)
    watch = RunWatch(folder.path)
    watch.poll()
    assert (watch.state, watch.sentence, watch.error) == (state, words, error)
    # a process that says its last word is about to go
    folder.hold(HERE)
    watch.poll()
    assert watch.state == state


def test_a_process_that_is_gone_without_a_word_has_died(folder: Folder) -> None:
    folder.decide(DEAD).hold(DEAD).say(BEGUN, *losses(1, 3))
    watch = RunWatch(folder.path)
    watch.poll()
    assert watch.state == "died"
    assert "Died at step 3 of 10: its process is gone without a last word" in watch.sentence
    assert "Nothing was saved" in watch.sentence
    folder.say(Saved(2, "last.safetensors")).keep("last.safetensors")
    watch = RunWatch(folder.path, least_free=2**80)
    watch.poll()
    assert "cannot go on, for its resume.pt was removed" in watch.sentence
    folder.keep("resume.pt")
    watch.poll()
    assert "the disk is full" in watch.sentence
    assert "go on from step 2" in watch.sentence
    assert watch.checkpoints


def test_another_machine_is_silent_once_nothing_is_heard_of_it(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.decide(ELSEWHERE).say(BEGUN, *losses(1, 3)).hold(ELSEWHERE)
    watch = RunWatch(folder.path)
    watch.poll()
    assert (watch.state, watch.host) == ("running", "gpu-server")
    assert "Training on gpu-server: step 3" in watch.sentence
    # its clock does not matter, only that it touches its files
    clock = time.monotonic()
    monkeypatch.setattr(watching.time, "monotonic", lambda: clock)
    folder.quiet(-5000)
    watch.poll()
    clock += SILENT_S - 1
    watch.poll()
    assert watch.state == "running"
    clock += 2
    assert watch.poll()
    assert watch.state == "silent"
    assert watch.sentence.startswith("Silent since 20")
    folder.quiet(-5020)
    watch.poll()
    assert watch.state == "running"


def test_at_first_sight_a_file_untouched_for_long_is_silence(folder: Folder) -> None:
    folder.decide(ELSEWHERE).say(BEGUN, *losses(1, 3)).hold(ELSEWHERE, silent_s=2 * SILENT_S)
    watch = RunWatch(folder.path)
    watch.poll()
    assert watch.state == "silent"
    assert "nothing was heard of gpu-server" in watch.sentence


def test_a_start_is_shown_and_so_is_one_that_fails(folder: Folder) -> None:
    folder.hold(HERE, name="starting.json")
    watch = RunWatch(folder.path)
    watch.poll()
    assert (watch.state, watch.sentence) == ("starting", "Starting.")
    (folder.path / "output.txt").write_text("$ phenotrans train\nloading torch\n")
    assert watch.poll()
    assert watch.sentence == "Starting: loading torch"
    folder.hold(DEAD, name="starting.json")
    (folder.path / "output.txt").write_text("$ phenotrans train\nloading torch\nphenotrans: There is no room.\n")
    watch.poll()
    assert (watch.state, watch.error) == ("failed", "There is no room.")
    # one that trains has taken the file away; where it was a moment too late for that, it does not matter
    folder.decide(HERE).hold(HERE).hold(HERE, name="starting.json").say(BEGUN)
    watch.poll()
    assert watch.state == "running"


def test_a_run_that_is_taken_up_again_starts(folder: Folder) -> None:
    folder.decide(DEAD).say(BEGUN, *losses(1, 4), Stopped(4, "stopped by request"))
    later = Owner(HERE.host, HERE.pid, HERE.started)
    text = (folder.path / "events.jsonl").read_text()
    (folder.path / "events.jsonl").write_text(text.replace('"time": 1', '"time": 0.1'))
    folder.hold(later)
    watch = RunWatch(folder.path)
    watch.poll()
    assert (watch.state, watch.sentence) == ("starting", "Starting: reading the images.")
    folder.decide(HERE).say(Started(4, 20, "cpu", {}, {}), *losses(5, 6))
    watch.poll()
    assert (watch.state, watch.step, watch.steps) == ("running", 6, 20)


def test_a_folder_that_vanishes_is_gone_and_may_come_back(folder: Folder, tmp_path: Path) -> None:
    folder.decide(HERE).hold(HERE).say(BEGUN, *losses(1, 3)).keep("checkpoints/step-00002.safetensors")
    watch = RunWatch(folder.path)
    watch.poll()
    folder.path.rename(tmp_path / "elsewhere")
    assert watch.poll()
    assert watch.state == "gone"
    assert "is not there" in watch.sentence
    assert watch.step == 3
    assert watch.checkpoints == []
    (tmp_path / "elsewhere").rename(folder.path)
    assert watch.poll()
    assert (watch.state, len(watch.checkpoints)) == ("running", 1)
    never = RunWatch(tmp_path / "never")
    assert never.poll()
    assert never.state == "gone"


def test_a_training_of_a_family_waits_for_the_others(tmp_path: Path) -> None:
    family = Family(tmp_path / "three", (0, 1, 2))
    family.write()
    watch = RunWatch(family.members[2])
    watch.poll()
    assert watch.state == "none"
    assert f"phenotrans train --resume {family.folder}" in watch.sentence
    (family.folder / "starting.json").write_text(json.dumps(HERE.as_json()))
    watch.poll()
    assert (watch.state, watch.sentence[:27]) == ("waiting", "Waiting: training 3 of 3 be")


def test_another_run_in_the_same_folder_is_told_anew(folder: Folder) -> None:
    folder.decide(HERE).hold(HERE).say(BEGUN, *losses(1, 3))
    watch = RunWatch(folder.path)
    watch.poll()
    shutil.rmtree(folder.path)
    folder.path.mkdir()
    folder.decide(HERE, conditions=["c", "d"]).hold(HERE).say(BEGUN, *losses(1, 9, 2.0))
    watch.poll()
    assert watch.conditions == ("c", "d")
    assert watch.losses["cycle"].values.tolist() == [2.0] * 9


def test_damage_is_borne(folder: Folder) -> None:
    folder.say(BEGUN, *losses(1, 3))
    with (folder.path / "events.jsonl").open("ab") as file:
        file.write(b'\xff\xfe not JSON\n[1, 2]\n{"event": "Losses"}\n')
    folder.say(*losses(4, 4))
    (folder.path / "run.json").write_text("{")
    (folder.path / "lock").write_text("[]")
    watch = RunWatch(folder.path)
    watch.poll()
    assert watch.step == 4
    assert watch.state == "died"
    unread, left_out = watch.damage
    assert "run.json cannot be read" in unread
    assert "line 5" in left_out
    assert set(watch.damage) <= set(watch.notes)


def test_findings_follow_what_was_told(folder: Folder) -> None:
    copied = {"kid a → b": 0.9}
    folder.decide(HERE).hold(HERE).say(BEGUN, *losses(1, 10))
    watch = RunWatch(folder.path)
    watch.poll()
    assert watch.findings == ()
    for step in (2, 6, 10):
        folder.say(
            Preview(step, "x", {"change a → b: DNA": 0.001, "variety a → b": 1.0}),
            Scored(step, {"kid a → b": 0.9, "gap closed a → b: DNA": 0.0}, False, {}, copied),
        )
    watch.poll()
    assert [finding.name for finding in watch.findings] == ["identity only"]
