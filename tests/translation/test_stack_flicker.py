from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.core.image import Image
from napari_phenotrans.core.region import Region
from napari_phenotrans.translation.stack_flicker import neighbors, stack_flicker

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_phenotrans.checkpoints.checkpoint import Checkpoint


@pytest.mark.parametrize(
    ("positions", "along_z", "along_t"),
    [
        ([(0, 0)], [], []),
        ([(0, 2), (0, 0), (0, 1)], [((0, 0), (0, 1)), ((0, 1), (0, 2))], []),
        ([(0, 0), (0, 2)], [], []),
        ([(0, 1), (1, 1), (3, 1)], [], [((0, 1), (1, 1))]),
        ([(0, 0), (0, 1), (1, 0)], [((0, 0), (0, 1))], [((0, 0), (1, 0))]),
    ],
)
def test_neighbors(positions: list, along_z: list, along_t: list) -> None:
    assert neighbors(positions, "Z") == along_z
    assert neighbors(positions, "T") == along_t


def test_flicker_of_a_stack_by_channel_axis_and_region(make_checkpoint: Callable[..., Checkpoint]) -> None:
    card = make_checkpoint("shift", pixel_size=0.5, pixel_unit="um").card
    rng = np.random.default_rng(0)
    pixels = rng.integers(20, 200, (2, 3, 3, 40, 50)).astype(np.uint8)
    image = Image(pixels, "TZCYX", ("extra", "marker 1", "marker 0"), pixel_size_um=0.5)
    asked: list[tuple[int, int]] = []
    region = Region(5, 5, 30, 40)

    def difference(t: int, z: int) -> np.ndarray:
        asked.append((t, z))
        # the first channel of the checkpoint blinks along Z and is calm along T
        made = np.zeros((2, 30, 40), np.float32)
        made[0] += 100 * (z % 2)
        return made

    rows = stack_flicker(image, card, difference, list(image.positions()), region=region)
    found = {(row.axis, row.channel): row for row in rows}
    assert list(found) == [("Z", "marker 0"), ("Z", "marker 1"), ("T", "marker 0"), ("T", "marker 1")]
    assert found["Z", "marker 0"].flicker.flickers
    assert [found[key].flicker.ratio for key in list(found)[1:]] == [0, 0, 0]
    assert (found["Z", "marker 0"].pairs, found["T", "marker 0"].pairs) == (4, 3)
    assert set(asked) == set(image.positions())
    assert stack_flicker(image, card, difference, [(0, 0)], region=region) == []


def test_the_blur_is_in_working_pixels(make_checkpoint: Callable[..., Checkpoint]) -> None:
    card = make_checkpoint("shift", pixel_size=0.5, pixel_unit="um").card
    rng = np.random.default_rng(0)
    coarse = rng.integers(20, 200, (2, 2, 40, 40)).astype(np.uint8)
    fine = coarse.repeat(2, axis=2).repeat(2, axis=3)
    names = ("marker 0", "marker 1")
    ratios = []
    for pixels, size in ((coarse, 0.5), (fine, 0.25)):
        image = Image(pixels, "ZCYX", names, pixel_size_um=size)
        rows = stack_flicker(
            image, card, lambda t, z, p=pixels: -0.5 * p[z].astype(np.float32) * (z + 1), list(image.positions())
        )
        ratios.append([row.flicker.ratio for row in rows])
    np.testing.assert_allclose(*ratios, rtol=0.05)
