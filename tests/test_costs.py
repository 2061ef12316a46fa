"""What things cost, in counts instead of seconds: the same on every machine, so that these tests do not flake."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
RENEW = "Where the change is meant, note the new figures: python -m bench costs --renew"


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The counting; bench lies beside the tests and is not installed."""
    monkeypatch.syspath_prepend(ROOT)
    return import_module("bench.costs")


@pytest.fixture
def noted() -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "costs.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("engine", ["cyclegan", "scgan", "phendiff", "flow", "shift"])
def test_translating_takes_as_many_tiles_evaluations_and_multiplications_as_noted(
    engine: str, costs: Any, noted: dict[str, Any]
) -> None:
    assert costs.translating(engine) == noted["translating"][engine], RENEW


@pytest.mark.parametrize("engine", ["cyclegan", "scgan", "phendiff", "flow", "shift"])
def test_a_training_step_takes_as_many_multiplications_as_noted(engine: str, costs: Any, noted: dict[str, Any]) -> None:
    assert costs.training(engine) == noted["training"][engine], RENEW


def test_help_imports_as_much_as_noted(costs: Any, noted: dict[str, Any]) -> None:
    assert costs.helping() == noted["phenotrans --help"], RENEW


def test_every_engine_is_counted(costs: Any) -> None:
    from napari_phenotrans.engines import ENGINES

    assert set(costs.PLANES) == set(costs.USUAL) == set(ENGINES)
