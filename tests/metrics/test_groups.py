"""Groups are drawn and split whole."""

from __future__ import annotations

import numpy as np

from napari_phenotrans.metrics.groups import draw_groups, halves


def test_halves_share_no_group_and_lose_no_row(draw_features):
    features = draw_features(0, 7)
    splits = halves(features, 10, np.random.default_rng(0))
    assert len(splits) == 10
    for one, other in splits:
        assert not set(one.groups) & set(other.groups)
        assert (len(one.names), len(other.names)) == (3, 4)
        assert len(one.values) + len(other.values) == len(features.values)
    assert len({tuple(one.names) for one, _ in splits}) > 3


def test_rows_keep_their_group(draw_features):
    features = draw_features(0, 5)
    kept = features.of(features.names[[1, 3]])
    np.testing.assert_array_equal(kept.values[6:], features.values[features.groups == "well 3"])
    np.testing.assert_array_equal(features.names[features.codes], features.groups)


def test_draws_are_as_large_as_the_data_and_never_one_group_only():
    drawn = draw_groups(3, 500, np.random.default_rng(0))
    assert set(drawn.sum(axis=1)) == {3}
    assert drawn.max() == 2
    np.testing.assert_allclose(drawn.mean(axis=0), 1, atol=0.1)
