"""The bench of load: slopes are those of a line, and what grows is seen to grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from bench.reliability.load import Load, called, opened_events, repeated, table, translated
from bench.reliability.looks import Look

if TYPE_CHECKING:
    from pathlib import Path


def test_a_slope_is_what_comes_per_thousand() -> None:
    looks = tuple(Look(after, 100 + after / 50, 7, 3, after) for after in range(100, 1001, 100))
    one = Load("things", 1000, 12.34, looks)
    assert one.slope("megabytes") == pytest.approx(20)
    assert one.slope("files") == pytest.approx(0)
    row = "| things | 1000 | 12.3 | 120 | +20.0 | +0.0 | +0.0 | +1000.0 |"
    assert table([one])[-1].replace("-0.0", "+0.0") == row
    assert table([Load("once", 3, 0.5, ())])[-1] == "| once | 3 | 0.5 | – | – | – | – | – |"


def test_what_is_kept_is_seen_to_grow() -> None:
    kept: list[np.ndarray] = []
    growing = repeated("arrays", (kept.append(np.ones(400_000)) for _ in range(60)), 60)
    assert [each.after for each in growing.looks] == list(range(6, 61, 6))
    assert growing.slope("megabytes") > 1000  # 3.2 MB each
    assert growing.slope("files") == pytest.approx(0, abs=1)


@pytest.mark.slow
def test_every_load_is_carried_out(tmp_path: Path) -> None:
    assert translated(tmp_path, 4).looks[-1].after == 4
    assert len(list((tmp_path / "results").iterdir())) == 8
    assert called(tmp_path, 10).count == 10
    assert opened_events(tmp_path, 50).count == 50
