"""The gate on synthetic organoids: the truth passes, each deliberate defect is caught by what is made for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from bench.quality.defects import DEFECTS
from bench.quality.picture import Fields, judge_defects, judge_real, sheet, table
from napari_phenotrans.dataset.synthetic import CHANNELS, CONDITIONS, organoid, pair
from napari_phenotrans.metrics.picture import Gate, Limits

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def fields() -> Fields:
    first = dict(zip(CONDITIONS, (100, 200), strict=True))
    real = {
        condition: [organoid(seed + index, condition, size=192).image.plane().astype(np.float32) for index in range(4)]
        for condition, seed in first.items()
    }
    pairs = [pair(seed, size=192) for seed in (300, 301)]
    unseen = {
        condition: [getattr(each, condition).image.plane().astype(np.float32) for each in pairs]
        for condition in CONDITIONS
    }
    return Fields("organoids", real, unseen, True, Gate(Limits.fit(real, CHANNELS)))


def test_what_is_real_and_what_is_true_passes(fields: Fields) -> None:
    verdicts = judge_real(fields)
    assert [verdict.direction for verdict in verdicts if not verdict.passed] == []
    assert any(verdict.direction == "healthy → diseased, the truth" for verdict in verdicts)
    assert "real healthy, 4 of 4 pass" in [verdict.direction for verdict in verdicts]


def test_each_defect_is_caught_by_a_measure_that_is_made_for_it(fields: Fields) -> None:
    judged = judge_defects(fields)
    assert {name for name, _, _ in judged} >= set(DEFECTS) | {"hollow marker objects", "faded marker objects"}
    missed = [
        (name, verdict.direction, [(row.channel, row.measure) for row in verdict.failed])
        for name, made_for, verdict in judged
        if not any(row.measure in made_for for row in verdict.failed)
    ]
    assert missed == []


def test_tables_set_what_failed_in_bold(fields: Fields) -> None:
    plane = fields.unseen["healthy"][0]
    verdict = fields.gate.judge([plane], [plane + 200], fields.real["healthy"], to="healthy", direction="brighter")
    lines = table([("offset", verdict)])
    assert len(lines) == 2 + len(CHANNELS)
    assert all(line.count("|") == lines[0].count("|") for line in lines)
    assert lines[2].startswith("| offset brighter | DAPI |")
    assert "**1**" in lines[2]


def test_a_sheet_has_a_row_per_channel_and_three_pictures(tmp_path: Path) -> None:
    from matplotlib.image import imread

    rng = np.random.default_rng(0)
    sheet(tmp_path / "a" / "sheet.png", *(rng.random((2, 20, width)) for width in (30, 30, 40)))
    assert imread(tmp_path / "a" / "sheet.png").shape[:2] == (40, 30 + 30 + 40 + 12)
