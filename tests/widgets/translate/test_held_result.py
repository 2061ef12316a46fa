"""Two results beside each other, and what becomes of a finished one, through the dock alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_phenotrans.widgets.translate.view_bar import HELD_RESULT, REAL_IMAGE
from napari_phenotrans.widgets.viewer.comparison import VIEWS
from napari_phenotrans.widgets.viewer.layers import HELD, info, role
from tests.widgets.gestures import click, drop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_phenotrans.widgets.translate.dock import TranslateDock

WAIT_MS = 60_000


@pytest.fixture
def dock(open_dock: Callable[..., TranslateDock], checkpoint: Path, well: Path, qtbot: QtBot) -> TranslateDock:
    made = open_dock(checkpoint)
    drop(made, well)
    qtbot.waitUntil(lambda: "translated in" in made.status.text(), timeout=WAIT_MS)
    return made


def translate_to(dock: TranslateDock, target: str, qtbot: QtBot) -> None:
    dock.conditions.choose("untreated", target)
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: "translated in" in dock.status.text() and not dock.busy, timeout=WAIT_MS)


def choose_beside(dock: TranslateDock, beside: str) -> None:
    box = dock.view_bar.beside
    box.setCurrentIndex(box.findData(beside))
    box.activated.emit(box.currentIndex())


def test_two_results_stand_beside_each_other_in_every_view(dock: TranslateDock, qtbot: QtBot) -> None:
    bar, comparison = dock.view_bar, dock.views.comparison
    before = np.array(dock.selection.rows()[0].translated.data)
    assert bar.beside.isHidden() or not bar.beside.isVisible()
    click(qtbot, bar.hold_button)
    assert [role(row.real) for row in comparison.rows] == ["real", "real"]

    # the next result comes beside it, and its captions and color bars after it
    translate_to(dock, "untreated", qtbot)
    qtbot.wait(1200)
    assert bar.beside.currentData() == HELD_RESULT
    (held, shown, difference) = comparison.rows[0].layers
    np.testing.assert_array_equal(held.data, before)
    now = np.asarray(shown.data).astype(np.float32)
    assert np.abs(now - before).max() > 1
    np.testing.assert_array_equal(np.asarray(difference.data[1]), now[1] - before[1])
    left, middle, right = comparison.headings
    assert left.startswith("held: translated untreated → drug") and "(not measured)" in left
    assert middle.startswith("translated untreated → untreated")
    assert right == "right minus left in counts"
    for view in VIEWS:
        if bar.view != view:
            click(qtbot, bar.buttons[view])
        assert comparison.view == view
        assert [role(row.real) for row in comparison.rows] == ["held result", "held result"]
        if view != "curtain":
            assert held.visible

    # and beside the real image again
    choose_beside(dock, REAL_IMAGE)
    assert comparison.rows[0].real is dock.selection.reals[0]
    assert not held.visible
    assert "held" not in comparison.headings[0]


def test_clear_removes_a_result_and_what_is_held(dock: TranslateDock, qtbot: QtBot) -> None:
    click(qtbot, dock.view_bar.hold_button)
    assert {role(layer) for layer in dock.viewer.layers} > set(HELD)
    click(qtbot, dock.view_bar.clear_button)
    assert [layer.name for layer in dock.viewer.layers] == ["DNA", "GFP"]
    assert not dock.view_bar.clear_button.isEnabled()
    assert dock.status.text().startswith("ready")
    translate_to(dock, "drug", qtbot)
    assert len(dock.selection.rows()) == 2


def test_a_cancelled_translation_leaves_the_finished_one(
    dock: TranslateDock, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = dock.selection.rows()[0]
    before, about = np.array(row.translated.data), info(row.translated)
    dock.conditions.choose("untreated", "untreated")
    click(qtbot, dock.start_button)
    click(qtbot, dock.cancel_button)
    qtbot.waitUntil(lambda: not dock.busy, timeout=WAIT_MS)
    if info(row.translated)["provenance"]["target"] == "drug":
        np.testing.assert_array_equal(row.translated.data, before)
        assert info(row.translated) == about
