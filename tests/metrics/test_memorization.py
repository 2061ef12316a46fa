"""The copy gauge: what was learned by heart stands out, what is merely alike does not."""

from __future__ import annotations

import numpy as np
import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.metrics.memorization import copy_gauge


@pytest.fixture(scope="module")
def planes(draw_cells):
    return list(draw_cells(0, 6, 150, density=20)) + list(draw_cells(1, 1, 97))


@pytest.mark.parametrize("side", [32, 48])
def test_a_copy_is_found_where_it_came_from_however_turned(planes, side):
    rng = np.random.default_rng(0)
    places = [(i, 7 + 13 * i, 80 - 9 * i) for i in range(6)]
    crops = np.stack([planes[p][:, t : t + side, x : x + side] for p, t, x in places])
    turned = np.stack([np.rot90(c, i, axes=(1, 2))[..., :: (-1) ** (i // 4)] for i, c in enumerate(crops)])
    found = copy_gauge(turned + rng.normal(0, 0.01, turned.shape), planes)
    assert [(n.plane, n.top, n.left) for n in found] == places
    assert all(n.is_copy for n in found)
    assert [n.ratio for n in copy_gauge(turned, planes)] == pytest.approx([0] * 6, abs=1e-6)


def test_a_fresh_crop_is_no_copy(planes, draw_cells):
    found = copy_gauge(draw_cells(5, 8, 48, density=20), planes)
    assert min(n.ratio for n in found) > 0.7
    assert not any(n.is_copy for n in found)


def test_the_second_nearest_place_does_not_overlap_the_nearest(planes):
    crop = planes[0][None, :, 40:72, 50:82]
    alone = copy_gauge(crop, planes[:1])[0]
    assert (alone.plane, alone.top, alone.left) == (0, 40, 50)
    assert alone.ratio < 1e-6
    # a field that is there twice: two places are equally near
    assert copy_gauge(crop + 0.01, [planes[0], planes[0]])[0].ratio == pytest.approx(1)


def test_what_cannot_be_looked_up_is_refused(planes):
    with pytest.raises(InputError, match="square crops"):
        copy_gauge(np.zeros((1, 3, 32, 40), np.float32), planes)
    with pytest.raises(InputError, match="two places of 100 × 100"):
        copy_gauge(np.zeros((1, 3, 100, 100), np.float32), planes[:1])
