from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from napari_phenotrans.checkpoints.checkpoint import Checkpoint
from napari_phenotrans.core.events import Notice
from napari_phenotrans.engines import ENGINES
from napari_phenotrans.training.depth_search import AMOUNTS, best_of
from napari_phenotrans.training.events import Finished, Losses, Saved, Stopped
from napari_phenotrans.training.run import Run
from napari_phenotrans.training.saver import Saver
from napari_phenotrans.training.validation import HeldOut, Trial

if TYPE_CHECKING:
    from pathlib import Path

    from napari_phenotrans.core.settings import TranslationSettings
    from napari_phenotrans.dataset.dataset import DataSet


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for constant, value in (("CROPS", 1), ("LEVELS", 3), ("EVALUATIONS", 2)):
        monkeypatch.setattr(f"napari_phenotrans.engines.effect.{constant}", value)
    # previews take a hundred evaluations each
    monkeypatch.setattr(Saver, "write_preview", lambda self, step: iter(()))


def pretend(monkeypatch: pytest.MonkeyPatch, trials: dict[tuple[float, float], Trial]) -> list[TranslationSettings]:
    """Let depth and guidance reach what is said, without translating; returns what was tried."""
    tried: list[TranslationSettings] = []

    def try_out(self: HeldOut, engine: Any, how: Any, known: Any) -> Trial:
        tried.append(how)
        return trials.get((getattr(how, engine.amount), how.guidance), Trial(0.1, 5))

    monkeypatch.setattr(HeldOut, "try_out", try_out)
    return tried


def run(dataset: DataSet, folder: Path, engine: str, *, held_out: bool = True, **said: Any) -> Run:
    own = {"kept": ("DNA",)} if engine == "flow" else {}
    common = {"steps": 2, "crop": 32, "batch": 2, "width": 8, "levels": 3, "save_every": 2, "score_every": 2}
    training, rest = dataset.split(["untreated0", "treated0"])
    return Run(
        folder, training, engine, ENGINES[engine].settings.make(**(common | own | said)), rest if held_out else None
    )


def test_the_gap_decides_then_the_pictures_then_the_least_change() -> None:
    trials = [
        ({"depth": 0.5}, Trial(0.3, 0)),
        ({"depth": 0.7}, Trial(0.58, 3)),
        ({"depth": 0.85}, Trial(0.57, 1)),
        ({"depth": 1.0}, Trial(0.6, 1)),
    ]
    assert best_of(trials)[0] == {"depth": 0.85}
    assert best_of(trials[:2])[0] == {"depth": 0.7}
    assert best_of([*trials, ({"depth": 1.0, "guidance": 1.0}, Trial(0.9, 9))])[0] == {"depth": 1.0, "guidance": 1.0}


@pytest.mark.parametrize("engine", ["flow", pytest.param("phendiff", marks=pytest.mark.slow)])
def test_a_run_says_what_it_chose_and_its_card_keeps_it(
    engine: str, dataset: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ENGINES[engine].translation.make().guidance  # type: ignore[attr-defined]
    known = {(0.7, plain): Trial(0.62, 2), (0.85, plain): Trial(0.64, 0), (1.0, plain): Trial(0.66, 1)}
    tried = pretend(monkeypatch, known | {(0.85, 0.3): Trial(0.5, 0)})
    events = list(run(dataset, tmp_path / "run", engine).events())
    amount = "strength" if engine == "phendiff" else "depth"
    assert [getattr(how, amount) for how in tried[:4]] == list(AMOUNTS)
    guided = [how.guidance for how in tried[4:]]  # type: ignore[attr-defined]
    assert guided == ([0.3, 1.0] if engine == "flow" else [])
    assert isinstance(events[-1], Finished)
    said = [event.text for event in events if isinstance(event, Notice)]
    assert f"{len(tried)} settings on the held-out fields" in said[-2]
    assert said[-1].startswith(f"{amount.capitalize()} 0.85 is what this checkpoint translates with: ")
    assert "closes 0.64 of the gap, averaged over the directions, and its pictures pass" in said[-1]
    assert f"{amount} 1: 0.66, 1" in said[-1]
    for name in ("best", "last"):
        card = Checkpoint.load(tmp_path / "run" / f"{name}.safetensors").card
        assert card.translation == {amount: 0.85}
        assert card.effect is not None
        assert card.scores
    written = [event.path for event in events[-4:] if isinstance(event, Saved)]
    assert written == ["best.safetensors", "last.safetensors"]


@pytest.mark.slow
def test_trials_measure_gap_and_pictures(dataset: DataSet, tmp_path: Path) -> None:
    list(run(dataset, tmp_path / "run", "flow", steps=1).events())
    card = Checkpoint.read_card(tmp_path / "run" / "best.safetensors")
    assert card.translation["depth"] in AMOUNTS
    gaps = [score for score in card.scores if score.metric == "gap closed"]
    assert gaps


def test_without_held_out_fields_the_noise_stays_what_it_was(dataset: DataSet, tmp_path: Path) -> None:
    events = list(run(dataset, tmp_path / "run", "flow", held_out=False).events())
    checkpoint = Checkpoint.load(tmp_path / "run" / "last.safetensors")
    engine, usual = checkpoint.build_engine(), ENGINES["flow"].translation
    as_before = engine.noise(usual.make(scale="noise"))  # type: ignore[attr-defined]
    assert engine.noise(usual.make(**checkpoint.card.translation)) == pytest.approx(as_before)  # type: ignore[attr-defined]
    assert any("no held-out fields" in event.text for event in events if isinstance(event, Notice))


def test_the_setting_leaves_it_out_and_a_stop_waits_for_nothing(dataset: DataSet, tmp_path: Path) -> None:
    list(run(dataset, tmp_path / "off", "flow", search_depth=False).events())
    seen = []
    for event in run(dataset, tmp_path / "stopped", "flow", steps=9).events():
        seen.append(event)
        if isinstance(event, Losses):
            (tmp_path / "stopped" / "stop").touch()
    assert isinstance(seen[-1], Stopped)
    for folder in ("off", "stopped"):
        card = Checkpoint.read_card(tmp_path / folder / "last.safetensors")
        assert card.effect is None
        assert card.translation == {}
