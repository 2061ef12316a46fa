"""Runs at a glance: what is said of a folder, whatever state it is in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from napari_phenotrans.checkpoints.checkpoint import Checkpoint, PictureVerdict, Score
from napari_phenotrans.core.errors import InputError
from napari_phenotrans.runs.family import Family
from napari_phenotrans.training.overview import GAP, KID, family_lines, find_runs, overview, score_parts

if TYPE_CHECKING:
    from collections.abc import Callable

OF_EARLIER = Path(__file__).parents[1] / "data" / "before_packages"
THERE, BACK = "untreated → treated", "treated → untreated"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OF_EARLIER / "shift", tmp_path / "run"))


def scored(there: float, back: float, *, faults: int = 0) -> dict[str, tuple]:
    """Return scores and verdicts of a card."""
    values = ((GAP, THERE, there), (GAP, BACK, back), (KID, THERE, 0.5), ("picture faults", BACK, faults))
    scores = tuple(
        Score(metric=m, direction=d, value=v, groups=3, what="DNA" if m == GAP else "") for m, d, v in values
    )
    words = (f"DNA: {faults} faults.",) if faults else ("Nothing is wrong.",)
    verdicts = (
        PictureVerdict(direction=THERE, passed=True, sentences=("Nothing is wrong.",)),
        PictureVerdict(direction=BACK, passed=not faults, sentences=words),
    )
    return {"scores": scores, "pictures": verdicts}


def test_the_best_checkpoint_says_what_was_reached(run: Path, make_checkpoint: Callable[..., Checkpoint]) -> None:
    card = scored(0.6, 0.4, faults=2) | {"training": {"steps": 2}}
    make_checkpoint("shift", **card).save(run / "best.safetensors", overwrite=True)
    make_checkpoint("shift", **scored(0.9, 0.9)).save(run / "last.safetensors", overwrite=True)
    seen = overview(run)
    assert (seen.state, seen.engine, seen.step, seen.steps) == ("finished", "shift", 4, 4)
    assert (seen.checkpoint, seen.best_step) == ("best.safetensors", 2)
    assert seen.directions == (THERE, BACK)
    assert (seen.mean(GAP, THERE), seen.mean(GAP, BACK)) == (0.6, 0.4)
    assert seen.gap == pytest.approx(0.5)
    assert seen.mean(KID, BACK) is None
    assert seen.gate == "pass / 2 faults"
    assert seen.problems == ()


def test_where_the_card_says_nothing_events_do(run: Path, make_checkpoint: Callable[..., Checkpoint]) -> None:
    make_checkpoint("shift").save(run / "best.safetensors", overwrite=True)
    seen = overview(run)
    assert seen.best_step == 4
    assert seen.mean(GAP, THERE) == pytest.approx(0.5986, abs=1e-3)
    assert seen.gate == ""
    (run / "best.safetensors").unlink()
    (run / "last.safetensors").unlink()
    assert overview(run).checkpoint == ""
    assert overview(run).mean(KID, BACK) == pytest.approx(-0.0743, abs=1e-3)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("run.json", b"{", "run.json cannot be read"),
        ("run.json", b'{"engine": "shift"}', "run.json cannot be read"),
        ("events.jsonl", b'{"event": "Losses", "step": -3, "losses": {}}\n\xff\n', "no training writes it: line 1"),
        ("best.safetensors", b"\0" * 40, "best.safetensors is no checkpoint"),
    ],
)
def test_what_is_damaged_is_said(file: str, content: bytes, said: str, run: Path) -> None:
    (run / file).write_bytes(content)
    (problem,) = overview(run).problems
    assert said in problem


def test_a_folder_that_vanishes_meanwhile_is_a_problem_too(tmp_path: Path) -> None:
    assert "is not there" in overview(tmp_path / "gone").problems[0]


def test_runs_are_found_also_in_families(run: Path, tmp_path: Path) -> None:
    family = Family(tmp_path / "three", (0, 1, 2))
    family.write()
    for seed in (0, 2):
        shutil.copytree(run, family.members[seed])
    shutil.copytree(run, tmp_path / "deeper" / "run")
    assert set(find_runs([tmp_path])) == {run, family.members[0], family.members[2]}
    assert find_runs([run]) == [run]
    assert set(find_runs([family.folder])) == {family.members[0], family.members[2]}
    with pytest.raises(InputError, match="gone cannot be read"):
        find_runs([tmp_path / "gone"])


def test_a_family_says_how_far_its_trainings_spread(
    run: Path, tmp_path: Path, make_checkpoint: Callable[..., Checkpoint]
) -> None:
    family = Family(tmp_path / "three", (0, 1, 2))
    family.write()
    for seed, there in ((0, 0.25), (2, 0.75)):
        shutil.copytree(run, family.members[seed])
        make_checkpoint("shift", **scored(there, 0.5)).save(family.members[seed] / "best.safetensors", overwrite=True)
    runs = [overview(folder) for folder in find_runs([tmp_path])]
    (line,) = family_lines(runs)
    assert line == (
        f"three: 2 trainings of 3 begun; not yet seed 1; gap closed {THERE} 0.25 to 0.75; gap closed {BACK} 0.50 to "
        f"0.50."
    )
    (family.folder / "family.json").write_text(json.dumps({"seeds": "x"}))
    (line,) = family_lines(runs)
    assert "family.json cannot be read" in line


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("kid untreated → treated", ("kid", "untreated → treated", "")),
        ("gap closed treated → untreated: GFP: all", ("gap closed", "treated → untreated", "GFP: all")),
        ("kid low untreated → treated", None),
        ("kid treated → treated 2", ("kid", "treated → treated 2", "")),
        ("held-out cycle", None),
    ],
)
def test_names_of_scores_are_taken_apart(name: str, parts: tuple[str, str, str] | None) -> None:
    assert score_parts(name, ("untreated", "treated", "treated 2")) == parts
