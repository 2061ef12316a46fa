from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_phenotrans.widgets.viewer.captions import Captions

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def viewer(qapp: object) -> ViewerModel:
    return ViewerModel()


def test_all_is_said_at_once(viewer: ViewerModel) -> None:
    named, scaled = (viewer.add_image(np.zeros((8, 8)), name=name) for name in ("DNA", "DNA – difference"))
    captions = Captions(viewer)
    captions.say("real", "translated", named=[named], scaled=[scaled])
    assert captions.headings == ("real", "translated")
    assert len(viewer.canvas.overlays) >= 2
    assert named.name_overlay.visible and not scaled.name_overlay.visible
    assert scaled.colorbar.visible and not named.colorbar.visible


def test_later_captions_come_in_steps_after_what_is_there(viewer: ViewerModel, qtbot: QtBot) -> None:
    layer = viewer.add_image(np.zeros((8, 8)), name="DNA")
    captions = Captions(viewer)
    before = set(viewer.canvas.overlays)
    captions.say("real", named=[layer], scaled=[layer], later=True)
    assert set(viewer.canvas.overlays) == before
    assert not layer.name_overlay.visible and not layer.colorbar.visible
    # what is said meanwhile, for the canvas changed its size or a preview came, does not go before
    captions.say("real drug", named=[layer], scaled=[layer])
    captions.fit()
    assert set(viewer.canvas.overlays) == before and not layer.colorbar.visible
    qtbot.waitUntil(lambda: layer.colorbar.visible)
    assert layer.name_overlay.visible
    said = [viewer.canvas.overlays[key].text for key in set(viewer.canvas.overlays) - before]
    assert " ".join(" ".join(said).split()) == "real drug"


def test_nothing_comes_after_clearing(viewer: ViewerModel, qtbot: QtBot) -> None:
    layer = viewer.add_image(np.zeros((8, 8)), name="DNA")
    captions = Captions(viewer)
    before = set(viewer.canvas.overlays)
    captions.say("real", named=[layer], later=True)
    captions.clear()
    qtbot.wait(150)
    assert set(viewer.canvas.overlays) == before
    assert not layer.name_overlay.visible


def test_what_stands_already_is_left_alone(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros((8, 8)), name="DNA")
    captions = Captions(viewer)
    captions.say("real", named=[layer], scaled=[layer])
    changes: list[object] = []
    layer.name_overlay.events.connect(changes.append)
    layer.colorbar.events.connect(changes.append)
    captions.say("translated", named=[layer], scaled=[layer])
    assert not changes
    layer.name = "a longer name"
    captions.fit()
    assert changes
