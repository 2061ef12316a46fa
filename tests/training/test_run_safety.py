"""Nothing is lost: full disks, removed folders, two processes on one folder; and what a run keeps to be looked at."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors import SafetensorError

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.runs.lock import Owner
from napari_phenotrans.runs.monitor import RunWatch
from napari_phenotrans.runs.record import Log
from napari_phenotrans.training import run as run_module
from napari_phenotrans.training.events import Finished, Losses, Pace, Preview, Scored, Stopped
from napari_phenotrans.training.previews import read_preview
from napari_phenotrans.training.run import Run

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from napari_phenotrans.dataset.dataset import DataSet

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def run(dataset: DataSet, tmp_path: Path) -> Any:
    def make(name: str = "run", **said: Any) -> Run:
        common = {"steps": 4, "crop": 32, "batch": 2, "save_every": 2, "score_every": 0}
        training, held_out = dataset.split(["untreated0", "treated0"])
        return Run(tmp_path / name, training, "shift", ENGINES["shift"].settings.make(**(common | said)), held_out)

    return make


def told(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def look(folder: Path) -> RunWatch:
    watch = RunWatch(folder)
    watch.poll()
    return watch


# ---- what is kept


def test_past_checkpoints_are_kept_spread_evenly(run: Any) -> None:
    one = run(steps=12, save_every=5, score_every=1, keep=3)
    events = list(one.events())
    kept = sorted((one.folder / "checkpoints").iterdir())
    assert [path.name for path in kept] == [f"step-{step:05d}.safetensors" for step in (4, 8, 12)]
    scores = {event.step: event.scores for event in events if isinstance(event, Scored)}
    for path in kept:
        card = Checkpoint.load(path).card
        kid = next(score for score in card.scores if score.metric == "kid")
        assert kid.value == scores[card.training["steps"]]["kid untreated → treated"]
    watch = look(one.folder)
    assert [one.step for one in watch.checkpoints if one.path.parent.name == "checkpoints"] == [4, 8, 12]
    assert {one.path.name for one in watch.checkpoints} > {"best.safetensors", "last.safetensors"}
    assert set(watch.copy_source) == set(watch.floors) or len(watch.copy_source) == 6
    none = run("none", score_every=1, keep=0)
    list(none.events())
    assert not (none.folder / "checkpoints").exists()


def test_previews_are_pixels_in_the_images_units(run: Any, dataset: DataSet) -> None:
    one = run()
    events = [event for event in one.events() if isinstance(event, Preview)]
    watch = look(one.folder)
    assert [preview.step for preview in watch.previews] == [2, 4]
    seen = read_preview(watch.previews[-1].path)
    assert seen.channels == ("DNA", "GFP")
    assert seen.directions == (("untreated", "treated"), ("treated", "untreated"))
    assert seen.crops.shape == (2, 3, 4, 2, 32, 32)
    assert seen.crops.dtype == np.float32
    real, translated, back = seen.crops[0]
    assert real.mean() == pytest.approx(50, rel=0.05)
    np.testing.assert_allclose(real, real.round(), atol=1e-3)
    np.testing.assert_allclose(back, real, atol=1e-3)
    # the mean shift adds one number per channel, which the event says as a share of the range
    shift = translated - real
    limits = Checkpoint.read_card(one.folder / "last.safetensors").intensity.range[:, 0, 0]
    for index, channel in enumerate(seen.channels):
        assert shift[:, index].std() < 1e-3
        facts = events[-1].facts
        assert facts[f"change untreated → treated: {channel}"] == pytest.approx(
            abs(shift[:, index].mean()) / limits[index], rel=1e-3
        )
        assert facts[f"correlation untreated → treated: {channel}"] == pytest.approx(1)
    assert facts["variety untreated → treated"] == pytest.approx(50 / 150, rel=0.2)
    assert watch.facts["variety untreated → treated"].steps.tolist() == [2, 4]
    assert (one.folder / "previews" / "step-00004.png").exists()
    for wrong in (one.folder / "run.json", one.folder / "nothing.tif", dataset.fields[0].path):
        with pytest.raises(InputError, match="cannot be read as a preview"):
            read_preview(wrong)


def test_the_pace_is_told_as_it_goes(run: Any) -> None:
    paces = [event for event in run(save_every=100).events(pace_s=0.0) if isinstance(event, Pace)]
    assert [pace.step for pace in paces] == [1, 2, 3, 4]
    assert all(pace.steps_per_second > 0 and pace.memory > 2**20 for pace in paces)


# ---- full disks


def test_a_disk_that_is_full_when_saving_keeps_the_last_checkpoint(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_phenotrans.checkpoints import checkpoint

    whole, calls = checkpoint.save_file, []

    def save_file(*args: Any, **more: Any) -> None:
        calls.append(1)
        whole(*args, **more)
        if len(calls) == 2:
            raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint, "save_file", save_file)
    one = run()
    with pytest.raises(InputError, match=r"last\.safetensors could not be written: .*No space left.*disk has room"):
        list(one.events())
    watch = look(one.folder)
    assert (watch.state, watch.sentence) == ("failed", "Failed at step 4 of 4. It can go on from step 2.")
    assert "disk has room" in watch.error
    assert Checkpoint.load(watch.checkpoints[-1].path).card.training["steps"] == 2
    assert not [path.name for path in one.folder.iterdir() if ".part." in path.name or path.name == "lock"]
    # with room again it goes on from there
    rest = list(Run.load(one.folder).events(resume=True))
    assert [event.step for event in rest if isinstance(event, Losses)] == [3, 4]
    assert look(one.folder).state == "finished"


def test_a_disk_that_is_full_for_the_state_keeps_the_earlier_one(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_phenotrans.training import state as resume

    whole, calls = resume.torch.save, []

    def save(state: Any, path: Path) -> None:
        calls.append(1)
        whole(state, path)
        if len(calls) == 3:
            raise RuntimeError("[enforce fail at inline_container.cc:671] . unexpected pos 576 vs 534\nmore")

    monkeypatch.setattr(resume.torch, "save", save)
    one = run()
    with pytest.raises(InputError, match=r"resume\.pt could not be written: .*disk has room"):
        list(one.events())
    assert look(one.folder).state == "failed"
    rest = list(Run.load(one.folder).events(resume=True))
    assert [event.step for event in rest if isinstance(event, Losses)] == [3, 4]


def test_a_state_in_which_a_bit_has_flipped_falls_back_to_the_one_before(run: Any, tmp_path: Path) -> None:
    whole = run("whole", steps=6)
    list(whole.events())
    one = run()
    list(one.events())
    path = one.folder / "resume.pt"
    # in the pixels of a tensor, where nothing but a checksum tells
    good = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        part = next(entry for entry in archive.infolist() if re.search(r"/data/\d+$", entry.filename))
        with archive.open(part) as tensor:
            at = good.index(tensor.read(), part.header_offset)
    path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
    rest = list(one.for_steps(6).events(resume=True))
    (said,) = (event.text for event in rest if isinstance(event, Notice) and "resume.pt" in event.text)
    assert said.endswith("is damaged: going on from the state before it, of step 2.")
    assert [event.step for event in rest if isinstance(event, Losses)] == [3, 4, 5, 6]
    mine, theirs = (Checkpoint.load(f.folder / "last.safetensors").tensors for f in (one, whole))
    for name in theirs:
        np.testing.assert_array_equal(mine[name], theirs[name])


class Full:
    """A file on a full disk: only so much is taken, unless the lock has gone."""

    def __init__(self, file: Any, room: int, folder: Path) -> None:
        self.file, self.room, self.folder = file, room, folder

    def write(self, text: bytes) -> int:
        if not (self.folder / "lock").exists():
            return self.file.write(text)
        if not self.room:
            raise FULL
        taken = self.file.write(text[: self.room])
        self.room -= taken
        return taken

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def test_last_words_are_said_in_the_room_that_the_lock_took(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Log.__init__

    def init(self: Log, path: Path) -> None:
        made(self, path)
        self._file = Full(self._file, 700, path.parent)

    monkeypatch.setattr(Log, "__init__", init)
    one = run(steps=20, save_every=100)
    with pytest.raises(InputError, match=r"events\.jsonl could not be written: No space left on device.*--resume"):
        list(one.events())
    lines = told(one.folder)
    assert [line["event"] for line in lines[:2]] == ["Started", "Losses"]
    assert lines[-1]["event"] == "Failed"
    assert lines[-1]["step"] == lines[-2]["step"]
    assert look(one.folder).state == "failed"
    assert not (one.folder / "lock").exists()


# ---- folders that go, and folders that are wanted twice


def test_a_folder_that_is_removed_under_a_run_stays_removed(run: Any) -> None:
    one = run()
    watch = RunWatch(one.folder)
    with pytest.raises(InputError, match=r"was removed, or its disk is gone.*training ends"):
        for event in one.events():
            if isinstance(event, Losses):
                watch.poll()
                shutil.rmtree(one.folder)
    watch.poll()
    assert (watch.state, watch.step) == ("gone", 1)
    assert not one.folder.exists()


def test_a_folder_that_is_removed_while_scoring_stays_removed(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_phenotrans.training.validation import HeldOut

    one, whole = run(score_every=4, save_every=10), HeldOut.score

    def score(self: HeldOut, *args: Any) -> Any:
        shutil.rmtree(one.folder)
        return whole(self, *args)

    monkeypatch.setattr(HeldOut, "score", score)
    with pytest.raises(InputError, match="was removed"):
        list(one.events())
    assert not one.folder.exists()


def test_two_trainings_do_not_share_a_folder(run: Any) -> None:
    one, events = run(), []
    for event in one.events():
        events.append(event)
        if isinstance(event, Losses) and event.step == 2:
            for resume in (False, True):
                with pytest.raises(InputError, match=rf"trained right now by process {os.getpid()}"):
                    list(run().events(resume=resume))
    assert isinstance(events[-1], Finished)
    assert [line["event"] for line in told(one.folder)] == [type(event).__name__ for event in events]


def test_the_lock_of_a_killed_process_keeps_nobody_out(run: Any) -> None:
    one = run()
    list(one.events())
    process = subprocess.Popen([sys.executable, "-c", ""])
    owner = Owner.of(process.pid)
    process.wait()
    (one.folder / "lock").write_text(json.dumps(owner.as_json()))
    assert isinstance(list(one.for_steps(6).events(resume=True))[-1], Finished)


@pytest.mark.parametrize("name", ["events.jsonl", "checkpoints", "previews", "run.json", "resume.pt", "output.txt"])
def test_a_run_folder_does_not_lead_out_of_itself(name: str, run: Any, tmp_path: Path) -> None:
    one = run(score_every=2)
    list(one.events())
    foreign = tmp_path / "foreign"
    if (one.folder / name).exists():
        (one.folder / name).rename(foreign)
    (one.folder / name).symlink_to(foreign)
    before = {path: path.read_bytes() for path in (foreign, *foreign.rglob("*")) if path.is_file()}
    with pytest.raises(InputError, match=rf"{name} is a link.*stays in its folder"):
        list(one.for_steps(8).events(resume=True))
    assert before == {path: path.read_bytes() for path in (foreign, *foreign.rglob("*")) if path.is_file()}
    assert not (one.folder / "lock").exists()


def test_nothing_is_left_of_a_run_that_could_not_begin(run: Any) -> None:
    one = run(channels=("DAPI",))
    with pytest.raises(InputError):
        list(one.events())
    assert not one.folder.exists()


def test_a_stop_from_before_does_not_count_and_one_while_it_reads_does(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, whole = run(), run_module.prepare
    list(one.events())
    (one.folder / "stop").touch()
    more = list(one.for_steps(6).events(resume=True))
    assert isinstance(more[-1], Finished)

    def prepare(*args: Any, **said: Any) -> Any:
        (one.folder / "stop").touch()
        return whole(*args, **said)

    monkeypatch.setattr(run_module, "prepare", prepare)
    last = list(one.for_steps(9).events(resume=True))[-1]
    assert isinstance(last, Stopped)
    assert last.step == 7


@pytest.mark.parametrize(("name", "value"), [("devices", 2**32 - 1), ("scovery", 3), ("learning_rate", "fast")])
def test_settings_that_cannot_be_used_name_their_file(run: Any, name: str, value: object) -> None:
    folder = run().folder
    list(run().events())
    decided = json.loads((folder / "run.json").read_text())
    decided["settings"][name] = value
    (folder / "run.json").write_text(json.dumps(decided))
    with pytest.raises(InputError, match=rf"run\.json cannot be used\..*{name.replace('_', '.')}"):
        Run.load(folder)


def test_settings_that_do_not_fit_the_images_any_more_name_their_file(run: Any) -> None:
    one = run()
    list(one.events())
    decided = json.loads((one.folder / "run.json").read_text())
    decided["settings"] |= {"crop": 4096, "steps": 8}
    (one.folder / "run.json").write_text(json.dumps(decided))
    with pytest.raises(InputError, match=r"run\.json cannot be used to resume\. .*smaller than a crop of 4096"):
        list(Run.load(one.folder).events(resume=True))
