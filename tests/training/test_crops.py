from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.intensity import Intensity
from napari_phenotrans.core.keyed_random import KeyedRandom
from napari_phenotrans.training.crops import Crops

INTENSITY = Intensity((0.0, 0.0), (100.0, 100.0))


def spots(bright_columns: slice, size: int = 96) -> np.ndarray:
    plane = np.full((2, size, size), 5.0, np.float32)
    plane[0, :, bright_columns] = 90
    # rising faster downwards than to the right: no symmetry maps it to itself
    rise = 50 + np.arange(size)[:, None] / 5 + np.arange(size)[None] / 20
    plane[1, :, bright_columns] = rise[:, bright_columns]
    return plane


def make(crop: int = 32) -> Crops:
    planes = {"untreated": [spots(slice(0, 8)), spots(slice(40, 48))], "treated": [spots(slice(20, 90))]}
    return Crops(planes, INTENSITY, crop)


def test_crops_are_pieces_of_planes_in_all_eight_orientations() -> None:
    crops = make()
    drawn = crops.draw("treated", KeyedRandom(0, 0, 0, 64))
    assert drawn.shape == (64, 2, 32, 32)
    assert drawn.dtype == torch.float32
    ramps = [c[1] for c in drawn if (c[0] > 0).all()]
    down, right = (torch.stack([r.diff(dim=axis).mean() for r in ramps]) for axis in (0, 1))
    orientations = {(bool(d > 0), bool(r > 0), bool(abs(d) > abs(r))) for d, r in zip(down, right, strict=True)}
    assert len(orientations) == 8
    plane = crops.planes["treated"][0]
    windows = plane.unfold(1, 32, 1).unfold(2, 32, 1).permute(1, 2, 0, 3, 4).reshape(-1, 2, 32, 32)
    for crop in drawn[:8]:
        turned = [torch.rot90(m, k, (1, 2)) for m in (crop, crop.flip(2)) for k in range(4)]
        assert any(bool((windows == one).flatten(1).all(1).any()) for one in turned)


def test_a_draw_depends_on_step_and_place_only() -> None:
    crops = make()
    whole = crops.draw("untreated", KeyedRandom(0, 5, 0, 6))
    crops.draw("treated", KeyedRandom(0, 9, 0, 3))
    parts = [crops.draw("untreated", KeyedRandom(0, 5, first, 2)) for first in (0, 2, 4)]
    assert torch.equal(whole, torch.cat(parts))
    assert not torch.equal(whole, crops.draw("untreated", KeyedRandom(0, 6, 0, 6)))


def test_blank_crops_are_drawn_again_and_counted() -> None:
    crops = make()
    drawn = crops.draw("untreated", KeyedRandom(0, 0, 0, 60))
    assert (drawn[:, 0] > 0).flatten(1).any(1).all()
    assert 0.2 < crops.rejected["untreated"] < 0.8
    crops.draw("treated", KeyedRandom(0, 0, 0, 60))
    assert crops.rejected["treated"] < crops.rejected["untreated"]


def test_a_plane_that_is_all_background_does_not_hang() -> None:
    planes = {"untreated": [np.full((2, 64, 64), 5, np.float32)], "treated": [spots(slice(0, 60), 64)]}
    crops = Crops(planes, INTENSITY, 32)
    assert crops.draw("untreated", KeyedRandom(0, 0, 0, 2)).shape == (2, 2, 32, 32)
    assert crops.rejected["untreated"] == 1


def test_large_pieces_are_multiples_of_four() -> None:
    planes = {"untreated": [spots(slice(0, 8), 150)] * 3, "treated": [spots(slice(0, 8), 99)]}
    crops = Crops(planes, INTENSITY, 32)
    assert [tuple(piece.shape) for piece in crops.large("untreated", 2)] == [(2, 128, 128)] * 2
    assert [tuple(piece.shape) for piece in crops.large("treated", 5)] == [(2, 96, 96)]


def test_planes_smaller_than_a_crop_are_refused() -> None:
    with pytest.raises(InputError, match=r"1 planes are smaller than a crop of 96 × 96.*smaller --crop"):
        Crops({"untreated": [spots(slice(0, 8), 64)], "treated": [spots(slice(0, 8))]}, INTENSITY, 96)


def test_masks_are_cut_turned_and_mirrored_with_their_crops() -> None:
    planes = {"untreated": [spots(slice(0, 8)), spots(slice(40, 48))], "treated": [spots(slice(20, 90))]}
    masks = {condition: [plane[1] > 60 for plane in some] for condition, some in planes.items()}
    crops, chance = Crops(planes, INTENSITY, 32, masks=masks), KeyedRandom(0, 0, 0, 40)
    for condition in planes:
        drawn, where = crops.draw(condition, chance), crops.draw_masks(condition, chance)
        assert where.shape == (40, 1, 32, 32)
        assert where.dtype == torch.float32
        threshold = INTENSITY.normalize(np.full((2, 1, 1), 60, np.float32))[1, 0, 0]
        assert torch.equal(where[:, 0] > 0, drawn[:, 1] > threshold)
    # looking where objects are is no draw of its own
    assert crops.drawn["treated"] == 40 + crops.blank["treated"]
