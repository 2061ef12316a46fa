from __future__ import annotations

import math

import pytest

from napari_phenotrans.training.state import Progress


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
