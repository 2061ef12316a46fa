"""``phenotrans runs`` as a user types it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from napari_phenotrans.checkpoints.checkpoint import PictureVerdict, Score
from napari_phenotrans.cli.main import phenotrans
from napari_phenotrans.cli.runs import overview_lines
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.training.overview import GAP, overview

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint

OF_EARLIER = Path(__file__).parents[1] / "data" / "before_packages" / "shift"
WAYS = ("untreated → treated", "treated → untreated")


@pytest.fixture
def runs(tmp_path: Path, make_checkpoint: Callable[..., Checkpoint]) -> Path:
    """Three run folders: two that differ in one setting, and one whose run.json is cut off."""
    for name, gap, batch in (("night", 0.25, 2), ("day", 0.75, 8)):
        folder = shutil.copytree(OF_EARLIER, tmp_path / name)
        scores = tuple(Score(metric=GAP, direction=way, value=gap, groups=3, what="DNA") for way in WAYS)
        verdict = PictureVerdict(direction=WAYS[0], passed=name == "day", sentences=("DNA: leaves a\nfine grid.",))
        card = {"scores": scores, "pictures": (verdict,), "training": {"steps": 2}}
        make_checkpoint("shift", **card).save(folder / "best.safetensors", overwrite=True)
        decided = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(decided | {"settings": decided["settings"] | {"batch": batch}}))
    broken = shutil.copytree(OF_EARLIER, tmp_path / "broken")
    (broken / "run.json").write_bytes((broken / "run.json").read_bytes()[:100])
    return tmp_path


def ask(*words: object) -> list[str]:
    result = CliRunner().invoke(phenotrans, ["runs", *map(str, words)], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.output.splitlines()


def test_a_table_says_what_runs_reached_and_how_they_differ(runs: Path) -> None:
    said = ask(runs, "--sort", "gap", "--pictures")
    assert [" ".join(line.split()) for line in said[:3]] == [
        "run state engine step best gap closed KID pictures",
        "day finished shift 4/4 2 0.75 / 0.75 – / – pass",
        "night finished shift 4/4 2 0.25 / 0.25 – / – fail",
    ]
    assert said[3:9] == [
        f"gap closed, KID, pictures: {' / '.join(WAYS)}",
        "",
        "Settings that differ:",
        "run    batch",
        "day    8",
        "night  2",
    ]
    # what is damaged has one line, of its own
    damaged, pictures = said[10:]
    assert damaged.startswith(f"broken: {runs / 'broken' / 'run.json'} cannot be read")
    assert pictures == f"night, {WAYS[0]}: DNA: leaves a fine grid."


def test_programs_get_everything(runs: Path) -> None:
    # at night nothing was saved, and what was scored is no number
    for file in (runs / "night").glob("*.safetensors"):
        file.unlink()
    events = (runs / "night" / "events.jsonl").read_text()
    (runs / "night" / "events.jsonl").write_text(re.sub(r'("gap closed [^"]+": )[-.0-9]+', r"\1null", events))
    said = {Path(run["folder"]).name: run for run in json.loads("\n".join(ask(runs, "--json")))}
    night, broken, day = (said[name] for name in ("night", "broken", "day"))
    assert broken["problems"][0].startswith(f"{broken['folder']}/run.json cannot be read")
    assert night["gap closed"] == dict.fromkeys(WAYS)
    assert night["kid"][WAYS[0]] < 0
    assert None in [score["value"] for score in night["scores"]]
    assert day["gap closed"] == dict.fromkeys(WAYS, 0.75)
    assert day["settings"]["batch"] == 8
    assert day["pictures"][0]["passed"]
    assert [score["what"] for score in day["scores"]] == ["DNA", "DNA"]


def test_runs_that_are_named_one_by_one_keep_their_names_short(runs: Path) -> None:
    (runs / "notes.txt").touch()
    _, *rows = ask(runs / "night", runs / "day", runs / "notes.txt", "--sort", "name")
    assert [row.split()[0] for row in rows[:2]] == ["day", "night"]
    assert ask(runs / "day")[1].startswith("day ")
    with pytest.raises(InputError, match=r"notes\.txt cannot be read"):
        ask(runs / "notes.txt")


def test_where_there_is_nothing_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ask() == [f"There is no run in {tmp_path}. Expected folders that 'phenotrans train' made."]
    assert json.loads("".join(ask("--json"))) == []
    with pytest.raises(InputError, match="gone cannot be read"):
        ask(tmp_path / "gone")


def test_settings_go_into_as_many_tables_as_the_width_asks_for(runs: Path) -> None:
    first, second = overview(runs / "night"), overview(runs / "day")
    second.settings.update(crop=64, device="cuda:1")
    lines = overview_lines([first, second], {first.folder: "a", second.folder: "b"}, width=18)
    start = lines.index("Settings that differ:")
    assert lines[start + 1 : start + 4] == ["run  crop  batch", "a    32    2", "b    64    8"]
    assert lines[start + 4 : start + 7] == ["run  device", "a    cpu", "b    cuda:1"]
