from __future__ import annotations

import numpy as np

from napari_phenotrans.translation.events import EvaluationDone, PlaneDone, RegionDone, TileDone
from napari_phenotrans.widgets.translate.progress import Progress


def tile(done: int) -> TileDone:
    return TileDone(0, 0, 0, 0, np.zeros((2, 4, 4)), done, 4)


def plane(done: int) -> PlaneDone:
    return PlaneDone(0, 0, np.zeros((2, 4, 4)), np.zeros((2, 4, 4)), (1, 2), done, 2)


def test_share_and_text() -> None:
    now = 100.0
    progress = Progress(planes=2, clock=lambda: now)
    progress.add(EvaluationDone(0, 0, 1, 4))
    assert progress.share == 0
    assert progress.text() == "evaluation, tile 1 of 4, plane 1 of 2"
    progress.add(tile(1))
    assert progress.share == 1 / 8
    assert progress.text() == "tile 1 of 4, plane 1 of 2"
    now = 110.0
    progress.add(tile(3))
    assert progress.text() == "tile 3 of 4, plane 1 of 2, about 25 s left"
    progress.add(plane(1))
    assert progress.share == 0.5
    progress.add(tile(2))
    assert progress.share == 0.75
    progress.add(plane(2))
    assert progress.share == 1
    assert progress.clipped == (2, 4)


def test_a_plane_that_comes_in_regions() -> None:
    def region(done: int, share: float) -> RegionDone:
        return RegionDone(0, 0, np.zeros((2, 4, 4)), np.zeros((2, 4, 4)), (1, 2), done, 2, 0, 0, share)

    progress = Progress(planes=2)
    shares = []
    for event in (region(0, 0.25), region(0, 0.75), region(1, 1.0), region(1, 0.5), region(2, 1.0)):
        progress.add(event)
        shares.append(progress.share)
    assert shares == [0.125, 0.375, 0.5, 0.75, 1]
    assert progress.clipped == (5, 10)
