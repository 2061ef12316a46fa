from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from napari_phenotrans.widgets.viewer.blink import RATES
from napari_phenotrans.widgets.viewer.channel_row import Row
from napari_phenotrans.widgets.viewer.comparison import Comparison
from napari_phenotrans.widgets.viewer.layers import difference_data, translated_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari import Viewer
    from pytestqt.qtbot import QtBot


def make_row(viewer: ViewerModel, name: str) -> Row:
    real = viewer.add_image(np.zeros((8, 8), np.uint8), name=name, contrast_limits=(0, 99))
    translated = viewer.add_layer(Layer.create(*translated_data(real, np.zeros((8, 8), np.uint8), "drug")))
    difference = viewer.add_layer(Layer.create(*difference_data(real, np.zeros((8, 8), np.float32), 9)))
    return Row(real, translated, difference)


def shown(row: Row) -> list[bool]:
    return [layer.visible for layer in row.layers]


@pytest.fixture
def viewer(qapp: object) -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def comparison(viewer: ViewerModel) -> Iterator[Comparison]:
    made = Comparison(viewer)
    made.blink.rate = RATES[1]
    yield made
    made.close()


def test_all_channels_change_by_turns_by_themselves(viewer: ViewerModel, comparison: Comparison, qtbot: QtBot) -> None:
    rows = [make_row(viewer, "DNA"), make_row(viewer, "GFP")]
    comparison.show(rows, "blink")
    seen = [[shown(row) for row in rows]]
    comparison.blink.changed.connect(lambda: seen.append([shown(row) for row in rows]))
    qtbot.waitUntil(lambda: len(seen) >= 4, timeout=10_000)
    real, translated = [[True, False, False]] * 2, [[False, True, False]] * 2
    assert seen[:4] == [real, translated, real, translated]


def test_stepping_by_hand_stays_and_goes_on_where_that_is_wanted(viewer: ViewerModel, comparison: Comparison) -> None:
    row = make_row(viewer, "DNA")
    comparison.show([row], "blink")
    assert comparison.blink.running
    bound = {str(key): function for key, function in viewer.keymap.items()}
    bound["N"](viewer)
    assert shown(row) == [False, True, False]
    assert not comparison.blink.running
    bound["N"](viewer)
    assert shown(row) == [True, False, False]
    comparison.blink.run()
    assert comparison.blink.running
    comparison.show([row], "matrix")
    assert not comparison.blink.running
    assert not viewer.keymap


def test_nothing_runs_where_nothing_is_shown(viewer: ViewerModel, comparison: Comparison) -> None:
    comparison.blink.run()
    comparison.blink.step()
    assert not comparison.blink.running


@pytest.mark.parametrize(("asked", "got"), [(1.5, 1.5), (20, 3), (0, 0.25)])
def test_the_rate_stays_below_what_can_do_harm(comparison: Comparison, asked: float, got: float) -> None:
    comparison.blink.rate = asked
    assert comparison.blink.rate == got


def test_closing_the_viewer_while_it_blinks_is_quiet(make_napari_viewer: Callable[[], Viewer], qtbot: QtBot) -> None:
    viewer = make_napari_viewer()
    comparison = Comparison(viewer)
    comparison.blink.rate = RATES[1]
    comparison.show([make_row(viewer, "DNA")], "blink")
    viewer.close()
    qtbot.wait(800)
    comparison.close()
