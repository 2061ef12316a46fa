import numpy as np
import pytest

from napari_phenotrans.metrics.turned import TurnSums, turn_sentence


def test_shares_of_the_range_and_of_the_change() -> None:
    sums = TurnSums([100.0, 10.0])
    real = np.zeros((2, 4, 6))
    for _ in range(2):
        sums.add(real, real + np.array([20.0, 0.0])[:, None, None], np.full(real.shape, 5.0))
    dna, gfp = sums.rows(["DNA", "GFP"], "a → b")
    assert (dna.of_range, dna.of_change) == (pytest.approx(0.05), pytest.approx(0.25))
    # what changes nothing has no share of it
    assert (gfp.of_range, gfp.of_change) == (pytest.approx(0.5), None)
    said = turn_sentence([dna, gfp])
    assert said == "a → b: the same upside down within, of the range: DNA 5 % (0.25 of its change) and GFP 50 %."
    assert "in 8 turns" in turn_sentence([dna], 8)


def test_nothing_is_said_of_nothing() -> None:
    assert TurnSums([1.0]).rows(["DNA"]) == []
    assert turn_sentence([]) == ""
