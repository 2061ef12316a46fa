import numpy as np
import pytest

from napari_phenotrans.metrics.agreement import (
    Agreement,
    AgreementRow,
    agreement_rows,
    agreement_sentence,
    needed,
    outline,
)


def agreed(*changes: np.ndarray, error: float = 0.1) -> Agreement:
    found = Agreement()
    for change in changes:
        found.add(change, np.full(change.shape, error))
    return found


def test_two_of_three_are_needed() -> None:
    assert [needed(n) for n in (2, 3, 4, 5, 6)] == [2, 2, 3, 4, 4]


def test_the_map_is_the_share_that_changes_the_same_way_above_the_error() -> None:
    # all up; two up, one down; one of three; all within twice the error; two down, one nothing
    changes = np.array([[1, 1, 1, 0.15, -1], [1, 1, 0, 0.15, -1], [1, -1, 0, 0.15, 0]])[:, None, None]
    found = agreed(*changes)
    np.testing.assert_allclose(found.map[0, 0], [1, 2 / 3, 0, 0, -2 / 3])
    np.testing.assert_allclose(found.mean[0, 0], [1, 1 / 3, 1 / 3, 0.15, -2 / 3])
    (row,) = agreement_rows(["GFP"], found.sums)
    amounts = np.abs(found.mean[0, 0])
    assert row.agreed == pytest.approx(amounts[[0, 1, 4]].sum() / amounts.sum())


def test_the_same_is_one_independent_is_nothing_and_opposite_below() -> None:
    rng = np.random.default_rng(0)
    one, two, three = rng.normal(size=(3, 2, 200, 200))
    (same, _) = agreement_rows("ab", agreed(one, one, one).sums)
    (apart, _) = agreement_rows("ab", agreed(one, two, three).sums)
    (against, _) = agreement_rows("ab", agreed(one, -one).sums)
    assert same.again == pytest.approx(1)
    assert abs(apart.again) < 0.02
    assert against.again == pytest.approx(-1)
    # three that share half of their variance
    half, _ = agreement_rows("ab", agreed(*(two + other for other in rng.normal(size=(3, 2, 200, 200)))).sums)
    assert half.again == pytest.approx(0.5, abs=0.02)
    nothing, _ = agreement_rows("ab", agreed(0 * one, 0 * one).sums)
    assert (nothing.again, nothing.agreed) == (None, None)


def test_places_add_up_to_the_whole() -> None:
    changes = np.random.default_rng(1).normal(size=(3, 2, 20, 30))
    whole = agreed(*changes).sums
    parts = agreed(*changes[..., :11]).sums + agreed(*changes[..., 11:]).sums
    for one, other in zip(vars(whole).values(), vars(parts).values(), strict=True):
        np.testing.assert_allclose(one, other)


def test_it_is_said() -> None:
    said = agreement_sentence([AgreementRow("DNA", None, None), AgreementRow("GFP", 0.914, 0.87)], 3, "training")
    assert said.startswith("Over 3 trainings the change agrees by GFP 0.91 (87 %): 1 is the same in all")
    assert "at least 2 of 3 show the same sign" in said
    assert agreement_sentence([AgreementRow("DNA", None, None)], 2, "sample") == "Over 2 samples nothing changes."


def test_an_outline_runs_around_what_agrees() -> None:
    agreement = np.zeros((2, 12, 14), np.float32)
    agreement[0, 2:8, 3:9] = 1
    agreement[0, 2:8, 9:12] = -1
    # a single pixel is no area
    agreement[1, 5, 5] = 1
    rim = outline(agreement)
    assert rim.dtype == bool and rim.shape == agreement.shape
    assert not rim[1].any()
    assert not rim[0][agreement[0] == 0].any()
    # both sides of the border between up and down, and nothing inside
    assert rim[0, 4, 8] and rim[0, 4, 9]
    assert not rim[0, 4:6, 5:7].any()
