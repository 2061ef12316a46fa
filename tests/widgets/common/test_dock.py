from __future__ import annotations

import gc
import threading
import weakref
from typing import TYPE_CHECKING

import pytest
from qtpy.QtWidgets import QVBoxLayout

from napari_phenotrans.widgets.common.dock import Dock
from napari_phenotrans.widgets.common.plot import Plot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari import Viewer
    from pytestqt.qtbot import QtBot

WAIT_MS = 60_000


class Plotting(Dock):
    def __init__(self, ended: list[str]) -> None:
        super().__init__()
        self.ended = ended
        self.plot = Plot("a plot")
        QVBoxLayout(self).addWidget(self.plot)

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
    dock = Plotting(ended)
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
