from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent

from napari_phenotrans.widgets.common.dock import Dock
from napari_phenotrans.widgets.common.plot import Plot
from tests.widgets.conftest import WAIT_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari import Viewer
    from pytestqt.qtbot import QtBot


class Plotting(Dock):
    def __init__(self, viewer: Viewer, ended: list[str]) -> None:
        super().__init__(viewer, "plotting", start="Plot", cancel_tooltip="Stop.", bar_tooltip="How much is plotted.")
        self.ended, self.taken = ended, list[Path]()
        self.plot = Plot("a plot")
        self.add_section("A plot", "What is plotted.", self.plot, opened=True)
        self.lay_out()

    def take(self, paths: Sequence[Path]) -> None:
        self.taken += paths

    def end(self) -> None:
        self.ended.append("ended")


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Garbage is found only where it is searched for on purpose."""
    gc.disable()
    yield
    gc.enable()


def test_a_closed_docks_parts_are_deleted_in_the_guis_thread(
    make_napari_viewer: Callable[..., Viewer], no_collector: None, qtbot: QtBot
) -> None:
    viewer = make_napari_viewer()
    ended: list[str] = []
    dock = Plotting(viewer, ended)
    viewer.window.add_dock_widget(dock, name="Plotting")
    gone: list[threading.Thread] = []
    curve = dock.plot.graphics.plot([0, 1], [0, 1])
    for part in (dock.plot, curve):
        weakref.finalize(part, lambda: gone.append(threading.current_thread()))
    viewer.window.remove_dock_widget(dock)
    assert ended == ["ended"]
    del dock, part, curve
    assert not gone
    qtbot.waitUntil(lambda: len(gone) == 2, timeout=WAIT_MS)
    assert set(gone) == {threading.main_thread()}


@pytest.fixture
def dock(make_napari_viewer: Callable[..., Viewer], qtbot: QtBot) -> Plotting:
    made = Plotting(make_napari_viewer(), [])
    qtbot.addWidget(made)
    made.show()
    return made


def test_what_is_going_on_stands_below_the_sections(dock: Plotting) -> None:
    assert not dock.bar.isVisible() and not dock.cancel_button.isEnabled()
    dock.notices.say("run", ["failed before"])
    dock.begin("plotting…")
    assert dock.notices.texts == []
    assert dock.bar.isVisible() and dock.cancel_button.isEnabled()
    dock.show_progress(0.25, "a quarter")
    assert (dock.bar.value(), dock.status.text()) == (250, "a quarter")
    dock.show_busy(True)
    assert dock.bar.value() == 0
    dock.show_busy(False)
    assert not dock.bar.isVisible() and not dock.cancel_button.isEnabled()


def test_a_failure_is_a_notice_that_the_next_start_clears(dock: Plotting, monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[str] = []
    monkeypatch.setattr("napari_phenotrans.widgets.common.dock.show_error", errors.append)
    dock.fail("There is nothing to plot.")
    assert dock.notices.kinds == {"There is nothing to plot.": "error"}
    # said once, where it is seen; elsewhere only while the dock is not
    assert errors == []
    assert dock.status.text() == "stopped"
    dock.begin("plotting…")
    assert dock.notices.texts == []
    dock.hide()
    dock.fail("There is nothing to plot.")
    assert errors == ["There is nothing to plot."]


def test_a_section_is_open_until_its_user_closes_it(dock: Plotting, qtbot: QtBot) -> None:
    assert dock.plot.isVisible()
    qtbot.mouseClick(dock.sections["A plot"].button, Qt.MouseButton.LeftButton)
    assert not dock.plot.isVisible()
    again = Plotting(dock.viewer, [])
    qtbot.addWidget(again)
    assert not again.sections["A plot"].opened


def test_files_that_are_dropped_are_taken_and_other_things_are_not(dock: Plotting, tmp_path: Path) -> None:
    for urls in ([QUrl.fromLocalFile(str(tmp_path / "well.tif"))], [QUrl("https://example.org/well.tif")]):
        data = QMimeData()
        data.setUrls(urls)
        action, button, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        dock.dropEvent(QDropEvent(QPointF(5, 5), action, data, button, none))
    assert dock.taken == [tmp_path / "well.tif"]
