"""Cutting keeps crops in order and whole."""

from __future__ import annotations

import numpy as np

from napari_phenotrans.core.crop_grid import center, evenly, grid, spread


def test_each_pieces_crops_come_together_row_by_row():
    batch = np.arange(2 * 3 * 8 * 12).reshape(2, 3, 8, 12)
    crops = grid(batch, 4)
    assert crops.shape == (12, 3, 4, 4)
    np.testing.assert_array_equal(crops[1], batch[0, :, :4, 4:8])
    np.testing.assert_array_equal(crops[3], batch[0, :, 4:, :4])
    np.testing.assert_array_equal(crops[6], batch[1, :, :4, :4])


def test_the_middle_holds_whole_crops_and_no_more_than_asked():
    plane = np.arange(3 * 23 * 90).reshape(3, 23, 90)
    np.testing.assert_array_equal(center(plane, 10, 4), plane[:, 1:21, 25:65])


def test_crops_are_spread_over_all_planes():
    planes = [np.full((1, 20, 33), number) for number in range(10)]
    assert evenly(planes, 10, 5)[:, 0, 0, 0].tolist() == [0, 2, 5, 7, 9]
    assert len(evenly(planes, 10, 1000)) == 60
    assert spread(4, 9) == [0, 1, 2, 3]
