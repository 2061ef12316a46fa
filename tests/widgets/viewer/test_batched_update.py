from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_phenotrans.widgets.viewer.batched_update import one_update

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def thawed() -> Iterator[None]:
    """What the tests keep out of searches for garbage is searched here."""
    gc.unfreeze()
    yield
    gc.freeze()


def test_adding_layers_searches_nothing_old_for_garbage(thawed: None) -> None:
    viewer = ViewerModel()
    with one_update(viewer):
        assert gc.get_freeze_count() > 0
        first = viewer.add_image(np.zeros((8, 8)))
        with one_update(viewer):
            viewer.add_image(np.zeros((8, 8)))
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0
    # what is removed has to be found
    with one_update(viewer):
        viewer.layers.remove(first)
        assert gc.get_freeze_count() == 0
    with pytest.raises(ZeroDivisionError), one_update(viewer):
        _ = 1 / 0
    assert gc.get_freeze_count() == 0


def test_who_keeps_objects_out_of_searches_is_left_to_it(thawed: None) -> None:
    gc.freeze()
    with one_update(ViewerModel()):
        pass
    assert gc.get_freeze_count() > 0


def test_changes_inside_one_another_are_one_update() -> None:
    viewer = ViewerModel()
    ended: list[object] = []
    viewer.layers.events.end_batch.connect(ended.append)
    with one_update(viewer):
        with one_update(viewer):
            viewer.add_image(np.zeros((4, 4)))
        assert not ended
    assert len(ended) == 1
    with one_update(viewer):
        pass
    assert len(ended) == 2
