"""``phenotrans train`` as a user types it."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from scipy.ndimage import gaussian_filter

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.cli import train_lines
from napari_phenotrans.cli.train import train
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.image import Image
from napari_phenotrans.core.settings import PRESETS
from napari_phenotrans.dataset.check import MORE_CONDITIONS
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.io import write
from napari_phenotrans.runs.family import Family
from napari_phenotrans.training.events import Losses

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    for number, condition in enumerate(("a", "b")):
        for well in range(4):
            rng = np.random.default_rng(10 * number + well)
            pixels = rng.integers(20, 200, (1, 64, 64)).astype(np.uint8)
            path = folder / condition / f"{condition}{well}.ome.tif"
            write(Image(pixels, "CYX", ("DNA",), pixel_size_um=0.5, unit="µm"), path)
    return folder


def call(*words: object) -> Result:
    result = CliRunner().invoke(train, [str(word) for word in words])
    if isinstance(result.exception, InputError):
        raise result.exception
    return result


SMALL = ("--engine", "shift", "--held-out-groups", "a0,b0", "--steps", 4, "--crop", 32, "--score-every", 0)


def test_training_and_resuming(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = call(images, "--out", out, *SMALL)
    assert result.exit_code == 0, result.output
    assert "held out {'a': 1, 'b': 1}" in result.output
    assert "finished after 4 steps" in result.output
    assert Checkpoint.read_card(out / "last.safetensors").conditions == ("a", "b")
    longer = call("--resume", out, "--steps", 6)
    assert "from step 4" in longer.output
    assert "finished after 6 steps" in longer.output
    with pytest.raises(InputError, match="only --steps may be raised"):
        call("--resume", out, "--seed", 3)


def test_a_run_again_but_for_what_is_said(images: Path, tmp_path: Path) -> None:
    call(images, "--out", tmp_path / "first", *SMALL)
    call("--from", tmp_path / "first" / "run.json", "--out", tmp_path / "second", "--seed", 5)
    first, second = (json.loads((tmp_path / name / "run.json").read_text()) for name in ("first", "second"))
    assert second["settings"] == first["settings"] | {"seed": 5}
    assert second["training"] == first["training"]
    assert second["held-out"] == first["held-out"]


def test_a_held_out_folder_is_scored_and_not_trained_on(images: Path, tmp_path: Path) -> None:
    held = tmp_path / "held"
    for condition in ("a", "b"):
        (held / condition).mkdir(parents=True)
        for well in (2, 3):
            name = f"{condition}{well}.ome.tif"
            (images / condition / name).rename(held / condition / name)
    result = call(
        images, "--out", tmp_path / "run", "--engine", "shift", "--held-out", held, "--steps", 4, "--crop", 32,
        "--score-every", 4,
    )  # fmt: skip
    assert "held out {'a': 2, 'b': 2}" in result.output
    lines = result.output[result.output.index("step 4, held-out") :].splitlines()
    headings, *rows = (re.split(r"\s{2,}", line.strip()) for line in lines[:3])
    assert headings == ["step 4, held-out (best so far)", "KID", "gap closed, DNA", "round trip", "identity"]
    assert [row[0] for row in rows] == ["a → b", "b → a"]
    for row in rows:
        assert re.fullmatch(r"-?\d\.\d{3} -?\d+\.\d\d \d+\.\d\d % \d+\.\d\d %", " ".join(row[1:])), row
    decided = json.loads((tmp_path / "run" / "run.json").read_text())
    assert decided["held-out"]["folder"] == str(held)


def test_dry_run_decides_and_writes_nothing(images: Path, tmp_path: Path) -> None:
    result = call(images, "--engine", "shift", "--steps", 1000, "--crop", 32, "--dry-run")
    assert result.exit_code == 0, result.output
    for word in ("engine      shift", "crop        32 × 32", "device      cpu", "memory", "for 1000 steps"):
        assert word in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]


def test_a_dry_run_writes_its_report(images: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    words = (images, "--engine", "shift", "--steps", 1000, "--report", report)
    result = call(*words, "--crop", 32, "--dry-run")
    assert result.exit_code == 0, result.output
    written = json.loads(report.read_text())
    assert written["engine"] == "shift"
    assert written["settings"]["crop"] == 32
    assert [facts["fields"] for facts in written["check"]["conditions"]] == [3, 3]
    assert written["trial"]["steps"] == 1000
    # a data set that cannot be trained on is not tried
    assert call(*words, "--crop", 128, "--dry-run").exit_code == 1
    written = json.loads(report.read_text())
    assert written["trial"] is None
    assert any(problem["severity"] == "error" for problem in written["check"]["problems"])
    with pytest.raises(InputError, match="--report goes with --dry-run"):
        call(*words, "--crop", 32, "--out", tmp_path / "run")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_engine_has_the_presets_and_says_when_to_take_it(engine: str, preset: str) -> None:
    declared = ENGINES[engine].settings
    made = declared.make(**declared.presets[preset])
    assert made.steps >= declared.presets["look"]["steps"]
    assert list(declared.presets)[:3] == list(PRESETS)
    assert declared.when.endswith(".")


def test_problems_are_listed_before_a_second_is_spent(images: Path, tmp_path: Path) -> None:
    pixels = np.full((1, 64, 64), 7, np.uint8)
    write(Image(pixels, "CYX", ("DAPI",), pixel_size_um=0.5, unit="µm"), images / "a" / "other.ome.tif")
    with pytest.raises(InputError, match="cannot be trained on") as refused:
        call(images, "--out", tmp_path / "run", "--engine", "shift", "--crop", 128)
    assert "other.ome.tif" in str(refused.value)
    assert "--crop" in str(refused.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--engine", "shift", "--blocks", 3), "--blocks: no setting of the engine shift"),
        (("--engine", "shift", "--steps", 0), "--steps: input should be greater than or equal to 1"),
        (("--engine", "shift", "--preset", "paper"), "--preset paper: the engine shift has the presets look"),
        (("--engine", "scgan", "--preset", "fast"), "the engine scgan has the presets look, overnight, gpu, paper"),
    ],
)
def test_settings_that_cannot_be_are_named(words: tuple[Any, ...], said: str, images: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        call(images, "--out", tmp_path / "run", *words)


def test_what_is_missing_is_asked_for(images: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Where to\?.*--out.*--dry-run"):
        call(images)
    with pytest.raises(InputError, match=r"Which images\?"):
        call("--out", tmp_path / "run")


def test_a_preset_gives_way_to_what_is_said(images: Path) -> None:
    assert ENGINES["scgan"].settings.presets["paper"]["identity"] == 0.5
    result = call(
        images, "--engine", "scgan", "--preset", "paper", "--batch", 2, "--width", 8, "--blocks", 1, "--crop", 64,
        "--dry-run",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "crop        64 × 64" in result.output


@pytest.fixture
def stained(tmp_path: Path) -> Path:
    """A nuclear stain that does not differ, and a protein whose texture does."""
    folder = tmp_path / "stained"
    rng = np.random.default_rng(0)
    for condition, fineness in (("a", 1.5), ("b", 4.0)):
        for well in range(5):
            blobs = [gaussian_filter(rng.normal(size=(96, 96)), each) for each in (2.5, fineness)]
            pixels = rng.poisson([200 * np.clip(blob / blob.std(), 0, None) + 20 for blob in blobs])
            path = folder / condition / f"{condition}{well}.ome.tif"
            write(Image(pixels.astype(np.uint16), "CYX", ("DNA", "GFP"), pixel_size_um=0.5, unit="µm"), path)
    return folder


FLOW = (
    "--steps",
    1,
    "--crop",
    32,
    "--width",
    4,
    "--levels",
    3,
    "--batch",
    1,
    "--score-every",
    0,
    "--held-out-share",
    0,
    "--search-depth",
    "false",
)


def decided(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text())


def test_the_first_choice_is_a_flow_that_keeps_what_does_not_differ(stained: Path, tmp_path: Path) -> None:
    result = call(stained, "--out", tmp_path / "run", "--preset", "look", *FLOW)
    assert result.exit_code == 0, result.output
    assert "note: A look takes about ten minutes on two cores" in result.output
    assert "note: DNA is kept, the others move: DNA does not tell a and b apart (AUC " in result.output
    assert "GFP tells a and b apart (AUC " in result.output
    assert (decided(tmp_path / "run")["engine"], decided(tmp_path / "run")["settings"]["kept"]) == ("flow", ["DNA"])
    assert Checkpoint.read_card(tmp_path / "run" / "last.safetensors").settings["kept"] == ["DNA"]
    assert Checkpoint.read_card(tmp_path / "run" / "last.safetensors").is_look
    # what starts from it keeps the same, whatever its own images say
    call(stained, "--out", tmp_path / "on", "--start-from", tmp_path / "run" / "last.safetensors", *FLOW)
    assert decided(tmp_path / "on")["settings"]["kept"] == ["DNA"]


@pytest.mark.parametrize(("typed", "kept"), [("none", []), ("", []), ("GFP", ["GFP"])])
def test_what_is_said_about_kept_channels_holds(stained: Path, tmp_path: Path, typed: str, kept: list[str]) -> None:
    result = call(stained, "--out", tmp_path / "run", "--kept", typed, *FLOW)
    assert result.exit_code == 0, result.output
    assert decided(tmp_path / "run")["settings"]["kept"] == kept
    assert "does not tell" not in result.output
    assert ("warning: GFP is to be kept, but it tells a and b apart" in result.output) == (typed == "GFP")


def test_where_everything_differs_all_channels_move_and_that_is_said(stained: Path, tmp_path: Path) -> None:
    result = call(stained, "--out", tmp_path / "run", "--channels", "GFP", *FLOW)
    assert result.exit_code == 0, result.output
    assert "note: No channel is kept, all move: GFP tells a and b apart" in result.output
    assert "objects may change their places" in result.output
    assert decided(tmp_path / "run")["settings"]["kept"] == []


def test_a_run_that_was_stopped_is_told_from_one_that_finished(
    stained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    short = ("--engine", "shift", "--crop", 32, "--steps", 4, "--out", run)

    def stop_after_first(event: Any, run: Any) -> str:
        if isinstance(event, Losses):
            (run.folder / "stop").touch()
        return ""

    with monkeypatch.context() as patched:
        patched.setattr(train_lines, "event_line", stop_after_first)
        assert call(stained, *short).exit_code == 3
    (run / "stop").unlink(missing_ok=True)
    assert call("--resume", run).exit_code == 0


def test_a_dry_run_says_what_would_be_kept(stained: Path, tmp_path: Path) -> None:
    result = call(stained, "--dry-run", "--report", tmp_path / "report.json", *FLOW)
    assert "proposed: --kept DNA" in result.output
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["settings"]["kept"] == ["DNA"]
    assert [row["channel"] for row in written["check"]["differences"]] == ["DNA", "GFP"]


def test_one_seed_after_the_other_into_one_family(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "three"
    result = call(images, "--out", out, *SMALL, "--seed", 7, "--repeats", 3)
    assert result.exit_code == 0, result.output
    family = Family.load(out)
    assert family.seeds == (7, 8, 9)
    decided = [json.loads((folder / "run.json").read_text()) for folder in family.members.values()]
    assert [one["settings"]["seed"] for one in decided] == [7, 8, 9]
    assert decided[0]["training"] == decided[1]["training"] == decided[2]["training"]
    assert len({Checkpoint.read_digest(path) for path in family.checkpoints()}) == 3
    # what lacks is trained, what is finished stays
    shutil.rmtree(out / "seed-8")
    before = (out / "seed-9" / "events.jsonl").read_bytes()
    result = call("--resume", out)
    assert result.exit_code == 0, result.output
    assert json.loads((out / "seed-8" / "run.json").read_text())["settings"]["seed"] == 8
    assert (out / "seed-9" / "events.jsonl").read_bytes() == before
    assert "from step 4" in call("--resume", out, "--steps", 6).output
    with pytest.raises(InputError, match="holds trainings already"):
        call(images, "--out", out, *SMALL, "--repeats", 2)
    with pytest.raises(InputError, match="only --steps may be raised"):
        call("--resume", out, "--seed", 3)


def test_control_against_control(images: Path, tmp_path: Path) -> None:
    words = ("--engine", "shift", "--steps", 4, "--crop", 32, "--score-every", 0, "--null", "a")
    result = call(images, "--out", tmp_path / "null", *words)
    assert result.exit_code == 0, result.output
    card = Checkpoint.read_card(tmp_path / "null" / "last.safetensors")
    assert card.conditions == ("a half 1", "a half 2")
    decided = json.loads((tmp_path / "null" / "run.json").read_text())
    files = [file for part in ("training", "held-out") for file, _, _ in decided[part]["fields"]]
    assert sorted(files) == [f"a/a{well}.ome.tif" for well in range(4)]
    with pytest.raises(InputError, match="no folder c"):
        call(images, "--out", tmp_path / "other", *words[:-1], "c")
    # the same training as an earlier one, in nothing
    call(images, "--out", tmp_path / "real", *SMALL, "--conditions", "a,b", "--seed", 5)
    result = call("--from", tmp_path / "real", "--null", "b", "--out", tmp_path / "again")
    assert result.exit_code == 0, result.output
    card = Checkpoint.read_card(tmp_path / "again" / "last.safetensors")
    assert (card.conditions, card.settings["seed"], card.training["steps"]) == (("b half 1", "b half 2"), 5, 4)
    with pytest.raises(InputError, match="leave --conditions"):
        call(images, "--out", tmp_path / "other", *words, "--conditions", "a,b")
    (images / "a" / "a0.ome.tif").unlink()
    with pytest.raises(InputError, match=r"a has 3 groups .* expected 4 or more"):
        call(images, "--out", tmp_path / "other", *words)


@pytest.mark.parametrize("engine", ["cyclegan", "scgan"])
def test_gans_refuse_a_third_condition_before_anything_is_read(engine: str, images: Path, tmp_path: Path) -> None:
    shutil.copytree(images / "b", images / "c")
    with pytest.raises(InputError, match=r"learns between two conditions, and there are 3.*--conditions a,b.*phendiff"):
        call(images, "--engine", engine, "--out", tmp_path / "run", "--crop", 32)
    assert not (tmp_path / "run").exists()


def test_engines_that_are_named_for_more_conditions_take_them() -> None:
    named = re.findall(r"--engine (\w+)", MORE_CONDITIONS)
    assert set(named) == {name for name, entry in ENGINES.items() if not entry.settings.two_conditions} - {"shift"}
