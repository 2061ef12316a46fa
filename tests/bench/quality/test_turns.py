"""The turn test of a checkpoint, and means over turns and over trainings."""

from __future__ import annotations

import numpy as np
import pytest

from bench.quality import again
from bench.quality.turns import lines, mean_over
from napari_phenotrans.metrics.agreement import AgreementRow
from napari_phenotrans.metrics.turned import TurnRow

PLANE = np.ones((1, 4, 4))


def test_means_are_over_the_first_so_many() -> None:
    made = [{"a": {"b": [number * PLANE]}} for number in range(4)]
    assert mean_over(made, 1)["a"]["b"][0].max() == 0
    assert mean_over(made, 2)["a"]["b"][0].mean() == pytest.approx(0.5)
    assert again.mean_of(made)["a"]["b"][0].mean() == pytest.approx(1.5)


def test_lines_of_both_tables() -> None:
    (said,) = lines("flow", [TurnRow("GFP", 0.0057, None, "a → b")], [])
    assert said == "| flow | a → b | GFP | 0.57 | – |"
    (said,) = again.in_words("3 trainings", "a → b", [AgreementRow("GFP", 0.876, 0.934)])
    assert said == "| 3 trainings | a → b | GFP | 0.88 | 93 % |"


def test_trainings_agree_where_they_change_the_same_above_their_own_error(make_checkpoint) -> None:
    class Trained:
        card = make_checkpoint(channels=1).card

    unseen = {"a": [100 * PLANE], "b": [100 * PLANE]}
    changes = (50, 60, -5)
    made = [{"a": {"a": [101 * PLANE], "b": [(100 + change) * PLANE]}} for change in changes]
    (row,) = again.agreement([Trained()] * 3, made, unseen, ("a", "b"))
    # two of three go up beyond the error; the third goes down a little
    assert row.agreed == 1
    pairs = (50 * 60 - 50 * 5 - 60 * 5) / 3
    assert row.again == pytest.approx(pairs / np.mean(np.square(changes)))
