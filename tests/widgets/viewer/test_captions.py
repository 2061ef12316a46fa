from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_phenotrans.widgets.viewer.captions import FIRST_MS, LETTERS, LETTERS_AT_ONCE, Captions
from napari_phenotrans.widgets.viewer.difference_scale import BarPlace
from napari_phenotrans.widgets.viewer.headings import KEYS, PAD

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


def test_headings_stand_over_the_middle_of_their_columns(viewer: ViewerModel) -> None:
    viewer.canvas.size = (600, 900)
    captions = Captions(viewer)
    captions.say("real", "translated", "difference", bars=BarPlace("middle_right", 40.0, 60.0, 0.0))
    left, center, right = (viewer.canvas.overlays[key].text for key in KEYS)
    # napari puts the first at the left edge, the second in the middle, the third at the right edge
    spaces = [(len(text) - len(text.lstrip(PAD)), len(text) - len(text.rstrip(PAD))) for text in (left, center, right)]
    for (before, behind), text in zip(spaces, (left, center, right), strict=True):
        # the box reaches over the column, and the text is in the middle of what is not beside the picture
        assert 5 < before < behind
        assert len(text) > 40
    # those of a curtain stay at the edges
    captions.say("real", "translated", shares=(0.3, 0.7))
    assert viewer.canvas.overlays[KEYS[0]].text == f"{PAD}real{PAD}"


def test_letters_are_drawn_a_few_at_a_time_before_the_texts_that_they_are_in(viewer: ViewerModel, qtbot: QtBot) -> None:
    layer = viewer.add_image(np.zeros((8, 8)), name="DNA")
    captions, said = Captions(viewer), []
    viewer.canvas.overlays.events.added.connect(lambda event: said.append(event.key))
    captions.say("real drug", named=[layer], later=True)
    qtbot.waitUntil(lambda: LETTERS in viewer.canvas.overlays)
    drawn = [viewer.canvas.overlays[LETTERS].text]
    viewer.canvas.overlays[LETTERS].events.text.connect(drawn.append)
    assert not viewer.canvas.overlays[LETTERS].color[-1]
    qtbot.waitUntil(lambda: layer.name_overlay.visible)
    assert LETTERS not in viewer.canvas.overlays
    assert said[0] == LETTERS and KEYS[0] in said[1:]
    assert len(drawn) > 1 and all(len(text) <= LETTERS_AT_ONCE for text in drawn)
    assert set("real drugDNA") <= set("".join(drawn))
    # once in a viewer
    captions.say("real drug", named=[layer], later=True)
    assert LETTERS not in viewer.canvas.overlays
    qtbot.wait(FIRST_MS + 100)
    assert said.count(LETTERS) == 1


def test_captions_wait_for_layers_that_come_one_by_one(viewer: ViewerModel, qtbot: QtBot) -> None:
    layer, later = viewer.add_image(np.zeros((8, 8)), name="DNA"), Image(np.zeros((8, 8)), name="GFP")
    captions = Captions(viewer)
    captions.say("real", named=[layer, later], later=True)
    qtbot.wait(2 * FIRST_MS)
    assert not {LETTERS, KEYS[0]} & set(viewer.canvas.overlays) and not layer.name_overlay.visible
    viewer.layers.append(later)
    qtbot.waitUntil(lambda: later.name_overlay.visible)
