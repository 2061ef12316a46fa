"""What things cost, in counts instead of seconds: the same on every machine, so that these tests do not flake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.speed import costs
from napari_phenotrans.engines import ENGINES

RENEW = "Where the change is meant, note the new figures: python -m bench costs --renew"


@pytest.fixture
def noted() -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "costs.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("engine", ["cyclegan", "scgan", "phendiff", "flow", "shift"])
def test_translating_takes_as_many_tiles_evaluations_and_multiplications_as_noted(
    engine: str, noted: dict[str, Any]
) -> None:
    assert costs.translating(engine) == noted["translating"][engine], RENEW


@pytest.mark.parametrize("engine", ["cyclegan", "scgan", "phendiff", "flow", "shift"])
def test_a_training_step_takes_as_many_multiplications_as_noted(engine: str, noted: dict[str, Any]) -> None:
    assert costs.training(engine) == noted["training"][engine], RENEW


def test_help_imports_as_much_as_noted(noted: dict[str, Any]) -> None:
    assert costs.helping() == noted["phenotrans --help"], RENEW


def test_every_engine_is_counted() -> None:
    assert set(costs.PLANES) == set(costs.USUAL) == set(ENGINES)
