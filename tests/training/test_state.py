from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.training.state import Progress, load_state, save_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_phenotrans.engines.base import Engine

PROGRESS = Progress("a", "b", 3, 1.5, drawn={"treated": 4}, blank={"treated": 1}, best=0.25, history=[0.5])


def engine_of(make_engine: Callable[..., Engine]) -> Engine:
    engine = make_engine("flow", width=8, levels=3)
    engine.start_training()
    return engine


@pytest.fixture
def saved(make_engine: Callable[..., Engine], tmp_path: Path) -> Path:
    engine = engine_of(make_engine)
    engine.rate = 0.5
    save_state(tmp_path, engine, PROGRESS, {})
    return tmp_path


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_has_gone_wrong(value: float) -> None:
    assert Progress("").fault_of({"a": 1.0, "b": 0.0}) == ""
    assert Progress("").fault_of({"a": 1.0, "b": value}) == "a loss is not a number"


def test_a_loss_that_has_left_any_sensible_range_has_gone_wrong() -> None:
    progress = Progress("")
    assert "sensible range (2e+08" in progress.fault_of({"a": -2e8})
    for value in (0.0, 2.0, 3.0):
        assert not progress.fault_of({"a": value, "b": 0.0})
    assert not progress.fault_of({"a": 1.9e6})
    assert progress.fault_of({"a": 4e6}) == "a loss has left any sensible range (4e+06, in the first steps 2.5)"
    # where an engine starts with nothing to correct, any loss is many times that
    still = Progress("", early_losses=[0.0] * 50)
    assert not still.fault_of({"a": 100.0})
    assert len(still.early_losses) == 50


def test_a_state_is_written_and_taken_up_again(saved: Path, make_engine: Callable[..., Engine]) -> None:
    engine = engine_of(make_engine)
    progress, damage = load_state(saved, engine, range(2))
    assert damage == ""
    assert (progress, engine.rate) == (PROGRESS, 0.5)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("format", 2, r"format: .*, got 2"),
        ("rate", 0.0, r"rate: .*greater than 0, got 0\.0"),
        ("rate", math.nan, r"rate: "),
        ("own", {"x": []}, r"own\.x"),
        ("progress", {"images": "a", "step": -1}, r"progress\.step: .*, got -1"),
        ("progress", {"images": "a", "steps": 1}, r"progress\.steps: "),
        ("progress", {"step": 3}, r"progress\.images: Field required"),
        ("progress", {"images": "a", "drawn": {"treated": "many"}}, r"progress\.drawn\.treated: .*, got 'many'"),
        ("translators", {}, r"translators is not of this run's networks \(RuntimeError: .*Missing key"),
        ("training", {}, r"training is not of this run's networks \(KeyError: "),
        ("training", 3, r"training: Input should be a valid dictionary, got 3"),
        ("anything", 1, r"anything: Extra"),
        (None, [], r".*got \[\]"),
    ],
)
def test_a_state_that_is_none_is_refused_by_its_file_and_field(
    field: str | None, value: object, said: str, saved: Path, make_engine: Callable[..., Engine]
) -> None:
    path = saved / "resume.pt"
    state = torch.load(path, weights_only=True)
    torch.save(value if field is None else state | {field: value}, path)
    with pytest.raises(
        InputError, match=rf"resume\.pt cannot be used to resume: {said if field else '.*' + said}"
    ) as caught:
        load_state(saved, engine_of(make_engine), range(2))
    assert "\n" not in str(caught.value)


def test_memory_that_runs_out_is_no_damage(
    saved: Path, make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.")

    monkeypatch.setattr(torch, "load", load)
    with pytest.raises(RuntimeError, match="can't allocate"):
        load_state(saved, engine_of(make_engine), range(2))
