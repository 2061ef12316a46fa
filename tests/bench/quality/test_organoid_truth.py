"""Organoids' truth by distribution: whole mitoses in two heaps, and an error that fading makes small."""

from __future__ import annotations

import pytest

from bench.quality.organoid_truth import TRUTH, baselines, lines


@pytest.fixture(scope="module")
def rows():
    return baselines(range(300, 303), size=160)[0]


def test_the_error_rewards_fading_and_the_fates_do_not(rows) -> None:
    perfect = rows["a perfect engine: the right share, at random"]
    faded, erased, truth = rows["everything faded"], rows["every mitosis erased, nuclei kept"], rows[TRUTH]
    assert truth.rms == (0, 0)
    assert rows["copying"].rms == (1, 1)
    assert perfect.rms[0] > 1 > faded.rms[0]
    assert perfect.rms[1] > max(faded.rms[1], erased.rms[1])
    assert (perfect.gone, perfect.half) == pytest.approx((truth.gone, truth.half), abs=0.15)
    assert faded.half > 0.4
    assert (erased.gone, erased.kept) == (1, 0)
    assert erased.nuclei > truth.nuclei
    assert perfect.nuclei == pytest.approx(truth.nuclei, rel=0.1)


def test_the_table_has_a_line_for_each(rows) -> None:
    table = lines(rows)
    assert len(table) == 2 + len(rows)
    assert table[2].startswith(f"| {TRUTH} | ")
