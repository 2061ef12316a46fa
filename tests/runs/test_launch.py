"""Trainings that outlive whoever started them: real processes on tiny images."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.cli.train import train
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.dataset.held_out_choice import HeldOutChoice
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.io import write
from napari_phenotrans.runs.family import Family
from napari_phenotrans.runs.launch import (
    NICENESS,
    command_line,
    continue_training,
    estimate,
    request_stop,
    start_training,
    train_arguments,
)
from napari_phenotrans.runs.lock import Owner
from napari_phenotrans.runs.monitor import RunWatch
from napari_phenotrans.training.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE_S = 400  # a crowded machine takes minutes to import torch at low priority


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number, condition in enumerate(("a", "b")):
        for well in range(3):
            rng = np.random.default_rng(10 * number + well)
            pixels = rng.integers(20, 200, (1, 48, 48)).astype(np.uint8)
            path = folder / condition / f"{condition}{well}.ome.tif"
            write(Image(pixels, "CYX", ("DNA",), pixel_size_um=0.5, unit="µm"), path)
    return folder


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def wait(true: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def wait_for(watch: RunWatch, *states: str) -> None:
    wait(lambda: watch.poll() and watch.state in states, f"{watch.state}: {watch.sentence} {watch.error}")


LONG = {"steps": 1_000_000, "crop": 32, "batch": 1, "save_every": 20, "score_every": 0}


def arguments(images: Path, out: Path | None, **settings: Any) -> list[str]:
    return train_arguments(images, "shift", out, LONG | settings, held_out=HeldOutChoice(groups=("a0", "b0")))


# ---- what is typed


@pytest.mark.parametrize(
    ("engine", "preset", "settings"),
    [
        ("cyclegan", None, {"steps": 7, "learning_rate": 3e-5, "channels": ("DNA", "my GFP"), "augment": "none"}),
        ("scgan", "paper", {"batch": 8, "identity": 0.25, "conditions": ["a", "b"]}),
        ("phendiff", "paper", {**ENGINES["phendiff"].settings.presets["paper"], "pixel_size": 1.3}),
    ],
)
def test_the_command_line_says_what_was_chosen_and_no_more(
    engine: str, preset: str | None, settings: dict[str, Any]
) -> None:
    words = train_arguments("my data", engine, "out", settings, preset=preset, held_out=HeldOutChoice(0.3))
    context = train.make_context("train", words[1:])
    said = {name: value for name, value in context.params.items() if name in ENGINES[engine].settings.model_fields}
    declared = ENGINES[engine].settings
    base = declared.presets[preset] if preset else {}
    typed = declared.make(**(base | {name: value for name, value in said.items() if value is not None}))
    assert typed == declared.make(**(base | settings))
    assert context.params["preset"] == preset
    assert context.params["held_out_share"] == 0.3
    assert "--augment" not in words
    assert "--batch" not in words


def test_whole_batches_are_held_out_by_the_command_line_too() -> None:
    words = train_arguments("data", "shift", "out", {}, held_out=HeldOutChoice(0.3, by="my plate"))
    params = train.make_context("train", words[1:]).params
    assert (params["held_out_share"], params["split_by"]) == (0.3, "my plate")
    assert "--split-by" not in train_arguments("data", "shift", "out", {}, held_out=HeldOutChoice(0.3))


def test_no_name_can_be_typed() -> None:
    words = train_arguments("data", "flow", "out", {"kept": ()})
    assert words[-2:] == ["--kept", "none"]
    assert "--kept" not in train_arguments("data", "flow", "out", {"kept": None})


def test_the_line_can_be_pasted_into_a_shell() -> None:
    line = command_line(train_arguments("my data", "shift", "it's", {"channels": ("DNA", "my GFP")}))
    assert line == "phenotrans train 'my data' --engine shift --out 'it'\"'\"'s' --channels 'DNA,my GFP'"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"blocks": 3}, r"--blocks: no setting of the engine shift"),
        ({"steps": 0}, r"--steps: input should be greater"),
        ({"channels": ("DNA, nuclei",)}, r"--channels takes names separated by commas.*Rename"),
    ],
)
def test_what_cannot_be_typed_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        train_arguments("data", "shift", "out", settings)
    with pytest.raises(InputError, match="--network cannot be set"):
        train_arguments("data", "phendiff", "out", {"network": {"sample_size": 8}})


def test_settings_of_an_earlier_run_are_the_ground(tmp_path: Path) -> None:
    none = {"folder": "data", "fields": []}
    decided = {
        "engine": "shift", "settings": {"steps": 5, "seed": 3}, "conditions": ["a", "b"], "training": none,
        "held-out": none,
    }  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps(decided))
    words = train_arguments(None, "shift", "out", {"steps": 5, "seed": 4}, from_=tmp_path)
    assert words == ["train", "--engine", "shift", "--from", str(tmp_path), "--out", "out", "--seed", "4"]


# ---- what is started


def test_a_training_is_killed_goes_on_and_is_stopped(images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my run"
    watch = RunWatch(folder)
    child = start_training(arguments(images, folder), folder)
    watch.poll()
    assert watch.state == "starting"
    if sys.platform != "win32":
        assert os.getsid(child.process.pid) == child.process.pid, "a closed terminal does not end it"
        assert psutil.Process(child.process.pid).nice() >= NICENESS
    for again in (lambda: start_training(arguments(images, folder), folder), lambda: continue_training(folder)):
        with pytest.raises(InputError):
            again()
    wait_for(watch, "running")
    wait(lambda: watch.poll() and watch.checkpoints and watch.step > 20, "nothing was saved")
    with pytest.raises(InputError, match=rf"trained right now by process {child.process.pid}"):
        start_training(arguments(images, folder), folder)
    with pytest.raises(InputError, match=rf"trained right now by process {child.process.pid}"):
        list(Run.load(folder).events(resume=True))

    child.process.kill()
    wait_for(watch, "died")
    assert "go on from step" in watch.sentence
    died_at = watch.step
    assert Checkpoint.load(folder / "last.safetensors").card.conditions == ("a", "b")

    child = continue_training(folder, steps=2_000_000)
    wait(lambda: watch.poll() and watch.state == "running" and watch.step > died_at, "it does not go on")
    assert watch.steps == 2_000_000
    request_stop(folder)
    wait_for(watch, "stopped")
    assert watch.sentence.endswith("stopped by request.")
    assert not (folder / "starting.json").exists()
    wait(lambda: child.poll() is not None, "it does not end")
    assert not (folder / "lock").exists()


def test_a_start_that_fails_says_why(images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    child = start_training([*arguments(images, folder), "--steps", "many"], folder)
    watch = RunWatch(folder)
    wait_for(watch, "failed")
    assert "Invalid value for '--steps': 'many'" in watch.error
    wait(lambda: child.poll() == 2, "it does not end")
    assert watch.error == child.last_message()


def waiting(*words: str) -> subprocess.Popen[bytes]:
    """Start a process that waits, with these words on its command line."""
    return subprocess.Popen([sys.executable, "-c", "input()", *words], stdin=subprocess.PIPE)


@pytest.mark.parametrize("words", [(), ("-m", "napari_phenotrans", "train", "--out", "other")])
def test_a_file_that_names_another_process_ends_nothing(words: tuple[str, ...], tmp_path: Path) -> None:
    process = waiting(*words)
    try:
        (tmp_path / "starting.json").write_text(json.dumps(Owner.of(process.pid).as_json()))
        request_stop(tmp_path)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        assert (tmp_path / "stop").exists()
    finally:
        process.kill()
        process.communicate()


def test_one_that_has_not_begun_is_ended_at_once(tmp_path: Path) -> None:
    process = waiting("-m", "napari_phenotrans", "train", "--out", str(tmp_path))
    try:
        (tmp_path / "starting.json").write_text(json.dumps(Owner.of(process.pid).as_json()))
        request_stop(tmp_path)
        assert process.wait(PATIENCE_S) == -signal.SIGTERM
    finally:
        process.kill()
        process.communicate()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be asked to stop"):
        request_stop(tmp_path / "file")


def test_a_folder_that_has_no_state_cannot_go_on(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no resume\.pt"):
        continue_training(tmp_path)
    (tmp_path / "run.json").touch()
    with pytest.raises(InputError, match="holds a run already"):
        start_training(["train"], tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="No process could be started"):
        start_training(["train"], tmp_path / "file" / "run")


@pytest.mark.slow
def test_an_estimate_checks_and_tries(images: Path, tmp_path: Path) -> None:
    child = estimate(arguments(images, None), tmp_path / "look")
    wait(lambda: child.report() is not None, child.last_message())
    report = child.report()
    assert report is not None
    assert report["engine"] == "shift"
    assert report["settings"]["steps"] == LONG["steps"]
    assert [facts["condition"] for facts in report["check"]["conditions"]] == ["a", "b"]
    assert report["trial"]["steps"] == LONG["steps"]
    assert report["trial"]["seconds_per_step"] > 0
    assert report["trial"]["memory"] > 2**20
    assert sorted(path.name for path in (tmp_path / "look").iterdir()) == ["output.txt", "report.json"]


def test_an_estimate_that_fails_says_why(tmp_path: Path) -> None:
    child = estimate(["train", "nowhere", "--steps", "many"], tmp_path)
    with pytest.raises(InputError, match="Invalid value for '--steps': 'many'"):
        wait(lambda: child.report() is not None, child.last_message())


def test_with_a_training_its_family_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family = Family(tmp_path / "three", (0, 1, 2))
    family.write()
    member = family.members[1]
    member.mkdir()
    (member / "resume.pt").touch()
    started = []
    monkeypatch.setattr("napari_phenotrans.runs.launch.start_training", lambda *asked: started.append(asked))
    continue_training(member)
    assert started.pop() == (["train", "--resume", str(family.folder)], family.folder)
    # more steps are for the one that they are asked of
    continue_training(member, 90)
    assert started.pop() == (["train", "--resume", str(member), "--steps", "90"], member)
