"""Runs: the folder tells the story, resuming is exact, and what goes wrong is survived and said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.events import Notice
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.engines.shift import Shift
from napari_phenotrans.io import read
from napari_phenotrans.runs.lock import Owner
from napari_phenotrans.training.events import (
    Divided,
    Failed,
    Finished,
    Losses,
    Pace,
    Preview,
    RolledBack,
    Saved,
    Scored,
    Started,
    Stopped,
)
from napari_phenotrans.training.run import Run
from napari_phenotrans.training.validation import HeldOut
from napari_phenotrans.translation.translate import translate_image

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from napari_phenotrans.dataset.dataset import DataSet

TINY: dict[str, dict[str, Any]] = {
    "cyclegan": {"width": 8, "blocks": 1, "augment": "fluorescence", "pool": 4},
    "scgan": {"width": 8, "blocks": 1, "augment": "fluorescence", "pool": 4},
    "phendiff": {"width": 8, "levels": 3, "search_depth": False},
    "flow": {"width": 8, "levels": 3, "kept": ("DNA",), "search_depth": False},
}
# whose translations, previews too, take many evaluations
DENOISERS = ("phendiff", "flow")


def run(dataset: DataSet, folder: Path, engine: str = "shift", **said: Any) -> Run:
    common = {"steps": 4, "crop": 32, "batch": 2, "save_every": 2, "score_every": 0}
    settings = ENGINES[engine].settings.make(**(common | TINY.get(engine, {}) | said))
    training, held_out = dataset.split(["untreated0", "treated0"])
    return Run(folder, training, engine, settings, held_out)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "engine", [pytest.param(name, marks=pytest.mark.slow) if name in ("phendiff", "flow") else name for name in ENGINES]
)
def test_run_folder_tells_the_whole_story(engine: str, dataset: DataSet, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    events = list(run(dataset, folder, engine, score_every=4).events())
    notes = [event for event in events if isinstance(event, Notice)]
    assert any("scores come without" in note.text for note in notes)
    # how fast it is, is said at each saving, and between them only where that takes long
    assert [event.step for event in events if isinstance(event, Pace)][-1] == 4
    kinds = [type(event) for event in events if event not in notes and not isinstance(event, Pace)]
    first, second = [Losses, Losses, Preview, Saved], [Losses, Losses, Preview, Scored, Saved, Saved, Saved]
    assert kinds == [Started, *first, *second, Finished]
    assert [line["event"] for line in lines(folder)] == [type(event).__name__ for event in events]
    decided = json.loads((folder / "run.json").read_text())
    assert decided["engine"] == engine
    assert decided["settings"]["steps"] == 4
    assert decided["pid"] == os.getpid()
    assert [field[0] for field in decided["held-out"]["fields"]] == [
        "untreated/untreated0.ome.tif",
        "treated/treated0.ome.tif",
    ]
    for event in events:
        if isinstance(event, Preview | Saved):
            assert (folder / event.path).is_file()
        if isinstance(event, Scored):
            assert event.best
            assert any(name.startswith("kid untreated → treated") for name in event.scores)
            assert any(name.startswith("held-out denoising") for name in event.scores) == (engine in DENOISERS)
    card = Checkpoint.read_card(folder / "last.safetensors")
    assert card.channels == ("DNA", "GFP")
    assert card.pixel_size == pytest.approx(0.5)
    assert card.training["fields"] == {"untreated": 2, "treated": 2}
    assert card.scores
    best, last = (Checkpoint.load(folder / f"{name}.safetensors") for name in ("best", "last"))
    assert best.card == last.card
    for name, tensor in last.tensors.items():
        np.testing.assert_array_equal(best.tensors[name], tensor)
    how = {"evaluations": 2} if engine in DENOISERS else {}
    from napari_phenotrans.translation.translate import Translator

    translator = Translator(folder / "last.safetensors", how=how)
    translation = translate_image(read(dataset.fields[0].path), translator, source="untreated", target="treated")
    assert all("nearest value" in notice for notice in translation.notices)


def test_same_seed_same_weights(dataset: DataSet, tmp_path: Path) -> None:
    tensors = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        list(run(dataset, tmp_path / name, "cyclegan", seed=seed).events())
        tensors.append(Checkpoint.load(tmp_path / name / "last.safetensors").tensors["1.leave.weight"])
    np.testing.assert_array_equal(tensors[0], tensors[1])
    assert not np.array_equal(tensors[0], tensors[2])


def test_training_starts_from_an_earlier_checkpoint(dataset: DataSet, tmp_path: Path) -> None:
    list(run(dataset, tmp_path / "first", "cyclegan").events())
    first = tmp_path / "first" / "last.safetensors"
    before = Checkpoint.load(first)
    # CycleGAN and SCGAN have the same generators
    for engine in ("cyclegan", "scgan"):
        more = {"start_from": str(first), "learning_rate": 1e-12, "steps": 1}
        list(run(dataset, tmp_path / engine, engine, **more).events())
        after = Checkpoint.load(tmp_path / engine / "last.safetensors")
        np.testing.assert_allclose(after.tensors["0.leave.weight"], before.tensors["0.leave.weight"], atol=1e-6)
    with pytest.raises(InputError, match="are not those of cyclegan"):
        list(run(dataset, tmp_path / "third", "cyclegan", start_from=str(first), width=4).events())
    with pytest.raises(InputError, match=r"the networks of cyclegan .* are not those of shift"):
        list(run(dataset, tmp_path / "fourth", "shift", start_from=str(first)).events())
    with pytest.raises(InputError, match="it is for DNA, GFP"):
        list(run(dataset, tmp_path / "fifth", "cyclegan", start_from=str(first), channels=("GFP", "DNA")).events())
    assert not (tmp_path / "third").exists()


def test_a_folder_with_a_run_is_refused_and_kept(dataset: DataSet, tmp_path: Path) -> None:
    list(run(dataset, tmp_path / "run").events())
    before = (tmp_path / "run" / "events.jsonl").read_text()
    with pytest.raises(InputError, match=r"holds a run already.*--resume"):
        list(run(dataset, tmp_path / "run").events())
    assert (tmp_path / "run" / "events.jsonl").read_text() == before


def test_a_failure_is_written_down_and_goes_on(
    dataset: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> dict[str, float]:
        raise RuntimeError("the network melted")

    monkeypatch.setattr(Shift, "training_step", broken)
    with pytest.raises(RuntimeError, match="melted"):
        list(run(dataset, tmp_path / "run").events())
    last = lines(tmp_path / "run")[-1]
    assert last["event"] == Failed.__name__
    assert last["error"] == "RuntimeError: the network melted"


# ---- resuming

KILLED = """
import sys, os, signal
from napari_phenotrans.training.run import Run
from napari_phenotrans.training.validation import HeldOut
from napari_phenotrans.training.events import Losses
from napari_phenotrans.dataset.dataset import DataSet
from napari_phenotrans.engines import ENGINES
from pathlib import Path
import json, torch
torch.set_num_threads(1)
folder, images, engine, said, moment = sys.argv[1:]
dataset = DataSet.open(images, ("untreated", "treated"))
training, held_out = dataset.split(["untreated0", "treated0"])
settings = ENGINES[engine].settings.make(**json.loads(said))
if moment == "writing":
    import napari_phenotrans.training.state as resume
    whole = torch.save
    saved = []
    def half(state, path):
        whole(state, path)
        saved.append(path)
        if len(saved) == 3:  # the one before the first step, the one at 4, and now the one at 8
            with open(path, "r+b") as file:
                file.truncate(os.path.getsize(path) // 2)
            os.kill(os.getpid(), signal.SIGKILL)
    resume.torch.save = half
for event in Run(Path(folder), training, engine, settings, held_out).events():
    if moment == "stepping" and isinstance(event, Losses) and event.step == 7:
        with open(Path(folder) / "events.jsonl", "a") as file:
            file.write('{"event": "Losses", "st')
        os.kill(os.getpid(), signal.SIGKILL)
raise SystemExit("was to be killed")
"""


@pytest.mark.parametrize(
    ("engine", "moment"),
    [
        pytest.param("cyclegan", "stepping", marks=pytest.mark.slow),
        ("cyclegan", "writing"),
        pytest.param("scgan", "stepping", marks=pytest.mark.slow),
        pytest.param("phendiff", "stepping", marks=pytest.mark.slow),
        pytest.param("flow", "stepping", marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_resumes_exactly(engine: str, moment: str, dataset: DataSet, tmp_path: Path) -> None:
    said = {"steps": 12, "crop": 32, "batch": 2, "save_every": 4, "score_every": 6} | TINY[engine]
    if engine in DENOISERS:
        said |= {"score_every": 0, "save_every": 6}
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", KILLED, str(killed), str(dataset.folder), engine, json.dumps(said), moment],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ended.returncode == -9, ended.stderr
        assert (killed / "resume.pt").exists()
        list(Run.load(killed).events(resume=True))
        list(replace(run(dataset, whole, engine), settings=ENGINES[engine].settings.make(**said)).events())
    finally:
        torch.set_num_threads(threads)
    # the last line about a step counts: those after the last state were overruled
    losses = [{e["step"]: e["losses"] for e in lines(f) if e["event"] == "Losses"} for f in (killed, whole)]
    scores = [{e["step"]: e["scores"] for e in lines(f) if e["event"] == "Scored"} for f in (killed, whole)]
    assert losses[0] == losses[1]
    assert list(losses[0]) == list(range(1, 13))
    assert scores[0] == scores[1]
    resumed, plain = (Checkpoint.load(f / "last.safetensors") for f in (killed, whole))
    for name in plain.tensors:
        np.testing.assert_array_equal(resumed.tensors[name], plain.tensors[name])
    first = f"step-{said['save_every']:05}"
    for name in (f"{first}.png", "step-00012.png", f"{first}.tif", "step-00012.tif"):
        assert (killed / "previews" / name).read_bytes() == (whole / "previews" / name).read_bytes()
    assert lines(killed)[-1]["event"] == "Finished"
    assert not list(killed.glob(".*part*")) or moment == "writing"


def test_the_file_stop_ends_a_run_within_one_step_and_it_goes_on(dataset: DataSet, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    seen = []
    for event in run(dataset, folder, "cyclegan", steps=6, save_every=100).events():
        seen.append(event)
        if isinstance(event, Losses) and event.step == 2:
            (folder / "stop").touch()
    assert isinstance(seen[-1], Stopped)
    assert [event.step for event in seen if isinstance(event, Losses)] == [1, 2]
    assert (folder / "last.safetensors").exists()
    rest = list(Run.load(folder).events(resume=True))
    assert not (folder / "stop").exists()
    assert [event.step for event in rest if isinstance(event, Losses)] == [3, 4, 5, 6]
    with pytest.raises(InputError, match=r"made all its 6 steps.*--steps"):
        list(Run.load(folder).events(resume=True))
    more = list(Run.load(folder).for_steps(8).events(resume=True))
    assert isinstance(more[-1], Finished)
    assert more[-1].step == 8


def test_a_run_stops_before_the_next_evaluation_of_its_scores(
    dataset: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_phenotrans.training.stopping.EVERY_S", 0.0)
    folder, evaluations = tmp_path / "run", []
    score = HeldOut.score

    def scored(self: HeldOut, engine: Any, *more: Any) -> Any:
        network = engine.tick

        def tick() -> None:
            evaluations.append(1)
            if len(evaluations) == 3:
                (folder / "stop").touch()
            network()

        engine.tick = tick
        return score(self, engine, *more)

    monkeypatch.setattr(HeldOut, "score", scored)
    seen = list(run(dataset, folder, "cyclegan", steps=6, save_every=2, score_every=2).events())
    assert isinstance(seen[-1], Stopped) and seen[-1].step == 2
    assert len(evaluations) == 3
    assert not [event for event in seen if isinstance(event, Scored)]
    assert Checkpoint.read_card(folder / "last.safetensors").scores == ()
    monkeypatch.undo()
    rest = list(Run.load(folder).events(resume=True))
    assert isinstance(rest[-1], Finished)
    # the one that was broken off too, so that the same checkpoint is the best as if nobody had stopped it
    assert [event.step for event in rest if isinstance(event, Scored)] == [2, 4, 6]
    list(run(dataset, tmp_path / "whole", "cyclegan", steps=6, save_every=2, score_every=2).events())
    for path in (tmp_path / "whole").rglob("*.safetensors"):
        assert path.read_bytes() == (folder / path.relative_to(tmp_path / "whole")).read_bytes(), path.name


def test_a_stop_in_the_last_step_leaves_its_score_to_be_made(dataset: DataSet, tmp_path: Path) -> None:
    one = run(dataset, tmp_path / "run", steps=2, score_every=2)
    seen = []
    for event in one.events():
        seen.append(event)
        if isinstance(event, Losses) and event.step == 2:
            (one.folder / "stop").touch()
    assert isinstance(seen[-1], Stopped) and seen[-1].step == 2
    rest = list(Run.load(one.folder).events(resume=True))
    assert [event.step for event in rest if isinstance(event, Scored)] == [2]
    assert isinstance(rest[-1], Finished)
    with pytest.raises(InputError, match="made all its 2 steps"):
        list(Run.load(one.folder).events(resume=True))


def test_what_cannot_be_resumed_is_refused(dataset: DataSet, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run\.json cannot be read.*phenotrans train"):
        Run.load(tmp_path)
    folder = tmp_path / "run"
    list(run(dataset, folder, "cyclegan", steps=2).events())
    for name in ("resume.pt", "resume.earlier.pt"):
        state = (folder / name).read_bytes()
        (folder / name).write_bytes(state[: len(state) // 2])
    with pytest.raises(InputError, match=r"resume\.pt cannot be used.*--start-from"):
        list(Run.load(folder).for_steps(4).events(resume=True))
    (folder / "resume.pt").unlink()
    with pytest.raises(InputError, match=r"has no resume\.pt.*--from"):
        list(Run.load(folder).for_steps(4).events(resume=True))


def test_changed_training_images_are_noticed(dataset: DataSet, tmp_path: Path) -> None:
    one = run(dataset, tmp_path / "run", steps=2)
    list(one.events())
    fewer = replace(one.dataset, fields=one.dataset.fields[1:])
    with pytest.raises(InputError, match="training images are others"):
        list(replace(one, dataset=fewer).for_steps(4).events(resume=True))


def test_changed_held_out_images_are_noticed(dataset: DataSet, tmp_path: Path) -> None:
    one = run(dataset, tmp_path / "run", steps=2)
    list(one.events())
    assert one.held_out is not None
    _, others = dataset.split(["untreated1", "treated1"])
    with pytest.raises(InputError, match="held-out images are others"):
        list(replace(one, held_out=others).for_steps(4).events(resume=True))
    # a run of an earlier version, which did not note them, goes on and notes them
    state = torch.load(one.folder / "resume.pt", weights_only=True)
    for name in ("held_out", "early_losses"):
        del state["progress"][name]
    torch.save(state, one.folder / "resume.pt")
    assert isinstance(list(replace(one, held_out=others).for_steps(4).events(resume=True))[-1], Finished)
    with pytest.raises(InputError, match="held-out images are others"):
        list(one.for_steps(6).events(resume=True))


def test_a_run_at_work_is_not_resumed_by_another(dataset: DataSet, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    list(run(dataset, folder, steps=2).events())
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        decided = json.loads((folder / "run.json").read_text()) | Owner.of(other.pid).as_json()
        (folder / "run.json").write_text(json.dumps(decided))
        with pytest.raises(InputError, match=f"by process {other.pid}"):
            list(Run.load(folder).for_steps(4).events(resume=True))
    finally:
        other.kill()
        other.wait()
    assert isinstance(list(Run.load(folder).for_steps(4).events(resume=True))[-1], Finished)


def test_equal_trainings_are_equal_checkpoints(dataset: DataSet, tmp_path: Path) -> None:
    for name, dated in (("one", False), ("two", False), ("dated", True)):
        list(run(dataset, tmp_path / name, "cyclegan", steps=2, score_every=2, dated=dated).events())
    for name in ("last", "best"):
        assert (tmp_path / f"one/{name}.safetensors").read_bytes() == (
            tmp_path / f"two/{name}.safetensors"
        ).read_bytes()
    plain, dated = (Checkpoint.read_card(tmp_path / name / "last.safetensors").training for name in ("one", "dated"))
    assert set(dated) - set(plain) == {"date", "seconds"}


# ---- what goes wrong


class Hungry(Shift):
    """Runs out of memory above so many pixels."""

    limit = 2 * 2 * 32 * 32
    error: Exception = torch.OutOfMemoryError("out of memory")

    def training_step(self, step: int, parts: Any, update: Any) -> dict[str, float]:
        for part in parts:
            if sum(crops[:, 0].numel() for crops in part.crops.values()) > self.limit:
                raise self.error
        return super().training_step(step, parts, update)


@pytest.mark.parametrize(
    "error", [Hungry.error, MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")]
)
def test_out_of_memory_divides_the_batch_and_changes_nothing_else(
    error: Exception, dataset: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hungry, "error", error)
    # on a processor of several threads the batch is divided to begin with
    monkeypatch.setattr("napari_phenotrans.training.loop.parts_at_once", lambda engine, crops: 1)
    list(run(dataset, tmp_path / "plain", batch=8).events())
    monkeypatch.setattr("napari_phenotrans.engines.shift.Shift", Hungry)
    events = list(run(dataset, tmp_path / "divided", batch=8).events())
    assert [e for e in events if isinstance(e, Divided)] == [Divided(0, 4, 2), Divided(0, 2, 4)]
    assert [e.step for e in events if isinstance(e, Losses)] == [1, 2, 3, 4]
    plain, divided = (Checkpoint.load(tmp_path / n / "last.safetensors").tensors for n in ("plain", "divided"))
    for name in plain:
        np.testing.assert_allclose(divided[name], plain[name], rtol=1e-5)
    monkeypatch.setattr(Hungry, "limit", 100)
    with pytest.raises(InputError, match=r"does not suffice for 1 crops.*smaller --crop"):
        list(run(dataset, tmp_path / "hopeless", batch=8).events())


class Unstable(Shift):
    """Its losses are no numbers at one step, until the learning rate is low enough."""

    bearable = 0.25

    def training_step(self, step: int, parts: Any, update: Any) -> dict[str, float]:
        losses = super().training_step(step, parts, update)
        return {name: float("nan") for name in losses} if step == 2 and self.rate > self.bearable else losses


def test_a_loss_that_is_no_number_goes_back_with_a_lower_rate(
    dataset: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_phenotrans.engines.shift.Shift", Unstable)
    events = list(run(dataset, tmp_path / "run").events())
    back = [e for e in events if isinstance(e, RolledBack)]
    assert [(e.step, e.to_step, e.rate) for e in back] == [(3, 2, 0.5), (3, 2, 0.25)]
    assert "not a number" in back[0].reason
    assert isinstance(events[-1], Finished)
    monkeypatch.setattr(Unstable, "bearable", 0.0)
    with pytest.raises(InputError, match=r"At step 3 a loss is not a number, for the 4th time.*of step 2, is saved"):
        list(run(dataset, tmp_path / "hopeless").events())
    assert lines(tmp_path / "hopeless")[-1]["event"] == "Failed"
    assert Checkpoint.load(tmp_path / "hopeless" / "last.safetensors").card.training["steps"] == 2


class Exploding(Shift):
    """Its losses are numbers, but no sensible ones, until the learning rate is low enough."""

    def training_step(self, step: int, parts: Any, update: Any) -> dict[str, float]:
        losses = super().training_step(step, parts, update)
        return dict.fromkeys(losses, 3e9) if step == 2 and self.rate > 0.5 else losses


def test_a_loss_that_explodes_goes_back_with_a_lower_rate(
    dataset: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_phenotrans.engines.shift.Shift", Exploding)
    events = list(run(dataset, tmp_path / "run").events())
    (back,) = (e for e in events if isinstance(e, RolledBack))
    assert (back.step, back.to_step, back.rate) == (3, 2, 0.5)
    assert "a loss has left any sensible range (3e+09" in back.reason
    assert isinstance(events[-1], Finished)


def test_a_checkpoint_has_the_scores_of_its_own_step_only(dataset: DataSet, tmp_path: Path) -> None:
    for event in run(dataset, tmp_path / "run", steps=8, score_every=4, save_every=2).events():
        if isinstance(event, Saved) and event.path == "last.safetensors":
            card = Checkpoint.read_card(tmp_path / "run" / event.path)
            assert bool(card.scores) == (event.step in (4, 8))


def test_early_stop_ends_a_run_that_gets_no_better(dataset: DataSet, tmp_path: Path) -> None:
    # the mean shift is as good as it gets after the first steps
    events = list(run(dataset, tmp_path / "run", steps=60, score_every=1, save_every=50, early_stop=3).events())
    assert isinstance(events[-1], Stopped)
    assert "no better score in 3 scorings" in events[-1].reason
    assert events[-1].step < 60
    assert [e.best for e in events if isinstance(e, Scored)][-3:] == [False] * 3


# ---- several processes


@pytest.mark.slow
def test_two_processes_compute_what_one_does(dataset: DataSet, tmp_path: Path) -> None:
    """Also when they go on with a run: replayed crops come back to the process that holds their places."""
    said = {"steps": 3, "crop": 32, "batch": 4, "save-every": 10, "score-every": 0, "width": 8, "blocks": 1, "pool": 8}
    options = [word for name, value in said.items() for word in (f"--{name}", str(value))]
    begin = (
        str(dataset.folder), "--engine", "cyclegan", "--device", "cpu", "--conditions", "untreated,treated",
        "--held-out-groups", "untreated0,treated0", "--devices", "2", "--out", str(tmp_path / "two"), *options,
    )  # fmt: skip
    for words, last in ((begin, 3), (("--resume", str(tmp_path / "two"), "--steps", "5"), 5)):
        ended = subprocess.run(
            [sys.executable, "-m", "napari_phenotrans", "train", *words],
            capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.count(f"finished after {last} steps") == 1
    two_run = Run.load(tmp_path / "two")
    alone_settings = two_run.settings.model_copy(update={"devices": 1, "steps": 3})
    one_run = replace(two_run, folder=tmp_path / "one", settings=alone_settings)
    list(one_run.events())
    list(one_run.for_steps(5).events(resume=True))
    one, two = ([e["losses"] for e in lines(tmp_path / n) if e["event"] == "Losses"] for n in ("one", "two"))
    assert len(one) == len(two) == 5
    for alone, shared in zip(one, two, strict=True):
        assert shared == pytest.approx(alone, rel=1e-4, abs=1e-6)
    weights = [Checkpoint.load(tmp_path / n / "last.safetensors").tensors for n in ("one", "two")]
    for name in weights[0]:
        # a bias before a normalization has no gradient but rounding errors, which Adam makes steps of; and the stored
        # statistics follow the biases
        if name.endswith(".weight"):
            np.testing.assert_allclose(weights[1][name], weights[0][name], atol=2e-4)


def test_a_batch_that_processes_cannot_share_is_refused(dataset: DataSet, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"batch of 3 cannot be shared by 2 processes"):
        list(run(dataset, tmp_path / "run", batch=3, devices=2).events())
    assert not (tmp_path / "run").exists()
