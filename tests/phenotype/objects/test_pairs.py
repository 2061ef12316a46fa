from __future__ import annotations

import numpy as np

from napari_phenotrans.phenotype.objects.pairs import Pairs, largest_and_typical, match


def boxes(*tops: int | None, size: int = 10) -> np.ndarray:
    labels = np.zeros((20, 100), np.int32)
    for number, left in enumerate(tops, start=1):
        if left is not None:
            labels[5:15, left : left + size] = number
    return labels


def test_the_same_object_is_found_whatever_its_number() -> None:
    found = match(boxes(0, 30, 60), boxes(61, 2, None, 85))
    assert dict(zip(found.before.tolist(), found.after.tolist(), strict=True)) == {1: 2, 3: 1}
    np.testing.assert_allclose(found.overlap, [8 / 12, 9 / 11])
    assert found.lost.tolist() == [2]
    assert found.gained.tolist() == [4]


def test_an_object_that_became_two_matches_the_larger_part_only() -> None:
    before, after = boxes(0, size=20), boxes(0, 13, size=12)
    found = match(before, after)
    assert (found.before.tolist(), found.after.tolist()) == ([1], [1])
    assert found.gained.tolist() == [2]


def test_little_overlap_is_another_object() -> None:
    found = match(boxes(0), boxes(7))
    assert not len(found.before)
    assert (found.lost.tolist(), found.gained.tolist()) == ([1], [1])


def test_planes_without_objects_match_nothing() -> None:
    for before, after in ((boxes(), boxes(3)), (boxes(3), boxes()), (boxes(), boxes())):
        found = match(before, after)
        assert not len(found.before)
        assert len(found.lost) == before.max()
        assert len(found.gained) == after.max()


def test_labels_become_rows_of_the_tables(make_table) -> None:
    source = make_table({"a": np.arange(3.0)[:, None], "b": np.arange(3.0)[:, None]})
    translated = make_table({"b": 10 * np.arange(2.0)[:, None]})
    # label 4 before and 3 after were cut by the border, so that no table has them
    found = match(boxes(0, 20, 40, 60), boxes(40, 20, 60, size=10))
    pairs = Pairs.of(source, translated, [found])
    assert pairs.before.tolist() == [4, 5]  # rows of b's labels 2 and 3
    assert pairs.after.tolist() == [1, 0]
    assert pairs.lost.tolist() == [3]
    assert not len(pairs.gained)
    assert pairs.changes(source, translated, source.columns[0]).tolist() == [10 - 1, 0 - 2]


def test_largest_changes_are_those_that_go_with_most() -> None:
    changes = np.array([-1.0, -5, 9, -2, np.nan, -1.5, -1.4])
    largest, typical = largest_and_typical(changes, 2)
    assert largest.tolist() == [1, 3]
    assert set(typical.tolist()) == {5, 6}
    assert not len(largest_and_typical(np.array([np.nan]), 2)[0])
